//! A journal file as a reader sees it, and the two reads that everything else is made of.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::Result;
use crate::format::codec::usize_to_u64;
use crate::format::record::{HEADER_BYTES, Place, RecordHeader};
use crate::fs::ReadAt;
use crate::journal::pieces::Pieces;
use std::path::Path;

/// A journal file to be read, and what the caller knows about it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a dyn ReadAt,
    pub(crate) path: &'a Path,
    pub(crate) database: u64,
    pub(crate) file_id: u64,
    /// The caller knows from elsewhere that this many bytes were durable; 0 if it knows nothing.
    pub(crate) durable_upto: u64,
    /// Bytes from here on do not count, whatever they are; `u64::MAX` if all count.
    pub(crate) limit: u64,
    /// Whether a payload with the right crc makes sense. It is asked only about a payload that one
    /// flipped bit would repair: large torn records could pass that test by accident.
    pub(crate) is_plausible: fn(&RecordHeader, &[u8]) -> bool,
}

/// The header at `place`, if the right one stands there.
pub(crate) fn header_at(pieces: &mut Pieces<'_>, place: &Place) -> Result<Option<RecordHeader>> {
    let bytes = pieces.get(place.offset, HEADER_BYTES)?;
    let header = bytes.and_then(<[u8]>::first_chunk);
    Ok(header.and_then(|bytes| RecordHeader::decode(bytes, place)))
}

/// The payload of the record at `offset`, right or wrong; `None` if the file ends before it does.
pub(crate) fn payload_of<'p>(
    pieces: &'p mut Pieces<'_>,
    offset: u64,
    header: &RecordHeader,
) -> Result<Option<&'p [u8]>> {
    let Ok(len) = usize::try_from(header.payload_len) else {
        return Ok(None);
    };
    pieces.get(offset.saturating_add(usize_to_u64(HEADER_BYTES)), len)
}
