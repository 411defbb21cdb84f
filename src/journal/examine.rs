//! Walks a journal file to its end, damage or not: every whole record, and every gap between them.
//!
//! Behind damage a record is believed by the same evidence by which `damage` believes a witness:
//! (a) right behind a damaged payload whose header is whole; (b) anywhere, if its chain value is the
//! crc stored in the damaged header; (c) right behind a record whose stored length and header crc
//! lead to it. All three are bound to database, file and offset.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::Result;
use crate::format::codec::{Reader, usize_to_u64};
use crate::format::record::{HEADER_BYTES, Place, RecordHeader};
use crate::journal::pieces::Pieces;
use crate::journal::replay::{Diagnosis, End, Record, Records};
use crate::journal::source::{Source, header_at};

/// What an examination meets, in the order of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Met<'a> {
    Record(Record<'a>),
    /// Bytes that should be records, and cannot be read as such.
    Gap {
        offset: u64,
        bytes: u64,
        what: &'static str,
    },
}

/// Hands everything to `sink`, and says how the file ends. What follows the last whole record and is
/// damage for certain is a gap; what a power cut may have torn is for the caller to judge.
///
/// # Errors
/// Of the file system; and what `sink` returns.
pub(crate) fn examine_records(
    source: &Source<'_>,
    sink: &mut dyn FnMut(&Met<'_>) -> Result<()>,
) -> Result<End> {
    let mut records = Records::new(source);
    loop {
        while let Some(record) = records.next()? {
            sink(&Met::Record(record))?;
        }
        let diagnosis = records.end()?;
        let damaged = records.place();
        let written = records.written_after(damaged.offset)?;
        if let Some((offset, chain)) = next_record(source, &damaged, damaged.offset + written)? {
            let what = match diagnosis {
                Diagnosis::Rot { proof, .. } => proof,
                Diagnosis::Ended(_) => "a record is damaged, and a later one is whole",
            };
            let bytes = offset - damaged.offset;
            sink(&Met::Gap { offset: damaged.offset, bytes, what })?;
            records.go_on_at(offset, chain);
            continue;
        }
        return match diagnosis {
            Diagnosis::Ended(end) => Ok(end),
            Diagnosis::Rot { offset, chain, bytes_after, proof } => {
                sink(&Met::Gap { offset, bytes: bytes_after, what: proof })?;
                Ok(End::Clean { offset, chain })
            }
        };
    }
}

/// Offset of the next record that is believed, and the chain value of the one before it.
fn next_record(
    source: &Source<'_>,
    damaged: &Place,
    written_end: u64,
) -> Result<Option<(u64, u32)>> {
    let mut pieces = Pieces::new(source.file, source.path, source.limit);
    let mut behind = Pieces::new(source.file, source.path, source.limit);
    let header_bytes = usize_to_u64(HEADER_BYTES);
    let mut start = damaged.offset + 1;
    // (a)
    if let Some(header) = header_at(&mut pieces, damaged)? {
        let offset = damaged.offset + header_bytes + u64::from(header.payload_len);
        let next = Place { offset, chain: header.header_crc, ..*damaged };
        if header_at(&mut pieces, &next)?.is_some() {
            return Ok(Some((offset, header.header_crc)));
        }
    }
    let stored = pieces.get(damaged.offset, 4)?.and_then(|bytes| Reader::new(bytes).u32());
    while start < written_end {
        let Some(bytes) = pieces.get_more(start, HEADER_BYTES)? else { break };
        let mut offset = start;
        for candidate in bytes.windows(HEADER_BYTES) {
            let (here, candidate) = (offset, candidate.first_chunk::<HEADER_BYTES>());
            offset += 1;
            let Some(candidate) = candidate.filter(|bytes| may_be_header(bytes)) else { continue };
            // (b)
            if let Some(chain) = stored {
                let place = Place { offset: here, chain, ..*damaged };
                if RecordHeader::decode(candidate, &place).is_some() {
                    return Ok(Some((here, chain)));
                }
            }
            // (c)
            let mut fields = Reader::new(candidate);
            let (Some(chain), Some(len)) = (fields.u32(), fields.u32()) else { continue };
            let next = here + header_bytes + u64::from(len);
            let place = Place { offset: next, chain, ..*damaged };
            if next < written_end && header_at(&mut behind, &place)?.is_some() {
                return Ok(Some((next, chain)));
            }
        }
        start = offset;
    }
    Ok(None)
}

/// Whether these bytes have the type of a record: most do not.
fn may_be_header(bytes: &[u8; HEADER_BYTES]) -> bool {
    bytes.get(15).is_some_and(|&number| (1..=4).contains(&number))
}
