//! An open table: finds entries, loads blocks through the cache.
//!
//! What a search always needs stays in memory while the table is open and is charged to the budget
//! as pinned: the index (or its top), the filter, the range tombstones, the array of cache slots.
//! Data blocks and partitions of the index come and go. Slots are numbered like data blocks, the
//! partitions follow behind them.
//!
//! Every error names the file and the offset. A damaged filter or index is an error like damaged
//! data: no search goes on without it, because "not found" would be a wrong answer.
//!
//! Threads: nothing changes after `open` but the cache.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::cache::budget::{Charge, Part};
use crate::cache::marks::Marks;
use crate::cache::slots::Slots;
use crate::error::{Error, Reason, Result};
use crate::format::codec::usize_to_u64;
use crate::format::key::{Kind, Seqno};
use crate::format::limits::FORMAT_VERSION;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::fs::FileKind;
use crate::seeded::{Bug, is_seeded};
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::block::{BlockFile, BlockHandle, BlockType, RawBlock};
use crate::table::context::TableContext;
use crate::table::data_block::DataBlock;
use crate::table::filter::Filter;
use crate::table::footer::{Directory, FOOTER_BYTES, Footer, NotAFooter};
use crate::table::index::{Index, IndexEntry, PARTITION_ENTRIES, find};
use crate::table::part;
use crate::table::properties::Properties;
use std::io;

/// The newest version of a key that a reader sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) seqno: Seqno,
    pub(crate) kind: Kind,
    /// Empty for a tombstone.
    pub(crate) value: Slice,
}

/// What becomes of a block that had to be read from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// It goes into the cache.
    Cache,
    /// It does not: the reader passes by once, like a compaction.
    Nothing,
}

/// A table that is open for reading.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) file: BlockFile,
    pub(crate) footer: Footer,
    pub(crate) index: Index,
    pub(crate) filter: Option<Filter>,
    range_tombstones: Arc<Fragments>,
    #[cfg(test)]
    properties: Properties,
    slots: Arc<Slots<DataBlock>>,
    /// Held for what it takes from the budget.
    _pinned: Charge,
}

impl Table {
    /// Opens the table that the manifest describes by `facts`.
    ///
    /// # Errors
    /// `Corruption` if the file is missing, damaged, or not the one that the facts are about;
    /// `Unsupported` if it is of a newer format; otherwise whatever the file system reports.
    pub(crate) fn open(context: &Arc<TableContext>, facts: &TableFacts) -> Result<Table> {
        let (file, footer) = open_file(context, facts)?;
        let payload = file.read(footer.directory, BlockType::Directory)?;
        let corrupt = |offset, what| Error::corruption(&file.path, offset, what);
        let directory = Directory::decode(payload.payload())
            .map_err(|what| corrupt(footer.directory.offset, what))?;
        let properties = read_properties(&file, &directory, footer.directory)?;
        if properties.facts(facts.id, facts.size_bytes, facts.fingerprint) != *facts {
            let offset = footer.directory.offset;
            return Err(corrupt(offset, "the properties are not what the manifest says"));
        }
        let range_tombstones = match directory.get(BlockType::RangeTombstones) {
            None => Fragments::default(),
            Some(handle) => {
                let block = file.read(handle, BlockType::RangeTombstones)?;
                Fragments::decode(block.payload())
                    .map_err(|_| corrupt(handle.offset, "a range tombstone is damaged"))?
            }
        };
        let filter = match directory.get(BlockType::Filter) {
            None => None,
            Some(handle) => {
                let block = match file.read(handle, BlockType::Filter) {
                    Err(_) if is_seeded(Bug::FilterDamageAsAbsent) => RawBlock::denying(),
                    block => block?,
                };
                let filter = Filter::decode(block.payload());
                Some(filter.map_err(|what| corrupt(handle.offset, what))?)
            }
        };
        let index = read_index(&file, &directory, &properties)?;
        let slots =
            Slots::new(&context.cache, index.data_blocks().saturating_add(index.partitions()));
        let pinned_bytes = index.memory_bytes()
            + filter.as_ref().map_or(0, Filter::memory_bytes)
            + range_tombstones.memory_bytes()
            + slots.memory_bytes();
        Ok(Table {
            file,
            footer,
            index,
            filter,
            range_tombstones: Arc::new(range_tombstones),
            #[cfg(test)]
            properties,
            slots,
            _pinned: context.cache.budget().charge(Part::Pinned, pinned_bytes),
        })
    }

    /// The newest version of `user_key` that a reader at `seqno` sees; range tombstones are not
    /// looked at. `hash` is `filter_hash(user_key)`.
    ///
    /// # Errors
    /// `Corruption`, or whatever the file system reports.
    pub(crate) fn get(&self, user_key: &[u8], hash: u64, seqno: Seqno) -> Result<Option<Found>> {
        if self.may_contain(hash) { self.find(user_key, seqno) } else { Ok(None) }
    }

