//! What a table says about itself: all facts of the manifest, and some for people and tools.
//!
//! ```text
//! properties := (tag varint | value prefixed)*      tags ascending; unknown ones are skipped
//! ```
//!
//! Numbers are varints. The manifest says the same of a table, and `Table::open` compares; when a
//! manifest is lost, a table can still say what it is.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_prefixed, put_varint};
use crate::format::key::Seqno;
use crate::format::limits::USER_KEY_BYTES_MAX;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::table::options::Creation;

/// On disk: never change a number, never reuse one.
mod tag {
    pub(crate) const ENTRIES: u64 = 1;
    pub(crate) const DELETES: u64 = 2;
    pub(crate) const RANGE_DELETES: u64 = 3;
    pub(crate) const RAW_BYTES: u64 = 4;
    pub(crate) const MIN_SEQNO: u64 = 5;
    pub(crate) const MAX_SEQNO: u64 = 6;
    pub(crate) const SMALLEST: u64 = 7;
    pub(crate) const LARGEST: u64 = 8;
    pub(crate) const LARGEST_EXCLUSIVE: u64 = 9;
    pub(crate) const KEYS: u64 = 10;
    pub(crate) const RAW_KEY_BYTES: u64 = 11;
    pub(crate) const DATA_BLOCKS: u64 = 12;
    pub(crate) const DATA_BYTES: u64 = 13;
    pub(crate) const BLOCK_BYTES: u64 = 14;
    pub(crate) const CODEC: u64 = 15;
    pub(crate) const CODEC_LEVEL: u64 = 16;
    pub(crate) const CREATED_LEVEL: u64 = 17;
    pub(crate) const CREATED_SECONDS: u64 = 18;
}

/// The properties of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    // The facts of the manifest; see TableFacts.
    pub(crate) entries: u64,
    pub(crate) deletes: u64,
    pub(crate) range_deletes: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) min_seqno: Seqno,
    pub(crate) max_seqno: Seqno,
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
    pub(crate) largest_exclusive: bool,
    // More about the entries.
    /// Different user keys.
    pub(crate) keys: u64,
    /// Sum of the lengths of user keys.
    pub(crate) raw_key_bytes: u64,
    // About the file.
    pub(crate) data_blocks: u64,
    /// Length of all data blocks in the file.
    pub(crate) data_bytes: u64,
    /// Size of a block that was aimed at.
    pub(crate) block_bytes: u64,
    /// 0 none, 1 zstd: as asked for. Each block says for itself how it is.
    pub(crate) codec: u64,
    /// Level of the codec as an unsigned number: 2n for n >= 0, 2|n| - 1 for n < 0.
    pub(crate) codec_level: u64,
    pub(crate) creation: Creation,
}

impl Properties {
    /// What the manifest will say about the table.
    pub(crate) fn facts(&self, id: u64, size_bytes: u64, fingerprint: u32) -> TableFacts {
        TableFacts {
            id,
            size_bytes,
            entries: self.entries,
            deletes: self.deletes,
            range_deletes: self.range_deletes,
            raw_bytes: self.raw_bytes,
            min_seqno: self.min_seqno,
            max_seqno: self.max_seqno,
            fingerprint,
            smallest: self.smallest.clone(),
            largest: self.largest.clone(),
            largest_exclusive: self.largest_exclusive,
        }
    }

