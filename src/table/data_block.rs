//! The payload of data and index blocks: slots, one an entry, no restart points.
//!
//! ```text
//!  0  fixed part           see `layout`
//! 24  kinds                n x u8; absent if all puts
//!     seqno deltas         n x seqno_width: seqno minus base_seqno
//!     ends                 n x (suffix_end, value_end), u16 each, or u32 if wide
//!     prefix | suffixes | values
//! ```
//!
//! A user key is the prefix, which all keys of the block share, and its suffix. `ends` count from
//! the first suffix and the first value. Because every entry is found by its number, a step back
//! costs what a step forward costs. When a block is loaded, a head is built for each entry: the
//! first four bytes of the suffix as a number. A seek is a binary search over heads, which lie in
//! a few cache lines, and a comparison or two with keys.
//!
//! A loaded block is one piece of memory, the heads in front of the payload, and a few numbers beside
//! the pointer to it. A read of a cached block that is cold in the processor's caches waits once for
//! each piece that it goes through, so there is only one.
//!
//! *Unique keys* promises that no user key occurs twice in the block or continues in a neighbour,
//! *all puts* that there is no tombstone: a reader that sees both, and no seqno above its own,
//! need not look at kind and seqno.
//!
//! [`DataBlock::parse`] checks every number once. After it no accessor fails: an index beyond the
//! end gives empty bytes. Only the full order of keys is left to `Table::verify`; entries out of
//! order can make a search miss, never leave the block.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::key::{Kind, Seqno, behind, order};
use crate::format::limits::{SEQNO_MAX, USER_KEY_BYTES_MAX};
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::layout::{
    FLAG_ALL_PUTS, FLAG_PART, FLAG_UNIQUE_KEYS, FLAG_WIDE, HEAD_BYTES, Layout, to_usize,
};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::cmp::Ordering;
use std::iter::repeat_n;
use std::ops::Range;

/// Bytes of a line of the processor's cache.
const LINE_BYTES: usize = 64;

/// A search in a larger block does not look into all lines, and the processor waits for so many at most.
const TOUCHED_LINES_MAX: usize = 32;

/// A slot of the cache, with its lock and a mark, fills a cache line.
const _: () = assert!(size_of::<DataBlock>() <= 56);

/// A loaded block. A clone shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct DataBlock {
    /// For each entry its head, then the payload.
    bytes: Arc<[u8]>,
    layout: Layout,
}

