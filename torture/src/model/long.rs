//! Long lives: hundreds of thousands of single operations on one large map.
//!
//! The cases of `ops` are short and dense, so that they shrink: a flush in every third operation, a few
//! hundred keys. A long life has fifty thousand keys, levels with many tables, and mostly reads
//! and writes of one entry, each compared with a `BTreeMap` at once. Power cuts come right behind a sync, or
//! are deaths of the process, so that exactly one state may be found.

use crate::model::coverage::{Coverage, add};
use crate::model::expect::{Map, Written, assert_scan, assert_value, entry};
use crate::model::keys::value;
use crate::random::Random;
use siltstone::fs::{CrashProfile, SimulatedFileSystem};
use siltstone::{Background, Batch, Compression, Db, Durability, FilterKind, Options, Snapshot};
use std::ops::Bound;

/// Operations of one life.
pub(crate) const OPERATIONS: u64 = 200_000;

/// Different keys.
const KEYS: u64 = 50_000;

/// Most entries that one scan reads, and one range delete removes, but for the rare ones.
const STEPS_MAX: u64 = 40;

/// Snapshots held at a time.
const SNAPSHOTS_MAX: usize = 3;

struct Life {
    random: Random,
    options: Options,
    disk: SimulatedFileSystem,
    db: Option<Db>,
    map: Map,
    snapshots: Vec<(Snapshot, Map)>,
    writes: u64,
}

/// Lives one life.
pub(crate) fn live(seed: u64, coverage: &Coverage) {
    let mut random = Random::new(seed);
    let disk = SimulatedFileSystem::with_seed(random.next());
    disk.restart_history(false);
    let mut life = Life {
        options: any_options(&mut random),
        random,
        disk,
        db: None,
        map: Map::new(),
        snapshots: Vec::new(),
        writes: 0,
    };
    life.open();
    for _ in 0..OPERATIONS {
        life.operate(coverage);
    }
    life.check_everything();
    life.end(coverage);
}

/// Memory for some thousand entries, so that the tree has a few levels, and for a part of its blocks or all.
fn any_options(random: &mut Random) -> Options {
    let background = match random.below(2) {
        0 => Background::Threads,
        _ => Background::Stepped { seed: random.next() },
    };
    let filters = [
        FilterKind::None,
        FilterKind::Bloom { bits_per_key: 10 },
        FilterKind::Blocked { bits_per_key: 10 },
    ];
    Options::new()
        .memory(1 << (20 + random.below(4)))
        .memtable_bytes(128 << (10 + random.below(4)))
        .block_bytes(512 << random.below(4))
        .table_bytes(64 << (10 + random.below(4)))
        .compression(*random.choose(&[Compression::None, Compression::None, Compression::Zstd(1)]))
        .filter(*random.choose(&filters))
        .durability(*random.choose(&[Durability::Buffered, Durability::Sync]))
        .background(background)
        .threads(1 + random.index(3))
}

/// Keys of many lengths, with shared beginnings, in an order that is not that of their numbers.
fn key(number: u64) -> Vec<u8> {
    let mut key = format!("{:x}", number * 7_919 % KEYS).into_bytes();
    key.push(b'~');
    key.resize(key.len() + [0, 0, 1, 9, 40][(number % 5) as usize], b'x');
    key
}

impl Life {
    fn db(&self) -> &Db {
        self.db.as_ref().expect("open but while it is being opened")
    }

    fn open(&mut self) {
        let options = self.options.clone().file_system(self.disk.clone());
        if self.writes > 0 {
            // Before anybody recovers it.
            self.db = Some(options.open_read_only("data").unwrap());
            self.check_everything();
            self.db = None;
        }
        self.db = Some(options.open("data").unwrap());
    }

    fn end(&mut self, coverage: &Coverage) {
        let stats = self.db().stats();
        coverage.look(&stats);
        coverage.count(&stats);
        self.snapshots.clear();
        self.db = None;
    }

    fn any_key(&mut self) -> Vec<u8> {
        // Half of the operations are on a tenth of the keys.
        let among = if self.random.one_in(2) { KEYS / 10 } else { KEYS };
        key(self.random.below(among))
    }

    fn next_value(&mut self) -> Written {
        self.writes += 1;
        let len = match self.random.below(40) {
            0 => 2_000,
            1 => 0,
            _ => 120,
        };
        (self.writes, self.random.index(len + 1))
    }

    fn operate(&mut self, coverage: &Coverage) {
        match self.random.below(4_000) {
            0..1_400 => self.put(),
            1_400..1_800 => self.delete(),
            1_800..1_920 => self.batch(),
            1_920..1_960 => self.delete_range(),
            1_960..3_400 => self.get(),
            3_400..3_940 => self.scan(),
            3_940..3_999 => self.read_the_past(),
            _ => self.upkeep(coverage),
        }
    }

    fn put(&mut self) {
        let (key, written) = (self.any_key(), self.next_value());
        self.db().put(&key, &*value(written.0, written.1)).unwrap();
        self.map.insert(key, written);
    }

    fn delete(&mut self) {
        let key = self.any_key();
        self.db().delete(&key).unwrap();
        self.map.remove(&key);
    }