    /// Extends counts, seqnos and bounds, which so far are those of the entries, by the range
    /// tombstones of the table.
    pub(crate) fn include(&mut self, range_tombstones: &Fragments) {
        self.range_deletes = range_tombstones.count();
        for &seqno in range_tombstones.iter().flat_map(|fragment| &fragment.seqnos) {
            self.min_seqno = self.min_seqno.min(seqno);
            self.max_seqno = self.max_seqno.max(seqno);
        }
        let mut bounds = range_tombstones.iter();
        let Some(first) = bounds.next() else { return };
        let last = bounds.next_back().unwrap_or(first);
        let has_entries = self.entries > 0;
        if !has_entries || first.start < self.smallest {
            self.smallest.clone_from(&first.start);
        }
        if !has_entries || last.end > self.largest {
            self.largest.clone_from(&last.end);
            self.largest_exclusive = true;
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, tag: u64, number: u64| {
            let mut value = Vec::new();
            put_varint(&mut value, number);
            put_varint(out, tag);
            put_prefixed(out, &value);
        };
        number(out, tag::ENTRIES, self.entries);
        number(out, tag::DELETES, self.deletes);
        number(out, tag::RANGE_DELETES, self.range_deletes);
        number(out, tag::RAW_BYTES, self.raw_bytes);
        number(out, tag::MIN_SEQNO, self.min_seqno);
        number(out, tag::MAX_SEQNO, self.max_seqno);
        for (tag, bytes) in [(tag::SMALLEST, &self.smallest), (tag::LARGEST, &self.largest)] {
            put_varint(out, tag);
            put_prefixed(out, bytes);
        }
        number(out, tag::LARGEST_EXCLUSIVE, u64::from(self.largest_exclusive));
        number(out, tag::KEYS, self.keys);
        number(out, tag::RAW_KEY_BYTES, self.raw_key_bytes);
        number(out, tag::DATA_BLOCKS, self.data_blocks);
        number(out, tag::DATA_BYTES, self.data_bytes);
        number(out, tag::BLOCK_BYTES, self.block_bytes);
        number(out, tag::CODEC, self.codec);
        number(out, tag::CODEC_LEVEL, self.codec_level);
        number(out, tag::CREATED_LEVEL, u64::from(self.creation.level));
        number(out, tag::CREATED_SECONDS, self.creation.unix_seconds);
    }

    /// Reads a payload; `None` if it breaks a rule.
    pub(crate) fn decode(payload: &[u8]) -> Option<Properties> {
        let mut reader = Reader::new(payload);
        let mut properties = Properties::default();
        let mut last = 0;
        while !reader.is_done() {
            let tag = reader.varint()?;
            let value = reader.prefixed()?;
            if tag <= last {
                return None;
            }
            last = tag;
            properties.set(tag, value)?;
        }
        Some(properties)
    }

    fn set(&mut self, tag: u64, value: &[u8]) -> Option<()> {
        match tag {
            tag::ENTRIES => self.entries = number(value)?,
            tag::DELETES => self.deletes = number(value)?,
            tag::RANGE_DELETES => self.range_deletes = number(value)?,
            tag::RAW_BYTES => self.raw_bytes = number(value)?,
            tag::MIN_SEQNO => self.min_seqno = number(value)?,
            tag::MAX_SEQNO => self.max_seqno = number(value)?,
            tag::SMALLEST => self.smallest = bound(value)?,
            tag::LARGEST => self.largest = bound(value)?,
            tag::LARGEST_EXCLUSIVE => {
                self.largest_exclusive = match number(value)? {
                    0 => false,
                    1 => true,
                    _ => return None,
                }
            }
            tag::KEYS => self.keys = number(value)?,
            tag::RAW_KEY_BYTES => self.raw_key_bytes = number(value)?,
            tag::DATA_BLOCKS => self.data_blocks = number(value)?,
            tag::DATA_BYTES => self.data_bytes = number(value)?,
            tag::BLOCK_BYTES => self.block_bytes = number(value)?,
            tag::CODEC => self.codec = number(value)?,
            tag::CODEC_LEVEL => self.codec_level = number(value)?,
            tag::CREATED_LEVEL => self.creation.level = u8::try_from(number(value)?).ok()?,
            tag::CREATED_SECONDS => self.creation.unix_seconds = number(value)?,
            _ => {}
        }
        Some(())
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value);
    let number = reader.varint()?;
    reader.is_done().then_some(number)
}

fn bound(value: &[u8]) -> Option<Vec<u8>> {
    (value.len() <= USER_KEY_BYTES_MAX).then(|| value.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::format::codec::{put_prefixed, put_varint};
    use crate::table::options::Creation;
    use crate::table::properties::Properties;
    use proptest::prelude::*;

    fn properties(numbers: [u64; 14], smallest: Vec<u8>, largest: Vec<u8>) -> Properties {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = numbers;
        Properties {
            entries: a,
            deletes: b,
            range_deletes: c,
            raw_bytes: d,
            min_seqno: e,
            max_seqno: f,
            smallest,
            largest,
            largest_exclusive: g % 2 == 1,
            keys: g,
            raw_key_bytes: h,
            data_blocks: i,
            data_bytes: j,
            block_bytes: k,
            codec: l,
            codec_level: m,
            creation: Creation { level: 6, unix_seconds: n },
        }
    }

    proptest! {
        #[test]
        fn properties_round_trip_and_unknown_tags_are_skipped(
            numbers: [u64; 14], smallest: Vec<u8>, largest: Vec<u8>, unknown: Vec<u8>,
        ) {
            let properties = properties(numbers, smallest, largest);
            let mut out = Vec::new();
            properties.encode(&mut out);
            prop_assert_eq!(Properties::decode(&out), Some(properties.clone()));
            put_varint(&mut out, 1000);
            put_prefixed(&mut out, &unknown);
            prop_assert_eq!(Properties::decode(&out), Some(properties));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            drop(Properties::decode(&bytes));
        }
    }

    #[test]
    fn a_repeated_tag_is_refused() {
        let mut out = Vec::new();
        properties([1; 14], vec![], vec![]).encode(&mut out);
        out.extend_from_within(..);
        assert_eq!(Properties::decode(&out), None);
    }
}