impl DataBlock {
    /// Reads the payload of a block. `Err` says which rule is broken.
    pub(crate) fn parse(payload: &[u8]) -> Result<DataBlock, &'static str> {
        let mut layout =
            Layout::decode(payload).ok_or("the lengths in a block contradict each other")?;
        let start = layout.payload_start();
        let part =
            |from: usize, to: usize| payload.get(from - start..to - start).unwrap_or_default();
        check_kinds(part(layout.kinds(), layout.deltas()))?;
        let ends = to_usize(layout.ends);
        layout.max_seqno =
            max_seqno(layout.base_seqno, layout.width(), part(layout.deltas(), ends))?;
        let mut bytes: Arc<[u8]> = repeat_n(0, start + payload.len()).collect();
        let Some((heads, room)) = own(&mut bytes).split_at_mut_checked(start) else {
            unreachable!("the heads were made room for")
        };
        room.copy_from_slice(payload);
        let suffixes = part(to_usize(layout.suffixes), to_usize(layout.values));
        let suffix_len_max =
            USER_KEY_BYTES_MAX.saturating_sub(to_usize(layout.suffixes - layout.prefix));
        let values_len = start + payload.len() - to_usize(layout.values);
        let entries = Entries { suffixes, suffix_len_max, values_len };
        let ends = part(ends, to_usize(layout.prefix));
        if layout.flags & FLAG_WIDE == 0 {
            entries.check(ends.as_chunks().0.iter().map(narrow_ends), heads.as_chunks_mut().0)?;
        } else {
            entries.check(ends.as_chunks().0.iter().map(wide_ends), heads.as_chunks_mut().0)?;
        }
        Ok(DataBlock { bytes, layout })
    }

    /// The same, known to be some of the entries of a block.
    pub(crate) fn into_part(mut self) -> DataBlock {
        self.layout.flags |= FLAG_PART;
        self
    }

    /// Whether this is all of a block, not a part of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.layout.flags & FLAG_PART == 0
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.layout.entries()
    }

    /// Whether no entry is a tombstone.
    pub(crate) fn is_all_puts(&self) -> bool {
        self.layout.flags & FLAG_ALL_PUTS != 0
    }

    /// Whether no user key occurs twice here or continues in a neighbour.
    pub(crate) fn has_unique_keys(&self) -> bool {
        self.layout.flags & FLAG_UNIQUE_KEYS != 0
    }

    /// The largest seqno of the block.
    pub(crate) fn max_seqno(&self) -> Seqno {
        self.layout.max_seqno
    }

    /// Heap memory in bytes; the block itself is in a slot of the cache, which is charged as a whole.
    pub(crate) fn memory_bytes(&self) -> usize {
        // The counts of owners stand in front of the bytes.
        2 * size_of::<usize>() + self.bytes.len()
    }

    /// What all user keys of the block begin with.
    #[inline]
    pub(crate) fn prefix(&self) -> &[u8] {
        let Layout { prefix, suffixes, .. } = self.layout;
        self.bytes.get(to_usize(prefix)..to_usize(suffixes)).unwrap_or_default()
    }

    /// What follows the prefix in this entry's user key. Requires: `index < len`; beyond, any bytes of
    /// the block.
    #[inline]
    pub(crate) fn suffix(&self, index: usize) -> &[u8] {
        let suffixes = to_usize(self.layout.suffixes);
        let (start, end) = (self.begin(index).0 + suffixes, self.ends(index).0 + suffixes);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The value of an entry as a slice, which shares the block unless it is short.
    pub(crate) fn value_slice(&self, index: usize) -> Slice {
        let range = self.value_range(index);
        Slice::shared(&self.bytes, range)
    }

    /// The same by whoever needs the block no more.
    pub(crate) fn into_value(self, index: usize) -> Slice {
        let range = self.value_range(index);
        Slice::owning(self.bytes, range)
    }

    /// Where this entry's value is in the bytes.
    #[inline]
    fn value_range(&self, index: usize) -> Range<usize> {
        let values = to_usize(self.layout.values);
        self.begin(index).1 + values..self.ends(index).1 + values
    }

    #[inline]
    pub(crate) fn value(&self, index: usize) -> &[u8] {
        self.bytes.get(self.value_range(index)).unwrap_or_default()
    }

    pub(crate) fn kind(&self, index: usize) -> Kind {
        if self.is_all_puts() {
            return Kind::Put;
        }
        let number = self.bytes.get(self.layout.kinds() + index).copied().unwrap_or_default();
        // `parse` has seen that every number is known.
        entry_kind(number).unwrap_or(Kind::Put)
    }

    pub(crate) fn seqno(&self, index: usize) -> Seqno {
        self.layout.base_seqno.saturating_add(self.delta(index))
    }

    /// Writes this entry's user key over `out`.
    pub(crate) fn write_key(&self, index: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.prefix());
        out.extend_from_slice(self.suffix(index));
    }

    /// Whether this entry's user key is `user_key`.
    pub(crate) fn key_equals(&self, index: usize, user_key: &[u8]) -> bool {
        behind(user_key, self.prefix()).is_some_and(|rest| order(rest, self.suffix(index)).is_eq())
    }

    /// Number of the first entry at or behind (`user_key`, `seqno`); [`len`](DataBlock::len) if
    /// there is none.
    pub(crate) fn seek(&self, user_key: &[u8], seqno: Seqno) -> usize {
        let prefix = self.prefix();
        let Some(rest) = behind(user_key, prefix) else {
            return if order(user_key, prefix).is_lt() { 0 } else { self.len() };
        };
        let target = head(rest);
        let heads = self.heads();
        let low = heads.partition_point(|own| LittleEndian::read_u32(own) < target);
        let is_target = |own: &[u8; HEAD_BYTES]| LittleEndian::read_u32(own) == target;
        if !heads.get(low).is_some_and(is_target) || self.compare(low, rest, seqno).is_ge() {
            return low;
        }
        // Several entries may begin with the same four bytes.
        let same = heads.get(low..).unwrap_or_default();
        let (mut low, mut high) = (low + 1, low + same.partition_point(is_target));
        while low < high {
            let middle = low.midpoint(high);
            if self.compare(middle, rest, seqno).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Loads a byte of each line before the keys, and does nothing with it. A search goes from one line to
    /// the next only when it has seen the first; these loads wait for memory together.
    #[inline]
    pub(crate) fn touch(&self) {
        let numbers = self.bytes.get(..to_usize(self.layout.suffixes)).unwrap_or_default();
        let lines = numbers.iter().step_by(LINE_BYTES).take(TOUCHED_LINES_MAX);
        let touched = lines.fold(0, |all, byte| all ^ byte);
        std::hint::black_box(touched);
    }

    fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        self.bytes.get(..self.layout.payload_start()).unwrap_or_default().as_chunks().0
    }

    fn compare(&self, index: usize, rest: &[u8], seqno: Seqno) -> Ordering {
        order(self.suffix(index), rest).then_with(|| seqno.cmp(&self.seqno(index)))
    }

    /// Ends of suffix and value of the entry before this one.
    #[inline]
    fn begin(&self, index: usize) -> (usize, usize) {
        index.checked_sub(1).map_or((0, 0), |before| self.ends(before))
    }

    #[inline]
    fn ends(&self, index: usize) -> (usize, usize) {
        let ends = self.bytes.get(to_usize(self.layout.ends)..).unwrap_or_default();
        if self.layout.flags & FLAG_WIDE == 0 {
            ends.as_chunks().0.get(index).map_or((0, 0), narrow_ends)
        } else {
            ends.as_chunks().0.get(index).map_or((0, 0), wide_ends)
        }
    }

    fn delta(&self, index: usize) -> u64 {
        let width = self.layout.width();
        let at = self.layout.deltas() + index * width;
        let delta = self.bytes.get(at..at + width).unwrap_or_default();
        match (width, delta) {
            (1, &[delta]) => u64::from(delta),
            (2, delta) => u64::from(LittleEndian::read_u16(delta)),
            (4, delta) => u64::from(LittleEndian::read_u32(delta)),
            (8, delta) => LittleEndian::read_u64(delta),
            _ => 0,
        }
    }
}

