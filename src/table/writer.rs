//! Writes a table: entries in order, then the tail, then one sync.
//!
//! A data block is closed when the next entry would make it larger than asked for, so only a large
//! entry makes a large block. The versions of one user key stay in one block up to
//! [`KEY_BLOCKS_MAX`] times that size, because a read of the key is then one block; beyond it the
//! key is cut, and the blocks on both sides say that their keys are not unique.
//!
//! Invariants: (1) entries strictly increase in internal order; (2) blocks fill the file without a
//! gap, the footer follows the last one; (3) `finish` returns facts only after the file was synced
//! (the name is the caller's to sync). After an error the file is garbage: the caller writes it
//! again under a new number.

use crate::error::{Error, Result};
use crate::format::checksum::crc32_from;
use crate::format::key::{Kind, Seqno, compare};
use crate::format::limits::{SEQNO_MAX, USER_KEY_BYTES_MAX};
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::fs::{Append, FileKind};
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::table::block::{BlockEncoder, BlockHandle, BlockType};
use crate::table::context::TableContext;
use crate::table::data_block_builder::{DataBlockBuilder, ENTRIES_MAX};
use crate::table::filter::FilterBuilder;
use crate::table::footer::{Directory, FOOTER_BYTES, Footer};
use crate::table::index::{FLAG_TOMBSTONES_ONLY, IndexBuilder, IndexEntry, separator};
use crate::table::options::{Compression, TableOptions};
use crate::table::properties::Properties;
use std::cmp::Ordering;
use std::path::PathBuf;

/// Versions of one user key fill at most so many times the size of a block before they are cut.
const KEY_BLOCKS_MAX: usize = 8;

/// A table that is being written.
pub(crate) struct TableWriter {
    id: u64,
    options: TableOptions,
    output: Output,
    block: DataBlockBuilder,
    /// Payload of the block that is being closed; kept to reuse its memory.
    payload: Vec<u8>,
    index: IndexBuilder,
    filter: FilterBuilder,
    range_tombstones: Fragments,
    properties: Properties,
    last_key: Vec<u8>,
    last_seqno: Seqno,
}

/// The file and what is not yet in it.
struct Output {
    file: Box<dyn Append>,
    path: PathBuf,
    database: u64,
    encoder: BlockEncoder,
    buffer: Vec<u8>,
    write_bytes: usize,
    /// Length of the file once the buffer is in it.
    end: u64,
    blocks_crc: u32,
}

impl Output {
    /// Takes a block; it reaches the file with the next pieces.
    fn add(&mut self, block_type: BlockType, payload: &[u8]) -> BlockHandle {
        let before = self.buffer.len();
        let (handle, crc) = self.encoder.append(&mut self.buffer, self.end, block_type, payload);
        self.end += (self.buffer.len() - before) as u64;
        self.blocks_crc = crc32_from(self.blocks_crc, &crc.to_le_bytes());
        handle
    }

    /// Appends whole pieces; with `all` also the last one.
    fn write(&mut self, all: bool) -> Result<()> {
        let mut done = 0;
        while done + self.write_bytes <= self.buffer.len() || (all && done < self.buffer.len()) {
            let piece_end = self.buffer.len().min(done + self.write_bytes);
            let appended = self.file.append(&self.buffer[done..piece_end]);
            appended.map_err(|error| Error::io("append to the table", &self.path, error))?;
            done = piece_end;
        }
        self.buffer.drain(..done);
        Ok(())
    }
}

impl TableWriter {
    /// Begins the table with this number, which must never have been used.
    ///
    /// # Errors
    /// Whatever the file system reports; also if there is such a file.
    pub(crate) fn create(
        context: &Arc<TableContext>,
        id: u64,
        options: TableOptions,
    ) -> Result<TableWriter> {
        let path = context.path(id);
        let file = context.fs.create_new(&path, FileKind::Table);
        let file = file.map_err(|error| Error::io("create the table", &path, error))?;
        let encoder = BlockEncoder::new(context.database, id, options.compression);
        let encoder = encoder.map_err(|error| Error::io("begin to compress", &path, error))?;
        let (codec, level) = match options.compression {
            Compression::None => (0, 0),
            Compression::Zstd(level) => (1, zigzag(level)),
        };
        let properties = Properties {
            min_seqno: SEQNO_MAX,
            block_bytes: options.block_bytes as u64,
            codec,
            codec_level: level,
            creation: options.creation,
            ..Properties::default()
        };
        let output = Output {
            file,
            path,
            database: context.database,
            encoder,
            buffer: Vec::with_capacity(options.write_bytes + options.block_bytes * 2),
            write_bytes: options.write_bytes.max(1),
            end: 0,
            blocks_crc: 0,
        };
        Ok(TableWriter {
            id,
            output,
            block: DataBlockBuilder::new(),
            payload: Vec::new(),
            index: IndexBuilder::default(),
            filter: FilterBuilder::new(options.filter),
            range_tombstones: Fragments::default(),
            properties,
            last_key: Vec::new(),
            last_seqno: 0,
            options,
        })
    }

