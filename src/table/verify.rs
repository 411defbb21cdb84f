//! Proves a table: reads all of it from the file and checks every promise that readers rely on.
//!
//! Checked are: that blocks fill the file without a gap; every checksum, and the crc over them in
//! the footer; the order of entries over the whole table; that each separator separates; the flags
//! of blocks; that the filter denies no key; and that counts, seqnos and bounds are what properties
//! and manifest say. Nothing is taken from the cache: it is the file that is asked.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Result};
use crate::format::checksum::crc32_from;
use crate::format::codec::usize_to_u64;
use crate::format::key::{Kind, Seqno, compare};
use crate::format::limits::SEQNO_MAX;
use crate::table::block::{BlockHandle, BlockType};
use crate::table::data_block::DataBlock;
use crate::table::filter::filter_hash;
use crate::table::index::{FLAG_TOMBSTONES_ONLY, Index, IndexEntry, PARTITION_ENTRIES};
use crate::table::layout::{FLAG_ALL_PUTS, FLAG_UNIQUE_KEYS};
use crate::table::properties::Properties;
use crate::table::reader::{Table, read_slots};

impl Table {
    /// Reads the whole file and checks every promise; see the caption.
    ///
    /// # Errors
    /// `Corruption` that names the first broken promise; otherwise what the file system reports.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut walk = Walk::new(self);
        for number in 0..self.index.data_blocks() {
            walk.data_block(number)?;
        }
        walk.last_block()?;
        let data_bytes = walk.position;
        walk.tail()?;
        walk.totals(data_bytes)
    }
}

/// What was seen so far.
struct Walk<'a> {
    table: &'a Table,
    /// Where the next block must begin.
    position: u64,
    blocks_crc: u32,
    /// The partition of the index that is needed next, and its number.
    partition: Option<(usize, DataBlock)>,
    seen: Properties,
    key: Vec<u8>,
    last_key: Vec<u8>,
    last_seqno: Seqno,
    /// Separator of the block before.
    separator: Vec<u8>,
    last_has_unique_keys: bool,
    offset: u64,
}

