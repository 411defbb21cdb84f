//! The index of a table: for each data block a separator and where the block is.
//!
//! ```text
//! index block := a data block (see `data_block`) of puts with seqno 0:
//!                key = separator, value = entry
//! entry       := handle 16 B | flags u8 (1 all puts, 2 unique keys, 8 tombstones only)
//! ```
//!
//! A separator is a short key at or behind the last key of its block and before the first key of
//! the next one; the last separator is the last key. Where versions of one user key go on in the
//! next block, the separator is that key, and a reader that reaches the end of a block looks into
//! the next one.
//!
//! Up to [`SINGLE_ENTRIES_MAX`] blocks have one index block, which stays in memory while the table
//! is open. More have partitions of [`PARTITION_ENTRIES`] entries each, cached like data blocks,
//! and a top index of the same form over their last separators, which stays in memory.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::Reader;
use crate::format::key::{Kind, SEQNO_LATEST};
use crate::table::block::{BlockHandle, BlockType};
use crate::table::data_block::DataBlock;
use crate::table::data_block_builder::{DataBlockBuilder, ENTRIES_MAX};

/// Entries of one partition; the last one may have fewer.
pub(crate) const PARTITION_ENTRIES: usize = 256;

/// Most entries of an index that is one block. At 8 KiB a block that is half a percent of the data.
pub(crate) const SINGLE_ENTRIES_MAX: usize = 4096;

/// Most data blocks of a table.
pub(crate) const DATA_BLOCKS_MAX: usize = PARTITION_ENTRIES * ENTRIES_MAX;

pub(crate) const FLAG_TOMBSTONES_ONLY: u8 = 8;

/// What the index says about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) handle: BlockHandle,
    /// Flags of the data block; 0 for a partition.
    pub(crate) flags: u8,
}

impl IndexEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        self.handle.encode(out);
        out.push(self.flags);
    }

    fn decode(bytes: &[u8]) -> Option<IndexEntry> {
        let mut reader = Reader::new(bytes);
        let handle = BlockHandle::decode(&mut reader)?;
        let flags = reader.u8()?;
        reader.is_done().then_some(IndexEntry { handle, flags })
    }

    /// Entry number `index` of an index block; `None` if there is none, or that block is no such
    /// thing.
    pub(crate) fn of(block: &DataBlock, index: usize) -> Option<IndexEntry> {
        if index >= block.len() {
            return None;
        }
        IndexEntry::decode(block.value(index))
    }
}

/// The shortest separator we find for a block that ends with `last` when the next begins with
/// `next`. Requires: `last <= next`.
pub(crate) fn separator<'a>(last: &'a [u8], next: &'a [u8]) -> &'a [u8] {
    let common = last.iter().zip(next).take_while(|(left, right)| left == right).count();
    // One byte more than they share is behind `last`; it must not be all of `next`.
    match next.get(..=common) {
        Some(short) if short.len() < next.len() && short.len() < last.len() => short,
        _ => last,
    }
}

/// Collects the entries of an index.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    separators: Vec<u8>,
    entries: Vec<(usize, IndexEntry)>,
}

