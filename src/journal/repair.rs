//! Finds the one bit of a record that must be flipped to make it whole, if there is one.
//!
//! A torn write loses sectors; a record that is whole but for one bit was whole once, so it has
//! rotted. Nothing is repaired with this knowledge: it only makes the difference between a tail
//! that may be dropped and a loss that must be told.
//!
//! A header has 256 bits: try each. A payload may be large, and CRC-32 is linear: flipping bit b of
//! the byte that has d bytes behind it changes the crc by `advance^d(TABLE[1 << b])`, whatever the
//! other bytes are, where `advance` feeds one zero byte. So the difference between the crc that
//! the header states and the one that the payload has is taken back byte by byte, from the end, and
//! compared with the eight values of the last byte: one table step a byte.

use crate::format::record::{HEADER_BYTES, Place, RecordHeader};

/// The reflected polynomial of CRC-32 (ISO-HDLC).
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What one byte adds to a crc of zero.
const TABLE: [u32; 256] = table();

/// Index in `TABLE` of the entry with this highest byte; each occurs once.
const INDEX_BY_HIGHEST_BYTE: [u8; 256] = index_by_highest_byte();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

const fn index_by_highest_byte() -> [u8; 256] {
    let table = table();
    let mut indexes = [0; 256];
    let mut index = 0;
    while index < 256 {
        indexes[(table[index] >> 24) as usize] = index as u8;
        index += 1;
    }
    indexes
}

/// The crc difference before one zero byte was fed: the inverse of `(d >> 8) ^ TABLE[d & 255]`.
fn take_back(difference: u32) -> u32 {
    let [_, _, _, highest] = difference.to_le_bytes();
    let lowest = INDEX_BY_HIGHEST_BYTE[usize::from(highest)];
    ((difference ^ TABLE[usize::from(lowest)]) << 8) | u32::from(lowest)
}

/// Bits (byte index, mask) of a payload of `len` bytes whose flip changes its crc by `difference`,
/// the last one first. There is at most one in the first 512 MiB.
pub(crate) fn payload_bits(len: usize, difference: u32) -> impl Iterator<Item = (usize, u8)> {
    let mut difference = difference;
    (0..len).rev().filter_map(move |index| {
        let here = difference;
        difference = take_back(difference);
        let bit = (0..8).find(|&bit| TABLE[1 << bit] == here)?;
        Some((index, 1 << bit))
    })
}

/// Headers that are valid at `place` and differ from `bytes` in one bit, with that bit (byte index,
/// mask).
pub(crate) fn headers(
    bytes: &[u8; HEADER_BYTES],
    place: &Place,
) -> impl Iterator<Item = (RecordHeader, usize, u8)> {
    (0..HEADER_BYTES * 8).filter_map(|bit| {
        let (index, mask) = (bit / 8, 1 << (bit % 8));
        let mut repaired = *bytes;
        repaired[index] ^= mask;
        RecordHeader::decode(&repaired, place).map(|header| (header, index, mask))
    })
}

#[cfg(test)]
mod tests {
    use crate::format::checksum::crc32;
    use crate::journal::repair::payload_bits;
    use proptest::prelude::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let payload: Vec<u8> = (0..300_u32).map(|index| (index * 7 % 251) as u8).collect();
        for bit in 0..payload.len() * 8 {
            let (index, mask) = (bit / 8, 1 << (bit % 8));
            let mut damaged = payload.clone();
            damaged[index] ^= mask;
            let found: Vec<_> =
                payload_bits(payload.len(), crc32(&payload) ^ crc32(&damaged)).collect();
            assert_eq!(found, [(index, mask)]);
        }
    }

    proptest! {
        #[test]
        fn two_flipped_bits_are_not_taken_for_one(payload: Vec<u8>, one: usize, other: usize) {
            let bits = payload.len() * 8;
            prop_assume!(bits > 0 && one % bits != other % bits);
            let mut damaged = payload.clone();
            for bit in [one % bits, other % bits] {
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            let difference = crc32(&payload) ^ crc32(&damaged);
            prop_assert_eq!(payload_bits(payload.len(), difference).count(), 0);
        }
    }
}
