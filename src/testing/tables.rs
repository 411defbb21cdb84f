//! Fuzz bodies for tables: one data block, and a whole file.

use crate::cache::{Budget, Cache};
use crate::error::Result;
use crate::format::codec::usize_to_u64;
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, compare, filter_hash};
use crate::format::table_facts::TableFacts;
use crate::fs::{FileKind, FileSystem, SimulatedFileSystem};
use crate::sync::Arc;
use crate::table::TableContext;
use crate::table::block::{BlockFile, BlockType};
use crate::table::data_block::DataBlock;
use crate::table::data_block_builder::DataBlockBuilder;
use crate::table::footer::{Directory, FOOTER_BYTES, Footer};
use crate::table::properties::Properties;
use crate::table::reader::{Fill, Table};
use crate::testing::repair;
use std::path::Path;

type Entry = (Vec<u8>, Seqno, Kind, Vec<u8>);

/// A shared prefix is repeated with every key, so a few bytes can stand for very many.
const KEYS_BYTES_MAX: usize = 1 << 20;

/// The payload of a data block. Accepted if its keys are in order, which `parse` leaves to others.
#[must_use]
pub fn block(bytes: &[u8]) -> bool {
    let Ok(block) = DataBlock::parse(bytes) else { return false };
    assert!(block.len() > 0, "an empty block is refused");
    assert!(block.len() * 4 <= bytes.len(), "entries are bounded by the bytes");
    assert_eq!(block.value(block.len()), b"", "behind the last value is nothing");
    if block.prefix().len() * block.len() > KEYS_BYTES_MAX {
        return false;
    }
    let mut key = Vec::new();
    let entries: Vec<Entry> = (0..block.len())
        .map(|index| {
            block.write_key(index, &mut key);
            (key.clone(), block.seqno(index), block.kind(index), block.value(index).to_vec())
        })
        .collect();
    for (index, entry) in entries.iter().enumerate() {
        assert!(block.key_equals(index, &entry.0), "a key equals itself");
        assert!(block.seek(&entry.0, entry.1) <= block.len(), "a search ends in the block");
    }
    let place = |entry: &'_ Entry| (entry.0.clone(), entry.1);
    let is_sorted = entries.windows(2).all(|pair| {
        let (left, right) = (place(&pair[0]), place(&pair[1]));
        compare((&left.0, left.1), (&right.0, right.1)).is_lt()
    });
    if is_sorted {
        check_sorted_block(&block, &entries);
    }
    is_sorted
}

fn check_sorted_block(block: &DataBlock, entries: &[Entry]) {
    let mut again = DataBlockBuilder::new();
    for (index, (key, seqno, kind, value)) in entries.iter().enumerate() {
        assert_eq!(block.seek(key, *seqno), index, "every entry is found");
        let is_next = |newer: &Entry| newer.0 == *key && newer.1 == seqno + 1;
        let first = index - usize::from(index > 0 && is_next(&entries[index - 1]));
        assert_eq!(block.seek(key, seqno + 1), first, "and the first one up to a later moment");
        again.add(key, *seqno, *kind, value);
    }
    let mut bytes = Vec::new();
    again.finish(&mut bytes);
    let again = DataBlock::parse(&bytes).expect("what is built is a block");
    let mut key = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        again.write_key(index, &mut key);
        let copy = (key.clone(), again.seqno(index), again.kind(index), again.value(index));
        assert_eq!((&copy.0, copy.1, copy.2), (&entry.0, entry.1, entry.2), "entries are kept");
        assert_eq!(copy.3, entry.3, "values are kept");
    }
}

/// A whole table, once as it is and once with its checksums made right. Accepted if either passes
/// `verify`; then every way in must give the same entries.
#[must_use]
pub fn table(bytes: &[u8]) -> bool {
    let Some((_, end)) = bytes.split_last_chunk::<FOOTER_BYTES>() else { return false };
    let number = |at: usize| end[at..].first_chunk().map_or(0, |raw| u64::from_le_bytes(*raw));
    let (database, id) = (number(16), number(24));
    let mut repaired = bytes.to_vec();
    repair::table(&mut repaired, database, id);
    let as_it_is = table_file(bytes, database, id);
    table_file(&repaired, database, id) || as_it_is
}

fn table_file(bytes: &[u8], database: u64, id: u64) -> bool {
    let (fs, directory) = (SimulatedFileSystem::new(), Path::new("/d"));
    fs.restart_history(false);
    fs.create_dir_all(directory).expect("an empty disk");
    let cache = Cache::new(Budget::new(1 << 20));
    let context = TableContext::new(Arc::new(fs.clone()), directory.to_owned(), database, cache);
    fs.write_raw(context.path(id), bytes);
    let Some(facts) = facts_of(&context, &fs, id) else { return false };
    let Ok(table) = Table::open(&context, &facts) else { return false };
    let table = Arc::new(table);
    let (forward, backward) = (walk(&table, true), walk(&table, false));
    if table.verify().is_err() {
        return false;
    }
    let forward = forward.expect("a table that passes its check can be walked");
    let mut backward = backward.expect("also backward");
    backward.reverse();
    assert_eq!(forward, backward, "both ways give the same entries");
    assert_eq!(usize_to_u64(forward.len()), facts.entries, "as many as the facts say");
    for (key, seqno, kind, value) in &forward {
        let found = table.get(key, filter_hash(key), *seqno).expect("a readable table");
        let found = found.expect("every entry is found by its key");
        assert_eq!((found.seqno, found.kind, &*found.value), (*seqno, *kind, &value[..]));
        assert!(facts.contains(key), "and lies within the bounds");
    }
    assert!(
        forward
            .windows(2)
            .all(|pair| { compare((&pair[0].0, pair[0].1), (&pair[1].0, pair[1].1)).is_lt() })
    );
    table.get(b"\xff", filter_hash(b"\xff"), SEQNO_LATEST).is_ok()
}

/// What a manifest would say about this file, taken from the file itself.
fn facts_of(context: &TableContext, fs: &SimulatedFileSystem, id: u64) -> Option<TableFacts> {
    let path = context.path(id);
    let file = fs.open(&path, FileKind::Table).ok()?;
    let size = file.len();
    let end = size.checked_sub(usize_to_u64(FOOTER_BYTES))?;
    let mut bytes = [0; FOOTER_BYTES];
    file.read_exact_at(&mut bytes, end).ok()?;
    let (footer, crc) = Footer::decode(&bytes).ok()?;
    let file = BlockFile { file, path, database: context.database, id, end };
    let directory = file.read(footer.directory, BlockType::Directory).ok()?;
    let directory = Directory::decode(directory.payload()).ok()?;
    let properties =
        file.read(directory.get(BlockType::Properties)?, BlockType::Properties).ok()?;
    Some(Properties::decode(properties.payload())?.facts(id, size, crc))
}

fn walk(table: &Arc<Table>, forward: bool) -> Result<Vec<Entry>> {
    let (mut cursor, mut entries) = (table.cursor_filling(Fill::Cache), Vec::new());
    if forward {
        cursor.seek_first()?
    } else {
        cursor.seek_last()?
    }
    while cursor.is_valid() {
        let value = cursor.value().to_vec();
        entries.push((cursor.key().to_vec(), cursor.seqno(), cursor.kind(), value));
        if forward { cursor.next()? } else { cursor.prev()? }
    }
    Ok(entries)
}
