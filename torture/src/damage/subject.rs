//! The database that gets damaged, and the judge of what is left of it.

use crate::random::Random;
use siltstone::fs::SimulatedFileSystem;
use siltstone::{
    Background, Batch, Compression, Damage, Db, Durability, Error, ErrorKind, Options, Recovery,
    Slice, Verify,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keyspace and key, value; a keyspace alone has an empty key.
pub(crate) type Map = BTreeMap<(String, Vec<u8>), Vec<u8>>;

pub(crate) fn options(fs: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(fs.clone())
        .memory(2 << 20)
        .memtable_bytes(64 << 10)
        .block_bytes(256)
        .table_bytes(4 << 10)
        .compression(Compression::Zstd(1))
        .background(Background::Stepped { seed: 2 })
}

/// A database as it stands on a disk, and what it holds.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) disk: SimulatedFileSystem,
    /// What it holds, and before that what it held after each write to the last segment, newest
    /// first.
    pub(crate) states: Vec<Map>,
    memtable_bytes: usize,
}

/// Disks at moments of one story: before its last writes, killed after them, closed.
pub(crate) struct Story {
    pub(crate) earlier: SimulatedFileSystem,
    pub(crate) killed: Subject,
    pub(crate) closed: Subject,
    /// Of another story.
    pub(crate) busy: Subject,
}

/// A database that was killed with several segments in its log and memtables waiting for the
/// flusher; it is opened with memtables so small that the replay fills several.
pub(crate) fn busy() -> Subject {
    const MEMTABLE_BYTES: usize = 8 << 10;
    for seed in 0.. {
        let disk = SimulatedFileSystem::with_seed(5);
        disk.restart_history(false);
        let small = options(&disk).memtable_bytes(MEMTABLE_BYTES);
        let db = small.background(Background::Stepped { seed }).open("data").unwrap();
        let mut states = Vec::new();
        for number in 0..24_u32 {
            let mut batch = Batch::new();
            let value = format!("{number} ").repeat(100 + 10 * number as usize);
            batch.put(format!("k{:02}", number % 9), &value).put(format!("n{number:02}"), "there");
            db.write_with(batch, Durability::Sync).unwrap();
            states.insert(0, contents(&db).unwrap());
        }
        let is_segment = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".wal");
        if disk.names("data").iter().filter(|name| is_segment(name)).count() >= 3 {
            let disk = disk.copy();
            return Subject { name: "busy", disk, states, memtable_bytes: MEMTABLE_BYTES / 2 };
        }
    }
    unreachable!("some seed leaves the flusher behind")
}

/// Writes some keys with values that do not shrink when they are compressed, half of them.
fn fill(db: &Db, space: &str, keys: std::ops::Range<u32>, round: u32, seed: u64) {
    let mut random = Random::new(seed ^ u64::from(round) << 32 ^ u64::from(keys.start));
    let space = db.keyspace(space).unwrap();
    for key in keys {
        let mut value = format!("{round}:{key}").repeat(1 + (key % 5) as usize).into_bytes();
        if key % 2 == 0 {
            value.extend((0..9 * (1 + key % 4)).flat_map(|_| random.next().to_le_bytes()));
        }
        let mut batch = Batch::new();
        batch.put(format!("k{key:04}"), &value).put_in(&space, format!("s{key:04}"), &value);
        db.write_with(batch, Durability::Buffered).unwrap();
    }
}

/// Tables in several levels, range tombstones, keyspaces (one dropped), segments with batches.
pub(crate) fn story(seed: u64) -> Story {
    let disk = SimulatedFileSystem::with_seed(seed);
    disk.restart_history(false);
    let db = options(&disk).open("data").unwrap();
    fill(&db, "a", 0..60, 0, seed);
    fill(&db, "b", 0..5, 0, seed);
    db.compact(..).unwrap();
    fill(&db, "a", 20..40, 1, seed);
    db.delete_range("k0005".."k0012").unwrap();
    assert!(db.drop_keyspace("b").unwrap());
    db.keyspace("empty").unwrap();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    db.close().unwrap();
    drop(db);
    let db = options(&disk).open("data").unwrap();
    fill(&db, "c", 50..60, 2, seed);
    db.flush().unwrap();
    let earlier = disk.copy();
    let mut states = vec![contents(&db).unwrap()];
    for (number, durability) in
        [Durability::Sync, Durability::Sync, Durability::Buffered].into_iter().enumerate()
    {
        let mut batch = Batch::new();
        batch.put("tail", format!("{number}").repeat(20 + 300 * number));
        batch.delete_range(format!("k004{number}")..format!("k004{}", number + 1));
        db.write_with(batch, durability).unwrap();
        states.insert(0, contents(&db).unwrap());
    }
    let levels = db.stats().levels.iter().filter(|level| level.tables > 0).count();
    assert!(levels >= 2, "tables stand in several levels");
    let memtable_bytes = 64 << 10;
    let killed =
        Subject { name: "killed", disk: disk.copy(), states: states.clone(), memtable_bytes };
    db.close().unwrap();
    states.truncate(1);
    let closed = Subject { name: "closed", disk: disk.copy(), states, memtable_bytes };
    Story { earlier, killed, closed, busy: busy() }
}

