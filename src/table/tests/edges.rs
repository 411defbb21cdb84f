//! Tables at their limits, and what they hold on to.

use crate::cache::budget::{Budget, Part};
use crate::cache::clock::Cache;
use crate::error::ErrorKind;
use crate::format::key::{Kind, SEQNO_LATEST, filter_hash};
use crate::format::limits::USER_KEY_BYTES_MAX;
use crate::format::range_tombstone::Fragments;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::sync::{Arc, thread};
use crate::table::context::TableContext;
use crate::table::handle::Handle;
use crate::table::index::{Index, PARTITION_ENTRIES, SINGLE_ENTRIES_MAX};
use crate::table::options::{Compression, FilterKind, TableOptions};
use crate::table::reader::{Fill, Table};
use crate::table::tests::{Entry, context, current, open, puts, walk, write};
use crate::table::writer::TableWriter;
use std::path::Path;

fn table(options: TableOptions, entries: &[Entry]) -> Arc<Table> {
    let context = context(&SimulatedFileSystem::new(), 1);
    let facts = write(&context, 1, options, entries, Fragments::default());
    let table = open(&context, &facts).unwrap();
    table.verify().unwrap();
    table
}

fn assert_finds_all(table: &Arc<Table>, entries: &[Entry]) {
    assert!(walk(table).unwrap() == entries, "the walk must meet every entry");
    for (key, seqno, kind, value) in entries {
        let found = table.get(key, filter_hash(key), *seqno).unwrap().unwrap();
        assert_eq!((found.seqno, found.kind), (*seqno, *kind));
        assert!(found.value == *value);
    }
}

#[test]
fn a_large_index_has_partitions_and_answers_the_same() {
    for blocks in [SINGLE_ENTRIES_MAX, SINGLE_ENTRIES_MAX + 1, 19 * PARTITION_ENTRIES] {
        let entries = puts(u32::try_from(blocks).unwrap());
        for compression in [Compression::None, Compression::Zstd(1)] {
            // No two entries fit one block.
            let options = TableOptions { block_bytes: 1, compression, ..TableOptions::default() };
            let table = table(options, &entries);
            let is_partitioned = matches!(table.index, Index::Partitioned { .. });
            assert_eq!(is_partitioned, blocks > SINGLE_ENTRIES_MAX);
            assert_eq!(table.index.data_blocks(), blocks);
            assert_finds_all(&table, &entries);
            let mut cursor = table.cursor();
            cursor.seek_last().unwrap();
            for entry in entries.iter().rev() {
                assert_eq!(current(&cursor).as_ref(), Some(entry));
                cursor.prev().unwrap();
            }
            assert!(!cursor.is_valid());
            let absent = b"key/00000777x";
            assert_eq!(table.get(absent, filter_hash(absent), SEQNO_LATEST).unwrap(), None);
            cursor.seek(absent, SEQNO_LATEST).unwrap();
            assert_eq!(cursor.key(), b"key/00000778");
            cursor.seek_back(absent, SEQNO_LATEST).unwrap();
            assert_eq!(cursor.key(), b"key/00000777");
        }
    }
}

#[test]
fn versions_of_a_key_stay_together_until_they_are_too_many() {
    let version = |seqno: u64| (b"hot".to_vec(), seqno, Kind::Put, seqno.to_le_bytes().to_vec());
    let around = |key: &[u8]| (key.to_vec(), 5, Kind::Put, vec![0; 50]);
    for (versions, blocks) in [(20, 3), (2_000, 10)] {
        let mut entries = vec![around(b"a")];
        entries.extend((1..=versions).rev().map(version));
        entries.push(around(b"z"));
        let options = TableOptions { block_bytes: 512, ..TableOptions::default() };
        let table = table(options, &entries);
        let range = blocks - 2..=blocks + 2;
        assert!(range.contains(&table.index.data_blocks()), "{}", table.index.data_blocks());
        assert_finds_all(&table, &entries);
        for seqno in [0, versions + 7] {
            let found = table.get(b"hot", filter_hash(b"hot"), seqno).unwrap();
            assert_eq!(found.map(|found| found.seqno), (seqno > 0).then_some(versions));
        }
        let mut cursor = table.cursor();
        cursor.seek_back(b"hot", 0).unwrap();
        assert_eq!((cursor.key(), cursor.seqno()), (&b"hot"[..], 1));
        cursor.seek_back(b"hot", SEQNO_LATEST).unwrap();
        assert_eq!(cursor.key(), b"a");
        for number in 0..table.index.data_blocks() {
            let block = table.load(number, Fill::Nothing).unwrap();
            let holds_hot = (0..block.len()).any(|index| block.key_equals(index, b"hot"));
            assert!(!(holds_hot && block.has_unique_keys()), "block {number}");
        }
    }
}

