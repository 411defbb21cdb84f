//! The toll: runs of level 0 are merged for the sake of readers, and only for theirs.
//!
//! Goal: a database that is read again and again becomes one run by itself; one that is only written is not
//! rewritten; and what is in order already is moved, not written again.
//! Method: a few small tables in level 0 that hold all keys each, then reads; the figures of `stats` tell
//! what the compactors did.

#![expect(clippy::unwrap_used, reason = "a helper of a test is a test")]

use siltstone::fs::{FileSystem, OsFileSystem, SimulatedFileSystem};
use siltstone::{Background, Compression, Db, Durability, Options, Stats};
use std::path::Path;
use std::time::Duration;

const RUNS: u32 = 3;
const KEYS: u32 = 3_000;

fn options(disk: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(disk.clone())
        .durability(Durability::Buffered)
        .compression(Compression::None)
        // So that room on the disk is what the tests make it.
        .reserve_bytes(0)
        .memtable_bytes(1 << 20)
        .table_bytes(1 << 20)
}

fn open(disk: &SimulatedFileSystem) -> Db {
    options(disk).open("data").unwrap()
}

fn wait(milliseconds: u64) {
    OsFileSystem::new().sleep(Duration::from_millis(milliseconds));
}

fn key(number: u32) -> String {
    format!("{number:08}")
}

/// Every run has keys from all over the range, and a part of the values of the one before.
fn fill(db: Db) -> Db {
    for run in 0..RUNS {
        for number in (0..KEYS).filter(|number| number % RUNS == run || number % 10 == 0) {
            db.put(key(number), format!("{number} of run {run}")).unwrap();
        }
        db.flush().unwrap();
    }
    assert_eq!(db.stats().levels[0].tables, RUNS as usize, "less than a full level");
    db
}

fn expected(number: u32) -> String {
    let run = if number.is_multiple_of(10) { RUNS - 1 } else { number % RUNS };
    format!("{number} of run {run}")
}

/// Reads with `read` until level 0 is empty, or gives up.
fn until_merged(db: &Db, mut read: impl FnMut(&Db)) -> Stats {
    // The count of compactions follows the tables.
    let is_merged = |stats: &Stats| stats.levels[0].tables == 0 && stats.compactions > 0;
    for _ in 0..20_000 {
        if is_merged(&db.stats()) {
            break;
        }
        read(db);
    }
    db.stats()
}

type NamedRead = (&'static str, fn(&Db));

#[test]
fn readers_have_the_runs_merged_that_they_look_into() {
    let reads: [NamedRead; 5] = [
        ("by key", |db| {
            for number in 0..KEYS {
                assert_eq!(&*db.get(key(number)).unwrap().unwrap(), expected(number).as_bytes());
            }
        }),
        ("forward", |db| {
            for (number, entry) in (0..KEYS).zip(db.iter()) {
                let (key_there, value) = entry.unwrap();
                assert_eq!(
                    (&*key_there, &*value),
                    (key(number).as_bytes(), expected(number).as_bytes())
                );
            }
        }),
        ("backward", |db| {
            for (number, entry) in (0..KEYS).rev().zip(db.iter().rev()) {
                assert_eq!(&*entry.unwrap().1, expected(number).as_bytes());
            }
        }),
        ("a cursor that is never dropped", |db| {
            let mut cursor = db.cursor(..);
            for number in (0..KEYS).step_by(7) {
                cursor.seek(key(number));
                assert_eq!(cursor.next().unwrap().unwrap().1, expected(number).as_bytes());
            }
            // What it has lost was told by its seeks.
            std::mem::forget(cursor);
        }),
        ("a seek for each cursor", |db| {
            for number in (0..KEYS).step_by(11) {
                let mut cursor = db.cursor(key(number)..);
                assert_eq!(cursor.next().unwrap().unwrap().1, expected(number).as_bytes());
            }
        }),
    ];
    for (what, read) in reads {
        let db = fill(open(&SimulatedFileSystem::new()));
        let stats = until_merged(&db, read);
        assert_eq!(stats.levels[0].tables, 0, "{what}");
        assert_eq!(stats.compactions, 1, "{what}: merged once and for all");
        read(&db);
    }
}

#[test]
fn who_does_not_read_pays_nothing() {
    let db = fill(open(&SimulatedFileSystem::new()));
    wait(50);
    assert_eq!(db.stats().compactions, 0);
}

/// What is taken when no old segment is about to be deleted any more.
fn taken_at_rest(taken: impl Fn() -> u64) -> u64 {
    let (mut last, mut looks) = (taken(), 0);
    while looks < 20 {
        wait(20);
        looks = if taken() == last { looks + 1 } else { 0 };
        last = taken();
    }
    last
}

#[test]
fn where_there_is_little_room_the_runs_stay() {
    let disk = SimulatedFileSystem::new();
    let db = fill(open(&disk));
    let scan = |db: &Db| assert_eq!(db.iter().count(), KEYS as usize);
    // What a merge reads would fit, but not twice.
    const PLENTY: u64 = 1 << 40;
    disk.set_capacity(Some(PLENTY));
    let taken = taken_at_rest(|| PLENTY - disk.free_space(Path::new("data")).unwrap());
    disk.set_capacity(Some(taken + db.stats().table_bytes * 3 / 2));
    (0..1000).for_each(|_| scan(&db));
    wait(50);
    assert_eq!(db.stats().compactions, 0);
    disk.set_capacity(None);
    assert_eq!(until_merged(&db, scan).compactions, 1);
}

#[test]
fn what_is_one_run_already_is_left_alone() {
    let db = open(&SimulatedFileSystem::new());
    for number in 0..KEYS {
        db.put(key(number), "value").unwrap();
    }
    db.flush().unwrap();
    for _ in 0..1000 {
        assert_eq!(db.iter().count(), KEYS as usize);
    }
    wait(50);
    assert_eq!(db.stats().compactions, 0);
}

#[test]
fn an_ascending_load_is_moved_and_not_written_again() {
    let db = open(&SimulatedFileSystem::new());
    let value = [7; 1000];
    for number in 0..20_000 {
        db.put(key(number), value).unwrap();
    }
    db.flush().unwrap();
    for _ in 0..20_000 {
        if db.stats().compactions > 0 {
            break;
        }
        wait(1);
    }
    let stats = db.stats();
    assert!(stats.compactions > 0 && stats.levels.iter().skip(1).any(|level| level.tables > 3));
    assert_eq!(stats.compaction_written_bytes, 0);
}

/// Readers may want a merge at any moment, and compactors are told of it only now and then: who waited
/// for such a merge could wait for ever.
#[test]
fn who_waits_for_rest_does_not_wait_for_readers() {
    let options = options(&SimulatedFileSystem::new());
    // No compactor looks by itself: what readers want is there and nobody was told.
    let db = fill(options.background(Background::Stepped { seed: 1 }).open("data").unwrap());
    db.wait_idle().unwrap();
    (0..1000).for_each(|_| assert_eq!(db.iter().count(), KEYS as usize));
    db.wait_idle().unwrap();
    assert_eq!(db.stats().compactions, 0);
    while db.step() {}
    assert_eq!(db.stats().compactions, 1, "it was due");
}