/// Two tables of the same form: the same keys, and values of the same lengths that are others.
pub(crate) fn twins() -> Subject {
    let disk = SimulatedFileSystem::with_seed(7);
    disk.restart_history(false);
    let db = options(&disk).compression(Compression::None).open("data").unwrap();
    for round in ["one", "two"] {
        for number in 0..24 {
            db.put(format!("k{number:02}"), format!("{round} {number:02}").repeat(8)).unwrap();
        }
        db.flush().unwrap();
    }
    assert_eq!(db.stats().levels[0].tables, 2, "they are not merged");
    let states = vec![contents(&db).unwrap()];
    db.close().unwrap();
    Subject { name: "twins", disk: disk.copy(), states, memtable_bytes: 64 << 10 }
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All is there.
    Right,
    /// The end of the newest segment is not, and the recovery report says so.
    Reported,
    /// An earlier true state, and nothing says so: the newest segment of a killed database was cut, or
    /// replaced by an older copy, exactly where a record ends. Nothing outside it could know better.
    RolledBack,
    /// The open was refused, and touched nothing.
    OpenRefused,
    /// A read was refused.
    ReadRefused,
}

/// How many errors there were, and how many of them name the file and the offset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Names {
    pub(crate) errors: u64,
    pub(crate) files: u64,
    pub(crate) offsets: u64,
    /// Of the last error.
    pub(crate) offset: Option<u64>,
}

impl Names {
    fn of(error: &Error) -> Names {
        check(error);
        let (files, offsets) = (error.file().is_some().into(), error.offset().is_some().into());
        Names { errors: 1, files, offsets, offset: error.offset() }
    }

    pub(crate) fn absorb(&mut self, other: Names) {
        self.errors += other.errors;
        self.files += other.files;
        self.offsets += other.offsets;
        self.offset = other.offset;
    }
}

impl Subject {
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let names = self.disk.names("data").into_iter();
        names.filter(|name| name != "LOCK").map(|name| Path::new("data").join(name)).collect()
    }

    /// The last segment of the log that was begun.
    pub(crate) fn newest_segment(&self) -> Option<PathBuf> {
        let is_begun = |path: &PathBuf| {
            let bytes = self.disk.read(path).unwrap_or_default();
            path.extension().is_some_and(|it| it == "wal") && bytes.iter().any(|&byte| byte != 0)
        };
        self.files().into_iter().filter(is_begun).max()
    }

    /// Damages a copy, opens it and reads everything. Returns what the error says too, if one ends it.
    pub(crate) fn judge(&self, damage: impl FnOnce(&SimulatedFileSystem)) -> (Outcome, Names) {
        let disk = self.disk.copy();
        disk.restart_history(false);
        damage(&disk);
        let before = disk.fingerprint();
        let db = match options(&disk).memtable_bytes(self.memtable_bytes).open("data") {
            Ok(db) => db,
            Err(error) => {
                let names = Names::of(&error);
                assert_eq!(disk.fingerprint(), before, "a failed open changes nothing: {error}");
                assert!(is_seen(&disk, &error), "verification sees nothing of this: {error}");
                self.judge_point_in_time(&disk);
                return (Outcome::OpenRefused, names);
            }
        };
        let found = match contents(&db) {
            Ok(found) => found,
            Err(error) => {
                let is_told = !db.verify().unwrap().is_clean();
                assert!(is_told, "verification sees nothing of this: {error}");
                return (Outcome::ReadRefused, Names::of(&error));
            }
        };
        let is_reported = !db.recovery_report().is_clean();
        let outcome = match self.states.iter().position(|state| *state == found) {
            Some(0) => Outcome::Right,
            Some(_) if is_reported => Outcome::Reported,
            Some(_) => Outcome::RolledBack,
            None => panic!("the answer was never right: {:?}", first_difference(&found, self)),
        };
        (outcome, Names::default())
    }
}

