//! The fixed part of a block of slots, and where everything behind it is.
//!
//! ```text
//!  0  u16  n               entries, at least 1
//!  2  u16  prefix_len
//!  4  u8   flags           1 all puts, 2 unique keys, 4 wide
//!  5  u8   seqno_width     0, 1, 2, 4 or 8
//!  6  u16  reserved        0
//!  8  u64  base_seqno      the smallest of the block
//! 16  u32  suffix_bytes    sum of the lengths of all suffixes
//! 20  u32  value_bytes     sum of the lengths of all values
//! ```
//!
//! `data_block` says what these mean. Here is their sum: a [`Layout`] exists only for lengths that
//! fill their payload exactly.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_u16, put_u32, put_u64};
use crate::format::key::Seqno;
use crate::format::limits::SEQNO_MAX;

pub(crate) const FLAG_ALL_PUTS: u8 = 1;
pub(crate) const FLAG_UNIQUE_KEYS: u8 = 2;
pub(crate) const FLAG_WIDE: u8 = 4;
/// In memory only, and refused in a file: the block is a part of one (see `part`).
pub(crate) const FLAG_PART: u8 = 0x80;
const FLAGS_KNOWN: u8 = FLAG_ALL_PUTS | FLAG_UNIQUE_KEYS | FLAG_WIDE;

pub(crate) const FIXED_BYTES: usize = 2 + 2 + 1 + 1 + 2 + 8 + 4 + 4;
const _: () = assert!(FIXED_BYTES == 24);

/// Length of the head of an entry, which is in memory only.
pub(crate) const HEAD_BYTES: usize = 4;

/// The fixed part as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) n: u16,
    pub(crate) prefix_len: u16,
    pub(crate) flags: u8,
    pub(crate) seqno_width: u8,
    pub(crate) base_seqno: Seqno,
    pub(crate) suffix_bytes: u32,
    pub(crate) value_bytes: u32,
}

impl Fixed {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.n);
        put_u16(out, self.prefix_len);
        out.extend_from_slice(&[self.flags, self.seqno_width]);
        put_u16(out, 0);
        put_u64(out, self.base_seqno);
        put_u32(out, self.suffix_bytes);
        put_u32(out, self.value_bytes);
    }

    fn decode(payload: &[u8]) -> Option<Fixed> {
        let mut reader = Reader::new(payload);
        let (n, prefix_len) = (reader.u16()?, reader.u16()?);
        let (flags, seqno_width) = (reader.u8()?, reader.u8()?);
        let reserved = reader.u16()?;
        let base_seqno = reader.u64()?;
        let (suffix_bytes, value_bytes) = (reader.u32()?, reader.u32()?);
        let is_known = n > 0
            && flags & !FLAGS_KNOWN == 0
            && matches!(seqno_width, 0 | 1 | 2 | 4 | 8)
            && reserved == 0
            && base_seqno <= SEQNO_MAX;
        let fixed =
            Fixed { n, prefix_len, flags, seqno_width, base_seqno, suffix_bytes, value_bytes };
        is_known.then_some(fixed)
    }
}

/// Where things are in the bytes of a loaded block: the heads, then the payload. Each block in the
/// cache has one of these in its slot, so that it is small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) base_seqno: Seqno,
    pub(crate) max_seqno: Seqno,
    n: u32,
    pub(crate) ends: u32,
    pub(crate) prefix: u32,
    pub(crate) suffixes: u32,
    pub(crate) values: u32,
    pub(crate) flags: u8,
    seqno_width: u8,
}

impl Layout {
    /// Reads the fixed part, and checks that the lengths fill the payload. The largest seqno is not
    /// known yet.
    pub(crate) fn decode(payload: &[u8]) -> Option<Layout> {
        let fixed = Fixed::decode(payload)?;
        let (n, flags) = (u32::from(fixed.n), fixed.flags);
        let mut layout = Layout {
            base_seqno: fixed.base_seqno,
            max_seqno: fixed.base_seqno,
            n,
            ends: 0,
            prefix: 0,
            suffixes: 0,
            values: 0,
            flags,
            seqno_width: fixed.seqno_width,
        };
        layout.ends = u32::try_from(layout.deltas() + layout.entries() * layout.width()).ok()?;
        layout.prefix = layout.ends + n * if flags & FLAG_WIDE == 0 { 4 } else { 8 };
        layout.suffixes = layout.prefix + u32::from(fixed.prefix_len);
        layout.values = layout.suffixes.checked_add(fixed.suffix_bytes)?;
        let end = layout.values.checked_add(fixed.value_bytes)?;
        (to_usize(end) == layout.payload_start() + payload.len()).then_some(layout)
    }

    pub(crate) fn entries(&self) -> usize {
        to_usize(self.n)
    }

    /// Bytes of the seqno of an entry.
    pub(crate) fn width(&self) -> usize {
        usize::from(self.seqno_width)
    }

    /// Where the heads end.
    pub(crate) fn payload_start(&self) -> usize {
        self.entries() * HEAD_BYTES
    }

    pub(crate) fn kinds(&self) -> usize {
        self.payload_start() + FIXED_BYTES
    }

    pub(crate) fn deltas(&self) -> usize {
        self.kinds() + if self.flags & FLAG_ALL_PUTS == 0 { self.entries() } else { 0 }
    }
}

/// No platform that Rust supports with an operating system has a `usize` below 32 bits.
pub(crate) fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
