//! A story: what was asked of the engine, when it began, when it was promised, and what the database
//! holds after each part of it.
//!
//! Moments are positions in the history of the simulated disk. A commit is one event, and so is the
//! creation and the drop of a keyspace. Power may take back a suffix of the commits; a keyspace that
//! was created is durable at once, whatever becomes of buffered commits before it.

use siltstone::fs::{FileSystem, LintFileSystem, SimulatedFileSystem};
use siltstone::{Background, Batch, Compression, Db, Durability, KeyRange, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where the database lives.
pub(crate) const HOME: &str = "/data";

/// The entries of one keyspace.
pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything that a database shows: keyspaces by name, the default one under the empty name.
pub(crate) type Contents = BTreeMap<String, Entries>;

/// One operation of a batch. The first field is the name of the keyspace.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(&'static str, Vec<u8>, Vec<u8>),
    Delete(&'static str, Vec<u8>),
    DeleteRange(&'static str, &'static str, &'static str),
}

/// Something that happened as a whole or not at all.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Commit(Vec<Change>),
    Create(&'static str),
    Drop(&'static str),
}

/// One event. It may be found after a crash at a moment behind `started`; it must be found at one
/// from `acknowledged` on if that is what was promised.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) what: What,
    pub(crate) started: usize,
    /// When it was acknowledged, at any level.
    pub(crate) acknowledged: usize,
    /// When it was promised to survive a power cut: by itself, or by a later event or call.
    pub(crate) durable: usize,
    /// Last sequence number of a commit; that of the event before for anything else.
    pub(crate) seqno: u64,
}

/// A run of the engine, and what came of it.
pub(crate) struct Story {
    pub(crate) disk: SimulatedFileSystem,
    pub(crate) events: Vec<Event>,
    options: Options,
    db: Option<Db>,
}

/// Options that make files small, and the background a matter of the seed.
pub(crate) fn options(fs: impl FileSystem, seed: u64) -> Options {
    Options::new()
        .file_system(fs)
        .memory(1 << 20)
        .memtable_bytes(4 << 10)
        .block_bytes(256)
        .table_bytes(4 << 10)
        .compression(Compression::None)
        .background(Background::Stepped { seed })
}

/// A put of the default keyspace, the value filled up to `len` bytes.
pub(crate) fn put(key: impl AsRef<[u8]>, value: &str, len: usize) -> Change {
    put_in("", key, value, len)
}

/// A put of a keyspace.
pub(crate) fn put_in(
    keyspace: &'static str,
    key: impl AsRef<[u8]>,
    value: &str,
    len: usize,
) -> Change {
    let mut bytes = value.as_bytes().to_vec();
    // Not one byte over and over: a sector that is lost or swapped must make a difference.
    let mut filler: u32 = 0x9e37_79b9 ^ len as u32;
    while bytes.len() < len {
        filler = filler.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((filler >> 24) as u8);
    }
    Change::Put(keyspace, key.as_ref().to_vec(), bytes)
}

impl Story {
    /// Begins on an empty disk.
    pub(crate) fn begin(seed: u64) -> Story {
        let disk = SimulatedFileSystem::with_seed(seed);
        let options = options(LintFileSystem::new(disk.clone()), seed);
        let mut story = Story { disk, events: Vec::new(), options, db: None };
        story.open();
        story
    }

    /// A story that somebody else has lived through, to be crashed.
    pub(crate) fn retold(disk: SimulatedFileSystem, events: Vec<Event>) -> Story {
        let options = options(disk.clone(), 0);
        Story { disk, events, options, db: None }
    }

    pub(crate) fn db(&self) -> &Db {
        self.db.as_ref().expect("the story is open")
    }

    fn open(&mut self) {
        self.db = Some(self.options.open(HOME).unwrap());
    }

    /// Buffered commit of one put.
    pub(crate) fn buffered(&mut self, key: &str, len: usize) {
        let change = put(key, &format!("{key}@{}", self.events.len()), len);
        self.commit(Durability::Buffered, vec![change]);
    }

    /// Synced commit of one put.
    pub(crate) fn synced(&mut self, key: &str, len: usize) {
        let change = put(key, &format!("{key}@{}", self.events.len()), len);
        self.commit(Durability::Sync, vec![change]);
    }

    /// Commits one batch.
    pub(crate) fn commit(&mut self, durability: Durability, changes: Vec<Change>) {
        let started = self.disk.history_len();
        let batch = batch(self.db(), &changes);
        self.db().write_with(batch, durability).unwrap();
        self.note(What::Commit(changes), started, durability == Durability::Sync);
    }

    pub(crate) fn create_keyspace(&mut self, name: &'static str) {
        let started = self.disk.history_len();
        self.db().keyspace(name).unwrap();
        self.note(What::Create(name), started, false);
    }

    pub(crate) fn drop_keyspace(&mut self, name: &'static str) {
        let started = self.disk.history_len();
        assert!(self.db().drop_keyspace(name).unwrap());
        self.note(What::Drop(name), started, true);
    }

    /// Remembers what just returned. The acknowledgement is a moment of its own in the history, so
    /// that background steps of the same call come behind it.
    fn note(&mut self, what: What, started: usize, synced: bool) {
        let returned = self.disk.history_len();
        let seqno = self.db().stats().visible_seqno;
        let is_commit = !matches!(what, What::Create(_));
        let acknowledged = if is_commit {
            let told = |&moment: &usize| self.disk.acknowledged_at(moment).any >= seqno;
            (started..=returned).find(told).expect("every commit is acknowledged")
        } else {
            returned
        };
        let durable = if synced || !is_commit { acknowledged } else { usize::MAX };
        self.events.push(Event { what, started, acknowledged, durable, seqno });
        if synced {
            self.promise(acknowledged);
        }
    }

    /// From `moment` on everything so far survives.
    fn promise(&mut self, moment: usize) {
        for event in &mut self.events {
            event.durable = event.durable.min(moment);
        }
    }

    pub(crate) fn sync(&mut self) {
        self.db().sync().unwrap();
        self.promise(self.disk.history_len());
    }

    pub(crate) fn flush(&mut self) {
        self.db().flush().unwrap();
        self.promise(self.disk.history_len());
    }

    pub(crate) fn compact(&mut self, range: impl KeyRange) {
        self.db().compact(range).unwrap();
        self.promise(self.disk.history_len());
    }

    pub(crate) fn wait_idle(&mut self) {
        self.db().wait_idle().unwrap();
    }

    /// Lets time pass, so that the log is found idle and marked.
    pub(crate) fn rest(&mut self) {
        for _ in 0..64 {
            self.disk.advance(Duration::from_millis(60));
            while self.db().step() {}
        }
    }

    pub(crate) fn reopen(&mut self) {
        self.close();
        self.open();
    }

    pub(crate) fn close(&mut self) {
        let db = self.db.take().expect("the story is open");
        db.close().unwrap();
        self.promise(self.disk.history_len());
    }

    /// What the database holds after the first `commits` events, when only they and the keyspaces
    /// created before `moment` count. `in_flight` says whether one that is being created counts.
    pub(crate) fn contents(&self, count: usize, moment: usize, in_flight: bool) -> Contents {
        let mut contents = Contents::from([(String::new(), Entries::new())]);
        for (index, event) in self.events.iter().enumerate() {
            match &event.what {
                What::Create(name) => {
                    let is_there = event.acknowledged <= moment;
                    if is_there || (in_flight && event.started < moment) {
                        contents.insert((*name).to_owned(), Entries::new());
                    }
                }
                What::Drop(name) if index < count => drop(contents.remove(*name)),
                What::Commit(changes) if index < count => apply(&mut contents, changes),
                What::Drop(_) | What::Commit(_) => {}
            }
        }
        contents
    }

    /// Every key that the story ever wrote, by keyspace.
    pub(crate) fn keys(&self) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
        let mut keys: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for event in &self.events {
            let What::Commit(changes) = &event.what else { continue };
            for change in changes {
                if let Change::Put(keyspace, key, _) | Change::Delete(keyspace, key) = change {
                    keys.entry((*keyspace).to_owned()).or_default().insert(key.clone());
                }
            }
        }
        keys
    }
}

fn apply(contents: &mut Contents, changes: &[Change]) {
    for change in changes {
        let name = match change {
            Change::Put(name, ..) | Change::Delete(name, _) | Change::DeleteRange(name, ..) => name,
        };
        let entries = contents.get_mut(*name).expect("a keyspace is created before it is used");
        match change {
            Change::Put(_, key, value) => drop(entries.insert(key.clone(), value.clone())),
            Change::Delete(_, key) => drop(entries.remove(key)),
            Change::DeleteRange(_, start, end) => {
                entries.retain(|key, _| &key[..] < start.as_bytes() || &key[..] >= end.as_bytes());
            }
        }
    }
}

/// These changes as a batch.
pub(crate) fn batch(db: &Db, changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for change in changes {
        match change {
            Change::Put("", key, value) => batch.put(key, value),
            Change::Delete("", key) => batch.delete(key),
            Change::DeleteRange("", start, end) => batch.delete_range(*start..*end),
            Change::Put(name, key, value) => batch.put_in(&db.keyspace(name).unwrap(), key, value),
            Change::Delete(name, key) => batch.delete_in(&db.keyspace(name).unwrap(), key),
            Change::DeleteRange(name, start, end) => {
                batch.delete_range_in(&db.keyspace(name).unwrap(), *start..*end)
            }
        };
    }
    batch
}