impl IndexBuilder {
    /// Requires: blocks arrive in order.
    pub(crate) fn add(&mut self, separator: &[u8], entry: IndexEntry) {
        assert!(self.entries.len() < DATA_BLOCKS_MAX, "a table has at most 16 million blocks");
        self.separators.extend_from_slice(separator);
        self.entries.push((self.separators.len(), entry));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Length of the index, about.
    pub(crate) fn size_bytes(&self) -> usize {
        self.separators.len() + self.entries.len() * 32
    }

    /// Writes the index, block by block, through `write`. The last block written is the one that
    /// stays in memory; its type and handle are returned, `None` if there are no entries.
    pub(crate) fn finish(
        self,
        mut write: impl FnMut(BlockType, &[u8]) -> BlockHandle,
    ) -> Option<(BlockType, BlockHandle)> {
        if self.entries.is_empty() {
            return None;
        }
        let is_single = self.entries.len() <= SINGLE_ENTRIES_MAX;
        let per_block = if is_single { SINGLE_ENTRIES_MAX } else { PARTITION_ENTRIES };
        let (mut block, mut top) = (DataBlockBuilder::new(), DataBlockBuilder::new());
        let (mut value, mut payload) = (Vec::new(), Vec::new());
        let (mut start, mut handle) = (0, BlockHandle::default());
        let count = self.entries.len();
        for (index, (end, entry)) in self.entries.into_iter().enumerate() {
            let separator = self.separators.get(start..end).unwrap_or_default();
            start = end;
            add_entry(&mut block, separator, entry, &mut value);
            if block.len() == per_block || index + 1 == count {
                block.finish(&mut payload);
                handle = write(BlockType::Index, &payload);
                add_entry(&mut top, separator, IndexEntry { handle, flags: 0 }, &mut value);
            }
        }
        if is_single {
            return Some((BlockType::Index, handle));
        }
        top.finish(&mut payload);
        Some((BlockType::TopIndex, write(BlockType::TopIndex, &payload)))
    }
}

fn add_entry(
    block: &mut DataBlockBuilder,
    separator: &[u8],
    entry: IndexEntry,
    value: &mut Vec<u8>,
) {
    value.clear();
    entry.encode(value);
    block.add(separator, 0, Kind::Put, value);
}

/// The part of an index that stays in memory.
#[derive(Debug)]
pub(crate) enum Index {
    /// There are no data blocks.
    Empty,
    /// All entries.
    Single(DataBlock),
    /// One entry for each partition.
    Partitioned { top: DataBlock, data_blocks: usize },
}

impl Index {
    /// Number of data blocks.
    pub(crate) fn data_blocks(&self) -> usize {
        match self {
            Index::Empty => 0,
            Index::Single(block) => block.len(),
            Index::Partitioned { data_blocks, .. } => *data_blocks,
        }
    }

    /// Number of partitions.
    pub(crate) fn partitions(&self) -> usize {
        match self {
            Index::Empty | Index::Single(_) => 0,
            Index::Partitioned { top, .. } => top.len(),
        }
    }

    /// Number of entries that partition `partition` must have.
    pub(crate) fn partition_len(&self, partition: usize) -> usize {
        self.data_blocks().saturating_sub(partition * PARTITION_ENTRIES).min(PARTITION_ENTRIES)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Index::Empty => 0,
            Index::Single(block) | Index::Partitioned { top: block, .. } => block.memory_bytes(),
        }
    }
}

/// Number of the first entry of an index block whose separator is at or behind `user_key`.
pub(crate) fn find(block: &DataBlock, user_key: &[u8]) -> usize {
    // Entries have seqno 0, so every version of a key sorts before the entry with that separator.
    block.seek(user_key, SEQNO_LATEST)
}

#[cfg(test)]
mod tests {
    use crate::format::key::Kind;
    use crate::table::data_block::DataBlock;
    use crate::table::data_block_builder::DataBlockBuilder;
    use crate::table::index::{IndexEntry, separator};
    use proptest::prelude::*;

    /// Behind the ends of entries stands the prefix, which must not be read as more of them.
    #[test]
    fn an_index_has_no_entry_behind_its_end() {
        let mut builder = DataBlockBuilder::new();
        for key in [b"\0\0\0\0\0\0\x11\0a", b"\0\0\0\0\0\0\x11\0b"] {
            builder.add(key, 0, Kind::Put, &[0; 17]);
        }
        let mut payload = Vec::new();
        builder.finish(&mut payload);
        let block = DataBlock::parse(&payload).unwrap();
        assert!((0..2).all(|index| IndexEntry::of(&block, index).is_some()));
        assert!((2..9).all(|index| IndexEntry::of(&block, index).is_none()));
    }

    proptest! {
        #[test]
        fn a_separator_separates(mut a: Vec<u8>, mut b: Vec<u8>, common: Vec<u8>) {
            a.splice(0..0, common.iter().copied());
            b.splice(0..0, common.iter().copied());
            let (last, next) = if a <= b { (&a, &b) } else { (&b, &a) };
            let separator = separator(last, next);
            prop_assert!(&last[..] <= separator && separator.len() <= last.len());
            if last < next {
                prop_assert!(separator < &next[..]);
            }
        }
    }

    #[test]
    fn a_separator_is_short_where_it_can_be() {
        assert_eq!(separator(b"apple pie", b"banana"), b"b");
        assert_eq!(separator(b"apple pie", b"b"), b"apple pie");
        assert_eq!(separator(b"trade/000199", b"trade/0002"), b"trade/000199");
        assert_eq!(separator(b"trade/000199", b"trade/00021"), b"trade/0002");
        assert_eq!(separator(b"same", b"same"), b"same");
    }
}
