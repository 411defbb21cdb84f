//! Histories: a few keys with hundreds of versions each, held by as many snapshots.
//!
//! Versions of one key stand in several blocks then, and many in each. Some values are so long that the
//! offsets in a block need more than 16 bits. Ranges are deleted again that have just been deleted, and
//! batches that were refused are cleared and used.

use crate::model::coverage::Coverage;
use crate::model::expect::{Map, Written, assert_entry, assert_scan, assert_value};
use crate::model::keys::{KEY_BYTES_MAX, value};
use crate::random::Random;
use siltstone::fs::SimulatedFileSystem;
use siltstone::{
    Background, Batch, Compression, Db, FilterKind, Keyspace, Options, Reason, Snapshot,
};
use std::ops::Bound;

/// Operations of one history.
const OPERATIONS: u64 = 1_500;

/// The edges of the order, and neighbours.
const KEYS: [&[u8]; 7] = [b"\0", b"k", b"k\0", b"k\0\0", b"k\xff", b"l", b"\xff\xff"];

/// Snapshots held at a time.
const SNAPSHOTS_MAX: usize = 120;

/// Entries of a keyspace that is only read, so that the cache is full and keeps parts of blocks.
const NOISE_ENTRIES: u64 = 9_000;
const NOISE_BYTES: usize = 110;

/// A value of more than this does not fit into 16 bits.
const LONG_VALUE_BYTES: usize = 66_000;

struct History {
    random: Random,
    options: Options,
    db: Db,
    noise: Keyspace,
    map: Map,
    snapshots: Vec<(Snapshot, Map)>,
    last_range: (usize, usize),
    writes: u64,
}

/// Lives through one.
pub(crate) fn tell(seed: u64, coverage: &Coverage) {
    let mut random = Random::new(seed);
    let disk = SimulatedFileSystem::with_seed(random.next());
    disk.restart_history(false);
    let options = any_options(&mut random).file_system(disk);
    let db = options.clone().open("data").unwrap();
    let (map, snapshots, last_range) = (Map::new(), Vec::new(), (0, KEYS.len() - 1));
    let noise = db.keyspace("noise").unwrap();
    let mut history = History { random, options, db, noise, map, snapshots, last_range, writes: 0 };
    history.make_noise();
    for _ in 0..OPERATIONS {
        history.operate();
    }
    history.upkeep(|db| db.compact(..));
    coverage.count(&history.db.stats());
    history.end();
}

fn any_options(random: &mut Random) -> Options {
    let background = match random.below(2) {
        0 => Background::Threads,
        _ => Background::Stepped { seed: random.next() },
    };
    Options::new()
        .memory(1 << (20 + random.below(2)))
        .memtable_bytes(32 << (10 + random.below(3)))
        .block_bytes(256 << random.below(4))
        .table_bytes(32 << (10 + random.below(3)))
        .compression(*random.choose(&[Compression::None, Compression::Zstd(1)]))
        .filter(*random.choose(&[FilterKind::None, FilterKind::Blocked { bits_per_key: 10 }]))
        .background(background)
}

