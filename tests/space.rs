//! Memory and space: the budget holds while a database is filled and read, and space comes back.
//!
//! Goal: what `stats` counts stays inside the budget; a filled, settled tree takes little more than
//! its data; what was overwritten or deleted takes nothing; no file stays that nobody needs.
//! Method: entries of 116 bytes in random order on the real file system, far more than the budget.
//! `examples/fill.rs` does the same with millions, and looks at the memory of the whole process too.

#![expect(clippy::unwrap_used, reason = "a helper of a test is a test")]

use siltstone::fs::{FileSystem, OsFileSystem};
use siltstone::{Db, Durability, Options, Stats};
use std::path::Path;
use std::time::Duration;

const ENTRIES: u64 = 300_000;
const ENTRY_BYTES: u64 = 16 + 100;
const MEMORY: usize = 8 << 20;
const MEMTABLE: usize = 1 << 20;
/// A memtable and its filter.
const CHARGED: usize = MEMTABLE + MEMTABLE / 64;
const SPACE_MAX: f64 = 1.15;

fn key(number: u64) -> String {
    format!("{number:016}")
}

fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^ (number >> 27)
}

/// Incompressible, and another one for each round.
fn value(number: u64, round: u64) -> [u8; 100] {
    let (mut value, mut state) = ([0; 100], number << 16 | round << 8);
    for chunk in value.chunks_mut(8) {
        state += 1;
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
    value
}

/// Each number below `ENTRIES` once.
fn shuffled(index: u64) -> u64 {
    const { assert!(!ENTRIES.is_multiple_of(7) && !ENTRIES.is_multiple_of(22_447)) };
    (index * (7 * 22_447) + 31) % ENTRIES
}

fn used(stats: &Stats) -> usize {
    stats.memtable_bytes + stats.pinned_bytes + stats.cache_bytes
}

/// Bytes of tables and of the manifest in the directory.
fn bytes_on_disk(directory: &Path) -> (u64, u64) {
    let (mut tables, mut manifest) = (0, 0);
    for file in directory.read_dir().unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let len = file.metadata().unwrap().len();
        match name.ends_with(".sst") {
            true => tables += len,
            false if name.starts_with("MANIFEST") => manifest += len,
            false => {}
        }
    }
    (tables, manifest)
}

fn settle(db: &Db) -> Stats {
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    db.stats()
}

fn fill(db: &Db, round: u64, step: usize) {
    for index in (0..ENTRIES).step_by(step) {
        let number = shuffled(index);
        db.put(key(number), value(number, round)).unwrap();
        if index % 16 == 0 {
            // Keeps the cache as full as it may be.
            db.get(key(shuffled(mix(index) % (index + 1)))).unwrap();
        }
        if index % 4096 == 0 {
            let stats = db.stats();
            // A memtable that was just begun is charged, with its filter, a moment before the cache
            // makes room.
            assert!(used(&stats) <= MEMORY + CHARGED, "at {index}: {stats:#?}");
            assert!(stats.memtable_bytes >= MEMTABLE, "at {index}: {stats:#?}");
        }
    }
}

fn assert_small(db: &Db, directory: &Path) {
    let stats = settle(db);
    assert!(used(&stats) <= MEMORY, "{stats:#?}");
    let (tables, manifest) = bytes_on_disk(directory);
    assert_eq!(tables, stats.table_bytes, "every table on the disk is a live one");
    let ratio = (tables + manifest) as f64 / (ENTRIES * ENTRY_BYTES) as f64;
    assert!(ratio <= SPACE_MAX, "{ratio:.3}: {stats:#?}");
}

fn assert_filled(db: &Db, round_of: impl Fn(u64) -> u64) {
    let (mut cursor, mut count) = (db.cursor(..), 0);
    while let Some((found_key, found_value)) = cursor.next().unwrap() {
        assert_eq!(found_key, key(count).as_bytes());
        assert_eq!(found_value, value(count, round_of(count)), "entry {count}");
        count += 1;
    }
    assert_eq!(count, ENTRIES);
    let stats = db.stats();
    assert!(used(&stats) <= MEMORY && stats.cache_bytes > MEMORY / 2, "{stats:#?}");
}

/// Waits until the reserve has a size that `is_right`.
fn await_reserve(directory: &Path, is_right: impl Fn(u64) -> bool) {
    let bytes = || directory.join("RESERVE").metadata().map_or(0, |facts| facts.len());
    for _ in 0..5000 {
        if is_right(bytes()) {
            return;
        }
        OsFileSystem::new().sleep(Duration::from_millis(2));
    }
    panic!("{} bytes are reserved", bytes());
}

