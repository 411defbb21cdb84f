//! Carries out a story on a database and on its model, and keeps a trace of everything that was seen.

use crate::crew;
use crate::random::Random;
use crate::sim::model::{Map, States, of_keyspace};
use crate::sim::story::{Act, Change, act, options};
use siltstone::fs::{Call, FaultFileSystem, SimulatedFileSystem};
use siltstone::{Batch, Db, Durability, Error, ErrorKind, Keyspace, Options, Slice, Snapshot};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Operations of a story: at least so many, and fewer than twice as many.
const ACTS: u64 = 60;

const SNAPSHOTS_MAX: usize = 3;

/// What stories have hit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits {
    pub(crate) acts: u64,
    pub(crate) lives: u64,
    /// Crashes between operations, in the middle of one, in the middle of an open.
    pub(crate) crashes: u64,
    pub(crate) crashes_inside: u64,
    pub(crate) nested: u64,
    /// Faults that a call met, and errors that a caller saw.
    pub(crate) faults: u64,
    pub(crate) errors: u64,
    pub(crate) disk_full: u64,
    pub(crate) poisoned: u64,
    pub(crate) uncertain: u64,
    /// Opens that a fault let fail.
    pub(crate) opens_failed: u64,
    pub(crate) commits_lost: u64,
    pub(crate) torn_tails: u64,
    pub(crate) gaps: u64,
    pub(crate) orphan_tables: u64,
    pub(crate) replays: u64,
    pub(crate) snapshots: u64,
    pub(crate) flushes: u64,
    pub(crate) compactions: u64,
}

/// The database and what is known about it.
pub(crate) struct World {
    pub(crate) random: Random,
    // The handles go before the disk that they are on.
    pub(crate) held: Vec<(Snapshot, Map)>,
    pub(crate) open: Option<(Db, Keyspace)>,
    pub(crate) faults: FaultFileSystem,
    pub(crate) disk: SimulatedFileSystem,
    pub(crate) options: Options,
    pub(crate) states: States,
    /// The states before the operation at hand, and the moment at which it began.
    pub(crate) before: (States, usize),
    /// Whether the disk had a limit since the last open: then any call may fail.
    pub(crate) was_limited: bool,
    /// The calls that failed in the life before.
    pub(crate) failed: Vec<Call>,
    pub(crate) hits: Hits,
    trace: DefaultHasher,
    writes: usize,
}

/// Tells the story of a seed. Returns a hash of everything that was seen on the way.
pub(crate) fn tell(seed: u64) -> (u64, Hits) {
    let mut random = Random::new(seed);
    let disk = SimulatedFileSystem::with_seed(random.next());
    let options = options(&mut random);
    let states = States::of(Map::new());
    let mut world = World {
        random,
        held: Vec::new(),
        open: None,
        faults: FaultFileSystem::new(disk.clone()),
        disk,
        options,
        before: (states.clone(), 0),
        states,
        was_limited: false,
        failed: Vec::new(),
        hits: Hits::default(),
        trace: DefaultHasher::new(),
        writes: 0,
    };
    world.reopen(true);
    for number in 0..ACTS + world.random.below(ACTS) {
        let act = act(&mut world.random);
        let _note = crew::note(format!("operation {number}: {act:?}"));
        if !matches!(act, Act::Crash) {
            world.before = (world.states.clone(), world.disk.history_len());
        }
        world.carry_out(act);
        world.hits.acts += 1;
        world.trace_disk();
    }
    let _note = crew::note("the end".to_owned());
    world.end();
    (world.trace.finish(), world.hits)
}

impl World {
    pub(crate) fn db(&self) -> &Db {
        &self.open.as_ref().expect("open but while it is being opened").0
    }

    fn other(&self) -> &Keyspace {
        &self.open.as_ref().expect("open but while it is being opened").1
    }

    /// Something that was seen: the same seed must see the same.
    pub(crate) fn trace(&mut self, seen: impl Hash) {
        seen.hash(&mut self.trace);
    }

    fn trace_disk(&mut self) {
        let seen = (self.disk.fingerprint(), self.disk.history_len(), self.faults.calls());
        self.trace(seen);
    }

    fn carry_out(&mut self, act: Act) {
        match act {
            Act::Commit(changes, durability) => self.commit(&changes, durability),
            Act::Get(keyspace, key) => self.get(keyspace, &key),
            Act::Scan { keyspace, start, end, backwards } => {
                self.scan(keyspace, &start, &end, backwards);
            }
            Act::Snapshot(which) => self.snapshot(which),
            Act::Step(count) => {
                let done = (0..count).take_while(|_| self.db().step()).count();
                self.trace(done);
            }
            Act::Flush => {
                let done = self.db().flush();
                self.settle(done);
            }
            Act::Compact => {
                let done = self.db().compact(..);
                self.settle(done);
            }
            Act::Sync => {
                let done = self.db().sync();
                self.settle(done);
            }
            Act::Close => {
                let done = self.db().close();
                self.settle(done);
                self.end_life();
                self.reopen(true);
            }
            Act::SetFault(trigger, fault) => self.faults.set(trigger, fault),
            Act::ClearFaults => self.faults.clear(),
            Act::Capacity(more) => self.limit(more),
            Act::PassTime(milliseconds) => self.disk.advance(Duration::from_millis(milliseconds)),
            Act::SetClock(seconds) => self.disk.set_unix_time(Duration::from_secs(seconds)),
            Act::Crash => self.crash(),
        }
    }

