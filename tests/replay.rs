//! What becomes of the log when a database is opened after a death.
//!
//! Goal: the tables of a replay are as few as the memtables were. (That nothing is lost is for `torture crash`.)
#![expect(clippy::unwrap_used, reason = "a test that fails panics, in its helpers too")]

use siltstone::fs::{CrashProfile, FileSystem, SimulatedFileSystem};
use siltstone::{Background, Db, Options};

const MEMTABLE_BYTES: usize = 64 << 10;
const VALUE_BYTES: usize = 1000;

fn open(fs: impl FileSystem) -> Db {
    let background = Background::Stepped { seed: 1 };
    let options = Options::new().file_system(fs).background(background);
    options.memory(1 << 20).memtable_bytes(MEMTABLE_BYTES).open("data").unwrap()
}

/// The disk of a process that died behind so many puts, each a batch of its own.
fn dead_behind(puts: usize) -> SimulatedFileSystem {
    let disk = SimulatedFileSystem::new();
    let db = open(disk.clone());
    for number in 0..puts {
        db.put(format!("{number:04}"), [7; VALUE_BYTES]).unwrap();
    }
    disk.crash(CrashProfile::Kill, 0)
}

#[test]
fn a_log_becomes_as_few_tables_as_fit_into_memtables() {
    // How many puts fill a memtable, with what an entry takes besides its value.
    const A_MEMTABLE: usize = MEMTABLE_BYTES / (VALUE_BYTES + 80);
    for (puts, tables) in [(1, 1), (A_MEMTABLE / 2, 1), (A_MEMTABLE, 1)] {
        let db = open(dead_behind(puts));
        let stats = db.stats();
        assert_eq!(stats.levels[0].tables, tables, "{puts} puts");
        assert_eq!(db.iter().count(), puts);
    }
}
