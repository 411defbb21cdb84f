//! Walks a table in both directions, block by block.
//!
//! The cursor holds the block that it stands in, so a step inside a block looks nothing up: it
//! copies one suffix behind the prefix of the block, into a buffer that grows once. Value, kind and
//! seqno are read from the block when they are asked for.
//!
//! Invariant: while the cursor is valid, `index` is an entry of `block`, `number` is the number of
//! that block and `key` the user key of that entry.
//!
//! Wherever a walk goes on in a neighbouring block, the entry there must be on the right side of the
//! one that it comes from. Checksums cannot say that of a file that somebody forged, and a scan that
//! is led back to where it was would never end.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::Result;
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, order};
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::data_block::DataBlock;
use crate::table::reader::{Fill, Table};
use std::cmp::Ordering;
use std::ops::Bound;

/// A place in a table. It keeps the table open, and one block in memory.
#[derive(Debug)]
pub(crate) struct TableCursor {
    table: Arc<Table>,
    fill: Fill,
    /// The block that the cursor stands in; `None` while it is not valid.
    block: Option<DataBlock>,
    number: usize,
    index: usize,
    key: Vec<u8>,
    /// Room for the key of the block that is left.
    last: Vec<u8>,
}

impl Table {
    /// A cursor, not valid before the first seek.
    #[cfg(test)]
    pub(crate) fn cursor(self: &Arc<Table>) -> TableCursor {
        self.cursor_filling(Fill::Cache)
    }

    /// A cursor that says what becomes of the blocks that it reads.
    pub(crate) fn cursor_filling(self: &Arc<Table>, fill: Fill) -> TableCursor {
        let (key, last) = (Vec::new(), Vec::new());
        TableCursor { table: Arc::clone(self), fill, block: None, number: 0, index: 0, key, last }
    }
}

