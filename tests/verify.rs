//! Verification: a whole database is found whole, and no changed byte goes unseen.
//!
//! The subjects are databases of a few KiB on a simulated disk, with every kind of file and entry in
//! them, closed or killed. Their segments are cut to what was written and a little room, so that each
//! byte of each file can be changed in turn.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use siltstone::fs::{FileSystem as _, SimulatedFileSystem};
use siltstone::{
    Background, Batch, Compression, Db, ErrorKind, FilterKind, Options, Verify, VerifyReport,
};
use std::path::Path;
use std::sync::mpsc::channel;

const FILTERS: [FilterKind; 3] = [
    FilterKind::None,
    FilterKind::Bloom { bits_per_key: 10 },
    FilterKind::Blocked { bits_per_key: 10 },
];

/// Zeros that a segment keeps behind its last record.
const ROOM_BYTES: usize = 40;

fn options(disk: &SimulatedFileSystem, compression: Compression, filter: FilterKind) -> Options {
    Options::new()
        .file_system(disk.clone())
        .memory(1 << 20)
        .memtable_bytes(64 << 10)
        .block_bytes(256)
        .table_bytes(1 << 10)
        .compression(compression)
        .filter(filter)
        .background(Background::Stepped { seed: 1 })
}

/// Several levels, two keyspaces, deletes, range deletes, overwritten keys; the last writes are in
/// the log only.
fn fill(db: &Db) {
    let trades = db.keyspace("trades").unwrap();
    for round in 0..3 {
        for number in 0..24 {
            db.put(format!("key/{number:03}"), format!("{round}:{number}").repeat(4)).unwrap();
            trades.put(format!("{number:03}"), format!("trade {round}")).unwrap();
        }
        db.delete(format!("key/{:03}", 3 + round)).unwrap();
        db.delete_range(format!("key/01{round}")..format!("key/01{}", round + 2)).unwrap();
        db.flush().unwrap();
        if round == 0 {
            db.compact(..).unwrap();
        }
    }
    let mut batch = Batch::new();
    batch.put("late", "1").put_in(&trades, "late", "2").delete("key/001");
    db.write(batch).unwrap();
    db.put("last", "one").unwrap();
}

fn closed(compression: Compression, filter: FilterKind) -> SimulatedFileSystem {
    let disk = SimulatedFileSystem::with_seed(1);
    let db = options(&disk, compression, filter).open("/db").unwrap();
    fill(&db);
    db.wait_idle().unwrap();
    db.close().unwrap();
    disk.copy()
}

/// As a killed process leaves it: with a log, without a clean close.
fn killed(compression: Compression, filter: FilterKind) -> SimulatedFileSystem {
    let disk = SimulatedFileSystem::with_seed(1);
    let db = options(&disk, compression, filter).open("/db").unwrap();
    fill(&db);
    db.wait_idle().unwrap();
    disk.copy()
}

fn names(disk: &SimulatedFileSystem) -> Vec<String> {
    disk.names("/db").into_iter().map(|name| name.into_string().unwrap()).collect()
}

fn cut_room(disk: &SimulatedFileSystem) {
    for name in names(disk).into_iter().filter(|name| name.ends_with(".wal")) {
        let mut bytes = disk.read(format!("/db/{name}")).unwrap();
        let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.truncate((written + ROOM_BYTES).min(bytes.len()));
        disk.write_raw(format!("/db/{name}"), bytes);
    }
}

fn verify(disk: &SimulatedFileSystem) -> VerifyReport {
    Verify::new().file_system(disk.clone()).run("/db").unwrap()
}

fn names_file(report: &VerifyReport, name: &str) -> bool {
    let damages = report.damages.iter().map(|damage| &damage.file);
    let ends = report.loose_ends.iter().map(|end| &end.file);
    damages.chain(ends).any(|file| file.ends_with(name))
}

