//! Bursts: many threads, a few commits each, then an end. Whoever is not woken then sleeps for ever.
//!
//! In a long load a lost wake-up is mended by the next one. Here there is none: a burst ends as soon as its
//! commits are done, on a real disk, where syncs take long enough for others to queue up behind them.

use siltstone::{Batch, Db, Durability, Options};
use std::path::Path;
use std::sync::Barrier;

const WRITERS: u64 = 8;
const COMMITS: u64 = 6;

/// A few commits fill a memtable, so that segments change and tables are written meanwhile.
const MEMTABLE_BYTES: usize = 8 << 10;
const VALUE_BYTES: usize = 300;

fn open(directory: &Path) -> Db {
    let options = Options::new().memory(1 << 20).memtable_bytes(MEMTABLE_BYTES);
    options.table_bytes(16 << 10).open(directory).unwrap()
}

fn key(writer: u64, commit: u64) -> String {
    format!("{writer}/{commit}")
}

/// One burst in a directory of its own. `number` decides what else goes on.
pub(crate) fn burst(directory: &Path, number: u64) {
    let db = open(directory);
    let begin = Barrier::new(WRITERS as usize + 1);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, begin) = (&db, &begin);
            scope.spawn(move || {
                begin.wait();
                for commit in 0..COMMITS {
                    let mut batch = Batch::new();
                    batch.put(key(writer, commit), [writer as u8; VALUE_BYTES]);
                    let is_synced = !(writer + commit + number).is_multiple_of(4);
                    let durability =
                        if is_synced { Durability::Sync } else { Durability::Buffered };
                    db.write_with(batch, durability).unwrap();
                }
            });
        }
        begin.wait();
        match number % 4 {
            0 => {}
            1 => db.sync().unwrap(),
            2 => db.flush().unwrap(),
            _ => db.compact(..).unwrap(),
        }
    });
    match number % 3 {
        0 => db.wait_idle().unwrap(),
        1 => db.close().unwrap(),
        _ => {}
    }
    drop(db);
    let db = open(directory);
    for (writer, commit) in (0..WRITERS).flat_map(|it| (0..COMMITS).map(move |commit| (it, commit)))
    {
        let found = db.get(key(writer, commit)).unwrap();
        assert_eq!(found.as_deref(), Some(&[writer as u8; VALUE_BYTES][..]), "{writer}/{commit}");
    }
    assert_eq!(db.iter().count() as u64, WRITERS * COMMITS);
}