impl TableCursor {
    /// Moves to the first entry at or behind (`user_key`, `seqno`).
    pub(crate) fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.block = None;
        let mut number = self.table.find_block(user_key)?;
        while number < self.table.index.data_blocks() {
            let block = self.load(number)?;
            let index = block.seek(user_key, seqno);
            if index < block.len() {
                self.stand(block, number, index);
                return Ok(());
            }
            // Either the key is behind the block, and then the next one begins behind the key; or
            // its versions go on there.
            number += 1;
        }
        Ok(())
    }

    /// Moves to the last entry before (`user_key`, `seqno`).
    pub(crate) fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.block = None;
        let mut number = self.table.find_block(user_key)?;
        while number < self.table.index.data_blocks() {
            let block = self.load(number)?;
            let index = block.seek(user_key, seqno);
            let goes_on = index == block.len() && block.key_equals(index - 1, user_key);
            if !goes_on {
                let Some(index) = index.checked_sub(1) else { break };
                self.stand(block, number, index);
                return Ok(());
            }
            number += 1;
        }
        self.stand_at_end_of(number.checked_sub(1))?;
        self.check_order(Ordering::Less, user_key, seqno)
    }

    /// Moves to the first entry.
    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.block = None;
        self.stand_at_start_of(0)
    }

    /// Moves to the last entry.
    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.block = None;
        self.stand_at_end_of(self.table.index.data_blocks().checked_sub(1))
    }

    /// Moves to the next entry. Requires: the cursor is valid.
    pub(crate) fn next(&mut self) -> Result<()> {
        let block = self.current();
        let index = self.index + 1;
        if index < block.len() {
            self.step(index);
            return Ok(());
        }
        self.cross(Ordering::Greater)
    }

    /// Moves to the entry before. Requires: the cursor is valid.
    pub(crate) fn prev(&mut self) -> Result<()> {
        assert!(self.is_valid(), "a cursor that is not valid has no neighbours");
        if let Some(index) = self.index.checked_sub(1) {
            self.step(index);
            return Ok(());
        }
        self.cross(Ordering::Less)
    }

    /// Moves to the nearest entry of a neighbouring block: of the next one, to find something greater, or
    /// of the one before.
    fn cross(&mut self, direction: Ordering) -> Result<()> {
        let seqno = self.seqno();
        let mut last = std::mem::take(&mut self.last);
        std::mem::swap(&mut self.key, &mut last);
        self.block = None;
        let moved = match direction {
            Ordering::Less => self.stand_at_end_of(self.number.checked_sub(1)),
            _ => self.stand_at_start_of(self.number + 1),
        };
        let checked = moved.and_then(|()| self.check_order(direction, &last, seqno));
        self.last = last;
        checked
    }

    /// Leaves a block whose entry at hand is not on this side of another one.
    fn check_order(&mut self, wanted: Ordering, user_key: &[u8], seqno: Seqno) -> Result<()> {
        // Of one key the newest version comes first.
        let place = |own: Seqno| order(&self.key, user_key).then(seqno.cmp(&own));
        if !self.is_valid() || place(self.seqno()) == wanted {
            return Ok(());
        }
        self.block = None;
        let offset = self.table.entry(self.number)?.handle.offset;
        Err(self
            .table
            .corrupt(offset, "the entries of the block are not in order with its neighbour's"))
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.block.is_some()
    }

    /// The user key. Requires: the cursor is valid.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Requires: the cursor is valid.
    pub(crate) fn seqno(&self) -> Seqno {
        self.current().seqno(self.index)
    }

    /// Requires: the cursor is valid.
    pub(crate) fn kind(&self) -> Kind {
        self.current().kind(self.index)
    }

    /// Requires: the cursor is valid.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.current().value(self.index)
    }

    /// The value, sharing the block. Requires: the cursor is valid.
    pub(crate) fn value_slice(&self) -> Slice {
        self.current().value_slice(self.index)
    }

    /// Whether no user key of the current block occurs twice in it, or goes on in a neighbour.
    /// Requires: the cursor is valid.
    #[inline]
    pub(crate) fn has_unique_keys(&self) -> bool {
        self.current().has_unique_keys()
    }

    /// Whether every entry of the current block is a put that a reader at `seqno` sees: kind and seqno
    /// need no look until the block changes. Requires: the cursor is valid.
    #[inline]
    pub(crate) fn is_plain_at(&self, seqno: Seqno) -> bool {
        let block = self.current();
        block.is_all_puts() && block.max_seqno() <= seqno
    }

    /// How many of the next entries are before `end`, and like this one: puts that the same readers see, and
    /// the only ones of their keys. Not farther than to the end of the block. Requires: the cursor is valid,
    /// and `is_plain_at` holds for the reader.
    pub(crate) fn plain_ahead(&self, end: Option<&[u8]>) -> usize {
        let block = self.current();
        if !block.has_unique_keys() {
            return 0;
        }
        let end = end.map_or(block.len(), |end| block.seek(end, SEQNO_LATEST));
        end.saturating_sub(self.index + 1)
    }

    /// The mirror of `plain_ahead`: the entries before, down to `start`.
    pub(crate) fn plain_behind(&self, start: Bound<&[u8]>) -> usize {
        let block = self.current();
        if !block.has_unique_keys() {
            return 0;
        }
        let start = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => block.seek(key, SEQNO_LATEST),
            Bound::Excluded(key) => {
                let index = block.seek(key, SEQNO_LATEST);
                index + usize::from(index < block.len() && block.key_equals(index, key))
            }
        };
        self.index.saturating_sub(start)
    }

    /// Moves to the next entry. Requires: `plain_ahead` has counted it.
    #[inline]
    pub(crate) fn next_plain(&mut self) {
        self.step(self.index + 1);
    }

    /// Moves to the entry before. Requires: `plain_behind` has counted it.
    #[inline]
    pub(crate) fn prev_plain(&mut self) {
        self.step(self.index.saturating_sub(1));
    }

    #[inline]
    fn current(&self) -> &DataBlock {
        match &self.block {
            Some(block) => block,
            None => unreachable!("a cursor that is not valid has no entry"),
        }
    }

    /// The one place where a walk reads: reading ahead belongs here.
    fn load(&self, number: usize) -> Result<DataBlock> {
        self.table.load(number, self.fill)
    }

    fn stand_at_start_of(&mut self, number: usize) -> Result<()> {
        if number < self.table.index.data_blocks() {
            let block = self.load(number)?;
            self.stand(block, number, 0);
        }
        Ok(())
    }

    fn stand_at_end_of(&mut self, number: Option<usize>) -> Result<()> {
        if let Some(number) = number {
            let block = self.load(number)?;
            let last = block.len() - 1;
            self.stand(block, number, last);
        }
        Ok(())
    }

    fn stand(&mut self, block: DataBlock, number: usize, index: usize) {
        block.write_key(index, &mut self.key);
        (self.block, self.number, self.index) = (Some(block), number, index);
    }

    /// Moves inside the block: the prefix of the key stays.
    #[inline]
    fn step(&mut self, index: usize) {
        if let Some(block) = &self.block {
            self.key.truncate(block.prefix().len());
            self.key.extend_from_slice(block.suffix(index));
            self.index = index;
        }
    }
}
