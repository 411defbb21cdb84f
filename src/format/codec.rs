//! Reading and writing integers and lengths: the only arithmetic on untrusted bytes.
//!
//! [`Reader`] walks a byte slice. Every step is checked: it returns `None` instead of panicking,
//! and nothing is allocated here, so a length from disk can never cause a large allocation.
//! Varints are LEB128, at most 10 bytes, and must be minimal: one number has one encoding.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use byteorder::{ByteOrder, LittleEndian};

/// A checked walk over bytes that nobody has verified yet.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    /// How many bytes were taken so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether all bytes were taken.
    pub(crate) fn is_done(&self) -> bool {
        self.remaining() == 0
    }

    /// Takes `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(len)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        self.position = self.bytes.len();
        rest
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.bytes(2).map(LittleEndian::read_u16)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes(4).map(LittleEndian::read_u32)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.bytes(8).map(LittleEndian::read_u64)
    }

    /// Takes a varint.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if index == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                let is_minimal = byte != 0 || index == 0;
                return is_minimal.then_some(value);
            }
        }
        None
    }

    /// Takes a varint that must fit a `usize`.
    pub(crate) fn varint_usize(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// Takes a varint that must fit a `u32`.
    pub(crate) fn varint_u32(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    /// Takes a varint length and that many bytes.
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.varint_usize()?;
        self.bytes(len)
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_seven_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_seven_bits(value));
}

fn low_seven_bits(value: u64) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

/// Appends a varint length and the bytes.
pub(crate) fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, usize_to_u64(bytes.len()));
    out.extend_from_slice(bytes);
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A length as the format stores it. No platform that Rust supports has a `usize` above 64 bits.
#[expect(clippy::as_conversions, reason = "usize is at most 64 bits wide")]
pub(crate) const fn usize_to_u64(len: usize) -> u64 {
    len as u64
}

#[cfg(test)]
mod tests {
    use crate::format::codec::{Reader, put_prefixed, put_varint};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varint_round_trips(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Some(value));
            prop_assert!(reader.is_done());
        }

        #[test]
        fn a_reader_never_panics_and_never_overruns(bytes: Vec<u8>, steps: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            for step in steps {
                match step % 6 {
                    0 => drop(reader.u8()),
                    1 => drop(reader.u16()),
                    2 => drop(reader.u32()),
                    3 => drop(reader.u64()),
                    4 => drop(reader.varint()),
                    _ => drop(reader.prefixed()),
                }
                prop_assert_eq!(reader.position() + reader.remaining(), bytes.len());
            }
        }
    }

    #[test]
    fn prefixed_bytes_round_trip() {
        let mut out = Vec::new();
        put_prefixed(&mut out, b"silt");
        assert_eq!(Reader::new(&out).prefixed(), Some(&b"silt"[..]));
    }

    #[test]
    fn overlong_and_oversized_varints_are_refused() {
        assert_eq!(Reader::new(&[0x80, 0x00]).varint(), None, "not minimal");
        assert_eq!(Reader::new(&[0xff; 10]).varint(), None, "more than 64 bits");
        assert_eq!(Reader::new(&[0x80]).varint(), None, "cut off");
        assert_eq!(Reader::new(&[0x7f, 0xff]).prefixed(), None, "longer than the rest");
    }
}
