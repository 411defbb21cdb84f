//! A database on a disk that fails, and what it must hold.
//!
//! Every write is a batch with a marker key of its own, so that a reader can tell of each write
//! whether it is there. A write that returned `Ok` is *acknowledged*; one that returned an error
//! that leaves its fate open is *uncertain* until the next look at a reopened database; one that
//! was refused must never be seen.

use siltstone::fs::{Call, Fault, FaultFileSystem, Operation, SimulatedFileSystem};
use siltstone::{
    Background, Batch, Compression, Db, Durability, Error, ErrorKind, Options, Reason,
};
use std::collections::{BTreeMap, BTreeSet};

/// Keyspace and key, value.
pub(crate) type Map = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// One operation of a write; an empty keyspace name means the default one.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Put(&'static str, String, Vec<u8>),
    Delete(&'static str, String),
    DeleteRange(&'static str, String, String),
}

/// Operations that happen together.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) number: usize,
    pub(crate) ops: Vec<Op>,
    pub(crate) durability: Durability,
}

impl Write {
    fn marker(&self) -> (String, Vec<u8>) {
        (String::new(), format!("~{:04}", self.number).into_bytes())
    }

    pub(crate) fn apply(&self, map: &mut Map) {
        map.insert(self.marker(), b"done".to_vec());
        for op in &self.ops {
            match op {
                Op::Put(space, key, value) => {
                    map.insert(((*space).to_owned(), key.clone().into_bytes()), value.clone());
                }
                Op::Delete(space, key) => {
                    map.remove(&((*space).to_owned(), key.clone().into_bytes()));
                }
                Op::DeleteRange(space, start, end) => map.retain(|(own, key), _| {
                    own != space
                        || key.as_slice() < start.as_bytes()
                        || key.as_slice() >= end.as_bytes()
                }),
            }
        }
    }

    fn batch(&self, db: &Db) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        batch.put(self.marker().1, "done");
        for op in &self.ops {
            match op {
                Op::Put("", key, value) => batch.put(key, value),
                Op::Put(space, key, value) => batch.put_in(&db.keyspace(space)?, key, value),
                Op::Delete("", key) => batch.delete(key),
                Op::Delete(space, key) => batch.delete_in(&db.keyspace(space)?, key),
                Op::DeleteRange("", start, end) => batch.delete_range(start..end),
                Op::DeleteRange(space, start, end) => {
                    batch.delete_range_in(&db.keyspace(space)?, start..end)
                }
            };
        }
        Ok(batch)
    }
}

