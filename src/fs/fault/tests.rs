//! Tests of the failing file system: the right call fails, in the right way, and no other.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::fs::fault::file_system::FaultFileSystem;
use crate::fs::fault::plan::{Fault, Operation, Trigger};
use crate::fs::{CrashProfile, FileKind, FileSystem, SimulatedFileSystem};

fn setup() -> (SimulatedFileSystem, FaultFileSystem) {
    let simulated = SimulatedFileSystem::new();
    (simulated.clone(), FaultFileSystem::new(simulated))
}

// Nine calls of different operations.
fn work(fs: &FaultFileSystem) -> io::Result<()> {
    fs.create_dir_all(Path::new("/d"))?;
    let mut file = fs.create_new(Path::new("/d/a"), FileKind::Wal)?;
    file.reserve(100)?;
    file.append(b"1234")?;
    file.syncer().sync()?;
    fs.sync_dir(Path::new("/d"))?;
    let read = fs.open(Path::new("/d/a"), FileKind::Wal)?;
    read.read_exact_at(&mut [0; 4], 0)?;
    fs.remove(Path::new("/d/a"))
}

#[test]
fn every_call_can_fail_in_every_way_and_is_named() {
    let (_, fs) = setup();
    work(&fs).unwrap();
    assert_eq!(fs.calls(), 9);
    let mut operations = Vec::new();
    for fault in Fault::ALL {
        for nth in 0..9 {
            let (_, fs) = setup();
            fs.set(Trigger::any().nth(nth), fault);
            work(&fs).unwrap_err();
            assert_eq!(fs.calls(), nth + 1);
            let hits = fs.hits();
            assert_eq!((hits.len(), hits[0].index), (1, nth));
            operations.push(hits[0].operation);
        }
        let (_, fs) = setup();
        fs.set(Trigger::any().nth(9), fault);
        work(&fs).unwrap();
    }
    operations.truncate(9);
    let expected = [
        Operation::CreateDirAll,
        Operation::CreateNew,
        Operation::Reserve,
        Operation::Append,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Open,
        Operation::Read,
        Operation::Remove,
    ];
    assert_eq!(operations, expected);
}

#[test]
fn one_shot_fails_once_and_sticky_until_cleared() {
    let (_, fs) = setup();
    let list = || fs.list(Path::new("/"));
    fs.set(Trigger::on(Operation::List).nth(1), Fault::TooManyFiles);
    list().unwrap();
    let error = list().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    list().unwrap();
    fs.set(Trigger::on(Operation::List).nth(1).sticky(), Fault::Io);
    list().unwrap();
    list().unwrap_err();
    list().unwrap_err();
    fs.clear();
    list().unwrap();
    assert_eq!(fs.hits().len(), 3);
}

#[test]
fn kinds_follow_a_file_through_rename_and_remove() {
    let (_, fs) = setup();
    let names = ["/t", "/w", "/v"].map(Path::new);
    drop(fs.create_new(names[0], FileKind::Table).unwrap());
    drop(fs.create_new(names[1], FileKind::Wal).unwrap());
    fs.set(Trigger::on(Operation::Remove).kind(FileKind::Wal), Fault::Io);
    fs.rename(names[1], names[2]).unwrap();
    fs.remove(names[0]).unwrap();
    fs.remove(names[2]).unwrap_err();
    fs.remove(names[2]).unwrap();
}

#[test]
fn short_calls_do_half_and_late_ones_all_before_they_fail() {
    let (simulated, fs) = setup();
    let mut file = fs.create_new(Path::new("/a"), FileKind::Table).unwrap();
    fs.set(Trigger::on(Operation::Append), Fault::ShortWrite);
    let error = file.append(b"12345678").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(simulated.read("/a").unwrap(), b"1234");
    fs.set(Trigger::on(Operation::Read), Fault::ShortRead);
    let mut buffer = [0; 4];
    let read = fs.open(Path::new("/a"), FileKind::Table).unwrap();
    let error = read.read_exact_at(&mut buffer, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(&buffer, b"12\0\0");
    fs.set(Trigger::on(Operation::Rename), Fault::Late);
    fs.rename(Path::new("/a"), Path::new("/b")).unwrap_err();
    assert_eq!(simulated.names("/"), ["b"]);
}

#[test]
fn a_failed_sync_loses_the_pages_below_it() {
    let (simulated, fs) = setup();
    let mut file = fs.create_new(Path::new("/a"), FileKind::Wal).unwrap();
    file.append(b"lost").unwrap();
    fs.set(Trigger::on(Operation::Sync), Fault::Io);
    file.syncer().sync().unwrap_err();
    file.syncer().sync().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(simulated.read("/a").unwrap(), b"lost");
    let after = simulated.crash(CrashProfile::LostPagesAfterFailedSync, 0);
    assert_eq!(after.read("/a").unwrap(), b"\0\0\0\0");
}

#[test]
fn two_faults_can_be_set_at_once() {
    let (_, fs) = setup();
    fs.add(Trigger::any().nth(0), Fault::Io);
    fs.add(Trigger::any().nth(2), Fault::NoSpace);
    let list = || fs.list(Path::new("/")).is_ok();
    assert_eq!([list(), list(), list(), list()], [false, true, false, true]);
}
