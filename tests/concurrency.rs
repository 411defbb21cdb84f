//! Many threads on one database: what each of them sees, and how it all ends.
//!
//! Values carry who wrote them and in which round, so that a reader can tell a torn batch, a step back
//! in time and a read that does not repeat from what may be. Everything runs on a simulated disk under
//! a file system that watches the order of calls, with memtables and tables so small that flushes and
//! compactions never rest. Nothing waits for time to pass.

#![expect(clippy::unwrap_used, reason = "a test that fails panics, in its helpers too")]

#[path = "concurrency/churn.rs"]
mod churn;
#[path = "concurrency/ending.rs"]
mod ending;
#[path = "concurrency/held.rs"]
mod held;
#[path = "concurrency/power.rs"]
mod power;

use siltstone::fs::{LintFileSystem, SimulatedFileSystem};
use siltstone::{Compression, Db, ErrorKind, Options, Result};

/// Multiplies the rounds of every test, for a longer look by hand.
const ROUNDS_FACTOR: u64 = 1;

/// A disk that forgets its history, which would be long.
fn disk() -> SimulatedFileSystem {
    let disk = SimulatedFileSystem::new();
    disk.restart_history(false);
    disk
}

/// Options under which a few kilobytes are much.
fn small(disk: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(LintFileSystem::new(disk.clone()))
        .memory(1 << 20)
        .memtable_bytes(8 << 10)
        .block_bytes(512)
        .table_bytes(4 << 10)
        .compression(Compression::Zstd(1))
        .threads(2)
}

fn kind_of<T>(outcome: Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

/// Number of tables in the directory, whoever needs them.
fn table_files(disk: &SimulatedFileSystem) -> usize {
    let names = disk.names("data");
    names.iter().filter(|name| name.to_string_lossy().ends_with(".sst")).count()
}

/// Waits until every file of a table is one that the newest version names.
fn assert_space_comes_back(db: &Db, disk: &SimulatedFileSystem) {
    // A thread may let go of the last version only a moment after the work is done; the cleanup
    // then finds it within a second.
    for _ in 0..1_000_000 {
        db.wait_idle().unwrap();
        if table_files(disk) == db.stats().tables {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{} files for {} tables", table_files(disk), db.stats().tables);
}
