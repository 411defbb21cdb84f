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

use crate::format::codec::{put_u16, put_u32};
use crate::format::key::{Kind, Seqno, behind, order};
use crate::format::limits::{SEQNO_MAX, USER_KEY_BYTES_MAX};
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::layout::{
    FIXED_BYTES, FLAG_ALL_PUTS, FLAG_UNIQUE_KEYS, FLAG_WIDE, Fixed, HEAD_BYTES, Layout, to_usize,
};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::cmp::Ordering;
use std::iter::repeat_n;
use std::ops::Range;

/// Most entries in one block.
pub(crate) const ENTRIES_MAX: usize = 65_535;

/// A slot of the cache, with its lock and a mark, fills a cache line.
const _: () = assert!(size_of::<DataBlock>() <= 56);

/// Collects entries and writes them as one payload.
#[derive(Debug)]
pub(crate) struct DataBlockBuilder {
    /// Full user keys, one behind the other.
    keys: Vec<u8>,
    values: Vec<u8>,
    entries: Vec<Pending>,
    has_unique_keys: bool,
    tombstones: usize,
}

#[derive(Debug)]
struct Pending {
    key_end: usize,
    value_end: usize,
    seqno: Seqno,
    kind: Kind,
}

impl DataBlockBuilder {
    pub(crate) fn new() -> DataBlockBuilder {
        DataBlockBuilder {
            keys: Vec::new(),
            values: Vec::new(),
            entries: Vec::new(),
            has_unique_keys: true,
            tombstones: 0,
        }
    }

    /// Requires: the entry sorts behind the last one, and there are fewer than [`ENTRIES_MAX`].
    pub(crate) fn add(&mut self, user_key: &[u8], seqno: Seqno, kind: Kind, value: &[u8]) {
        assert!(self.entries.len() < ENTRIES_MAX, "the count of entries has 16 bits");
        self.keys.extend_from_slice(user_key);
        self.values.extend_from_slice(value);
        self.tombstones += usize::from(kind != Kind::Put);
        let (key_end, value_end) = (self.keys.len(), self.values.len());
        self.entries.push(Pending { key_end, value_end, seqno, kind });
    }

    /// A user key occurs twice here, or here and in a neighbour.
    pub(crate) fn mark_repeated_key(&mut self) {
        self.has_unique_keys = false;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the payload, about.
    pub(crate) fn size_bytes(&self) -> usize {
        FIXED_BYTES + self.keys.len() + self.values.len() + self.entries.len() * 6
    }

    /// Whether every entry is a tombstone.
    pub(crate) fn is_tombstones_only(&self) -> bool {
        self.tombstones == self.entries.len()
    }

    /// Writes the payload over `out`, returns its flags and begins anew.
    /// Requires: there is an entry.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> u8 {
        out.clear();
        let prefix_len = self.common_prefix_len();
        let suffix_bytes = self.keys.len() - prefix_len * self.entries.len();
        let base = self.entries.iter().map(|entry| entry.seqno).min().unwrap_or_default();
        let width = self.seqno_width(base);
        let is_wide = suffix_bytes.max(self.values.len()) > usize::from(u16::MAX);
        let flags = [
            (self.tombstones == 0, FLAG_ALL_PUTS),
            (self.has_unique_keys, FLAG_UNIQUE_KEYS),
            (is_wide, FLAG_WIDE),
        ];
        let flags =
            flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
        let fixed = Fixed {
            n: narrow(self.entries.len()),
            prefix_len: narrow(prefix_len),
            flags,
            seqno_width: u8::try_from(width).unwrap_or_default(),
            base_seqno: base,
            suffix_bytes: wide(suffix_bytes),
            value_bytes: wide(self.values.len()),
        };
        fixed.encode(out);
        if self.tombstones > 0 {
            out.extend(self.entries.iter().map(|entry| entry.kind.to_u8()));
        }
        for entry in &self.entries {
            let delta = (entry.seqno - base).to_le_bytes();
            out.extend_from_slice(delta.get(..width).unwrap_or_default());
        }
        let mut dropped = 0;
        for entry in &self.entries {
            dropped += prefix_len;
            let suffix_end = entry.key_end - dropped;
            if is_wide {
                put_u32(out, wide(suffix_end));
                put_u32(out, wide(entry.value_end));
            } else {
                put_u16(out, narrow(suffix_end));
                put_u16(out, narrow(entry.value_end));
            }
        }
        out.extend_from_slice(self.keys.get(..prefix_len).unwrap_or_default());
        let mut start = 0;
        for entry in &self.entries {
            let suffix = self.keys.get(start + prefix_len..entry.key_end);
            out.extend_from_slice(suffix.unwrap_or_default());
            start = entry.key_end;
        }
        out.extend_from_slice(&self.values);
        self.clear();
        flags
    }