#[test]
fn a_block_holds_as_many_entries_as_its_count_can_say() {
    let options = TableOptions { block_bytes: 64 << 20, ..TableOptions::default() };
    let distinct: Vec<Entry> =
        (0..70_000_u32).map(|i| (format!("{i:06}").into_bytes(), 9, Kind::Put, vec![])).collect();
    let versions: Vec<Entry> =
        (0..70_000_u64).map(|i| (b"k".to_vec(), 70_000 - i, Kind::Delete, vec![])).collect();
    for entries in [distinct, versions] {
        let table = table(options.clone(), &entries);
        assert_eq!(table.index.data_blocks(), 2);
        assert_eq!(table.load(0, Fill::Nothing).unwrap().len(), 65_535);
        assert!(walk(&table).unwrap() == entries);
        for (key, seqno, ..) in entries.iter().step_by(4_999).chain(&entries[65_530..65_540]) {
            let found = table.get(key, filter_hash(key), *seqno).unwrap();
            assert_eq!(found.map(|found| found.seqno), Some(*seqno));
        }
    }
}

#[test]
fn the_longest_keys_and_large_values_fit() {
    let long = |last: u8| {
        let mut key = vec![b'x'; USER_KEY_BYTES_MAX];
        key[USER_KEY_BYTES_MAX - 1] = last;
        key
    };
    let noise = |seed: u32| {
        let step = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24).to_le_bytes()[0])
        };
        std::iter::repeat_with(|| ()).scan(seed, |state, ()| step(state)).take(3 << 20).collect()
    };
    let entries = [
        (vec![], 1, Kind::Put, vec![]),
        (b"a".to_vec(), 2, Kind::Put, noise(1)),
        (b"b".to_vec(), 3, Kind::Put, vec![b'b'; 5 << 20]),
        (b"c".to_vec(), 4, Kind::Delete, vec![]),
        (long(0), 5, Kind::Put, b"first".to_vec()),
        (long(0), 4, Kind::Put, vec![]),
        (long(255), 6, Kind::Put, noise(2)),
    ];
    for compression in [Compression::None, Compression::Zstd(1)] {
        for block_bytes in [1, 8 << 10, 1 << 20] {
            let options = TableOptions { block_bytes, compression, ..TableOptions::default() };
            assert_finds_all(&table(options, &entries), &entries);
        }
    }
}

#[test]
fn compression_is_kept_only_where_it_saves() {
    let size = |value: &[u8], compression| {
        let entries = [(b"k".to_vec(), 1, Kind::Put, value.to_vec())];
        let options = TableOptions { compression, ..TableOptions::default() };
        let table = table(options, &entries);
        assert_finds_all(&table, &entries);
        let entry = table.entry(0).unwrap();
        (entry.handle.stored_len, entry.handle.raw_len)
    };
    let (stored, raw) = size(&[b'x'; 4000], Compression::Zstd(1));
    assert!(stored < raw / 10);
    let noise: Vec<u8> =
        (0..250_u64).flat_map(|i| filter_hash(&i.to_le_bytes()).to_le_bytes()).collect();
    let (stored, raw) = size(&noise, Compression::Zstd(1));
    assert_eq!(stored, raw);
    let (stored, raw) = size(&[b'x'; 4000], Compression::None);
    assert_eq!(stored, raw);
}

#[test]
fn a_plain_block_is_known_as_such() {
    let mut entries = puts(4);
    let plain = |entries: &[Entry]| {
        let table = table(TableOptions::default(), entries);
        let mut cursor = table.cursor();
        cursor.seek_first().unwrap();
        [3, 4, SEQNO_LATEST].map(|seqno| cursor.is_plain_at(seqno))
    };
    assert_eq!(plain(&entries), [false, true, true]);
    entries[3].2 = Kind::Delete;
    assert_eq!(plain(&entries), [false; 3]);
    // Older versions are puts like others.
    entries[3] = (entries[2].0.clone(), 1, Kind::Put, vec![]);
    assert_eq!(plain(&entries), [false, true, true]);
}