/// What a workload does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Write),
    Create(&'static str),
    Drop(&'static str),
    Sync,
    Flush,
    Compact,
    /// Background steps.
    Background(usize),
    /// Reads everything, twice.
    Read,
    Snapshot,
    Reopen,
}

/// The database, its disk, and what it must hold.
pub(crate) struct World {
    pub(crate) disk: SimulatedFileSystem,
    pub(crate) faults: FaultFileSystem,
    /// The kinds of faults that may strike.
    pub(crate) struck_by: Vec<Fault>,
    background: Background,
    pub(crate) db: Option<Db>,
    /// What a read of the open database gives.
    pub(crate) live: Map,
    /// Keyspaces whose creation or drop returned an error: nobody knows whether they exist.
    doubtful: BTreeSet<&'static str>,
    /// Writes since the last acknowledged one whose fate is open, oldest first.
    uncertain: Vec<Write>,
    snapshot: Option<(siltstone::Snapshot, Map)>,
    /// Errors that calls returned.
    pub(crate) errors: usize,
}

impl World {
    pub(crate) fn new(background: Background) -> World {
        let disk = SimulatedFileSystem::with_seed(7);
        disk.restart_history(false);
        World {
            faults: FaultFileSystem::new(disk.clone()),
            disk,
            struck_by: Vec::new(),
            background,
            db: None,
            live: Map::new(),
            doubtful: BTreeSet::new(),
            uncertain: Vec::new(),
            snapshot: None,
            errors: 0,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::new()
            .file_system(self.faults.clone())
            .memory(2 << 20)
            .memtable_bytes(4 << 10)
            .block_bytes(256)
            .table_bytes(4 << 10)
            .compression(Compression::None)
            .background(self.background)
    }

    /// An error is one that the fault explains, and says what the caller can do.
    pub(crate) fn excuse(&mut self, error: &Error) {
        self.errors += 1;
        let hits = self.faults.hits();
        assert!(!hits.is_empty(), "an error without a fault: {error:?}");
        let is_read_short = self.struck_by.contains(&Fault::ShortRead);
        let makes_sense = match error.kind() {
            ErrorKind::Io => true,
            ErrorKind::DiskFull => {
                let is_full = |it: &Fault| matches!(it, Fault::NoSpace | Fault::ShortWrite);
                self.struck_by.is_empty() || self.struck_by.iter().any(is_full)
            }
            ErrorKind::Corruption => is_read_short,
            ErrorKind::CommitUncertain | ErrorKind::Poisoned => hits.iter().any(may_poison),
            ErrorKind::Invalid => *error.reason() == Reason::KeyspaceGone,
            _ => false,
        };
        assert!(makes_sense, "{error:?} after {hits:?}");
        assert!(!error.to_string().is_empty());
    }

    fn tolerate<T>(&mut self, outcome: Result<T, Error>) -> Option<T> {
        outcome.inspect_err(|error| self.excuse(error)).ok()
    }

    /// Opens the database unless it is open, and looks at what it holds.
    pub(crate) fn open(&mut self) -> bool {
        if self.db.is_some() {
            return true;
        }
        let opened = self.options().open("data");
        let Some(db) = self.tolerate(opened) else { return false };
        self.db = Some(db);
        self.look_after_open();
        true
    }

    fn look_after_open(&mut self) {
        let Some(db) = self.db.clone() else { return };
        let report = db.recovery_report();
        let is_torn_by_fault = report.torn_tails.is_empty() || !self.faults.hits().is_empty();
        assert!(is_torn_by_fault, "without a fault nothing is torn: {report:?}");
        match contents(&db) {
            Ok(found) => self.settle(&found),
            Err(error) => {
                self.excuse(&error);
                // Nothing was learnt about the uncertain writes; another open may.
                drop(db.close());
                self.db = None;
            }
        }
    }

    /// Decides by what a reopened database holds which uncertain writes happened.
    fn settle(&mut self, found: &Map) {
        let mut expected = self.live.clone();
        for write in std::mem::take(&mut self.uncertain) {
            if found.contains_key(&write.marker()) {
                write.apply(&mut expected);
            }
        }
        for space in std::mem::take(&mut self.doubtful) {
            if found.keys().all(|(own, _)| own != space) {
                expected.retain(|(own, _), _| own != space);
            }
        }
        assert_same(found, &expected);
        self.live = expected;
    }

    pub(crate) fn step(&mut self, step: &Step) {
        if !self.open() {
            return;
        }
        let Some(db) = self.db.clone() else { return };
        match step {
            Step::Write(write) => self.write(&db, write),
            Step::Create(name) => {
                if self.tolerate(db.keyspace(name)).is_none() {
                    self.doubtful.insert(name);
                }
            }
            Step::Drop(name) => match self.tolerate(db.drop_keyspace(name)) {
                Some(_) => self.live.retain(|(own, _), _| own != name),
                None => drop(self.doubtful.insert(name)),
            },
            Step::Sync => drop(self.tolerate(db.sync())),
            Step::Flush => drop(self.tolerate(db.flush())),
            Step::Compact => drop(self.tolerate(db.compact(..))),
            Step::Background(steps) => {
                let _worked = (0..*steps).filter(|_| db.step()).count();
            }
            Step::Read => self.read(&db),
            Step::Snapshot => self.snapshot = Some((db.snapshot(), self.live.clone())),
            Step::Reopen => self.close(db),
        }
    }

    pub(crate) fn close(&mut self, db: Db) {
        self.snapshot = None;
        let closed = db.close();
        self.tolerate(closed);
        self.db = None;
    }

    fn write(&mut self, db: &Db, write: &Write) {
        let written = write.batch(db).and_then(|batch| db.write_with(batch, write.durability));
        match written {
            Ok(()) => {
                write.apply(&mut self.live);
                // The log goes on behind this write: what was refused before it is gone for good.
                self.uncertain.clear();
            }
            Err(error) => {
                self.excuse(&error);
                // A refused write has no effect, ever. The operating system may have written what it
                // reported as failed, though, and only a later write puts that out of the way.
                if error.kind() != ErrorKind::DiskFull && error.kind() != ErrorKind::Invalid {
                    self.uncertain.push(write.clone());
                }
            }
        }
    }

    /// Reads are right or an error.
    fn read(&mut self, db: &Db) {
        if let Some(found) = self.tolerate(contents(db)) {
            self.assert_live(&found);
        }
        for ((space, key), value) in self.live.clone().iter().step_by(5) {
            if self.doubtful.contains(space.as_str()) {
                continue;
            }
            let got = if space.is_empty() {
                db.get(key)
            } else {
                db.keyspace(space).and_then(|space| space.get(key))
            };
            if let Some(got) = self.tolerate(got) {
                assert_eq!(got.as_deref(), Some(value.as_slice()), "get of {space}/{key:?}");
            }
        }
        let held = self.snapshot.as_ref().map(|(snapshot, then)| {
            let entries: Result<Vec<_>, Error> = snapshot.iter().collect();
            (entries, then.clone())
        });
        if let Some((entries, then)) = held
            && let Some(entries) = self.tolerate(entries)
        {
            let found = entries.into_iter().map(|(k, v)| ((String::new(), k.to_vec()), v.to_vec()));
            let then = then.into_iter().filter(|((space, _), _)| space.is_empty());
            assert_same(&found.collect(), &then.collect());
        }
    }

    fn assert_live(&self, found: &Map) {
        let certain = |map: &Map| -> Map {
            let doubtful = |space: &str| self.doubtful.contains(space);
            map.iter()
                .filter(|((space, _), _)| !doubtful(space))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        };
        assert_same(&certain(found), &certain(&self.live));
    }

    /// Another world on a copy of the disk, as if the process had died.
    pub(crate) fn killed(&self) -> World {
        let disk = self.disk.copy();
        disk.restart_history(false);
        World {
            faults: FaultFileSystem::new(disk.clone()),
            disk,
            struck_by: Vec::new(),
            background: Background::Stepped { seed: 1 },
            db: None,
            live: self.live.clone(),
            doubtful: self.doubtful.clone(),
            uncertain: self.uncertain.clone(),
            snapshot: None,
            errors: 0,
        }
    }

    /// Opens without faults, checks everything, and uses the database a little.
    pub(crate) fn check_reopened(&mut self, had_faults: bool) {
        self.faults.clear();
        let db = self.options().open("data").unwrap_or_else(|error| panic!("reopen: {error:?}"));
        assert!(had_faults || db.recovery_report().is_clean());
        let found = contents(&db).unwrap();
        self.settle(&found);
        db.verify().unwrap().into_result().unwrap();
        db.put("after", "all").unwrap();
        db.compact(..).unwrap();
        db.wait_idle().unwrap();
        db.health().unwrap();
        self.live.insert((String::new(), b"after".to_vec()), b"all".to_vec());
        assert_same(&contents(&db).unwrap(), &self.live);
        db.close().unwrap();
        assert!(self.options().open("data").unwrap().recovery_report().is_clean());
    }
}

/// Failures after which nobody can know what is on the disk: of a sync, of a change of names.
fn may_poison(call: &Call) -> bool {
    matches!(call.operation, Operation::Sync | Operation::SyncDir | Operation::Rename)
}

/// Everything in a database, forwards and backwards.
pub(crate) fn contents(db: &Db) -> Result<Map, Error> {
    let mut found = Map::new();
    let mut spaces = vec![(String::new(), None)];
    for name in db.keyspaces()? {
        spaces.push((name.clone(), Some(db.keyspace(&name)?)));
    }
    for (name, space) in spaces {
        let iter = || space.as_ref().map_or_else(|| db.iter(), |space| space.iter());
        let forwards: Vec<_> = iter().collect::<Result<_, _>>()?;
        let mut backwards: Vec<_> = iter().rev().collect::<Result<_, _>>()?;
        backwards.reverse();
        assert!(forwards == backwards, "a scan is the same both ways");
        assert!(forwards.is_sorted_by(|a, b| a.0 < b.0), "a scan is sorted");
        let entries = forwards.into_iter().map(|(k, v)| ((name.clone(), k.to_vec()), v.to_vec()));
        found.extend(entries);
    }
    Ok(found)
}

/// Two maps are equal; if not, says where.
pub(crate) fn assert_same(found: &Map, expected: &Map) {
    if found == expected {
        return;
    }
    let text =
        |(space, key): &(String, Vec<u8>)| format!("{space}/{}", String::from_utf8_lossy(key));
    let missing: Vec<_> =
        expected.keys().filter(|key| !found.contains_key(key)).map(text).collect();
    let strange: Vec<_> =
        found.keys().filter(|key| !expected.contains_key(key)).map(text).collect();
    let other = expected.iter().filter(|(key, value)| found.get(key).is_some_and(|v| v != *value));
    let other: Vec<_> = other.map(|(key, _)| text(key)).collect();
    panic!("missing: {missing:?}; should not be there: {strange:?}; other values: {other:?}");
}
