//! Repair: nothing is invented, nothing is lost in silence, and the old database stays as it is.
//!
//! Random small databases on a simulated disk are damaged at random and repaired. Every value that was
//! ever written is known, and so is the last state.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use siltstone::fs::{
    Fault, FaultFileSystem, FileSystem as _, Operation, SimulatedFileSystem, Trigger,
};
use siltstone::{Background, Compression, Db, ErrorKind, Options, Repair, RepairReport};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const KEYSPACES: [&str; 3] = ["", "one", "two"];
const KEYS: u8 = 40;

/// Keyspace (the index in `KEYSPACES` is its number) and key.
type Place = (u32, String);
type Map = BTreeMap<Place, String>;

#[derive(Clone, Debug)]
enum Op {
    Put(u32, u8),
    Delete(u32, u8),
    DeleteRange(u32, u8, u8),
    Flush,
    Compact,
    Reopen,
    DropKeyspace(u32),
}

#[derive(Clone, Debug)]
enum Harm {
    Flip(u32, u8),
    Zero(u32, u16),
    Cut(u32),
    Remove,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (0..3_u32, 0..KEYS).prop_map(|(keyspace, key)| Op::Put(keyspace, key)),
        8 => (0..3_u32, 0..KEYS).prop_map(|(keyspace, key)| Op::Delete(keyspace, key)),
        2 => (0..3_u32, 0..KEYS, 1..9_u8)
            .prop_map(|(keyspace, key, len)| Op::DeleteRange(keyspace, key, len)),
        3 => Just(Op::Flush),
        1 => Just(Op::Compact),
        1 => Just(Op::Reopen),
        1 => (1..3_u32).prop_map(Op::DropKeyspace),
    ]
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => (any::<u32>(), 1..=255_u8).prop_map(|(at, mask)| Harm::Flip(at, mask)),
        2 => (any::<u32>(), 1..600_u16).prop_map(|(at, len)| Harm::Zero(at, len)),
        2 => any::<u32>().prop_map(Harm::Cut),
        1 => Just(Harm::Remove),
    ]
}

fn key(number: u8) -> String {
    format!("key/{number:03}")
}

/// A database, what it holds, and every value that it ever held.
struct Subject {
    disk: SimulatedFileSystem,
    db: Option<Db>,
    live: Map,
    written: BTreeMap<Place, BTreeSet<String>>,
    count: u32,
}

impl Subject {
    fn new() -> Subject {
        let disk = SimulatedFileSystem::with_seed(1);
        let (live, written) = (Map::new(), BTreeMap::new());
        let mut subject = Subject { disk, db: None, live, written, count: 0 };
        subject.open();
        for name in &KEYSPACES[1..] {
            subject.db().keyspace(name).unwrap();
        }
        subject
    }

    fn open(&mut self) {
        let options = Options::new()
            .file_system(self.disk.clone())
            .memory(1 << 20)
            .memtable_bytes(64 << 10)
            .block_bytes(128)
            .table_bytes(1 << 10)
            .compression(Compression::None)
            .background(Background::Stepped { seed: 1 });
        self.db = Some(options.open("/db").unwrap());
    }

    fn db(&self) -> &Db {
        self.db.as_ref().unwrap()
    }

    fn apply(&mut self, op: &Op) {
        let db = self.db().clone();
        let keyspace = |number: u32| db.keyspace(KEYSPACES[number as usize]).unwrap();
        match *op {
            Op::Put(number, own) => {
                self.count += 1;
                let value = format!("{number}:{own}:{}", self.count).repeat(3);
                match number {
                    0 => db.put(key(own), &value).unwrap(),
                    _ => keyspace(number).put(key(own), &value).unwrap(),
                }
                let place = (number, key(own));
                self.written.entry(place.clone()).or_default().insert(value.clone());
                self.live.insert(place, value);
            }
            Op::Delete(number, own) => {
                match number {
                    0 => db.delete(key(own)).unwrap(),
                    _ => keyspace(number).delete(key(own)).unwrap(),
                }
                self.live.remove(&(number, key(own)));
            }
            Op::DeleteRange(number, first, len) => {
                let range = key(first)..key(first + len);
                match number {
                    0 => db.delete_range(range.clone()).unwrap(),
                    _ => keyspace(number).delete_range(range.clone()).unwrap(),
                }
                self.live.retain(|(own, key), _| *own != number || !range.contains(key));
            }
            Op::Flush => db.flush().unwrap(),
            Op::Compact => db.compact(..).unwrap(),
            Op::Reopen => {
                drop(db);
                self.db.take().unwrap().close().unwrap();
                self.open();
            }
            // The numbers of keyspaces would move: they are emptied instead.
            Op::DropKeyspace(number) => {
                keyspace(number).delete_range("".."z").unwrap();
                self.live.retain(|(own, _), _| *own != number);
            }
        }
    }