impl History {
    fn any_key(&mut self) -> &'static [u8] {
        KEYS[self.random.index(KEYS.len())]
    }

    fn next_value(&mut self) -> Written {
        self.writes += 1;
        // Few: each is compared again and again.
        let len = match self.writes == 1 || self.random.one_in(400) {
            true => LONG_VALUE_BYTES + self.random.index(LONG_VALUE_BYTES / 8),
            false => self.random.index(100),
        };
        (self.writes, len)
    }

    fn make_noise(&self) {
        for number in 0..NOISE_ENTRIES {
            self.noise.put(noise_key(number), &*value(number, NOISE_BYTES)).unwrap();
        }
        self.db.flush().unwrap();
    }

    fn operate(&mut self) {
        let number = self.random.below(NOISE_ENTRIES);
        let found = self.noise.get(noise_key(number)).unwrap();
        assert_eq!(found.as_deref(), Some(&*value(number, NOISE_BYTES)));
        match self.random.below(200) {
            0..80 => self.put(),
            80..96 => self.delete(),
            96..114 => self.delete_range(),
            114..130 => self.batch(),
            130..180 if self.snapshots.len() < SNAPSHOTS_MAX => {
                self.snapshots.push((self.db.snapshot(), self.map.clone()));
            }
            130..184 if !self.snapshots.is_empty() => {
                let index = self.random.index(self.snapshots.len());
                self.snapshots.swap_remove(index);
            }
            184..192 if !self.snapshots.is_empty() => self.glance(),
            192..196 if !self.snapshots.is_empty() => {
                let index = self.random.index(self.snapshots.len());
                let (snapshot, map) = &self.snapshots[index];
                look(snapshot, map);
            }
            198 => self.upkeep(Db::flush),
            199 => self.upkeep(|db| db.compact(..)),
            _ => look(&self.db.snapshot(), &self.map),
        }
    }

    fn put(&mut self) {
        let (key, written) = (self.any_key(), self.next_value());
        self.db.put(key, &*value(written.0, written.1)).unwrap();
        self.map.insert(key.to_vec(), written);
    }

    fn delete(&mut self) {
        let key = self.any_key();
        self.db.delete(key).unwrap();
        self.map.remove(key);
    }

    /// Between two of the keys; every other time the same as before.
    fn delete_range(&mut self) {
        if self.random.one_in(2) {
            let (one, other) = (self.random.index(KEYS.len()), self.random.index(KEYS.len()));
            self.last_range = (one.min(other), one.max(other));
        }
        let (start, end) = (KEYS[self.last_range.0], KEYS[self.last_range.1]);
        self.db.delete_range(start..end).unwrap();
        self.map.retain(|key, _| **key < *start || **key >= *end);
    }

    /// The last operation on a key counts. Of a batch that is cleared nothing stays, also not that it was wrong.
    fn batch(&mut self) {
        let mut batch = Batch::new();
        if self.random.one_in(2) {
            batch.put(self.any_key(), "not to be seen").put(vec![b'k'; KEY_BYTES_MAX + 1], "");
            batch.clear();
        }
        for _ in 0..1 + self.random.below(6) {
            let key = self.any_key();
            if self.random.one_in(3) {
                batch.delete(key);
                self.map.remove(key);
            } else {
                let written = self.next_value();
                batch.put(key, value(written.0, written.1));
                self.map.insert(key.to_vec(), written);
            }
        }
        self.db.write(batch).unwrap();
    }

    /// A handle of a database that was closed is not one of its next opening, though the numbers are the same.
    fn end(self) {
        let History { db, noise, options, snapshots, map, .. } = self;
        db.close().unwrap();
        drop((db, snapshots));
        let db = options.open("data").unwrap();
        let mut batch = Batch::new();
        batch.put("k", "lost").put_in(&noise, "k", "lost");
        let error = db.write(batch).unwrap_err();
        assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
        look(&db.snapshot(), &map);
    }

    /// One key at some moments.
    fn glance(&mut self) {
        let key = self.any_key();
        for _ in 0..6 {
            let (snapshot, map) = &self.snapshots[self.random.index(self.snapshots.len())];
            assert_value(key, snapshot.get(key).unwrap(), map.get(key));
        }
    }

    fn upkeep(&mut self, call: impl FnOnce(&Db) -> siltstone::Result<()>) {
        call(&self.db).unwrap();
        // Gets alone, from the oldest on: of a block that nothing has read, the cache keeps what they read.
        for (snapshot, map) in &self.snapshots {
            for key in KEYS {
                assert_value(key, snapshot.get(key).unwrap(), map.get(key));
            }
        }
        self.snapshots.iter().for_each(|(snapshot, map)| look(snapshot, map));
        look(&self.db.snapshot(), &self.map);
    }
}

fn noise_key(number: u64) -> String {
    format!("{number:06}")
}

/// Reads everything in every way.
fn look(snapshot: &Snapshot, map: &Map) {
    let all: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);
    for from_back in [false, true] {
        assert_scan(snapshot.range(all), map, all, from_back, KEYS.len() + 1);
    }
    let mut cursor = snapshot.cursor(..);
    let owned = |found: Option<(&[u8], &[u8])>| {
        found.map(|(key, value)| Ok((key.to_vec().into(), value.to_vec().into())))
    };
    for key in KEYS {
        assert_value(key, snapshot.get(key).unwrap(), map.get(key));
        cursor.seek(key);
        let behind = map.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).next();
        assert_entry(owned(cursor.next().unwrap()), behind);
        // Turned round among the versions of the key, and once more.
        let turned = if behind.is_some() { behind } else { map.iter().next_back() };
        assert_entry(owned(cursor.prev().unwrap()), turned);
        assert_entry(owned(cursor.next().unwrap()), turned);
        cursor.seek(key);
        let before = map.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).next_back();
        assert_entry(owned(cursor.prev().unwrap()), before);
        // The other way round the search begins behind all versions of the key.
        for end in [Bound::Included(key), Bound::Excluded(key)] {
            let bounds = (Bound::Unbounded, end);
            assert_scan(snapshot.range(bounds), map, bounds, true, 2);
        }
    }
}