    /// `false` if no key with this hash is in the table.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_contain(hash))
    }

    /// To be called before [`may_contain`](Table::may_contain) where several tables are asked.
    #[inline]
    pub(crate) fn touch_filter(&self, hash: u64) {
        if let Some(filter) = &self.filter {
            filter.touch(hash);
        }
    }

    /// The same as [`get`](Table::get) for whoever has asked the filter.
    pub(crate) fn find(&self, user_key: &[u8], seqno: Seqno) -> Result<Option<Found>> {
        let mut number = self.find_block(user_key)?;
        while number < self.index.data_blocks() {
            let (block, index) = self.search(number, user_key, seqno)?;
            if index < block.len() {
                let is_found = block.key_equals(index, user_key);
                return Ok(is_found.then(|| found(block, index)));
            }
            // Older versions of the key may go on in the next block, but only if the key is the
            // last one of this block.
            let ends_here = is_seeded(Bug::VersionsEndWithBlock);
            if ends_here || !block.key_equals(index.saturating_sub(1), user_key) {
                return Ok(None);
            }
            number += 1;
        }
        Ok(None)
    }

    /// Data block `number`, and its first entry at or behind (`user_key`, `seqno`). A part of the block does
    /// if the key is in it.
    fn search(&self, number: usize, user_key: &[u8], seqno: Seqno) -> Result<(DataBlock, usize)> {
        if let Some(block) = self.slots.look(number, DataBlock::touch) {
            let index = block.seek(user_key, seqno);
            let is_answer = block.is_whole()
                || index < block.len() && block.key_equals(index, user_key)
                || is_seeded(Bug::PartTakenAsWhole);
            if is_answer {
                self.slots.note(number, Some(index));
                return Ok((block, index));
            }
        }
        self.slots.note(number, None);
        let whole = self.read(self.entry(number)?.handle, BlockType::Data)?;
        let index = whole.seek(user_key, seqno);
        let is_found = index < whole.len() && whole.key_equals(index, user_key);
        if !is_found || !self.slots.is_tight() || whole.len() > Marks::ENTRIES_MAX {
            return Ok((self.slots.insert(number, whole), index));
        }
        self.slots.fill(number, |present, read| {
            if present.is_some_and(DataBlock::is_whole) {
                return None;
            }
            let part = part::grown(&whole, index, present, read);
            Some(part.unwrap_or_else(|| (whole.clone(), Marks::NONE)))
        });
        Ok((whole, index))
    }

    pub(crate) fn range_tombstones(&self) -> &Arc<Fragments> {
        &self.range_tombstones
    }

    #[cfg(test)]
    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Number of the first data block that can hold `user_key` or something behind it; the number
    /// of data blocks if there is none.
    pub(crate) fn find_block(&self, user_key: &[u8]) -> Result<usize> {
        match &self.index {
            Index::Empty => Ok(0),
            Index::Single(block) => Ok(find(block, user_key)),
            Index::Partitioned { top, data_blocks } => {
                let partition = find(top, user_key);
                if partition == top.len() {
                    return Ok(*data_blocks);
                }
                let block = self.load_partition(partition)?;
                Ok(partition * PARTITION_ENTRIES + find(&block, user_key))
            }
        }
    }

    /// Data block `number`, from the cache or the file.
    pub(crate) fn load(&self, number: usize, fill: Fill) -> Result<DataBlock> {
        if let Some(block) = self.slots.get(number, DataBlock::touch) {
            return Ok(block);
        }
        let handle = self.entry(number)?.handle;
        let block = self.read(handle, BlockType::Data)?;
        Ok(match fill {
            Fill::Cache => self.slots.insert(number, block),
            Fill::Nothing => block,
        })
    }

    /// What the index says about data block `number`.
    pub(crate) fn entry(&self, number: usize) -> Result<IndexEntry> {
        let entry = match &self.index {
            Index::Empty => None,
            Index::Single(block) => IndexEntry::of(block, number),
            Index::Partitioned { .. } => {
                let partition = self.load_partition(number / PARTITION_ENTRIES)?;
                IndexEntry::of(&partition, number % PARTITION_ENTRIES)
            }
        };
        entry.ok_or_else(|| {
            let offset = self.footer.directory.offset;
            self.corrupt(offset, "an entry of the index is damaged")
        })
    }

    /// A partition of the index. Partitions always go into the cache: they serve many blocks.
    pub(crate) fn load_partition(&self, partition: usize) -> Result<DataBlock> {
        let is_neighbour = is_seeded(Bug::PartitionOfANeighbour) && partition > 0;
        let slot = self.index.data_blocks() + partition - usize::from(is_neighbour);
        if let Some(block) = self.slots.get(slot, DataBlock::touch) {
            return Ok(block);
        }
        let handle = self.partition_handle(partition)?;
        let block = self.read(handle, BlockType::Index)?;
        if block.len() != self.index.partition_len(partition) {
            return Err(self.corrupt(handle.offset, "a part of the index lacks entries"));
        }
        Ok(self.slots.insert(slot, block))
    }

    pub(crate) fn partition_handle(&self, partition: usize) -> Result<BlockHandle> {
        let entry = match &self.index {
            Index::Partitioned { top, .. } => IndexEntry::of(top, partition),
            Index::Empty | Index::Single(_) => None,
        };
        entry.map(|entry| entry.handle).ok_or_else(|| {
            self.corrupt(self.footer.directory.offset, "an entry of the top index is damaged")
        })
    }

    fn read(&self, handle: BlockHandle, block_type: BlockType) -> Result<DataBlock> {
        read_slots(&self.file, handle, block_type)
    }

    pub(crate) fn corrupt(&self, offset: u64, what: &'static str) -> Error {
        Error::corruption(&self.file.path, offset, what)
    }
}

