//! A full disk, and too many open files: writes are refused, reads go on, and when there is room
//! again everything goes on by itself.

use crate::fault::world::{Map, assert_same, contents};
use siltstone::fs::{
    CrashProfile, Fault, FaultFileSystem, FileKind, Operation, SimulatedFileSystem, Trigger,
};
use siltstone::{Background, Compression, Db, ErrorKind, Options};

fn disk() -> SimulatedFileSystem {
    let disk = SimulatedFileSystem::new();
    disk.restart_history(false);
    disk
}

fn options(fs: impl siltstone::fs::FileSystem, background: Background) -> Options {
    Options::new()
        .file_system(fs)
        .memory(2 << 20)
        .memtable_bytes(16 << 10)
        .table_bytes(16 << 10)
        .compression(Compression::None)
        .background(background)
}

fn both() -> [Background; 2] {
    [Background::Stepped { seed: 3 }, Background::Threads]
}

fn put(db: &Db, live: &mut Map, number: u32) -> Result<(), siltstone::Error> {
    let (key, value) = (format!("k{:05}", number % 500), vec![number.to_le_bytes()[0]; 300]);
    db.put(&key, &value)?;
    live.insert((String::new(), key.into_bytes()), value);
    Ok(())
}

/// Writes until the disk is full. Returns how many writes succeeded.
fn fill(db: &Db, live: &mut Map) -> u32 {
    for number in 0.. {
        if let Err(error) = put(db, live, number) {
            assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
            return number;
        }
    }
    unreachable!("the disk is full some time")
}

/// Writes when there is room again. Background work that began before may report its failure once.
fn put_again(db: &Db, live: &mut Map, number: u32) {
    for _ in 0..3 {
        match put(db, live, number) {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}"),
        }
    }
    panic!("there is room again, but writes are still refused");
}

#[test]
fn on_a_full_disk_writes_are_refused_and_reads_go_on() {
    for (background, room) in both().into_iter().flat_map(|it| (0..8).map(move |n| (it, n))) {
        let (disk, mut live) = (disk(), Map::new());
        let db = options(disk.clone(), background).open("data").unwrap();
        put(&db, &mut live, 0).unwrap();
        let snapshot = db.snapshot();
        let then = live.clone();
        disk.set_capacity(Some((200 << 10) + room * 1_111));
        assert!(fill(&db, &mut live) > 10);
        for number in 0..20 {
            assert_same(&contents(&db).unwrap(), &live);
            // A smaller one may still fit.
            drop(put(&db, &mut live, number));
        }
        let held: Vec<_> = snapshot.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(held.len(), then.len());
        drop(snapshot);

        disk.set_capacity(None);
        for number in 0..200 {
            put_again(&db, &mut live, number);
        }
        db.compact(..).unwrap();
        db.wait_idle().unwrap();
        db.health().unwrap();
        assert_same(&contents(&db).unwrap(), &live);
        db.close().unwrap();
        let db = options(disk, background).open("data").unwrap();
        assert!(db.recovery_report().is_clean());
        assert_same(&contents(&db).unwrap(), &live);
    }
}

#[test]
fn a_disk_that_was_full_at_the_death_of_the_process_opens_with_all_that_was_acknowledged() {
    for room in 0..20 {
        let (disk, mut live) = (disk(), Map::new());
        let db = options(disk.clone(), Background::Stepped { seed: room }).open("data").unwrap();
        disk.set_capacity(Some((100 << 10) + room * 2_001));
        fill(&db, &mut live);
        let killed = disk.copy();
        let full = options(killed.clone(), Background::Threads).open("data");
        match full {
            Err(error) => assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}"),
            Ok(db) => assert_same(&contents(&db).unwrap(), &live),
        }
        killed.set_capacity(None);
        let db = options(killed, Background::Threads).open("data").unwrap();
        assert_same(&contents(&db).unwrap(), &live);
    }
}

#[test]
fn deletes_and_a_compaction_give_room_to_a_database_that_filled_its_disk() {
    let (disk, mut live) = (disk(), Map::new());
    let db = options(disk.clone(), Background::Stepped { seed: 5 }).open("data").unwrap();
    disk.set_capacity(Some(700 << 10));
    fill(&db, &mut live);
    assert_eq!(db.health().unwrap_err().kind(), ErrorKind::DiskFull);
    for number in (0..400).step_by(7) {
        let key = format!("k{number:05}").into_bytes();
        db.delete(&key).unwrap();
        live.remove(&(String::new(), key));
    }
    db.delete_range("k00000".."k00450").unwrap();
    live.retain(|(_, key), _| key.as_slice() >= b"k00450".as_slice());
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    (0..200).for_each(|number| put(&db, &mut live, number).unwrap());
    db.health().unwrap();
    db.delete_range("k00000".."k00450").unwrap();
    live.retain(|(_, key), _| key.as_slice() >= b"k00450".as_slice());
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    assert_same(&contents(&db).unwrap(), &live);
    let bytes: usize = disk
        .names("data")
        .into_iter()
        .filter(|name| name != "RESERVE")
        .filter_map(|name| disk.read(std::path::Path::new("data").join(name)))
        .map(|bytes| bytes.len())
        .sum();
    assert!(bytes < 300 << 10, "{bytes} bytes are left of what was deleted");
}

