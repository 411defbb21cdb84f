//! The opening record of a segment: what this file is, and what came before it.
//!
//! ```text
//!  0  8 B  magic "siltWAL\0"
//!  8  u32  format version
//! 12  u32  flags           bit 0: there is a segment before; bit 1: it was known durable
//! 16  u64  database
//! 24  u64  segment         the number in the file's name
//! 32  u64  previous        number of the segment before; 0 to 64 are zeros if there is none
//! 40  u64  its length      everything in it from there on does not count
//! 48  u64  its last seqno
//! 56  u32  its chain value (header crc of its last record)
//! 60  u32  reserved, zero
//! ```
//!
//! It is the payload of a record of type `Opening` at offset 0, whose header carries as seqno the
//! one that the first batch will have. So two segments are linked both ways: by numbers in plain
//! sight, and by the chain value that only the true predecessor can have.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_u32, put_u64};
use crate::format::key::Seqno;
use crate::format::limits::FORMAT_VERSION;
use crate::format::record::HEADER_BYTES;

const MAGIC: [u8; 8] = *b"siltWAL\0";
const HAS_PREVIOUS: u32 = 1;
const PREVIOUS_IS_DURABLE: u32 = 2;

/// Length of the payload.
pub(crate) const OPENING_BYTES: usize = 8 + 4 + 4 + 8 + 8 + (8 + 8 + 8 + 4) + 4;
const _: () = assert!(OPENING_BYTES == 64);

/// What a segment says about the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) id: u64,
    /// Where its last whole record ends.
    pub(crate) length: u64,
    pub(crate) last_seqno: Seqno,
    pub(crate) chain: u32,
    /// Whether all of `length` was known durable at the switch.
    pub(crate) durable: bool,
}

/// The facts in an opening record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) database: u64,
    pub(crate) segment: u64,
    pub(crate) previous: Option<Previous>,
}

/// Why bytes are not an opening that this build understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAnOpening {
    /// It was written by a newer format of this number.
    Newer(u32),
    /// It is something else.
    Malformed,
}

impl Opening {
    /// Room for a record header, and the payload.
    pub(crate) fn to_record(self) -> Vec<u8> {
        let mut record = vec![0; HEADER_BYTES];
        record.extend_from_slice(&MAGIC);
        put_u32(&mut record, FORMAT_VERSION);
        put_u32(
            &mut record,
            match self.previous {
                None => 0,
                Some(Previous { durable: false, .. }) => HAS_PREVIOUS,
                Some(Previous { durable: true, .. }) => HAS_PREVIOUS | PREVIOUS_IS_DURABLE,
            },
        );
        put_u64(&mut record, self.database);
        put_u64(&mut record, self.segment);
        let nothing = Previous { id: 0, length: 0, last_seqno: 0, chain: 0, durable: false };
        let previous = self.previous.unwrap_or(nothing);
        put_u64(&mut record, previous.id);
        put_u64(&mut record, previous.length);
        put_u64(&mut record, previous.last_seqno);
        put_u32(&mut record, previous.chain);
        put_u32(&mut record, 0);
        record
    }

    /// Reads a payload whose crc was right.
    pub(crate) fn decode(payload: &[u8]) -> Result<Opening, NotAnOpening> {
        let mut reader = Reader::new(payload);
        if reader.bytes(MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(NotAnOpening::Malformed);
        }
        match reader.u32() {
            Some(FORMAT_VERSION) => {}
            Some(newer) if newer > FORMAT_VERSION => return Err(NotAnOpening::Newer(newer)),
            _ => return Err(NotAnOpening::Malformed),
        }
        Opening::decode_facts(&mut reader).ok_or(NotAnOpening::Malformed)
    }

    fn decode_facts(reader: &mut Reader<'_>) -> Option<Opening> {
        let flags = reader.u32()?;
        let (database, segment) = (reader.u64()?, reader.u64()?);
        let (id, length, last_seqno) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (chain, reserved) = (reader.u32()?, reader.u32()?);
        let durable = flags & PREVIOUS_IS_DURABLE != 0;
        let previous = match flags {
            0 if (id, length, last_seqno, chain) == (0, 0, 0, 0) => None,
            1 | 3 => Some(Previous { id, length, last_seqno, chain, durable }),
            _ => return None,
        };
        // Links lead back, so following them ends.
        let leads_back = previous.is_none_or(|previous| previous.id < segment);
        let is_whole = reader.is_done() && reserved == 0 && leads_back;
        is_whole.then_some(Opening { database, segment, previous })
    }
}

#[cfg(test)]
mod tests {
    use crate::format::record::HEADER_BYTES;
    use crate::wal::segment::{NotAnOpening, OPENING_BYTES, Opening, Previous};
    use proptest::prelude::*;

    fn any_opening() -> impl Strategy<Value = Opening> {
        let previous = (any::<[u64; 3]>(), any::<u32>(), any::<bool>()).prop_map(
            |([id, length, last_seqno], chain, durable)| {
                let id = id % 1000;
                Previous { id, length, last_seqno, chain, durable }
            },
        );
        (any::<u64>(), 1000..u64::MAX, prop::option::of(previous))
            .prop_map(|(database, segment, previous)| Opening { database, segment, previous })
    }

    proptest! {
        #[test]
        fn an_opening_round_trips(opening in any_opening()) {
            let record = opening.to_record();
            prop_assert_eq!(record.len(), HEADER_BYTES + OPENING_BYTES);
            prop_assert_eq!(Opening::decode(&record[HEADER_BYTES..]), Ok(opening));
            for cut in HEADER_BYTES..record.len() {
                prop_assert!(Opening::decode(&record[HEADER_BYTES..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            prop_assert!(Opening::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let mut record = Opening { database: 1, segment: 2, previous: None }.to_record();
        record[HEADER_BYTES + 8] = 9;
        record.push(1);
        assert_eq!(Opening::decode(&record[HEADER_BYTES..]), Err(NotAnOpening::Newer(9)));
    }

    #[test]
    fn a_link_that_does_not_lead_back_is_refused() {
        let previous = Previous { id: 2, length: 96, last_seqno: 0, chain: 1, durable: false };
        let record = Opening { database: 1, segment: 2, previous: Some(previous) }.to_record();
        assert_eq!(Opening::decode(&record[HEADER_BYTES..]), Err(NotAnOpening::Malformed));
    }
}