impl Subject {
    /// A recovery up to a point in time drops what is behind the damage in the log. It may refuse; it may not
    /// go on.
    fn judge_point_in_time(&self, disk: &SimulatedFileSystem) {
        let is_log = |path: &PathBuf| path.extension().is_some_and(|it| it == "wal");
        let is_same = |path: &PathBuf| disk.read(path) == self.disk.read(path);
        if !self.files().iter().all(|path| is_log(path) || is_same(path)) {
            return;
        }
        let options = options(disk).memtable_bytes(self.memtable_bytes);
        let Ok(db) = options.recovery(Recovery::PointInTime).open("data") else { return };
        let Ok(found) = contents(&db) else { return };
        let is_known = found.is_empty() || self.states.contains(&found);
        assert!(is_known, "up to a point in time: {:?}", first_difference(&found, self));
        assert!(!db.recovery_report().is_clean(), "what was dropped is told");
    }
}

/// Whether a verification of what is not open tells of damage in the file that an error names.
fn is_seen(disk: &SimulatedFileSystem, error: &Error) -> bool {
    // A directory without a database is no database to verify.
    let report = Verify::new().file_system(disk.clone()).run("data");
    let is_named = |damage: &Damage| Some(&*damage.file) == error.file();
    report.map_or(true, |report| report.damages.iter().any(is_named))
}

fn first_difference(found: &Map, subject: &Subject) -> Option<String> {
    let right = subject.states.first()?;
    let differs = |key: &&(String, Vec<u8>)| found.get(*key) != right.get(*key);
    let (space, key) = found.keys().chain(right.keys()).find(differs)?;
    Some(format!("{space}/{}", String::from_utf8_lossy(key)))
}

/// An error says what and where.
fn check(error: &Error) {
    match error.kind() {
        ErrorKind::Corruption => {
            assert!(error.file().is_some(), "no file: {error:?}");
            assert!(error.offset().is_some(), "no offset: {error:?}");
        }
        ErrorKind::Unsupported => assert!(error.file().is_some(), "no file: {error:?}"),
        _ => panic!("damage is corruption, or a newer format: {error:?}"),
    }
}

/// All entries of a scan. One that leaves its order is stopped there: it might go in a circle.
fn collect(
    scan: impl Iterator<Item = Result<(Slice, Slice), Error>>,
    is_in_order: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Vec<(Slice, Slice)>, Error> {
    let mut entries: Vec<(Slice, Slice)> = Vec::new();
    for entry in scan {
        let entry = entry?;
        let is_next = entries.last().is_none_or(|last| is_in_order(&last.0, &entry.0));
        assert!(is_next, "a scan is in order, also behind {}", entry.0.escape_ascii());
        entries.push(entry);
    }
    Ok(entries)
}

/// Everything in a database, read in every way.
pub(crate) fn contents(db: &Db) -> Result<Map, Error> {
    let mut found = Map::new();
    let mut spaces = vec![(String::new(), None)];
    for name in db.keyspaces()? {
        let space = db.keyspace(&name)?;
        spaces.push((name.clone(), Some(space)));
        found.insert((name, Vec::new()), Vec::new());
    }
    for (name, space) in spaces {
        let iter = || space.as_ref().map_or_else(|| db.iter(), |space| space.iter());
        let get = |key: &[u8]| space.as_ref().map_or_else(|| db.get(key), |space| space.get(key));
        let entries = collect(iter(), |last, next| last < next)?;
        let mut backwards = collect(iter().rev(), |last, next| last > next)?;
        backwards.reverse();
        assert!(entries == backwards, "a scan is the same both ways");
        for (key, value) in entries.iter().step_by(7) {
            assert_eq!(get(key)?.as_deref(), Some(&value[..]), "a get finds what a scan finds");
        }
        for absent in ["k0005", "k0011", "k00005", "zz"] {
            let is_scanned = entries.iter().any(|(key, _)| **key == *absent.as_bytes());
            assert_eq!(get(absent.as_bytes())?.is_some(), is_scanned, "{absent}");
        }
        let named = |(key, value): (Slice, Slice)| ((name.clone(), key.to_vec()), value.to_vec());
        found.extend(entries.into_iter().map(named));
    }
    Ok(found)
}
