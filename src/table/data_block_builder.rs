//! Makes the payload of a data or index block; `data_block` says what is in it.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{put_u16, put_u32};
use crate::format::key::{Kind, Seqno};
use crate::seeded::{Bug, is_seeded};
use crate::table::layout::{FIXED_BYTES, FLAG_ALL_PUTS, FLAG_UNIQUE_KEYS, FLAG_WIDE, Fixed};

/// Most entries in one block.
pub(crate) const ENTRIES_MAX: usize = 65_535;

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
                let value_end = match is_seeded(Bug::LongOffsetsCut) {
                    true => wide(entry.value_end) & 0xffff,
                    false => wide(entry.value_end),
                };
                put_u32(out, value_end);
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