#[test]
fn a_filled_database_keeps_to_its_memory_and_gives_space_back() {
    let temp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = temp.path().join("data");
    let options = Options::new()
        .memory(MEMORY)
        .memtable_bytes(MEMTABLE)
        .table_bytes(2 << 20)
        .durability(Durability::Buffered);
    let db = options.open(&directory).unwrap();

    fill(&db, 1, 1);
    assert_small(&db, &directory);
    assert_filled(&db, |_| 1);

    fill(&db, 2, 2);
    assert_small(&db, &directory);
    let rewritten: std::collections::BTreeSet<u64> =
        (0..ENTRIES).step_by(2).map(shuffled).collect();
    assert_filled(&db, |number| if rewritten.contains(&number) { 2 } else { 1 });

    db.delete_range(..).unwrap();
    let stats = settle(&db);
    assert_eq!((stats.tables, bytes_on_disk(&directory).0), (0, 0), "{stats:#?}");
    assert!(used(&stats) <= 2 * MEMTABLE, "what is gone takes no memory: {stats:#?}");
    db.close().unwrap();
}

#[test]
fn a_table_that_was_replaced_goes_when_its_last_reader_does() {
    let temp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = temp.path().join("data");
    let db = Options::new().durability(Durability::Buffered).open(&directory).unwrap();
    for round in 1..3 {
        for number in 0..1000 {
            db.put(key(number), value(number, round)).unwrap();
        }
        db.flush().unwrap();
    }
    let mut reader = db.iter();
    assert!(reader.next().unwrap().is_ok());
    let live = settle(&db).table_bytes;
    assert!(bytes_on_disk(&directory).0 > live, "the reader still needs what was replaced");
    assert_eq!(reader.by_ref().map(Result::unwrap).count(), 999);
    drop(reader);
    db.wait_idle().unwrap();
    assert_eq!(bytes_on_disk(&directory).0, live);
}

/// A file that was deleted takes its space as long as somebody has it open, and whoever closes it then
/// frees that, which takes milliseconds. The log keeper does it beside the commits, and no commit that
/// begins a segment has to.
#[cfg(target_os = "linux")]
#[test]
fn deleted_segments_are_closed_while_commits_go_on() {
    let temp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = temp.path().canonicalize().unwrap().join("data");
    let options = Options::new().memory(MEMORY).durability(Durability::Buffered);
    let db = options.open(&directory).unwrap();
    for round in 0..5 {
        db.put(key(round), value(round, round)).unwrap();
        db.flush().unwrap();
        db.wait_idle().unwrap();
        let mut left = (deleted_and_open(&directory), segments(&directory));
        for _ in 0..2_000 {
            if left.0.is_empty() && left.1 <= 2 {
                break;
            }
            // Never idle: an idle log is synced, and that lets go of older segments too. And never so much
            // that another segment is begun.
            db.put(key(round), value(round, round)).unwrap();
            OsFileSystem::new().sleep(Duration::from_millis(1));
            left = (deleted_and_open(&directory), segments(&directory));
        }
        assert!(left.0.is_empty(), "still open: {:?}", left.0);
        assert!(left.1 <= 2, "{} segments, of which one is in use and one prepared", left.1);
    }
}

/// Files of the directory that were deleted and are open in this process.
#[cfg(target_os = "linux")]
fn deleted_and_open(directory: &Path) -> Vec<String> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let paths = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    let ours = paths.filter(|path| path.starts_with(directory));
    let names = ours.map(|path| path.to_string_lossy().into_owned());
    names.filter(|name| name.ends_with("(deleted)")).collect()
}

#[cfg(target_os = "linux")]
fn segments(directory: &Path) -> usize {
    let names = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".wal")).count()
}

#[test]
fn a_database_at_rest_keeps_little_for_a_full_disk_and_more_when_it_writes() {
    const LARGE_MEMTABLE: usize = 32 << 20;
    let temp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = temp.path().join("data");
    let options = Options::new().memtable_bytes(LARGE_MEMTABLE).durability(Durability::Buffered);
    let db = options.open(&directory).unwrap();
    let large = LARGE_MEMTABLE as u64 / 2;
    for round in 0..2 {
        for number in 0..20 {
            db.put(key(number), vec![round; 1 << 20]).unwrap();
        }
        await_reserve(&directory, |bytes| bytes > large);
        // As long as all of it is in the log, it has to be there.
        OsFileSystem::new().sleep(Duration::from_millis(250));
        await_reserve(&directory, |bytes| bytes > large);
        db.flush().unwrap();
        await_reserve(&directory, |bytes| (1..large / 2).contains(&bytes));
    }
    for number in 0..20 {
        assert_eq!(*db.get(key(number)).unwrap().unwrap(), [1; 1 << 20]);
    }
}
