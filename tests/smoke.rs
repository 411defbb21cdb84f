//! A first walk through the whole house.
#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

use siltstone::fs::{LintFileSystem, SimulatedFileSystem};
use siltstone::{Background, Batch, Compression, Durability, Options};

fn small(fs: &SimulatedFileSystem, seed: Option<u64>) -> Options {
    let options = Options::new()
        .file_system(LintFileSystem::new(fs.clone()))
        .memory(4 << 20)
        .memtable_bytes(16 << 10)
        .block_bytes(512)
        .table_bytes(8 << 10)
        .compression(Compression::Zstd(1));
    match seed {
        Some(seed) => options.background(Background::Stepped { seed }),
        None => options,
    }
}

fn walk(seed: Option<u64>) {
    let fs = SimulatedFileSystem::new();
    let db = small(&fs, seed).open("data").unwrap();
    for i in 0..5_000_u32 {
        db.put(format!("key{:06}", i.wrapping_mul(7919) % 5000), format!("value{i}")).unwrap();
    }
    assert_eq!(db.iter().count(), 5_000);
    assert_eq!(db.iter().rev().count(), 5_000);
    for i in 0..5_000_u32 {
        assert!(db.get(format!("key{i:06}")).unwrap().is_some(), "key{i:06}");
    }
    db.delete_range("key001000".."key002000").unwrap();
    assert_eq!(db.iter().count(), 4_000);
    db.flush().unwrap();
    assert_eq!(db.iter().count(), 4_000);
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 4_000);
    db.verify().unwrap().into_result().unwrap();
    let trades = db.keyspace("trades").unwrap();
    let mut batch = Batch::new();
    batch.put("a", "1").put_in(&trades, "b", "2");
    db.write_with(batch, Durability::Buffered).unwrap();
    assert_eq!(trades.iter().count(), 1);
    db.close().unwrap();
    drop((db, trades));
    let db = small(&fs, seed).open("data").unwrap();
    assert_eq!(db.iter().count(), 4_001);
    assert!(db.drop_keyspace("trades").unwrap());
    db.close().unwrap();
}

#[test]
fn walks_with_threads() {
    walk(None);
}

#[test]
fn walks_step_by_step() {
    walk(Some(1));
}
