//! An append that the system carries out and reports as failed all the same.
//!
//! Goal: what was acknowledged afterwards is there after a crash. The dangerous one is the first append
//! to a segment of the log: it says where the segment before ends.
#![expect(clippy::unwrap_used, reason = "a test that fails panics, in its helpers too")]

use siltstone::fs::{
    CrashProfile, Fault, FaultFileSystem, FileKind, FileSystem, Operation, SimulatedFileSystem,
    Trigger,
};
use siltstone::{Background, Db, Options};

fn open(fs: impl FileSystem) -> Db {
    let background = Background::Stepped { seed: 1 };
    Options::new().file_system(fs).background(background).memory(1 << 20).open("data").unwrap()
}

/// Keys that were acknowledged around a flush whose `nth` append to the log fails late, and the disk.
fn around_a_late_append(nth: u64, fault: Fault) -> (Vec<String>, SimulatedFileSystem) {
    let disk = SimulatedFileSystem::new();
    let faults = FaultFileSystem::new(disk.clone());
    let db = open(faults.clone());
    db.put("before", "1").unwrap();
    faults.set(Trigger::on(Operation::Append).kind(FileKind::Wal).nth(nth), fault);
    let mut acknowledged = vec!["before".to_owned()];
    assert!(nth > 0 || db.flush().is_err(), "its first append to the log is the one that fails");
    for number in 0..5 {
        let key = format!("after {number}");
        if db.put(&key, "2").is_ok() {
            acknowledged.push(key);
        }
    }
    assert_eq!(faults.hits().len(), 1);
    (acknowledged, disk.crash(CrashProfile::Kill, 0))
}

#[test]
fn what_is_acknowledged_behind_a_late_append_survives() {
    for fault in [Fault::Late, Fault::ShortWrite, Fault::Io] {
        for nth in 0..4 {
            let (acknowledged, disk) = around_a_late_append(nth, fault);
            assert!(acknowledged.len() > 4, "one append fails, the others do not");
            let db = open(disk);
            for key in acknowledged {
                assert!(db.contains(&key).unwrap(), "{key:?} is lost, {fault:?} at {nth}");
            }
        }
    }
}
