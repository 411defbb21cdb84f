//! The payload of a marker record: where it stands, in plain bytes.
//!
//! ```text
//!  0  u64  database
//!  8  u64  file
//! 16  u64  offset of the record
//! ```
//!
//! Everything here is in the seed of the header crc already. But that seed also needs the chain
//! value of the record before, which may be the very record that rotted away. With its place in
//! its payload a marker can be recognised alone: behind any damage, it testifies.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_u64};
use crate::format::record::{HEADER_BYTES, Place};

pub(crate) const MARKER_PAYLOAD_BYTES: usize = 8 + 8 + 8;
const _: () = assert!(MARKER_PAYLOAD_BYTES == 24);

/// Where a marker says that it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    database: u64,
    file: u64,
    offset: u64,
}

impl Marker {
    /// The marker that belongs to `place`, whatever comes before it.
    pub(crate) fn at(place: &Place) -> Marker {
        let Place { database, file, offset, chain: _ } = *place;
        Marker { database, file, offset }
    }

    /// Room for a header, and the payload.
    pub(crate) fn to_record(self) -> Vec<u8> {
        let mut record = vec![0; HEADER_BYTES];
        put_u64(&mut record, self.database);
        put_u64(&mut record, self.file);
        put_u64(&mut record, self.offset);
        record
    }

    /// Reads a payload; `None` if it is not a marker's.
    pub(crate) fn decode(payload: &[u8]) -> Option<Marker> {
        let mut reader = Reader::new(payload);
        let marker = Marker { database: reader.u64()?, file: reader.u64()?, offset: reader.u64()? };
        reader.is_done().then_some(marker)
    }
}