    /// Keys are sorted, so what the first and the last share, all share.
    fn common_prefix_len(&self) -> usize {
        let first_end = self.entries.first().map_or(0, |entry| entry.key_end);
        let last_start = match self.entries.len() {
            0 | 1 => 0,
            n => self.entries.get(n - 2).map_or(0, |entry| entry.key_end),
        };
        let first = self.keys.get(..first_end).unwrap_or_default();
        let last = self.keys.get(last_start..).unwrap_or_default();
        first.iter().zip(last).take_while(|(left, right)| left == right).count()
    }

    fn seqno_width(&self, base: Seqno) -> usize {
        let largest = self.entries.iter().map(|entry| entry.seqno).max().unwrap_or_default();
        match largest - base {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        }
    }

    fn clear(&mut self) {
        /// Buffers that one large value has grown are given back.
        const KEPT_BYTES_MAX: usize = 1 << 20;
        self.keys.clear();
        self.values.clear();
        self.values.shrink_to(KEPT_BYTES_MAX);
        self.entries.clear();
        self.has_unique_keys = true;
        self.tombstones = 0;
    }
}

fn narrow(len: usize) -> u16 {
    let narrow = u16::try_from(len);
    assert!(narrow.is_ok(), "checked before: the number has 16 bits");
    narrow.unwrap_or_default()
}

fn wide(len: usize) -> u32 {
    let wide = u32::try_from(len);
    assert!(wide.is_ok(), "checked before: the number has 32 bits");
    wide.unwrap_or_default()
}

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
        let layout =
            Layout::decode(payload).ok_or("the lengths in a block contradict each other")?;
        let mut bytes: Arc<[u8]> = repeat_n(0, layout.payload_start() + payload.len()).collect();
        if let Some((_, room)) = own(&mut bytes).split_at_mut_checked(layout.payload_start()) {
            room.copy_from_slice(payload);
        }
        let mut block = DataBlock { bytes, layout };
        block.check_ends()?;
        block.check_kinds()?;
        block.check_seqnos()?;
        let heads: Vec<u32> = (0..block.len()).map(|index| head(block.suffix(index))).collect();
        if !heads.is_sorted() {
            return Err("the keys of a block are not sorted");
        }
        for (room, head) in own(&mut block.bytes).chunks_exact_mut(HEAD_BYTES).zip(heads) {
            LittleEndian::write_u32(room, head);
        }
        Ok(block)
    }

    fn check_ends(&self) -> Result<(), &'static str> {
        let Layout { prefix, suffixes, values, .. } = self.layout;
        let suffix_len_max = USER_KEY_BYTES_MAX.saturating_sub(to_usize(suffixes - prefix));
        let mut before = (0, 0);
        for index in 0..self.len() {
            let after = self.ends(index);
            if after.0 < before.0 || after.1 < before.1 || after.0 - before.0 > suffix_len_max {
                return Err("the entries of a block overlap");
            }
            before = after;
        }
        let values_len = self.bytes.len() - to_usize(values);
        if before != (to_usize(values - suffixes), values_len) {
            return Err("the entries of a block do not fill it");
        }
        Ok(())
    }

    fn check_kinds(&self) -> Result<(), &'static str> {
        let kinds = self.bytes.get(self.layout.kinds()..self.layout.deltas()).unwrap_or_default();
        let is_known = |&number: &u8| entry_kind(number).is_some();
        if kinds.iter().all(is_known) { Ok(()) } else { Err("an entry has an unknown kind") }
    }

    fn check_seqnos(&mut self) -> Result<(), &'static str> {
        let room = SEQNO_MAX - self.layout.base_seqno;
        for index in 0..self.len() {
            let delta = self.delta(index);
            if delta > room {
                return Err("an entry has a seqno above the largest");
            }
            self.layout.max_seqno = self.layout.max_seqno.max(self.layout.base_seqno + delta);
        }
        Ok(())
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
        if self.layout.flags & FLAG_WIDE == 0 {
            let at = to_usize(self.layout.ends) + index * 4;
            let both = self.bytes.get(at..at + 4).map_or(0, LittleEndian::read_u32);
            (to_usize(both & 0xffff), to_usize(both >> 16))
        } else {
            let at = to_usize(self.layout.ends) + index * 8;
            let suffix = self.bytes.get(at..at + 4).map_or(0, LittleEndian::read_u32);
            let value = self.bytes.get(at + 4..at + 8).map_or(0, LittleEndian::read_u32);
            (to_usize(suffix), to_usize(value))
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