    /// Bytes of all files, and so many more, are what the disk has room for.
    fn limit(&mut self, more: Option<u64>) {
        let len = |name| self.disk.read(std::path::Path::new("/data").join(name));
        let held = self.disk.names("/data").into_iter().filter_map(len);
        let held: u64 = held.map(|bytes| bytes.len() as u64).sum();
        self.disk.set_capacity(more.map(|more| held + more));
        self.was_limited |= more.is_some();
    }

    /// What was asked for, unless an error was to be expected; panics if it was not.
    pub(crate) fn judge<T>(&mut self, outcome: siltstone::Result<T>) -> Option<T> {
        let error = match outcome {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let has_reason = self.was_limited || !self.faults.hits().is_empty();
        assert!(has_reason, "without a fault: {error}");
        assert_ne!(error.kind(), ErrorKind::Corruption, "no fault is corruption: {error}");
        self.hits.errors += 1;
        let count = match error.kind() {
            ErrorKind::DiskFull => &mut self.hits.disk_full,
            ErrorKind::Poisoned => &mut self.hits.poisoned,
            ErrorKind::CommitUncertain => &mut self.hits.uncertain,
            _ => &mut 0,
        };
        *count += 1;
        self.trace(error.to_string());
        None
    }

    /// Everything acknowledged so far is durable, if this went well.
    fn settle(&mut self, outcome: siltstone::Result<()>) {
        if self.judge(outcome).is_some() {
            self.states.settle();
        }
    }

    fn commit(&mut self, changes: &[Change], durability: Durability) {
        let (mut batch, mut next) = (Batch::new(), self.states.now().clone());
        for change in changes {
            self.add(change, &mut batch, &mut next);
        }
        let done = self.db().write_with(batch, durability);
        match done {
            Ok(()) => self.states.commit(next, durability == Durability::Sync),
            Err(error) => {
                if matches!(error.kind(), ErrorKind::CommitUncertain | ErrorKind::Io) {
                    self.states.doubt(next);
                }
                self.judge(Err::<(), Error>(error));
            }
        }
    }

    fn add(&mut self, change: &Change, batch: &mut Batch, next: &mut Map) {
        self.writes += 1;
        match change {
            Change::Put(keyspace, key, padding) => {
                let value = format!("{}/{:padding$}", self.writes, "");
                match keyspace {
                    0 => batch.put(key, &value),
                    _ => batch.put_in(self.other(), key, &value),
                };
                next.insert((*keyspace, key.clone()), value.into_bytes());
            }
            Change::Delete(keyspace, key) => {
                match keyspace {
                    0 => batch.delete(key),
                    _ => batch.delete_in(self.other(), key),
                };
                next.remove(&(*keyspace, key.clone()));
            }
            Change::DeleteRange(keyspace, start, end) => {
                match keyspace {
                    0 => batch.delete_range(&start[..]..&end[..]),
                    _ => batch.delete_range_in(self.other(), &start[..]..&end[..]),
                };
                next.retain(|(own, key), _| own != keyspace || key < start || key >= end);
            }
        }
    }

    fn get(&mut self, keyspace: u8, key: &[u8]) {
        let found = if keyspace == 0 { self.db().get(key) } else { self.other().get(key) };
        if let Some(found) = self.judge(found) {
            let expected = self.states.now().get(&(keyspace, key.to_vec()));
            assert_eq!(
                found.as_deref(),
                expected.map(Vec::as_slice),
                "a get agrees with the model"
            );
            self.trace(found.as_deref());
        }
    }

    fn scan(&mut self, keyspace: u8, start: &[u8], end: &[u8], backwards: bool) {
        let entries = match keyspace {
            0 => self.db().range(start..end),
            _ => self.other().range(start..end),
        };
        let entries: siltstone::Result<Vec<_>> =
            if backwards { entries.rev().collect() } else { entries.collect() };
        let Some(found) = self.judge(entries) else { return };
        let inside = of_keyspace(self.states.now(), keyspace).into_iter();
        let mut expected: Vec<_> = inside.filter(|(key, _)| (start..end).contains(key)).collect();
        if backwards {
            expected.reverse();
        }
        compare(&found, &expected);
        self.trace(found.len());
    }

    /// Takes a snapshot; when there are enough, checks one and lets it go.
    fn snapshot(&mut self, which: usize) {
        if self.held.len() < SNAPSHOTS_MAX {
            self.held.push((self.db().snapshot(), self.states.now().clone()));
            return;
        }
        let (snapshot, map) = self.held.remove(which % SNAPSHOTS_MAX);
        let entries = snapshot.iter().collect::<siltstone::Result<Vec<_>>>();
        if let Some(found) = self.judge(entries) {
            compare(&found, &of_keyspace(&map, 0));
            self.hits.snapshots += 1;
        }
    }

    pub(crate) fn contents(&self) -> Map {
        let mut found = Map::new();
        for (keyspace, entries) in [(0, self.db().iter()), (1, self.other().iter())] {
            for entry in entries {
                let (key, value) = entry.expect("a healthy disk");
                found.insert((keyspace, key.to_vec()), value.to_vec());
            }
        }
        found
    }

    /// The last life ends well, whatever happened in it.
    fn end(&mut self) {
        self.crash();
        self.db().compact(..).expect("a healthy disk");
        self.db().verify().expect("it is open").into_result().expect("every file is whole");
        assert_eq!(self.contents(), *self.states.now(), "a compaction changes nothing");
        self.db().close().expect("a healthy disk");
        self.trace_disk();
    }
}

fn compare(found: &[(Slice, Slice)], expected: &[(&[u8], &[u8])]) {
    let found: Vec<_> = found.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    assert_eq!(found, expected, "a scan agrees with the model");
}
