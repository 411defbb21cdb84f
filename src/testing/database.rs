//! The fuzz body for a whole database: operations, faults and crashes against a `BTreeMap`.
//!
//! The bytes are a script: a seed, then operations of one byte and their arguments. The database
//! lives on a simulated disk and does its background work step by step, so one script is one
//! sequence of calls. The model keeps every state since the last one that is known durable. The
//! promises: a read, a scan and a snapshot agree with their state; a fault is an error or nothing,
//! never a wrong answer; after a crash the database opens, and holds one of the states that the
//! crash may leave: not older than what was synced, and without a hole.

use crate::db::{Batch, Db, Keyspace, Options, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{Call, CrashProfile, Fault, FaultFileSystem, SimulatedFileSystem, Trigger};
use crate::slice::Slice;
use crate::state::settings::{Background, Durability};
use crate::table::Compression;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Operations of one script.
const OPERATIONS_MAX: usize = 200;
/// The byte that is no operation.
const NONE: u8 = 0xff;
const SNAPSHOTS_MAX: usize = 3;

/// Keyspace (0 or 1) and key, to value.
type Map = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Runs a script. Accepted if all of it is operations.
#[must_use]
pub fn database(bytes: &[u8]) -> bool {
    let mut script = Script(bytes);
    let (Some(seed), Some(flags)) = (script.next(), script.next()) else { return false };
    let disk = SimulatedFileSystem::with_seed(u64::from(seed));
    disk.restart_history(false);
    let mut world = World::new(disk, u64::from(seed), flags);
    for _ in 0..OPERATIONS_MAX {
        match script.next() {
            None => break,
            Some(NONE) => return false,
            Some(operation) => world.run(operation, &mut script),
        }
    }
    world.crash(CrashProfile::Kill, 1);
    world.check_all();
    true
}

struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// An argument; a script that ends early goes on with zeros.
    fn argument(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn key(&mut self) -> (u8, Vec<u8>) {
        let byte = self.argument();
        (byte >> 7, format!("key/{:02}", byte % 32).into_bytes())
    }
}

/// The database and what is known about it.
struct World {
    // The handles go before the disk that they are on.
    held: Vec<(Snapshot, Map)>,
    other: Keyspace,
    db: Db,
    faults: FaultFileSystem,
    disk: SimulatedFileSystem,
    options: Options,
    /// The last state that is durable for certain, and every later one.
    states: Vec<Map>,
    /// States that a crash may bring up, though their last commit was not acknowledged: its fate is
    /// unknown, or its bytes reached the file before the append failed.
    uncertain: Vec<Map>,
    writes: usize,
    /// The calls that failed before the last open.
    failed: Vec<Call>,
}

impl World {
    fn new(disk: SimulatedFileSystem, seed: u64, flags: u8) -> World {
        let compression = if flags & 1 == 0 { Compression::None } else { Compression::Zstd(1) };
        let options = Options::new()
            .memory(1 << 20)
            .memtable_bytes(4 << 10)
            .table_bytes(4 << 10)
            .block_bytes(256)
            .compression(compression)
            .background(Background::Stepped { seed });
        let faults = FaultFileSystem::new(disk.clone());
        let (db, other) = open(&options, &faults);
        let (held, states) = (Vec::new(), vec![Map::new()]);
        let (uncertain, writes, failed) = (Vec::new(), 0, Vec::new());
        World { held, other, db, faults, disk, options, states, uncertain, writes, failed }
    }

    fn state(&self) -> &Map {
        self.states.last().expect("there is always one")
    }

    fn run(&mut self, operation: u8, script: &mut Script<'_>) {
        match operation % 16 {
            0..=3 => self.batch(1, script),
            4 => self.batch(usize::from(script.argument() % 6), script),
            5 => self.delete_range(script),
            6 => self.get(script),
            7 => self.check_range(script),
            8 => self.step(usize::from(script.argument())),
            9 => {
                let done = self.db.flush();
                self.settle(done);
            }
            10 => {
                let done = self.db.compact(..);
                self.judge(done);
            }
            11 => {
                let done = self.db.sync();
                self.settle(done);
            }
            12 => self.snapshot(script.argument()),
            13 => self.set_fault(script),
            14 => self.faults.clear(),
            _ => match script.argument() {
                254 => self.close(),
                how => {
                    let profile = usize::from(how) % CrashProfile::ALL.len();
                    self.crash(CrashProfile::ALL[profile], u64::from(script.argument()));
                }
            },
        }
    }

    /// Whether an error was to be expected; panics if not.
    fn judge<T>(&self, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(!self.faults.hits().is_empty(), "without a fault: {error}");
                assert_ne!(error.kind(), ErrorKind::Corruption, "no fault is corruption: {error}");
                None
            }
        }
    }

    /// Everything written so far is durable, if this went well.
    fn settle(&mut self, outcome: Result<()>) {
        if self.judge(outcome).is_some() {
            self.states.drain(..self.states.len() - 1);
        }
    }

    fn batch(&mut self, count: usize, script: &mut Script<'_>) {
        let (mut batch, mut next) = (Batch::new(), self.state().clone());
        for _ in 0..count {
            let (keyspace, key) = script.key();
            let how = script.argument();
            self.writes += 1;
            if how.is_multiple_of(4) {
                next.remove(&(keyspace, key.clone()));
                match keyspace {
                    0 => batch.delete(&key),
                    _ => batch.delete_in(&self.other, &key),
                };
                continue;
            }
            let mut value = format!("{}/", self.writes);
            let padding = usize::from(how / 4) * 8;
            write!(value, "{:padding$}", "").expect("a string takes all");
            match keyspace {
                0 => batch.put(&key, &value),
                _ => batch.put_in(&self.other, &key, &value),
            };
            next.insert((keyspace, key), value.into_bytes());
        }
        self.commit(batch, next, script.argument());
    }

    fn delete_range(&mut self, script: &mut Script<'_>) {
        let ((keyspace, one), (_, other)) = (script.key(), script.key());
        let (start, end) = (one.clone().min(other.clone()), one.max(other));
        let (mut batch, mut next) = (Batch::new(), self.state().clone());
        next.retain(|(own, key), _| *own != keyspace || *key < start || *key >= end);
        match keyspace {
            0 => batch.delete_range(&start[..]..&end[..]),
            _ => batch.delete_range_in(&self.other, &start[..]..&end[..]),
        };
        self.commit(batch, next, script.argument());
    }

    fn commit(&mut self, batch: Batch, next: Map, how: u8) {
        let durability =
            if how.is_multiple_of(4) { Durability::Sync } else { Durability::Buffered };
        match self.db.write_with(batch, durability) {
            Ok(()) => {
                let is_new = next != *self.state();
                self.states.push(next);
                if is_new && durability == Durability::Sync {
                    // A new record is durable, and so is the link over what failed before it.
                    self.uncertain.clear();
                }
                if durability == Durability::Sync {
                    self.settle(Ok(()));
                }
            }
            Err(error) => {
                if matches!(error.kind(), ErrorKind::CommitUncertain | ErrorKind::Io) {
                    self.uncertain.push(next);
                }
                self.judge(Err::<(), Error>(error));
            }
        }
    }

    fn get(&self, script: &mut Script<'_>) {
        let (keyspace, key) = script.key();
        let found = if keyspace == 0 { self.db.get(&key) } else { self.other.get(&key) };
        if let Some(found) = self.judge(found) {
            let expected = self.state().get(&(keyspace, key)).map(Vec::as_slice);
            assert_eq!(found.as_deref(), expected, "a get agrees with the model");
        }
    }

    fn check_range(&self, script: &mut Script<'_>) {
        let ((keyspace, one), (_, other)) = (script.key(), script.key());
        let (start, end) = (one.clone().min(other.clone()), one.max(other));
        let range = &start[..]..&end[..];
        let entries = if keyspace == 0 { self.db.range(range) } else { self.other.range(range) };
        let expected = self.state().range((keyspace, start)..(keyspace, end));
        let expected: Vec<_> = expected.map(|(key, value)| (&key.1[..], &value[..])).collect();
        if script.argument().is_multiple_of(2) {
            self.compare(entries, &expected);
        } else {
            self.compare(entries.rev(), &expected.into_iter().rev().collect::<Vec<_>>());
        }
    }

    fn compare(
        &self,
        entries: impl Iterator<Item = Result<(Slice, Slice)>>,
        expected: &[(&[u8], &[u8])],
    ) {
        let Some(found) = self.judge(entries.collect::<Result<Vec<_>>>()) else { return };
        let found: Vec<_> = found.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(found, expected, "a scan agrees with the model");
    }

    fn step(&self, count: usize) {
        for _ in 0..count {
            if !self.db.step() {
                break;
            }
        }
    }

    /// Takes a snapshot; when there are enough, checks one and lets it go.
    fn snapshot(&mut self, which: u8) {
        if self.held.len() < SNAPSHOTS_MAX {
            self.held.push((self.db.snapshot(), self.state().clone()));
            return;
        }
        let (snapshot, map) = self.held.remove(usize::from(which) % SNAPSHOTS_MAX);
        let expected: Vec<_> = of_keyspace(&map, 0).collect();
        self.compare(snapshot.iter(), &expected);
    }

    fn set_fault(&self, script: &mut Script<'_>) {
        let (which, nth) = (usize::from(script.argument()), u64::from(script.argument()));
        // A short read is a file that is too short: that is damage.
        let faults = Fault::ALL.into_iter().filter(|fault| *fault != Fault::ShortRead);
        let faults: Vec<_> = faults.collect();
        let trigger = Trigger::any().nth(nth % 64);
        let trigger = if which >= 128 { trigger.sticky() } else { trigger };
        self.faults.set(trigger, faults[which % faults.len()]);
    }

    fn close(&mut self) {
        let done = self.db.close();
        self.settle(done);
        self.reopen();
        self.check_opened(None);
    }

    fn crash(&mut self, profile: CrashProfile, seed: u64) {
        self.faults.clear();
        self.disk = self.disk.crash(profile, seed);
        self.disk.restart_history(false);
        self.reopen();
        self.check_opened(Some(profile));
    }

    fn reopen(&mut self) {
        self.held.clear();
        self.failed = self.faults.hits();
        let faults = FaultFileSystem::new(self.disk.clone());
        // The handles of the old disk hold its lock; how its end went is of no interest.
        drop(self.db.close());
        (self.db, self.other) = open(&self.options, &faults);
        self.faults = faults;
    }

    /// Finds out which of the possible states it is. From then on it is the only one: an open puts
    /// all that it found into tables.
    fn check_opened(&mut self, profile: Option<CrashProfile>) {
        let found = self.contents();
        // After a failed sync the system may drop what it had, even while the machine runs on.
        let is_whole = matches!(profile, None | Some(CrashProfile::Kill));
        let must_be_last = is_whole && self.failed.is_empty();
        let first = if must_be_last { self.states.len() - 1 } else { 0 };
        let mut possible = self.states[first..].iter().chain(&self.uncertain);
        assert!(
            possible.any(|state| *state == found),
            "after {profile:?} it holds {}; the states were {:#?}, uncertain {:?}; failed {:?}",
            told(&found),
            self.states[first..].iter().map(told).collect::<Vec<_>>(),
            self.uncertain.iter().map(told).collect::<Vec<_>>(),
            self.failed
        );
        (self.states, self.uncertain) = (vec![found], Vec::new());
    }

    fn contents(&self) -> Map {
        let mut found = Map::new();
        for (keyspace, entries) in [(0, self.db.iter()), (1, self.other.iter())] {
            for entry in entries {
                let (key, value) = entry.expect("a healthy disk");
                found.insert((keyspace, key.to_vec()), value.to_vec());
            }
        }
        found
    }

    fn check_all(&self) {
        self.db.compact(..).expect("a healthy disk");
        self.db.verify().expect("it is open").into_result().expect("every file is whole");
        assert_eq!(self.contents(), *self.state(), "a compaction changes nothing");
        for keyspace in [0, 1] {
            let entries = if keyspace == 0 { self.db.iter() } else { self.other.iter() };
            let mut expected: Vec<_> = of_keyspace(self.state(), keyspace).collect();
            expected.reverse();
            self.compare(entries.rev(), &expected);
        }
        self.db.close().expect("a healthy disk");
    }
}

/// A state for people: keys, and the number of the write that each comes from.
fn told(map: &Map) -> String {
    let entry = |((keyspace, key), value): (&(u8, Vec<u8>), &Vec<u8>)| {
        let number = value.split(|byte| *byte == b'/').next().unwrap_or_default();
        format!("{keyspace}:{}={}", key.escape_ascii(), number.escape_ascii())
    };
    map.iter().map(entry).collect::<Vec<_>>().join(" ")
}

fn of_keyspace(map: &Map, keyspace: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    let own = map.iter().filter(move |((own, _), _)| *own == keyspace);
    own.map(|((_, key), value)| (&key[..], &value[..]))
}

fn open(options: &Options, faults: &FaultFileSystem) -> (Db, Keyspace) {
    let db = options.clone().file_system(faults.clone()).open("data");
    let db = db.unwrap_or_else(|error| panic!("a healthy disk opens: {error}"));
    let other = db.keyspace("other").expect("a healthy disk");
    (db, other)
}
