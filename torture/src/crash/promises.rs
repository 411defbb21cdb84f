//! What an open shows is durable, whatever it was found in.

use crate::crash::oracle::{Keys, shown};
use crate::crash::story::{HOME, options};
use siltstone::fs::{
    CrashProfile, Fault, FaultFileSystem, FileKind, FileSystem, LintFileSystem, Operation,
    SimulatedFileSystem, Trigger,
};
use siltstone::{Durability, ErrorKind};
use std::path::Path;

#[test]
fn a_directory_that_was_there_before_is_made_durable_with_what_is_in_it() {
    let disk = SimulatedFileSystem::new();
    // Killed when the first of these has a name, which only memory knows.
    disk.create_dir_all(Path::new("/deep/down")).unwrap();
    let killed = disk.crash_at(1, CrashProfile::Kill, 0);
    for home in ["/deep", "/deep/down/below"] {
        let killed = killed.copy();
        options(killed.clone(), 1).open(home).unwrap().put("a", "1").unwrap();
        let after = killed.crash(CrashProfile::StrictPosix, 0);
        let db = options(after, 1).create_if_missing(false).open(home).unwrap();
        assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]), "{home}");
    }
}

#[test]
fn what_an_open_shows_after_a_failed_sync_is_still_there_after_a_power_cut() {
    for seed in 0..40 {
        let disk = SimulatedFileSystem::with_seed(seed);
        let faults = FaultFileSystem::new(disk.clone());
        let db = options(faults.clone(), seed).open(HOME).unwrap();
        db.put("a", "durable").unwrap();
        let rounds = seed % 5;
        for round in 0..rounds {
            let value = vec![b'v'; 700 * (1 + round as usize)];
            let batch = |key: u64| {
                let mut batch = siltstone::Batch::new();
                batch.put(format!("b{key}"), &value);
                batch
            };
            db.write_with(batch(round), Durability::Buffered).unwrap();
        }
        // The next segment is ready, so that the fault meets the sync of the commit.
        while db.step() {}
        faults.set(Trigger::on(Operation::Sync).kind(FileKind::Wal), Fault::Io);
        let error = db.put("c", "uncertain").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUncertain);
        drop(db);
        faults.clear();
        // The process is new, the machine is not: pages that were not written back can be read.
        let killed = disk.crash(CrashProfile::Kill, seed);
        let keys = Keys::new();
        let lint = LintFileSystem::new(killed.clone());
        let db = options(lint, seed).open(HOME).unwrap();
        let first = shown(&db, &keys);
        assert_eq!(first[""].len() as u64, 2 + rounds, "memory still has all of it");
        for profile in CrashProfile::ALL {
            let after = killed.crash(profile, seed);
            let again = options(after, seed).open(HOME).unwrap();
            assert_eq!(shown(&again, &keys), first, "{profile:?} seed {seed}");
        }
    }
}