#[test]
fn too_many_open_files_is_an_error_and_not_a_loss() {
    for (background, operation) in
        both().into_iter().flat_map(|it| [(it, Operation::Open), (it, Operation::CreateNew)])
    {
        let (faults, mut live) = (FaultFileSystem::new(disk()), Map::new());
        let db = options(faults.clone(), background).open("data").unwrap();
        (0..300).for_each(|number| put(&db, &mut live, number).unwrap());
        db.flush().unwrap();
        faults.set(Trigger::on(operation).sticky(), Fault::TooManyFiles);
        for number in 300..400 {
            if let Err(error) = put(&db, &mut live, number) {
                assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            }
        }
        match contents(&db) {
            Ok(found) => assert_same(&found, &live),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error:?}"),
        }
        faults.clear();
        assert_same(&contents(&db).unwrap(), &live);
        put(&db, &mut live, 1).unwrap();
        db.compact(..).unwrap();
        db.close().unwrap();
        let db = options(faults, background).open("data").unwrap();
        assert_same(&contents(&db).unwrap(), &live);
    }
}

#[test]
fn a_manifest_that_cannot_be_replaced_stops_nothing_for_good() {
    let faults = FaultFileSystem::new(disk());
    let db = options(faults.clone(), Background::Stepped { seed: 1 }).open("data").unwrap();
    for operation in [Operation::CreateNew, Operation::Append, Operation::Sync] {
        let append = Trigger::on(Operation::Append).kind(FileKind::Manifest);
        faults.set(append, Fault::NoSpace);
        faults.add(Trigger::on(operation).kind(FileKind::Current), Fault::NoSpace);
        let refused = db.keyspace("a").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DiskFull, "the edit is refused: {refused:?}");
        let refused = db.keyspace("a").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DiskFull, "the new manifest is: {refused:?}");
        faults.clear();
        db.keyspace("a").unwrap().put("k", "v").unwrap();
        assert!(db.drop_keyspace("a").unwrap());
    }
    db.health().unwrap();
}

#[test]
fn a_keyspace_whose_drop_could_not_be_noted_is_gone_and_can_be_created_again() {
    for again in [true, false] {
        let faults = FaultFileSystem::new(disk());
        // A reserve would be given up for the drop.
        let options = |fs| options(fs, Background::Stepped { seed: 1 }).reserve_bytes(0);
        let db = options(faults.clone()).open("data").unwrap();
        db.keyspace("a").unwrap().put("old", "1").unwrap();
        faults.set(Trigger::on(Operation::Append).kind(FileKind::Manifest), Fault::NoSpace);
        assert_eq!(db.drop_keyspace("a").unwrap_err().kind(), ErrorKind::DiskFull);
        assert!(db.keyspaces().unwrap().is_empty(), "its drop is in the log");
        if again {
            assert!(db.drop_keyspace("a").unwrap(), "the second attempt ends the first");
            assert!(!db.drop_keyspace("a").unwrap());
        }
        let space = db.keyspace("a").unwrap();
        assert_eq!(space.iter().count(), 0);
        space.put("new", "2").unwrap();
        db.close().unwrap();
        let db = options(faults).open("data").unwrap();
        let found = contents(&db).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [("a".to_owned(), b"new".to_vec())]);
    }
}

#[test]
fn a_compaction_that_cannot_be_planned_is_an_error() {
    for background in both() {
        let faults = FaultFileSystem::new(disk());
        let db = options(faults.clone(), background).open("data").unwrap();
        // So many that no thread finds the table worth merging before it is asked to.
        ["a", "b", "c", "d"].into_iter().for_each(|key| db.put(key, "1").unwrap());
        db.delete_range("a".."b").unwrap();
        db.flush().unwrap();
        db.close().unwrap();
        // Its range tombstones have to be known first, and the table does not open. An open needs none,
        // but threads may look at once.
        faults.set(Trigger::any().kind(FileKind::Table).sticky(), Fault::Io);
        let db = options(faults.clone(), background).open("data").unwrap();
        assert_eq!(db.compact(..).unwrap_err().kind(), ErrorKind::Io);
        faults.clear();
        // Planning that began before may report its failure once.
        assert!((0..3).any(|_| db.compact(..).is_ok()));
        db.health().unwrap();
    }
}

#[test]
fn after_a_sync_or_a_flush_no_power_cut_brings_a_refused_write_back() {
    for flushes in [false, true] {
        let disk = SimulatedFileSystem::new();
        let faults = FaultFileSystem::new(disk.clone());
        let db = options(faults.clone(), Background::Stepped { seed: 1 }).open("data").unwrap();
        // The record is whole in the file, but reported as failed.
        faults.set(Trigger::on(Operation::Append).kind(FileKind::Wal), Fault::Late);
        assert_eq!(db.put("refused", "1").unwrap_err().kind(), ErrorKind::Io);
        if flushes { db.flush() } else { db.sync() }.unwrap();
        for profile in [CrashProfile::Kill, CrashProfile::StrictPosix] {
            let after = options(disk.crash(profile, 1), Background::Threads).open("data").unwrap();
            assert!(after.get("refused").unwrap().is_none(), "flushes {flushes}, {profile:?}");
        }
    }
}

#[test]
fn a_leftover_that_cannot_be_removed_at_the_open_goes_later() {
    let faults = FaultFileSystem::new(disk());
    options(faults.clone(), Background::Threads).open("data").unwrap().close().unwrap();
    faults.set(Trigger::on(Operation::Remove).sticky(), Fault::Io);
    let db = options(faults.clone(), Background::Stepped { seed: 1 }).open("data").unwrap();
    assert_eq!(db.health().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(db.wait_idle().unwrap_err().kind(), ErrorKind::Io);
    faults.clear();
    db.wait_idle().unwrap();
    db.health().unwrap();
}
