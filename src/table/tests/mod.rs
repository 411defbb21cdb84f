//! Tests of whole tables: what was written is read back, in every order and by every way in.
//!
//! `model` compares tables of random entries with a sorted vector, `blocks` single payloads;
//! `damage` changes bytes of files and expects `Corruption` or the same answers, never others;
//! `faults` fails every call once; `edges` goes to the limits; `parts` has a cache that is too small.

mod blocks;
mod damage;
mod edges;
mod faults;
mod model;
mod parts;

use crate::cache::budget::Budget;
use crate::cache::clock::Cache;
use crate::error::Result;
use crate::format::key::{Kind, Seqno};
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::fs::FileSystem;
use crate::sync::Arc;
use crate::table::context::TableContext;
use crate::table::cursor::TableCursor;
use crate::table::options::TableOptions;
use crate::table::reader::Table;
use crate::table::writer::TableWriter;
use std::path::Path;

/// User key, seqno, kind, value.
type Entry = (Vec<u8>, Seqno, Kind, Vec<u8>);

fn context(fs: &(impl FileSystem + Clone), database: u64) -> Arc<TableContext> {
    context_with(fs, database, 1 << 20)
}

/// With so many bytes for the pinned parts of tables and the cache.
fn context_with(
    fs: &(impl FileSystem + Clone),
    database: u64,
    memory_bytes: usize,
) -> Arc<TableContext> {
    fs.create_dir_all(Path::new("/d")).unwrap();
    let cache = Cache::new(Budget::new(memory_bytes));
    TableContext::new(Arc::new(fs.clone()), "/d".into(), database, cache)
}

fn write(
    context: &Arc<TableContext>,
    id: u64,
    options: TableOptions,
    entries: &[Entry],
    fragments: Fragments,
) -> TableFacts {
    let mut writer = TableWriter::create(context, id, options).unwrap();
    for (user_key, seqno, kind, value) in entries {
        writer.add(user_key, *seqno, *kind, value).unwrap();
    }
    writer.set_range_tombstones(fragments);
    writer.finish().unwrap()
}

fn open(context: &Arc<TableContext>, facts: &TableFacts) -> Result<Arc<Table>> {
    Table::open(context, facts).map(Arc::new)
}

fn current(cursor: &TableCursor) -> Option<Entry> {
    cursor
        .is_valid()
        .then(|| (cursor.key().to_vec(), cursor.seqno(), cursor.kind(), cursor.value().to_vec()))
}

/// All entries, by walking from the first.
fn walk(table: &Arc<Table>) -> Result<Vec<Entry>> {
    let mut cursor = table.cursor();
    let mut entries = Vec::new();
    cursor.seek_first()?;
    while let Some(entry) = current(&cursor) {
        entries.push(entry);
        cursor.next()?;
    }
    Ok(entries)
}

/// `n` puts with keys of a common prefix.
fn puts(n: u32) -> Vec<Entry> {
    let one = |i: u32| {
        let key = format!("key/{i:08}").into_bytes();
        (key, u64::from(n - i), Kind::Put, format!("value {i}").into_bytes())
    };
    (0..n).map(one).collect()
}
