//! Tables whose blocks do not fit into the cache: of a block stays what is read, and answers stay right.

use crate::cache::{Cache, Part};
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, filter_hash};
use crate::format::range_tombstone::Fragments;
use crate::fs::SimulatedFileSystem;
use crate::sync::Arc;
use crate::table::options::{Compression, FilterKind, TableOptions};
use crate::table::reader::Table;
use crate::table::tests::{Entry, context_with, open, walk, write};
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEYS: u32 = 400;
const KEYS_A_BLOCK: u32 = 8;

fn key(number: u32) -> Vec<u8> {
    format!("key/{number:08}").into_bytes()
}

fn value(number: u32) -> Vec<u8> {
    let byte = u8::try_from(number % 251).unwrap();
    vec![byte; 1000]
}

fn get(table: &Table, key: &[u8], seqno: Seqno) -> Option<Vec<u8>> {
    let found = table.get(key, filter_hash(key), seqno).unwrap()?;
    (found.kind == Kind::Put).then(|| found.value.to_vec())
}

/// A table of fifty blocks, and a cache for eight.
fn large() -> (Arc<Cache>, Arc<Table>) {
    let context = context_with(&SimulatedFileSystem::new(), 7, 72 << 10);
    let one = |number| (key(number), 1, Kind::Put, value(number));
    let entries: Vec<Entry> = (0..KEYS).map(one).collect();
    let compression = Compression::None;
    let options = TableOptions { block_bytes: 8 << 10, compression, ..TableOptions::default() };
    let facts = write(&context, 1, options, &entries, Fragments::default());
    let table = open(&context, &facts).unwrap();
    assert!(table.index.data_blocks() >= 50);
    (Arc::clone(&context.cache), table)
}

#[test]
fn keys_in_demand_stay_when_their_neighbours_do_not_fit() {
    let (cache, table) = large();
    let in_demand = || (0..KEYS).step_by(KEYS_A_BLOCK as usize);
    let read_all = || {
        let before = cache.stats();
        for number in in_demand() {
            assert_eq!(get(&table, &key(number), 1), Some(value(number)));
        }
        let after = cache.stats();
        (after.hits - before.hits, after.misses - before.misses)
    };
    let rounds: Vec<_> = (0..4).map(|_| read_all()).collect();
    assert_eq!(rounds[0], (0, 50));
    assert_eq!(rounds[3], (50, 0), "{rounds:?}: one entry of each block fits");
    // What is not in a part is read from the file, and comes to it.
    assert_eq!(get(&table, &key(1), 1), Some(value(1)));
    assert_eq!(read_all(), (50, 0));
    let (used, capacity) = (cache.stats().used_bytes, cache.budget().blocks_capacity());
    assert!(used <= capacity, "{used} of {capacity}");
}

#[test]
fn scans_and_gets_take_turns_with_parts() {
    let (cache, table) = large();
    for round in 0..3 {
        for number in (round..KEYS).step_by(7) {
            assert_eq!(get(&table, &key(number), 1), Some(value(number)));
        }
        let walked: Vec<_> = walk(&table).unwrap().into_iter().map(|entry| entry.0).collect();
        assert_eq!(walked, (0..KEYS).map(key).collect::<Vec<_>>());
    }
    drop(table);
    assert_eq!(cache.budget().used(Part::Blocks), 0);
}

/// Entries with several versions, in blocks of a few.
fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (0..40_u32, 1..50_u64, any::<bool>(), 0..200_usize);
    prop::collection::vec(one, 40..200).prop_map(|entries| {
        let sorted: BTreeMap<_, _> = entries
            .into_iter()
            .map(|(number, seqno, is_put, len)| {
                let kind = if is_put { Kind::Put } else { Kind::Delete };
                let byte = u8::try_from(seqno).unwrap();
                ((key(number), SEQNO_LATEST - seqno), (kind, vec![byte; len]))
            })
            .collect();
        let entry = |((key, inverted), (kind, value))| {
            let value = if kind == Kind::Put { value } else { Vec::new() };
            (key, SEQNO_LATEST - inverted, kind, value)
        };
        sorted.into_iter().map(entry).collect()
    })
}

proptest! {
    #[test]
    fn a_small_cache_changes_no_answer(
        entries in any_entries(),
        block_bytes in 100..2000_usize,
        has_filter in any::<bool>(),
        memory_bytes in 4000..16_000_usize,
        reads in prop::collection::vec((0..12_u32, 0..45_u32, 0..51_u64), 300),
    ) {
        let context = context_with(&SimulatedFileSystem::new(), 7, memory_bytes);
        let filter = if has_filter { FilterKind::Blocked { bits_per_key: 10 } } else { FilterKind::None };
        let compression = Compression::None;
        let options = TableOptions { block_bytes, compression, filter, ..TableOptions::default() };
        let facts = write(&context, 1, options, &entries, Fragments::default());
        let table = open(&context, &facts).unwrap();
        for (in_demand, anywhere, seqno) in reads {
            // Two in three reads are of few keys.
            let number = if seqno % 3 == 0 { anywhere } else { in_demand * 3 };
            let key = key(number);
            let newest = entries.iter().find(|entry| entry.0 == key && entry.1 <= seqno);
            let expected = newest.filter(|entry| entry.2 == Kind::Put).map(|entry| entry.3.clone());
            prop_assert_eq!(get(&table, &key, seqno), expected, "{} at {}", number, seqno);
        }
        prop_assert_eq!(walk(&table).unwrap(), entries);
    }
}
