//! What the manifest says about a table: enough to open a database without touching its tables.
//!
//! ```text
//! facts := id varint | size varint | entries varint | deletes varint | range_deletes varint
//!        | raw_bytes varint | min_seqno varint | max_seqno varint | fingerprint u32
//!        | flags u8 (1: largest is exclusive) | smallest prefixed | largest prefixed
//! ```
//!
//! The bounds include range tombstones. `largest` is exclusive where the end of a range tombstone
//! is the bound. The fingerprint is the crc in the table's footer: it covers the crc of every
//! block, so a file that was swapped for another one is seen when it is opened.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_prefixed, put_u32, put_varint};
use crate::format::key::{Seqno, order};
use crate::format::limits::USER_KEY_BYTES_MAX;

const FLAG_LARGEST_EXCLUSIVE: u8 = 1;

/// Facts about one table. They never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableFacts {
    /// Number of the file, from the common sequence.
    pub(crate) id: u64,
    /// Length of the file in bytes.
    pub(crate) size_bytes: u64,
    /// Entries, tombstones included, range tombstones not.
    pub(crate) entries: u64,
    /// Entries that are tombstones.
    pub(crate) deletes: u64,
    /// Range tombstones (fragments count one for each seqno).
    pub(crate) range_deletes: u64,
    /// Sum of the lengths of user keys and values.
    pub(crate) raw_bytes: u64,
    /// Smallest and largest seqno of entries and range tombstones.
    pub(crate) min_seqno: Seqno,
    pub(crate) max_seqno: Seqno,
    /// Crc in the footer of the file.
    pub(crate) fingerprint: u32,
    /// Smallest user key, range tombstones included.
    pub(crate) smallest: Vec<u8>,
    /// Largest user key, range tombstones included; see `largest_exclusive`.
    pub(crate) largest: Vec<u8>,
    /// Whether `largest` itself is outside: it is the end of a range tombstone.
    pub(crate) largest_exclusive: bool,
}

impl TableFacts {
    /// Appends the facts.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for number in [
            self.id,
            self.size_bytes,
            self.entries,
            self.deletes,
            self.range_deletes,
            self.raw_bytes,
            self.min_seqno,
            self.max_seqno,
        ] {
            put_varint(out, number);
        }
        put_u32(out, self.fingerprint);
        out.push(if self.largest_exclusive { FLAG_LARGEST_EXCLUSIVE } else { 0 });
        put_prefixed(out, &self.smallest);
        put_prefixed(out, &self.largest);
    }

    /// Reads facts back; `None` if the bytes are not facts or contradict themselves.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<TableFacts> {
        let facts = TableFacts {
            id: reader.varint()?,
            size_bytes: reader.varint()?,
            entries: reader.varint()?,
            deletes: reader.varint()?,
            range_deletes: reader.varint()?,
            raw_bytes: reader.varint()?,
            min_seqno: reader.varint()?,
            max_seqno: reader.varint()?,
            fingerprint: reader.u32()?,
            largest_exclusive: match reader.u8()? {
                0 => false,
                FLAG_LARGEST_EXCLUSIVE => true,
                _ => return None,
            },
            smallest: bound(reader)?,
            largest: bound(reader)?,
        };
        facts.is_consistent().then_some(facts)
    }

    fn is_consistent(&self) -> bool {
        let bounds_in_order = if self.largest_exclusive {
            self.smallest < self.largest
        } else {
            self.smallest <= self.largest
        };
        bounds_in_order
            && self.min_seqno <= self.max_seqno
            && self.deletes <= self.entries
            && (self.entries > 0 || self.range_deletes > 0)
    }

    /// Whether the bounds of the table contain this user key.
    pub(crate) fn contains(&self, user_key: &[u8]) -> bool {
        order(&self.smallest, user_key).is_le() && !self.ends_before(user_key)
    }

    /// Whether everything in the table is smaller than this user key.
    pub(crate) fn ends_before(&self, user_key: &[u8]) -> bool {
        if self.largest_exclusive {
            order(&self.largest, user_key).is_le()
        } else {
            order(&self.largest, user_key).is_lt()
        }
    }

    /// Whether the bounds of both tables share a user key.
    pub(crate) fn overlaps(&self, other: &TableFacts) -> bool {
        !self.ends_before(&other.smallest) && !other.ends_before(&self.smallest)
    }
}

fn bound(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let bytes = reader.prefixed()?;
    (bytes.len() <= USER_KEY_BYTES_MAX).then(|| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::format::codec::Reader;
    use crate::format::table_facts::TableFacts;
    use proptest::prelude::*;

    fn facts(smallest: &[u8], largest: &[u8], largest_exclusive: bool) -> TableFacts {
        TableFacts {
            id: 12,
            size_bytes: 1 << 40,
            entries: 9,
            deletes: 2,
            range_deletes: 1,
            raw_bytes: 700,
            min_seqno: 5,
            max_seqno: 8,
            fingerprint: 0xabcd_ef01,
            smallest: smallest.to_vec(),
            largest: largest.to_vec(),
            largest_exclusive,
        }
    }

    proptest! {
        #[test]
        fn facts_round_trip(a: Vec<u8>, b: Vec<u8>, exclusive: bool) {
            prop_assume!(a < b);
            let facts = facts(&a, &b, exclusive);
            let mut out = Vec::new();
            facts.encode(&mut out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(TableFacts::decode(&mut reader), Some(facts));
            prop_assert!(reader.is_done());
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            drop(TableFacts::decode(&mut Reader::new(&bytes)));
        }
    }

    #[test]
    fn an_exclusive_end_is_outside() {
        let table = facts(b"b", b"d", true);
        assert!(table.contains(b"b") && table.contains(b"cz") && !table.contains(b"d"));
        assert!(!table.overlaps(&facts(b"d", b"e", false)));
        assert!(facts(b"b", b"d", false).overlaps(&facts(b"d", b"e", false)));
        assert!(!table.contains(b"a") && table.overlaps(&facts(b"a", b"b", false)));
    }

    #[test]
    fn reversed_bounds_are_refused() {
        let mut out = Vec::new();
        facts(b"b", b"a", false).encode(&mut out);
        assert_eq!(TableFacts::decode(&mut Reader::new(&out)), None);
    }
}