#[test]
fn whole_databases_of_every_shape_are_clean() {
    for compression in [Compression::None, Compression::Zstd(3)] {
        for filter in FILTERS {
            for disk in [closed(compression, filter), killed(compression, filter)] {
                let report = verify(&disk);
                assert!(report.is_clean() && report.loose_ends.is_empty(), "{report}");
                assert!(report.entries > 60 && report.files >= 5, "{report}");
                assert!(report.strangers.is_empty() && report.leftovers.is_empty(), "{report:?}");
            }
        }
    }
}

#[test]
fn a_database_at_work_is_clean() {
    let disk = SimulatedFileSystem::with_seed(1);
    let db = options(&disk, Compression::None, FILTERS[2]).open("/db").unwrap();
    assert!(db.verify().unwrap().is_clean());
    fill(&db);
    let report = db.verify().unwrap();
    assert!(report.is_clean() && report.batches > 0 && report.entries > 60, "{report}");
    db.close().unwrap();
    let db = options(&disk, Compression::None, FILTERS[2]).open_read_only("/db").unwrap();
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_database_that_is_written_to_is_clean_at_every_moment() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().memory(4 << 20).memtable_bytes(64 << 10).table_bytes(32 << 10);
    let db = options.durability(siltstone::Durability::Buffered).open(directory.path()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..40_000_u32 {
                db.put(format!("{:05}", number.wrapping_mul(7919) % 5000), [7; 100]).unwrap();
            }
        });
        let mut turns = 0;
        while !writer.is_finished() || turns == 0 {
            let report = db.verify().unwrap();
            assert!(report.is_clean(), "{report}");
            turns += 1;
        }
    });
    db.close().unwrap();
}

#[test]
fn every_changed_byte_is_told_with_its_file() {
    for disk in [
        closed(Compression::None, FILTERS[2]),
        killed(Compression::Zstd(3), FILTERS[1]),
        killed(Compression::None, FILTERS[0]),
    ] {
        disk.restart_history(false);
        cut_room(&disk);
        let report = verify(&disk);
        assert!(report.is_clean() && report.loose_ends.is_empty(), "{report}");
        let mut changed = 0;
        // What the reserve holds means nothing.
        for name in names(&disk).into_iter().filter(|name| name != "RESERVE") {
            let path = format!("/db/{name}");
            let Some(good) = disk.read(&path) else { continue };
            let written = good.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            for at in 0..good.len() {
                let mut bytes = good.clone();
                bytes[at] ^= if at % 2 == 0 { 0xff } else { 1 << (at / 2 % 8) };
                disk.write_raw(&path, bytes.clone());
                let report = verify(&disk);
                // Room behind the end of a log is nobody's bytes; everything else is.
                let is_room = name.ends_with(".wal") && at >= written;
                assert!(is_room || names_file(&report, &name), "{name}, byte {at}: {report}");
                changed += 1;
            }
            disk.write_raw(&path, good.clone());
        }
        assert!(changed > 3_000, "the subject is too small: {changed} bytes");
    }
}

#[test]
fn all_damage_is_told_in_one_pass() {
    let disk = killed(Compression::None, FILTERS[2]);
    let mut damaged = 0;
    let tables = names(&disk).into_iter().filter(|name| name.ends_with(".sst"));
    for name in tables {
        let path = format!("/db/{name}");
        let mut bytes = disk.read(&path).unwrap();
        // A block of data is about 256 bytes; the second byte of each payload is hit.
        let mut at = 0;
        for _ in 0..2 {
            let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            if bytes[at + 12] != 1 {
                break;
            }
            bytes[at + 17] ^= 0x55;
            damaged += 1;
            at += 16 + len;
        }
        disk.write_raw(&path, bytes.clone());
    }
    assert!(damaged > 4);
    let report = verify(&disk);
    assert_eq!(report.damages.len(), damaged, "{report}");
    assert!(report.damages.iter().all(|damage| damage.keys.is_some()), "{report}");
}

