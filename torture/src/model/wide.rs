//! A wide tree: one table of so many blocks that its index is cut into partitions.

use crate::model::coverage::Coverage;
use crate::model::expect::{Map, assert_scan, assert_value};
use crate::model::keys::value;
use crate::random::Random;
use siltstone::fs::{CrashProfile, SimulatedFileSystem};
use siltstone::{Background, Batch, Compression, Db, Options};
use std::ops::Bound;

/// Each has a block of its own, nearly: more blocks than an index that is one block can have, 4,096.
const ENTRIES: u64 = 8_000;
const BLOCK_BYTES: usize = 256;
const VALUE_BYTES: usize = 230;
const LONG_VALUE_BYTES: usize = 1_300_000;

const BATCH_ENTRIES: u64 = 100;

/// Steps of a scan: over more than one block, and rarely over more than a partition of 256.
const STEPS: usize = 40;
const SCANS: u64 = 400;

/// Makes one, reads it in every way, changes some of it, and reads again.
pub(crate) fn grow(seed: u64, coverage: &Coverage) {
    let mut random = Random::new(seed);
    let disk = SimulatedFileSystem::with_seed(random.next());
    disk.restart_history(false);
    let options = Options::new()
        .file_system(disk.clone())
        .memory(1 << (23 + random.below(2)))
        .memtable_bytes(1 << 20)
        .block_bytes(BLOCK_BYTES)
        .table_bytes(64 << 20)
        .compression(*random.choose(&[Compression::None, Compression::Zstd(1)]))
        .background(Background::Stepped { seed: random.next() });
    let (db, mut map) = (options.clone().open("data").unwrap(), Map::new());
    let mut number = 0;
    while number < ENTRIES {
        let mut batch = Batch::new();
        for number in number..number + BATCH_ENTRIES {
            // In no order.
            let key = key(number * 7_919 % ENTRIES);
            batch.put(&key, value(number + 1, VALUE_BYTES));
            map.insert(key, (number + 1, VALUE_BYTES));
        }
        db.write(batch).unwrap();
        number += BATCH_ENTRIES;
    }
    db.compact(..).unwrap();
    let stats = db.stats();
    assert_eq!(stats.tables, 1, "all of it is one table");
    assert!(stats.table_bytes > ENTRIES * BLOCK_BYTES as u64 / 2, "{stats:?}");
    read(&db, &map, &mut random);
    for _ in 0..ENTRIES / 10 {
        let key = key(random.below(ENTRIES));
        if random.one_in(2) {
            db.delete(&key).unwrap();
            map.remove(&key);
        } else {
            number += 1;
            db.put(&key, value(number, VALUE_BYTES)).unwrap();
            map.insert(key, (number, VALUE_BYTES));
        }
    }
    db.flush().unwrap();
    read(&db, &map, &mut random);
    // A record longer than what a replay reads at once.
    for len in [0, 1, LONG_VALUE_BYTES] {
        number += 1;
        let key = key(random.below(ENTRIES));
        db.put(&key, value(number, len)).unwrap();
        map.insert(key, (number, len));
    }
    coverage.count(&db.stats());
    let disk = disk.crash(CrashProfile::Kill, 0);
    disk.restart_history(false);
    drop(db);
    let db = options.file_system(disk).open("data").unwrap();
    assert!(db.recovery_report().replayed_bytes > LONG_VALUE_BYTES as u64, "it is in the log");
    read(&db, &map, &mut random);
    coverage.count(&db.stats());
}

fn key(number: u64) -> Vec<u8> {
    format!("{number:06}").into_bytes()
}

fn read(db: &Db, map: &Map, random: &mut Random) {
    for number in 0..ENTRIES {
        let mut key = key(number);
        assert_value(&key, db.get(&key).unwrap(), map.get(&key));
        key.push(b'!');
        assert_value(&key, db.get(&key).unwrap(), None);
    }
    for _ in 0..SCANS {
        let (from, from_back) = (key(random.below(ENTRIES)), random.one_in(2));
        let bounds = match from_back {
            true => (Bound::Unbounded, Bound::Included(from.as_slice())),
            false => (Bound::Included(from.as_slice()), Bound::Unbounded),
        };
        assert_scan(db.range(bounds), map, bounds, from_back, STEPS);
    }
    let all = (Bound::Unbounded, Bound::Unbounded);
    for from_back in [false, true] {
        assert_scan(db.iter(), map, all, from_back, map.len() + 1);
    }
}