    /// The disk as a close leaves it, or as the death of the process does.
    fn end(&mut self, closes: bool) -> SimulatedFileSystem {
        if closes {
            self.db.take().unwrap().close().unwrap();
        }
        self.disk.copy()
    }
}

fn files(disk: &SimulatedFileSystem, directory: &str) -> BTreeMap<String, Vec<u8>> {
    let names = disk.names(directory).into_iter().map(|name| name.into_string().unwrap());
    names
        .filter_map(|name| Some((name.clone(), disk.read(format!("{directory}/{name}"))?)))
        .collect()
}

/// Damages a file. Says whether a process that is killed could have left it like this.
fn damage(disk: &SimulatedFileSystem, chosen: usize, harm: &Harm, is_closed: bool) -> bool {
    let all = files(disk, "/db");
    let names: Vec<&String> =
        all.keys().filter(|name| *name != "LOCK" && *name != "RESERVE").collect();
    let name = names[chosen % names.len()];
    let path = format!("/db/{name}");
    let mut bytes = all[name].clone();
    // What is reserved behind the last record means nothing.
    let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let place = |at: u32| at as usize % written.max(1);
    match *harm {
        _ if written == 0 => return false,
        Harm::Flip(at, mask) => bytes[place(at)] ^= mask,
        Harm::Zero(at, len) => {
            let end = (place(at) + usize::from(len)).min(written);
            bytes[place(at)..end].fill(0);
        }
        Harm::Cut(at) => bytes.truncate(place(at)),
        Harm::Remove => {
            disk.remove(Path::new(&path)).unwrap();
            return false;
        }
    }
    disk.write_raw(&path, bytes);
    let is_one_bit = matches!(harm, Harm::Flip(_, mask) if mask.is_power_of_two());
    let ends_torn = name.ends_with(".wal") || name.starts_with("MANIFEST");
    ends_torn && !is_closed && !is_one_bit
}

/// Everything in a database; keyspaces without a name are told by their numbers.
fn contents(db: &Db) -> Map {
    let mut all = Map::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for entry in db.iter() {
        let (key, value) = entry.unwrap();
        all.insert((0, text(&key)), text(&value));
    }
    for name in db.keyspaces().unwrap() {
        let known = KEYSPACES.iter().position(|known| *known == name);
        let number = match known {
            Some(number) => u32::try_from(number).unwrap(),
            None => name.strip_prefix("recovered-").unwrap().parse().unwrap(),
        };
        for entry in db.keyspace(&name).unwrap().iter() {
            let (key, value) = entry.unwrap();
            all.insert((number, text(&key)), text(&value));
        }
    }
    all
}

fn repair(disk: &SimulatedFileSystem) -> RepairReport {
    Repair::new().file_system(disk.clone()).run("/db", "/new").unwrap()
}

fn open_new(disk: &SimulatedFileSystem) -> Map {
    let db = Options::new().file_system(disk.clone()).open("/new").unwrap();
    let all = contents(&db);
    db.close().unwrap();
    all
}

/// Damages, repairs, and holds the outcome against what was written.
fn check(ops: &[Op], harms: &[(usize, Harm)], closes: bool) -> RepairReport {
    let mut subject = Subject::new();
    ops.iter().for_each(|op| subject.apply(op));
    let disk = subject.end(closes);
    let mut may_be_torn = false;
    for (chosen, harm) in harms {
        may_be_torn |= damage(&disk, *chosen, harm, closes);
    }
    let before = files(&disk, "/db");
    let report = repair(&disk);
    assert_eq!(files(&disk, "/db"), before, "the old database is as it was");
    let found = open_new(&disk);
    for (place, value) in &found {
        let written = subject.written.get(place);
        assert!(written.is_some_and(|all| all.contains(value)), "{place:?} = {value} is invented");
    }
    assert_eq!(report.entries, found.len() as u64, "{report}");
    if may_be_torn {
        return report;
    }
    let places: BTreeSet<&Place> = subject.live.keys().chain(found.keys()).collect();
    for place in places.into_iter().filter(|&place| subject.live.get(place) != found.get(place)) {
        let (number, key) = place;
        let is_told =
            report.doubts.iter().any(|doubt| doubt.keys.contains(*number, key.as_bytes()));
        let (expected, found) = (subject.live.get(place), found.get(place));
        assert!(is_told, "{place:?} is {found:?} and was {expected:?}\n{report}\n{}", report.found);
    }
    let doubtful = found.keys().filter(|(number, key)| {
        report.doubts.iter().any(|doubt| doubt.keys.contains(*number, key.as_bytes()))
    });
    assert_eq!(report.doubtful_entries, doubtful.count() as u64, "{report}");
    assert!(!harms.is_empty() || report.is_certain(), "{report}");
    report
}

