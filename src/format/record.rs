//! The record: the one framing of WAL and manifest.
//!
//! ```text
//!  0  u32  header_crc    over bytes 4..32, from the chain seed (see below)
//!  4  u32  payload_len
//!  8  u32  payload_crc   plain CRC-32 of the payload
//! 12  u24  count         operations in the payload
//! 15  u8   type          see RecordType; 0 never occurs, so zeros are never a record
//! 16  u64  seqno         of the first operation (WAL); number of the edit (manifest)
//! 24  u64  synced_upto   bytes of this file known durable when the record was built
//! 32  payload
//! ```
//!
//! The chain seed is made of database id, file id, offset of the record and the header crc of the
//! record before it (0 for the first). So a record that was dropped, swapped, replayed, left over
//! from another file or embedded in a value never passes. The payload crc is plain, so that it can
//! be computed before any lock is taken; only 28 bytes are hashed under the lock.
//! `synced_upto` lets a reader tell rot from a torn write: damage below the `synced_upto` of a
//! later record cannot be a tear. (The idea is Pebble's; the chain is in the manner of a ledger.)

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::checksum::{crc32, crc32_from, seed};
use crate::format::codec::Reader;
use crate::format::limits::{BATCH_OPS_MAX, RECORD_PAYLOAD_BYTES_MAX};
use byteorder::{ByteOrder, LittleEndian};

/// Length of a record's header.
pub(crate) const HEADER_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 8;
const _: () = assert!(HEADER_BYTES == 32);

/// What a record's payload is. On disk: never change a number, never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordType {
    /// First record of every journal file: what this file is, and what came before it.
    Opening = 1,
    /// One atomic batch (WAL).
    Batch = 2,
    /// Says only that what is before it is durable (`synced_upto`); its payload is its own place.
    Marker = 3,
    /// Facts (manifest).
    Edit = 4,
}

impl RecordType {
    /// The type with this number, if there is one.
    pub(crate) fn from_u8(number: u8) -> Option<RecordType> {
        match number {
            1 => Some(RecordType::Opening),
            2 => Some(RecordType::Batch),
            3 => Some(RecordType::Marker),
            4 => Some(RecordType::Edit),
            _ => None,
        }
    }

    const fn to_u8(self) -> u8 {
        match self {
            RecordType::Opening => 1,
            RecordType::Batch => 2,
            RecordType::Marker => 3,
            RecordType::Edit => 4,
        }
    }
}

/// Where a record stands: everything that seeds its header crc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) database: u64,
    pub(crate) file: u64,
    pub(crate) offset: u64,
    /// `header_crc` of the record before, 0 for the first.
    pub(crate) chain: u32,
}

impl Place {
    fn crc_seed(&self) -> u32 {
        crc32_from(seed(self.database, self.file, self.offset), &self.chain.to_le_bytes())
    }
}

/// A decoded header. Its fields are believed because its crc was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) header_crc: u32,
    pub(crate) payload_len: u32,
    pub(crate) payload_crc: u32,
    pub(crate) count: u32,
    pub(crate) record_type: RecordType,
    pub(crate) seqno: u64,
    pub(crate) synced_upto: u64,
}

impl RecordHeader {
    /// Writes the header over the first [`HEADER_BYTES`] of `out` and returns its crc, the next
    /// link of the chain. `self.header_crc` is ignored: it is what this computes.
    /// Requires: `count` fits 24 bits and `payload_len` is within the limit.
    pub(crate) fn encode_into(&self, out: &mut [u8; HEADER_BYTES], place: &Place) -> u32 {
        let fits = |len: u32, max: usize| usize::try_from(len).is_ok_and(|len| len <= max);
        assert!(fits(self.count, BATCH_OPS_MAX), "the count field has 24 bits");
        assert!(fits(self.payload_len, RECORD_PAYLOAD_BYTES_MAX), "checked at the door");
        LittleEndian::write_u32(&mut out[4..8], self.payload_len);
        LittleEndian::write_u32(&mut out[8..12], self.payload_crc);
        let count_and_type = self.count | u32::from(self.record_type.to_u8()) << 24;
        LittleEndian::write_u32(&mut out[12..16], count_and_type);
        LittleEndian::write_u64(&mut out[16..24], self.seqno);
        LittleEndian::write_u64(&mut out[24..32], self.synced_upto);
        let crc = crc32_from(place.crc_seed(), &out[4..]);
        LittleEndian::write_u32(&mut out[0..4], crc);
        crc
    }

    /// Reads a header at `place`; `None` if these bytes are not one.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES], place: &Place) -> Option<RecordHeader> {
        let mut reader = Reader::new(bytes);
        let header_crc = reader.u32()?;
        if crc32_from(place.crc_seed(), bytes.get(4..)?) != header_crc {
            return None;
        }
        let payload_len = reader.u32()?;
        let payload_crc = reader.u32()?;
        let count_and_type = reader.u32()?;
        let (seqno, synced_upto) = (reader.u64()?, reader.u64()?);
        if usize::try_from(payload_len).ok()? > RECORD_PAYLOAD_BYTES_MAX {
            return None;
        }
        let [_, _, _, type_number] = count_and_type.to_le_bytes();
        Some(RecordHeader {
            header_crc,
            payload_len,
            payload_crc,
            count: count_and_type & 0x00ff_ffff,
            record_type: RecordType::from_u8(type_number)?,
            seqno,
            synced_upto,
        })
    }

    /// Whether `payload` is the one that this header was made for.
    pub(crate) fn matches(&self, payload: &[u8]) -> bool {
        u32::try_from(payload.len()) == Ok(self.payload_len) && crc32(payload) == self.payload_crc
    }
}

#[cfg(test)]
mod tests {
    use crate::format::checksum::crc32;
    use crate::format::record::{HEADER_BYTES, Place, RecordHeader, RecordType};

    const PLACE: Place = Place { database: 7, file: 3, offset: 160, chain: 0xfeed };

    fn encoded() -> ([u8; HEADER_BYTES], RecordHeader) {
        let mut header = RecordHeader {
            header_crc: 0,
            payload_len: 5,
            payload_crc: crc32(b"hello"),
            count: 0x01_0203,
            record_type: RecordType::Batch,
            seqno: 99,
            synced_upto: 128,
        };
        let mut bytes = [0; HEADER_BYTES];
        header.header_crc = header.encode_into(&mut bytes, &PLACE);
        (bytes, header)
    }

    #[test]
    fn a_header_round_trips() {
        let (bytes, header) = encoded();
        assert_eq!(RecordHeader::decode(&bytes, &PLACE), Some(header));
        assert!(header.matches(b"hello") && !header.matches(b"hellO") && !header.matches(b"hell"));
    }

    #[test]
    fn a_header_is_valid_at_its_own_place_only() {
        let (bytes, _) = encoded();
        for other in [
            Place { database: 8, ..PLACE },
            Place { file: 4, ..PLACE },
            Place { offset: 161, ..PLACE },
            Place { chain: 0, ..PLACE },
        ] {
            assert_eq!(RecordHeader::decode(&bytes, &other), None);
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (bytes, _) = encoded();
        for bit in 0..HEADER_BYTES * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&damaged, &PLACE), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_never_a_record() {
        for offset in 0..4096 {
            let place = Place { database: 1, file: 1, offset, chain: 0 };
            assert_eq!(RecordHeader::decode(&[0; HEADER_BYTES], &place), None);
        }
    }
}