#[test]
fn records_behind_a_damaged_record_are_looked_at() {
    let disk = killed(Compression::None, FILTERS[2]);
    let mut logs = names(&disk).into_iter().filter(|name| name.ends_with(".wal"));
    let name = logs.next_back().unwrap();
    let path = format!("/db/{name}");
    let whole = verify(&disk).batches;
    let mut bytes = disk.read(&path).unwrap();
    // The first byte of the payload of the first batch, behind the opening of 96 bytes.
    bytes[96 + 32] ^= 0x55;
    disk.write_raw(&path, bytes.clone());
    let report = verify(&disk);
    assert_eq!((report.damages.len(), report.batches), (1, whole - 1), "{report}");
    assert_eq!(report.damages[0].offset, 96, "{report}");
}

#[test]
fn tables_and_segments_are_looked_at_without_a_manifest() {
    for lost in ["CURRENT", "MANIFEST"] {
        let disk = killed(Compression::None, FILTERS[2]);
        let names = names(&disk);
        let name = names.iter().find(|name| name.starts_with(lost)).unwrap();
        let path = format!("/db/{name}");
        let mut bytes = disk.read(&path).unwrap();
        bytes[20] ^= 0x55;
        disk.write_raw(&path, bytes.clone());
        let report = verify(&disk);
        assert_eq!(report.damages.len(), 1, "{report}");
        assert!(names_file(&report, name) && report.entries > 60, "{report}");
        let table = names.iter().find(|name| name.ends_with(".sst")).unwrap();
        let mut bytes = disk.read(format!("/db/{table}")).unwrap();
        bytes[20] ^= 0x55;
        disk.write_raw(format!("/db/{table}"), bytes);
        let report = verify(&disk);
        assert!(report.damages.len() == 2 && names_file(&report, table), "{report}");
    }
}

#[test]
fn a_missing_table_and_a_missing_segment_are_damage() {
    for kind in [".sst", ".wal"] {
        let disk = killed(Compression::None, FILTERS[2]);
        let names = names(&disk);
        let name = names.iter().rfind(|name| name.ends_with(kind)).unwrap();
        disk.remove(Path::new(&format!("/db/{name}"))).unwrap();
        let report = verify(&disk);
        assert!(report.damages.len() == 1 && names_file(&report, name), "{report}");
    }
}

#[test]
fn strangers_and_leftovers_are_listed_and_left_alone() {
    let disk = closed(Compression::None, FILTERS[2]);
    disk.write_raw("/db/notes.txt", b"mine".to_vec());
    disk.write_raw("/db/999999.sst", b"half a table".to_vec());
    let report = verify(&disk);
    assert!(report.is_clean(), "{report}");
    assert!(report.strangers.len() == 1 && report.strangers[0].ends_with("notes.txt"));
    assert!(report.leftovers.len() == 1 && report.leftovers[0].ends_with("999999.sst"));
}

#[test]
fn what_cannot_be_verified_is_an_error() {
    let disk = SimulatedFileSystem::with_seed(1);
    let run = || Verify::new().file_system(disk.clone()).run("/db");
    assert_eq!(run().unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
    let db = options(&disk, Compression::None, FILTERS[2]).open("/db").unwrap();
    assert_eq!(run().unwrap_err().kind(), ErrorKind::Locked);
    db.close().unwrap();
    assert!(run().unwrap().is_clean());
    disk.create_dir_all(Path::new("/empty")).unwrap();
    disk.write_raw("/empty/LOCK", Vec::new());
    let error = Verify::new().file_system(disk.clone()).run("/empty").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn progress_ends_with_all_bytes() {
    let disk = closed(Compression::None, FILTERS[2]);
    let (ear, told) = channel();
    let verify = Verify::new().file_system(disk).on_progress(move |progress| {
        ear.send((progress.bytes_done, progress.bytes_all)).unwrap();
    });
    assert!(verify.run("/db").unwrap().is_clean());
    let told: Vec<_> = told.iter().collect();
    assert!(told.is_sorted() && told.len() > 10);
    let (done, all) = *told.last().unwrap();
    assert!(done == all && all > 3_000, "{done} of {all}");
}