    fn batch(&mut self) {
        let mut batch = Batch::new();
        for _ in 0..1 + self.random.below(20) {
            let key = self.any_key();
            if self.random.one_in(4) {
                batch.delete(&key);
                self.map.remove(&key);
            } else {
                let written = self.next_value();
                batch.put(&key, value(written.0, written.1));
                self.map.insert(key, written);
            }
        }
        self.db().write(batch).unwrap();
    }

    /// Some neighbours; rarely all keys between any two.
    fn delete_range(&mut self) {
        let start = self.any_key();
        let end = match self.random.one_in(400) {
            true => Some(self.any_key()),
            false => {
                let steps = self.random.below(STEPS_MAX) as usize;
                self.map.range(start.clone()..).nth(steps).map(|(key, _)| key.clone())
            }
        };
        let Some(end) = end.filter(|end| start < *end) else { return };
        self.db().delete_range(start.as_slice()..end.as_slice()).unwrap();
        let gone: Vec<_> = self.map.range(start..end).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.map.remove(&key);
        }
    }

    fn get(&mut self) {
        let mut key = self.any_key();
        if self.random.one_in(4) {
            // Never written.
            key.push(b'!');
        }
        assert_value(&key, self.db().get(&key).unwrap(), self.map.get(&key));
    }

    fn scan(&mut self) {
        let (start, steps) = (self.any_key(), 1 + self.random.index(STEPS_MAX as usize));
        if self.random.one_in(3) {
            return self.walk(&start, steps);
        }
        let from_back = self.random.one_in(2);
        let bounds = match from_back {
            true => (Bound::Unbounded, Bound::Included(start.as_slice())),
            false => (Bound::Included(start.as_slice()), Bound::Unbounded),
        };
        assert_scan(self.db().range(bounds), &self.map, bounds, from_back, steps);
    }

    /// A cursor from a key on, in both directions.
    fn walk(&mut self, start: &[u8], steps: usize) {
        let mut cursor = self.db().cursor(..);
        cursor.seek(start);
        let mut gap = Bound::Included(start.to_vec());
        for _ in 0..steps {
            let forward = self.random.below(3) > 0;
            let (found, expected) = if forward {
                let rest = self.map.range((gap.clone(), Bound::Unbounded)).next();
                (cursor.next().unwrap(), rest)
            } else {
                let end = match &gap {
                    Bound::Included(key) => Bound::Excluded(key.clone()),
                    Bound::Excluded(key) => Bound::Included(key.clone()),
                    Bound::Unbounded => Bound::Unbounded,
                };
                let before = self.map.range((Bound::Unbounded, end)).next_back();
                (cursor.prev().unwrap(), before)
            };
            let found = found.map(|(key, value)| (key.to_vec(), value.to_vec()));
            assert!(found == expected.map(entry), "found {found:?}, expected {expected:?}");
            if let Some((key, _)) = expected {
                let key = key.clone();
                gap = if forward { Bound::Excluded(key) } else { Bound::Included(key) };
            }
        }
    }

    /// Gets and scans in snapshots.
    fn read_the_past(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let (key, index) = (self.any_key(), self.random.index(self.snapshots.len()));
        let (snapshot, map) = &self.snapshots[index];
        assert_value(&key, snapshot.get(&key).unwrap(), map.get(&key));
        let bounds = (Bound::Included(key.as_slice()), Bound::Unbounded);
        assert_scan(snapshot.range(bounds), map, bounds, false, STEPS_MAX as usize);
    }

    fn upkeep(&mut self, coverage: &Coverage) {
        match self.random.below(20) {
            0 => self.db().flush().unwrap(),
            1 => {
                let (start, end) = (self.any_key(), self.any_key());
                self.db().compact(start.as_slice()..end.as_slice()).unwrap();
            }
            2 => {
                self.db().compact(..).unwrap();
                assert_eq!(self.db().stats().levels[0].tables, 0, "all of it goes down");
            }
            3 => self.db().wait_idle().unwrap(),
            4 => self.db().verify().unwrap().into_result().unwrap(),
            5..8 => self.check_everything(),
            8..12 if self.snapshots.len() < SNAPSHOTS_MAX => {
                self.snapshots.push((self.db().snapshot(), self.map.clone()));
            }
            8..14 if !self.snapshots.is_empty() => {
                let index = self.random.index(self.snapshots.len());
                self.snapshots.swap_remove(index);
            }
            14 => {
                self.db().close().unwrap();
                add(&coverage.clean_closes, 1);
                self.end(coverage);
                self.open();
            }
            15 => self.crash(coverage),
            _ => coverage.look(&self.db().stats()),
        }
    }

    /// The process dies, or the power goes behind a sync: in both cases nothing may be missing.
    fn crash(&mut self, coverage: &Coverage) {
        let profile = *self.random.choose(&CrashProfile::ALL);
        if profile != CrashProfile::Kill {
            self.db().sync().unwrap();
        }
        let disk = self.disk.crash(profile, self.random.next());
        disk.restart_history(false);
        self.end(coverage);
        self.disk = disk;
        self.options = any_options(&mut self.random);
        self.open();
        add(&coverage.crashes, 1);
        self.check_everything();
    }

    fn check_everything(&self) {
        let all = (Bound::Unbounded, Bound::Unbounded);
        for from_back in [false, true] {
            assert_scan(self.db().iter(), &self.map, all, from_back, usize::MAX);
        }
    }
}
