//! A disk with no room at all but for a few words.

use siltstone::fs::{CrashProfile, FileSystem, SimulatedFileSystem};
use siltstone::{Background, Compression, Db, ErrorKind, Options};
use std::path::Path;
use std::time::Duration;

const DISK_BYTES: u64 = 2 << 20;
/// Too little to merge anything, enough to log a delete and to note what is gone.
const REST_BYTES: u64 = 48 << 10;

fn key(number: usize) -> String {
    format!("k{number:05}")
}

/// Puts until that is refused; how many were not.
fn fill(db: &Db) -> usize {
    for number in 0.. {
        // Spread over all keys, so that every table covers all of them.
        if let Err(error) = db.put(key(number * 7919 % 100_003), [7; 400]) {
            assert_eq!(error.kind(), ErrorKind::DiskFull);
            return number;
        }
    }
    unreachable!("a disk has an end")
}

/// Each seed lets the workers take turns in another way.
fn many_small_tables(disk: &SimulatedFileSystem, seed: u64) -> Options {
    Options::new()
        .file_system(disk.clone())
        .background(Background::Stepped { seed })
        .compression(Compression::None)
        .memory(2 << 20)
        .memtable_bytes(16 << 10)
        .table_bytes(16 << 10)
}

#[test]
fn what_a_range_delete_covers_goes_without_any_room() {
    for seed in 0..24 {
        let disk = SimulatedFileSystem::new();
        let free = || disk.free_space(Path::new("data")).unwrap();
        disk.set_capacity(Some(DISK_BYTES));
        let db = many_small_tables(&disk, seed).open("data").unwrap();
        let count = fill(&db);
        assert!(count > 1000, "a disk of 2 MiB holds {count} entries");
        // Somebody else takes what the reserve has given back.
        disk.set_capacity(Some(DISK_BYTES - free() + REST_BYTES));

        db.delete_range(key(10)..).unwrap();
        let compacted = db.compact(..);
        compacted.unwrap_or_else(|error| panic!("seed {seed}, {} bytes free: {error}", free()));

        db.wait_idle().unwrap();
        let left: u64 = db.stats().levels.iter().map(|level| level.bytes).sum();
        assert!(left < REST_BYTES, "tables of {left} bytes are left");
        assert!(db.iter().count() <= 10);
        db.put("k", "there is room").unwrap();
        db.verify().unwrap().into_result().unwrap();
    }
}

/// Writers are slowed where runs wait to be merged; here nothing can be merged, however long they wait.
#[test]
fn deletes_on_a_full_disk_are_not_slowed_for_merges_that_cannot_be() {
    let disk = SimulatedFileSystem::new();
    disk.set_capacity(Some(DISK_BYTES));
    let db = many_small_tables(&disk, 1).open("data").unwrap();
    fill(&db);
    let before = db.stats().stalled_nanos;
    let deletes = (0..10_000).map(|number| db.delete(key(number * 7919 % 100_003)));
    deletes.for_each(|deleted| deleted.unwrap());
    let stats = db.stats();
    assert!(stats.levels[0].tables > 24, "so many runs stop writers where they can be merged");
    let stalled = Duration::from_nanos(stats.stalled_nanos - before);
    assert!(stalled < Duration::from_secs(1), "{stalled:?}");
}

#[test]
fn a_killed_database_opens_on_a_full_disk_by_its_reserve() {
    let disk = SimulatedFileSystem::new();
    disk.set_capacity(Some(DISK_BYTES));
    let options = |disk: &SimulatedFileSystem| {
        let options = Options::new().file_system(disk.clone()).compression(Compression::None);
        options.background(Background::Stepped { seed: 3 }).memory(2 << 20)
    };
    let db = options(&disk).open("data").unwrap();
    // All of it is in the log still.
    let entries = 100;
    (0..entries).for_each(|number| db.put(key(number), [7; 400]).unwrap());
    let killed = disk.crash(CrashProfile::Kill, 0);
    killed.set_capacity(Some(DISK_BYTES));
    let free = killed.free_space(Path::new("data")).unwrap();
    let without_reserve = killed.copy();
    killed.set_capacity(Some(DISK_BYTES - free));

    let db = options(&killed).open("data").unwrap();
    assert_eq!(db.iter().count(), entries);
    drop(db);
    without_reserve.remove(Path::new("data/RESERVE")).unwrap();
    let free = without_reserve.free_space(Path::new("data")).unwrap();
    without_reserve.set_capacity(Some(DISK_BYTES - free));
    let error = options(&without_reserve).open("data").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "it was the reserve");
}