/// A story, its damages, and whether the database is closed before them.
fn case() -> impl Strategy<Value = (Vec<Op>, Vec<(usize, Harm)>, bool)> {
    let harms = prop::collection::vec((any::<usize>(), harm()), 0..4);
    (prop::collection::vec(op(), 1..150), harms, prop::bool::weighted(0.7))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(500),
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_invented_and_nothing_is_lost_in_silence((ops, harms, closes) in case()) {
        drop(check(&ops, &harms, closes));
    }
}

#[test]
fn every_kind_of_outcome_is_met() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..400 {
        let (ops, harms, closes) = case().new_tree(&mut runner).unwrap().current();
        let report = check(&ops, &harms, closes);
        let is_whole_space = |keys: &siltstone::KeySpan| keys.to_string() == "all keys";
        for (name, is_met) in [
            ("certain although damaged", report.is_certain() && !report.found.is_clean()),
            ("a doubtful range", report.doubts.iter().any(|doubt| !doubt.is_lost())),
            ("a lost range", report.doubts.iter().any(siltstone::Doubt::is_lost)),
            ("all is doubtful", report.doubts.iter().any(|doubt| is_whole_space(&doubt.keys))),
            ("only a part is", {
                let is_part = report.doubts.iter().all(|doubt| !is_whole_space(&doubt.keys));
                is_part && !report.is_certain() && report.doubtful_entries < report.entries
            }),
            ("a name is lost", !report.named.is_empty()),
        ] {
            *met.entry(name).or_default() += u32::from(is_met);
        }
    }
    assert!(met.values().all(|&count| count >= 3), "{met:?}");
    println!("{met:?}");
}

#[test]
fn the_new_directory_must_be_free_and_the_old_one_a_database() {
    let mut subject = Subject::new();
    let disk = subject.disk.clone();
    let run = |old: &str, new: &str| Repair::new().file_system(disk.clone()).run(old, new);
    assert_eq!(run("/db", "/new").unwrap_err().kind(), ErrorKind::Locked);
    subject.db.take().unwrap().close().unwrap();
    assert_eq!(run("/db", "/db").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(run("/db", "/db/new").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(run("/none", "/new").unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
    assert!(run("/db", "/new").unwrap().is_certain());
    assert_eq!(run("/db", "/new").unwrap_err().kind(), ErrorKind::Invalid, "it is there already");
}

#[test]
fn a_keyspace_that_only_the_log_drops_is_gone() {
    let mut subject = Subject::new();
    subject.apply(&Op::Put(1, 1));
    subject.apply(&Op::Put(2, 2));
    subject.apply(&Op::Flush);
    subject.db().drop_keyspace("one").unwrap();
    let disk = subject.end(false);
    let report = repair(&disk);
    assert!(report.is_certain() && report.named.is_empty() && report.entries == 1, "{report}");
    let db = Options::new().file_system(disk).open("/new").unwrap();
    assert_eq!(db.keyspaces().unwrap(), ["two"]);
    let next = db.keyspace("three").unwrap();
    assert_eq!(next.iter().count(), 0, "no number is given twice");
}

#[test]
fn a_repair_that_fails_on_the_way_leaves_no_database() {
    let mut subject = Subject::new();
    (0..KEYS).for_each(|own| subject.apply(&Op::Put(0, own)));
    subject.apply(&Op::Flush);
    let disk = subject.end(true);
    let before = files(&disk, "/db");
    let writes = [
        Operation::CreateDirAll,
        Operation::CreateNew,
        Operation::Append,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Rename,
    ];
    let mut failed = 0;
    for operation in writes {
        for nth in 1.. {
            let disk = disk.copy();
            let faults = FaultFileSystem::new(disk.clone());
            faults.set(Trigger::on(operation).nth(nth), Fault::Io);
            let outcome = Repair::new().file_system(faults.clone()).run("/db", "/new");
            assert_eq!(files(&disk, "/db"), before);
            // Either it is no database, or all of it.
            if disk.names("/new").iter().any(|name| name == "CURRENT") {
                assert_eq!(open_new(&disk), subject.live, "{operation:?} {nth}");
            }
            if faults.hits().is_empty() {
                assert!(outcome.unwrap().is_certain());
                break;
            }
            failed += u32::from(outcome.is_err());
        }
    }
    assert!(failed > 20, "{failed}");
}