impl<'a> Walk<'a> {
    fn new(table: &'a Table) -> Walk<'a> {
        Walk {
            table,
            position: 0,
            blocks_crc: 0,
            partition: None,
            seen: Properties { min_seqno: SEQNO_MAX, ..Properties::default() },
            key: Vec::new(),
            last_key: Vec::new(),
            last_seqno: 0,
            separator: Vec::new(),
            last_has_unique_keys: true,
            offset: 0,
        }
    }

    fn data_block(&mut self, number: usize) -> Result<()> {
        let entry = self.index_entry(number)?;
        self.claim(entry.handle)?;
        let raw = self.table.file.read(entry.handle, BlockType::Data)?;
        self.add_crc(raw.crc);
        let block = DataBlock::parse(raw.payload()).map_err(|what| self.corrupt(what))?;
        let first_repeats = number > 0 && block.key_equals(0, &self.last_key);
        if first_repeats && (self.last_has_unique_keys || block.has_unique_keys()) {
            return Err(self.corrupt("a key is cut, but its blocks say their keys are unique"));
        }
        block.write_key(0, &mut self.key);
        if number > 0 && !(self.separator < self.key || first_repeats) {
            return Err(self.corrupt("a separator is not before the next block"));
        }
        let mut deletes = 0;
        for index in 0..block.len() {
            block.write_key(index, &mut self.key);
            deletes += usize::from(block.kind(index) == Kind::Delete);
            self.entry(&block, index)?;
        }
        let mut flags = if deletes == 0 { FLAG_ALL_PUTS } else { 0 };
        flags |= if block.has_unique_keys() { FLAG_UNIQUE_KEYS } else { 0 };
        flags |= if deletes == block.len() { FLAG_TOMBSTONES_ONLY } else { 0 };
        let indexed = FLAG_ALL_PUTS | FLAG_UNIQUE_KEYS | FLAG_TOMBSTONES_ONLY;
        if entry.flags & indexed != flags || block.is_all_puts() != (deletes == 0) {
            return Err(self.corrupt("the flags of a block are wrong"));
        }
        self.last_has_unique_keys = block.has_unique_keys();
        self.next_separator(number)
    }

    /// One entry, whose key is in `self.key`.
    fn entry(&mut self, block: &DataBlock, index: usize) -> Result<()> {
        let seqno = block.seqno(index);
        if self.seen.entries == 0 {
            self.seen.smallest.clone_from(&self.key);
        } else if compare((&self.last_key, self.last_seqno), (&self.key, seqno)).is_ge() {
            return Err(self.corrupt("entries are out of order"));
        }
        let is_new = self.seen.entries == 0 || self.key != self.last_key;
        if !is_new && block.has_unique_keys() {
            return Err(self.corrupt("a block says its keys are unique, but one is not"));
        }
        if is_new {
            let filter = self.table.filter.as_ref();
            if filter.is_some_and(|filter| !filter.may_contain(filter_hash(&self.key))) {
                return Err(self.corrupt("the filter denies a key of the table"));
            }
        }
        let (key_bytes, value_bytes) =
            (usize_to_u64(self.key.len()), usize_to_u64(block.value(index).len()));
        let seen = &mut self.seen;
        seen.entries += 1;
        seen.keys += u64::from(is_new);
        seen.deletes += u64::from(block.kind(index) == Kind::Delete);
        seen.raw_key_bytes += key_bytes;
        seen.raw_bytes += key_bytes + value_bytes;
        seen.min_seqno = seen.min_seqno.min(seqno);
        seen.max_seqno = seen.max_seqno.max(seqno);
        self.last_seqno = seqno;
        std::mem::swap(&mut self.key, &mut self.last_key);
        Ok(())
    }

    /// The separator of the block just read: not before its last key.
    fn next_separator(&mut self, number: usize) -> Result<()> {
        match (&self.table.index, &self.partition) {
            (Index::Single(block), _) => block.write_key(number, &mut self.separator),
            (_, Some((_, block))) => {
                block.write_key(number % PARTITION_ENTRIES, &mut self.separator);
            }
            _ => {}
        }
        if self.separator < self.last_key {
            return Err(self.corrupt("a separator is before the end of its block"));
        }
        let ends_partition = (number + 1).is_multiple_of(PARTITION_ENTRIES)
            || number + 1 == self.table.index.data_blocks();
        if let Index::Partitioned { top, .. } = &self.table.index
            && ends_partition
            && !top.key_equals(number / PARTITION_ENTRIES, &self.separator)
        {
            return Err(self.corrupt("the top index is not the end of its partition"));
        }
        Ok(())
    }

    fn last_block(&mut self) -> Result<()> {
        self.seen.data_blocks = usize_to_u64(self.table.index.data_blocks());
        if self.seen.data_blocks > 0 && self.separator != self.last_key {
            return Err(self.corrupt("the last separator is not the last key"));
        }
        Ok(())
    }

    /// The blocks behind the data: they were read when the table was opened, here only their place
    /// and crc are of interest.
    fn tail(&mut self) -> Result<()> {
        let table = self.table;
        for (block_type, handle) in table.directory.iter() {
            // Partitions come before the top index.
            if block_type == BlockType::TopIndex {
                for partition in 0..table.index.partitions() {
                    self.tail_block(table.partition_handle(partition)?, BlockType::Index)?;
                }
            }
            self.tail_block(handle, block_type)?;
        }
        self.tail_block(table.footer.directory, BlockType::Directory)?;
        if self.blocks_crc != table.footer.blocks_crc {
            return Err(self.corrupt("the checksums of the blocks are not those of the footer"));
        }
        Ok(())
    }

    fn tail_block(&mut self, handle: BlockHandle, block_type: BlockType) -> Result<()> {
        self.claim(handle)?;
        let raw = self.table.file.read(handle, block_type)?;
        self.add_crc(raw.crc);
        Ok(())
    }

    fn totals(mut self, data_bytes: u64) -> Result<()> {
        let stated = self.table.properties();
        self.seen.data_bytes = data_bytes;
        self.seen.largest.clone_from(&self.last_key);
        self.seen.include(self.table.range_tombstones());
        let seen = Properties {
            block_bytes: stated.block_bytes,
            codec: stated.codec,
            codec_level: stated.codec_level,
            creation: stated.creation,
            ..self.seen.clone()
        };
        if seen != *stated {
            return Err(self.corrupt("the properties do not describe the entries"));
        }
        Ok(())
    }

    /// What the index says about data block `number`, from the file.
    fn index_entry(&mut self, number: usize) -> Result<IndexEntry> {
        if let Index::Partitioned { .. } = &self.table.index {
            let partition = number / PARTITION_ENTRIES;
            if self.partition.as_ref().is_none_or(|own| own.0 != partition) {
                let handle = self.table.partition_handle(partition)?;
                let block = read_slots(&self.table.file, handle, BlockType::Index)?;
                if block.len() != self.table.index.partition_len(partition) {
                    let what = "a part of the index lacks entries";
                    return Err(self.table.corrupt(handle.offset, what));
                }
                self.partition = Some((partition, block));
            }
        }
        let entry = match (&self.table.index, &self.partition) {
            (Index::Single(block), _) => IndexEntry::of(block, number),
            (Index::Partitioned { .. }, Some((_, block))) => {
                IndexEntry::of(block, number % PARTITION_ENTRIES)
            }
            _ => None,
        };
        entry.ok_or_else(|| self.corrupt("an entry of the index is damaged"))
    }

    /// The next block must be this one, right behind the one before.
    fn claim(&mut self, handle: BlockHandle) -> Result<()> {
        self.offset = handle.offset;
        match handle.end() {
            Some(end) if handle.offset == self.position => {
                self.position = end;
                Ok(())
            }
            _ => Err(self.corrupt("the blocks do not fill the file")),
        }
    }

    fn add_crc(&mut self, crc: u32) {
        self.blocks_crc = crc32_from(self.blocks_crc, &crc.to_le_bytes());
    }

    fn corrupt(&self, what: &'static str) -> Error {
        self.table.corrupt(self.offset, what)
    }
}