fn found(block: DataBlock, index: usize) -> Found {
    let (seqno, kind) = (block.seqno(index), block.kind(index));
    Found { seqno, kind, value: block.into_value(index) }
}

/// Opens the file and checks what the footer says against the facts.
fn open_file(context: &Arc<TableContext>, facts: &TableFacts) -> Result<(BlockFile, Footer)> {
    let path = context.path(facts.id);
    let file = context.fs.open(&path, FileKind::Table).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corruption(&path, 0, "the table is missing"),
        _ => Error::io("open the table", &path, error),
    })?;
    let size = file.len();
    let corrupt = |offset, what| Error::corruption(&path, offset, what);
    if size != facts.size_bytes {
        return Err(corrupt(size, "the table has not the length that the manifest says"));
    }
    let end = size
        .checked_sub(usize_to_u64(FOOTER_BYTES))
        .ok_or_else(|| corrupt(size, "the table is too short for a footer"))?;
    let mut bytes = [0; FOOTER_BYTES];
    file.read_exact_at(&mut bytes, end).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt(end, "the table ends inside the footer"),
        _ => Error::io_at("read the footer", &path, end, error),
    })?;
    let (footer, crc) = Footer::decode(&bytes).map_err(|error| match error {
        NotAFooter::Damaged(what) => corrupt(end, what),
        NotAFooter::Newer(found) => {
            let reason = Reason::NewerFormat { found, max: FORMAT_VERSION };
            Error::unsupported(&path, reason, "the table is of a newer format")
        }
    })?;
    if footer.database != context.database {
        return Err(corrupt(end, "the table belongs to another database"));
    }
    if footer.file != facts.id {
        return Err(corrupt(end, "the table was written under another number"));
    }
    if crc != facts.fingerprint {
        return Err(corrupt(end, "the table is not the one that the manifest names"));
    }
    if footer.directory.end() != Some(end) {
        return Err(corrupt(end, "the directory does not end at the footer"));
    }
    let (database, id) = (context.database, facts.id);
    Ok((BlockFile { file, path, database, id, end }, footer))
}

fn read_properties(
    file: &BlockFile,
    directory: &Directory,
    directory_handle: BlockHandle,
) -> Result<Properties> {
    let corrupt = |offset, what| Error::corruption(&file.path, offset, what);
    let handle = directory
        .get(BlockType::Properties)
        .ok_or_else(|| corrupt(directory_handle.offset, "the table has no properties"))?;
    let block = file.read(handle, BlockType::Properties)?;
    Properties::decode(block.payload())
        .ok_or_else(|| corrupt(handle.offset, "the properties are damaged"))
}

fn read_index(file: &BlockFile, directory: &Directory, properties: &Properties) -> Result<Index> {
    let (index, offset) = if let Some(handle) = directory.get(BlockType::Index) {
        (Index::Single(read_slots(file, handle, BlockType::Index)?), handle.offset)
    } else if let Some(handle) = directory.get(BlockType::TopIndex) {
        let top = read_slots(file, handle, BlockType::TopIndex)?;
        // Each partition but the last is full. That bounds the array of slots by the file.
        let data_blocks = usize::try_from(properties.data_blocks).unwrap_or(usize::MAX);
        if data_blocks.div_ceil(PARTITION_ENTRIES) != top.len() {
            let what = "the top index has not the length that the properties say";
            return Err(Error::corruption(&file.path, handle.offset, what));
        }
        (Index::Partitioned { top, data_blocks }, handle.offset)
    } else {
        (Index::Empty, 0)
    };
    if usize_to_u64(index.data_blocks()) != properties.data_blocks {
        let what = "the index has not the length that the properties say";
        return Err(Error::corruption(&file.path, offset, what));
    }
    Ok(index)
}

/// Reads a block whose payload is slots.
pub(crate) fn read_slots(
    file: &BlockFile,
    handle: BlockHandle,
    block_type: BlockType,
) -> Result<DataBlock> {
    let raw = file.read(handle, block_type)?;
    DataBlock::parse(raw.payload())
        .map_err(|what| Error::corruption(&file.path, handle.offset, what))
}