#[test]
fn a_value_outlives_table_and_cache_and_shares_the_block() {
    let entries = [(b"k".to_vec(), 1, Kind::Put, vec![7; 1000])];
    let table = table(TableOptions::default(), &entries);
    let get = || table.get(b"k", filter_hash(b"k"), 1).unwrap().unwrap().value;
    let (first, second) = (get(), get());
    assert_eq!(first.as_ptr(), second.as_ptr(), "no bytes are copied");
    drop(table);
    assert_eq!(first, vec![7; 1000]);
}

#[test]
fn an_open_table_charges_what_it_holds_and_gives_it_back() {
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(Path::new("/d")).unwrap();
    let budget = Budget::new(1 << 20);
    let cache = Cache::new(Arc::clone(&budget));
    let context = TableContext::new(Arc::new(fs), "/d".into(), 1, cache);
    let entries = puts(1000);
    let facts = write(&context, 1, TableOptions::default(), &entries, Fragments::default());
    let table = open(&context, &facts).unwrap();
    assert!(budget.used(Part::Pinned) > 1000, "ten bits a key are 1,250 bytes");
    let mut cursor = table.cursor_filling(Fill::Nothing);
    cursor.seek_first().unwrap();
    while cursor.is_valid() {
        cursor.next().unwrap();
    }
    assert_eq!(budget.used(Part::Blocks), 0, "who passes by once leaves nothing");
    assert_eq!(walk(&table).unwrap(), entries);
    assert!(budget.used(Part::Blocks) > 20_000);
    drop((table, cursor));
    assert_eq!((budget.used(Part::Blocks), budget.used(Part::Pinned)), (0, 0));
}

#[test]
fn a_handle_opens_once_and_forgets_errors() {
    let fs = SimulatedFileSystem::new();
    let context = context(&fs, 1);
    let facts = write(&context, 9, TableOptions::default(), &puts(3), Fragments::default());
    let bytes = fs.read("/d/000009.sst").unwrap();
    fs.remove(Path::new("/d/000009.sst")).unwrap();
    let handle = Handle::new(&context, facts);
    assert_eq!(handle.table().unwrap_err().kind(), ErrorKind::Corruption);
    fs.write_raw("/d/000009.sst", bytes);
    let tables: Vec<Arc<Table>> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| Arc::clone(handle.table().unwrap()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tables.iter().all(|table| Arc::ptr_eq(table, &tables[0])));
    let other = Arc::clone(&handle);
    drop(handle);
    assert!(context.take_released().is_empty(), "still held");
    other.mark_obsolete();
    drop(other);
    assert_eq!(context.take_released(), [9]);
    assert!(context.take_released().is_empty(), "taken once");
    let kept = Handle::new(&context, tables[0].properties().facts(9, 0, 0));
    drop(kept);
    assert!(context.take_released().is_empty(), "a table that is named stays");
}

#[test]
#[should_panic(expected = "strictly increasing")]
fn entries_out_of_order_are_refused() {
    let entries = [(b"k".to_vec(), 1, Kind::Put, vec![]), (b"k".to_vec(), 2, Kind::Put, vec![])];
    table(TableOptions::default(), &entries);
}

#[test]
fn a_number_is_used_once_and_a_full_disk_is_told() {
    let fs = SimulatedFileSystem::new();
    let context = context(&fs, 1);
    let options = TableOptions { filter: FilterKind::None, ..TableOptions::default() };
    write(&context, 1, options.clone(), &puts(1), Fragments::default());
    let error = TableWriter::create(&context, 1, options.clone()).err().unwrap();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::AlreadyExists));
    fs.set_capacity(Some(100_000));
    let mut writer = TableWriter::create(&context, 2, options).unwrap();
    let failed = puts(10_000)
        .iter()
        .try_for_each(|(key, seqno, kind, value)| writer.add(key, *seqno, *kind, value));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::DiskFull);
}

#[test]
fn the_size_estimate_is_near_the_size() {
    let context = context(&SimulatedFileSystem::new(), 1);
    let mut writer = TableWriter::create(&context, 1, TableOptions::default()).unwrap();
    for (key, seqno, kind, value) in puts(20_000) {
        writer.add(&key, seqno, kind, &value).unwrap();
    }
    let (estimate, entries) = (writer.size_estimate(), writer.entries());
    let size = writer.finish().unwrap().size_bytes;
    assert!(estimate.abs_diff(size) < size / 50, "{estimate} for {size}");
    assert_eq!(entries, 20_000);
}