/// What is checked of entries one after the other.
struct Entries<'a> {
    suffixes: &'a [u8],
    suffix_len_max: usize,
    values_len: usize,
}

impl Entries<'_> {
    /// Checks the ends of all entries, and fills in their heads.
    fn check(
        &self,
        ends: impl Iterator<Item = (usize, usize)>,
        heads: &mut [[u8; HEAD_BYTES]],
    ) -> Result<(), &'static str> {
        let (mut suffix_start, mut value_start, mut last) = (0, 0, 0);
        let mut is_sorted = true;
        for ((suffix_end, value_end), room) in ends.zip(heads) {
            // `None` if the end lies before the start, too.
            let suffix = self.suffixes.get(suffix_start..suffix_end);
            let suffix = suffix.filter(|suffix| suffix.len() <= self.suffix_len_max);
            let (Some(suffix), true) = (suffix, value_end >= value_start) else {
                return Err("the entries of a block overlap");
            };
            let head = head(suffix);
            LittleEndian::write_u32(room, head);
            is_sorted &= head >= last;
            (suffix_start, value_start, last) = (suffix_end, value_end, head);
        }
        match (suffix_start, value_start) == (self.suffixes.len(), self.values_len) {
            false => Err("the entries of a block do not fill it"),
            true if !is_sorted => Err("the keys of a block are not sorted"),
            true => Ok(()),
        }
    }
}

#[inline]
fn narrow_ends(bytes: &[u8; 4]) -> (usize, usize) {
    let both = LittleEndian::read_u32(bytes);
    (to_usize(both & 0xffff), to_usize(both >> 16))
}

#[inline]
fn wide_ends(bytes: &[u8; 8]) -> (usize, usize) {
    let both = LittleEndian::read_u64(bytes);
    let low = u32::try_from(both & 0xffff_ffff).unwrap_or_default();
    let high = u32::try_from(both >> 32).unwrap_or_default();
    (to_usize(low), to_usize(high))
}

fn check_kinds(kinds: &[u8]) -> Result<(), &'static str> {
    let is_known = |&number: &u8| entry_kind(number).is_some();
    if kinds.iter().all(is_known) { Ok(()) } else { Err("an entry has an unknown kind") }
}

/// The largest seqno of a block whose deltas have this width.
fn max_seqno(base: Seqno, width: usize, deltas: &[u8]) -> Result<Seqno, &'static str> {
    let largest = match width {
        1 => deltas.iter().copied().max().map(u64::from),
        2 => deltas
            .as_chunks::<2>()
            .0
            .iter()
            .map(|delta| LittleEndian::read_u16(delta))
            .max()
            .map(u64::from),
        4 => deltas
            .as_chunks::<4>()
            .0
            .iter()
            .map(|delta| LittleEndian::read_u32(delta))
            .max()
            .map(u64::from),
        8 => deltas.as_chunks::<8>().0.iter().map(|delta| LittleEndian::read_u64(delta)).max(),
        _ => None,
    };
    let largest = base.checked_add(largest.unwrap_or_default());
    largest.filter(|&seqno| seqno <= SEQNO_MAX).ok_or("an entry has a seqno above the largest")
}

/// The bytes of a block that nobody else has seen yet.
fn own(bytes: &mut Arc<[u8]>) -> &mut [u8] {
    match Arc::get_mut(bytes) {
        Some(bytes) => bytes,
        None => unreachable!("a block that is being loaded has one owner"),
    }
}

/// The first four bytes as a number that sorts like them; zeros stand for missing ones.
fn head(suffix: &[u8]) -> u32 {
    match suffix {
        &[a, b, c, d, ..] => BigEndian::read_u32(&[a, b, c, d]),
        &[a, b, c] => BigEndian::read_u32(&[a, b, c, 0]),
        &[a, b] => BigEndian::read_u32(&[a, b, 0, 0]),
        &[a] => BigEndian::read_u32(&[a, 0, 0, 0]),
        [] => 0,
    }
}

/// The kinds that entries of a table have.
fn entry_kind(number: u8) -> Option<Kind> {
    Kind::from_u8(number).filter(|kind| matches!(kind, Kind::Put | Kind::Delete))
}