    /// Appends an entry.
    /// Requires: it sorts behind the one before; its kind is `Put` or `Delete`.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(crate) fn add(
        &mut self,
        user_key: &[u8],
        seqno: Seqno,
        kind: Kind,
        value: &[u8],
    ) -> Result<()> {
        assert!(matches!(kind, Kind::Put | Kind::Delete), "range tombstones are kept apart");
        assert!(user_key.len() <= USER_KEY_BYTES_MAX && seqno <= SEQNO_MAX, "checked at the door");
        let mut repeats_key = false;
        if self.properties.entries == 0 {
            self.properties.smallest = user_key.to_vec();
        } else {
            let order = compare((&self.last_key, self.last_seqno), (user_key, seqno));
            assert!(order == Ordering::Less, "entries arrive in strictly increasing order");
            repeats_key = self.last_key == user_key;
        }
        if self.must_cut(user_key.len() + value.len(), repeats_key) {
            self.close_block(user_key, repeats_key)?;
        }
        if repeats_key {
            self.block.mark_repeated_key();
        } else {
            self.filter.add(user_key);
            self.properties.keys += 1;
            self.last_key.clear();
            self.last_key.extend_from_slice(user_key);
        }
        self.last_seqno = seqno;
        self.block.add(user_key, seqno, kind, value);
        let properties = &mut self.properties;
        properties.entries += 1;
        properties.deletes += u64::from(kind == Kind::Delete);
        properties.raw_key_bytes += user_key.len() as u64;
        properties.raw_bytes += (user_key.len() + value.len()) as u64;
        properties.min_seqno = properties.min_seqno.min(seqno);
        properties.max_seqno = properties.max_seqno.max(seqno);
        Ok(())
    }

    /// The range tombstones of the table; the bounds in its facts will include them.
    pub(crate) fn set_range_tombstones(&mut self, fragments: Fragments) {
        self.range_tombstones = fragments;
    }

    /// Length of the file if it were finished now, about.
    pub(crate) fn size_estimate(&self) -> u64 {
        let rest = self.block.size_bytes() + self.index.size_bytes() + self.filter.size_bytes();
        self.output.end + rest as u64
    }

    /// Entries so far, range tombstones not counted.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> u64 {
        self.properties.entries
    }

    /// Writes the tail and makes the file durable. Its name is the caller's to make durable.
    /// Requires: there is an entry or a range tombstone.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(crate) fn finish(mut self) -> Result<TableFacts> {
        assert!(
            self.properties.entries > 0 || !self.range_tombstones.is_empty(),
            "an empty table is not written"
        );
        if !self.block.is_empty() {
            self.close_last_block()?;
        }
        self.bound_properties();
        let mut directory = Directory::default();
        let filter = std::mem::replace(&mut self.filter, FilterBuilder::new(self.options.filter));
        if let Some(payload) = filter.finish() {
            directory.add(BlockType::Filter, self.output.add(BlockType::Filter, &payload));
        }
        let output = &mut self.output;
        let index = self.index.finish(|block_type, payload| output.add(block_type, payload));
        if let Some((block_type, handle)) = index {
            directory.add(block_type, handle);
        }
        let mut payload = self.payload;
        if !self.range_tombstones.is_empty() {
            payload.clear();
            self.range_tombstones.encode(&mut payload);
            let handle = output.add(BlockType::RangeTombstones, &payload);
            directory.add(BlockType::RangeTombstones, handle);
        }
        payload.clear();
        self.properties.encode(&mut payload);
        directory.add(BlockType::Properties, output.add(BlockType::Properties, &payload));
        payload.clear();
        directory.encode(&mut payload);
        let handle = output.add(BlockType::Directory, &payload);
        let footer = Footer {
            database: output.database,
            file: self.id,
            directory: handle,
            blocks_crc: output.blocks_crc,
        };
        let fingerprint = footer.encode(&mut output.buffer);
        output.end += FOOTER_BYTES as u64;
        output.write(true)?;
        let is_left_out = is_seeded(Bug::TableUnsynced);
        let synced = if is_left_out { Ok(()) } else { output.file.syncer().sync() };
        synced.map_err(|error| Error::io("sync the table", &output.path, error))?;
        Ok(self.properties.facts(self.id, output.end, fingerprint))
    }

    /// Whether an entry with so many bytes of key and value belongs into a new block.
    fn must_cut(&self, entry_bytes: usize, repeats_key: bool) -> bool {
        if self.block.is_empty() {
            return false;
        }
        let blocks = if repeats_key { KEY_BLOCKS_MAX } else { 1 };
        let limit = self.options.block_bytes.saturating_mul(blocks);
        self.block.len() == ENTRIES_MAX || self.block.size_bytes() + entry_bytes > limit
    }

    /// Closes the block, knowing the user key that comes next.
    fn close_block(&mut self, next_key: &[u8], repeats_key: bool) -> Result<()> {
        if repeats_key {
            self.block.mark_repeated_key();
        }
        let entry = self.write_block();
        self.index.add(separator(&self.last_key, next_key), entry);
        self.output.write(false)
    }

    fn close_last_block(&mut self) -> Result<()> {
        let entry = self.write_block();
        self.index.add(&self.last_key, entry);
        self.output.write(false)
    }

    fn write_block(&mut self) -> IndexEntry {
        let tombstones = if self.block.is_tombstones_only() { FLAG_TOMBSTONES_ONLY } else { 0 };
        let flags = self.block.finish(&mut self.payload) | tombstones;
        let handle = self.output.add(BlockType::Data, &self.payload);
        IndexEntry { handle, flags }
    }

    /// Completes the properties: all data blocks are written, the range tombstones are known.
    fn bound_properties(&mut self) {
        let properties = &mut self.properties;
        properties.data_blocks = self.index.len() as u64;
        properties.data_bytes = self.output.end;
        properties.largest.clone_from(&self.last_key);
        if !is_seeded(Bug::RangeTombstoneNotInBounds) {
            properties.include(&self.range_tombstones);
        }
    }
}

/// A signed level as an unsigned number.
fn zigzag(level: i32) -> u64 {
    let magnitude = u64::from(level.unsigned_abs());
    if level < 0 { magnitude * 2 - 1 } else { magnitude * 2 }
}
