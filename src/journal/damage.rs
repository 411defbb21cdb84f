//! Torn or rotten? What may be concluded from the bytes behind the last whole record.
//!
//! A torn write hits only bytes that were never durable. So damage that begins at `start` is rot
//! for certain, and never dropped, if one of these proofs is found:
//!
//! (1) The caller knows from another file that bytes beyond `start` were durable.
//! (2) Flipping one bit makes the damaged record whole. Exceptions: if that bit would be the only
//!     one set in its sector, then a lost sector (it reads as zeros) explains it as well; if it
//!     would be the last one set in the file, then so does an append that was cut short there. For
//!     a large payload one bit fits by accident too often (bytes / 2^29), so there a record with a
//!     zero sector counts as torn.
//! (3) A later record of this file states that bytes beyond `start` are durable. The header crc of
//!     a record needs the chain value of the record before it, so a later record is believed
//!     (a) right behind a record whose stored length and header crc lead to it: any two neighbours
//!     that survived, the damaged record with an intact header included;
//!     (b) anywhere, if its chain value is the header crc stored in the damaged record;
//!     (c) anywhere, if it is a marker: it carries its place in its payload.
//!     All three are bound to database, file and offset, so records of other files, and old
//!     records inside values, are never believed.
//!
//! What this cannot prove: a last record with more than one wrong bit and no word about it
//! elsewhere looks torn; so does one that became zeros as a whole; and if the damaged record lost
//! its header crc and exactly one record that is no marker follows, that one is not believed.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::Result;
use crate::format::checksum::crc32;
use crate::format::codec::{Reader, usize_to_u64};
use crate::format::record::{HEADER_BYTES, Place, RecordHeader, RecordType};
use crate::journal::marker::{MARKER_PAYLOAD_BYTES, Marker};
use crate::journal::pieces::Pieces;
use crate::journal::repair;
use crate::journal::source::{Source, header_at, payload_of};
use crate::seeded::{Bug, is_seeded};

/// What a disk loses or keeps as a whole. Larger physical sectors are multiples of it.
const SECTOR_BYTES: u64 = 512;

/// Up to this payload length a single-bit repair is believed although the record has zero sectors:
/// an accident has a chance below 1 in 8,000 there, and only after a tear inside one value.
const REPAIR_BELIEVED_BYTES: u32 = 64 << 10;

/// How we know that the damage that begins at `damaged` is rot; `None` if it may be a torn write.
/// Requires: there is no whole record at `damaged`; from `written_end` on there are only zeros.
pub(crate) fn proof_of_rot(
    source: &Source<'_>,
    damaged: &Place,
    written_end: u64,
) -> Result<Option<&'static str>> {
    if is_seeded(Bug::CorruptionTakenAsTail) {
        return Ok(None);
    }
    if source.durable_upto > damaged.offset {
        return Ok(Some("a record that was durable is damaged"));
    }
    if is_one_bit_from_whole(source, damaged, written_end)? {
        return Ok(Some("a record is damaged by a single flipped bit"));
    }
    if is_durable_by_later_record(source, damaged, written_end)? {
        return Ok(Some("a record is damaged that a later record states to be durable"));
    }
    Ok(None)
}

/// Proof (2).
fn is_one_bit_from_whole(source: &Source<'_>, damaged: &Place, written_end: u64) -> Result<bool> {
    let mut pieces = Pieces::new(source.file, source.path, source.limit);
    match header_at(&mut pieces, damaged)? {
        Some(header) => is_one_payload_bit_from_whole(source, damaged, &header, written_end),
        None => {
            let bytes = pieces.get(damaged.offset, HEADER_BYTES)?;
            let Some(&bytes) = bytes.and_then(<[u8]>::first_chunk) else {
                return Ok(false);
            };
            for (header, index, _) in repair::headers(&bytes, damaged) {
                let payload = payload_of(&mut pieces, damaged.offset, &header)?;
                let bit_offset = damaged.offset + usize_to_u64(index);
                let is_whole = payload.is_some_and(|payload| header.matches(payload))
                    && bit_offset < written_end;
                if is_whole && !is_alone_in_sector(&mut pieces, damaged.offset, bit_offset)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn is_one_payload_bit_from_whole(
    source: &Source<'_>,
    damaged: &Place,
    header: &RecordHeader,
    written_end: u64,
) -> Result<bool> {
    let mut pieces = Pieces::new(source.file, source.path, source.limit);
    let payload_offset = damaged.offset + usize_to_u64(HEADER_BYTES);
    let Some(payload) = payload_of(&mut pieces, damaged.offset, header)? else {
        return Ok(false);
    };
    if header.payload_len > REPAIR_BELIEVED_BYTES && has_zero_sector(payload_offset, payload) {
        return Ok(false);
    }
    let mut payload = payload.to_vec();
    let difference = crc32(&payload) ^ header.payload_crc;
    for (index, mask) in repair::payload_bits(payload.len(), difference) {
        flip(&mut payload, index, mask);
        let bit_offset = payload_offset + usize_to_u64(index);
        let is_plausible = bit_offset < written_end && (source.is_plausible)(header, &payload);
        flip(&mut payload, index, mask);
        if is_plausible && !is_alone_in_sector(&mut pieces, damaged.offset, bit_offset)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn flip(bytes: &mut [u8], index: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= mask;
    }
}

/// Whether the bytes at `offset` of the file cover a whole sector of zeros.
fn has_zero_sector(offset: u64, bytes: &[u8]) -> bool {
    let to_boundary = (SECTOR_BYTES - offset % SECTOR_BYTES) % SECTOR_BYTES;
    let skip = usize::try_from(to_boundary).unwrap_or(usize::MAX);
    let sector_bytes = usize::try_from(SECTOR_BYTES).unwrap_or(usize::MAX);
    let sectors = bytes.get(skip..).unwrap_or_default().chunks_exact(sector_bytes);
    sectors.into_iter().any(|sector| sector.iter().all(|&byte| byte == 0))
}

/// Whether the part of a sector that was written by the damaged record, or after it, would be zero
/// but for one bit in the byte at `bit_offset`. What stands before the record was there already.
fn is_alone_in_sector(pieces: &mut Pieces<'_>, start: u64, bit_offset: u64) -> Result<bool> {
    let sector = bit_offset - bit_offset % SECTOR_BYTES;
    let end = (sector + SECTOR_BYTES).min(pieces.len());
    let start = sector.max(start);
    let Ok(len) = usize::try_from(end - start) else {
        return Ok(false);
    };
    let Some(bytes) = pieces.get(start, len)? else {
        return Ok(false);
    };
    let others = (start..).zip(bytes).filter(|&(offset, _)| offset != bit_offset);
    Ok(others.into_iter().all(|(_, &byte)| byte == 0))
}

/// Proof (3). Reads everything from the damage on, and looks at every offset.
fn is_durable_by_later_record(
    source: &Source<'_>,
    damaged: &Place,
    written_end: u64,
) -> Result<bool> {
    let mut pieces = Pieces::new(source.file, source.path, source.limit);
    let mut witnesses = Witnesses::new(source, damaged)?;
    let mut offset = damaged.offset;
    while offset < written_end {
        let Some(bytes) = pieces.get_more(offset, HEADER_BYTES)? else { break };
        let mut seen = 0;
        for candidate in bytes.windows(HEADER_BYTES) {
            if witnesses.is_one(candidate, offset)? {
                return Ok(true);
            }
            (offset, seen) = (offset + 1, seen + 1);
        }
        debug_assert!(seen > 0, "there is at least one header to look at");
    }
    Ok(false)
}

/// Looks for records that testify against a tear.
struct Witnesses<'a> {
    damaged: Place,
    /// What the damaged record has where its header crc should be: the next link of the chain, if
    /// these four bytes survived.
    stored_link: Option<u32>,
    /// For a second look elsewhere in the file, so that the walk keeps its piece.
    elsewhere: Pieces<'a>,
}

impl<'a> Witnesses<'a> {
    fn new(source: &Source<'a>, damaged: &Place) -> Result<Witnesses<'a>> {
        let mut elsewhere = Pieces::new(source.file, source.path, source.limit);
        let stored = elsewhere.get(damaged.offset, 4)?;
        let stored_link = stored.and_then(|bytes| Reader::new(bytes).u32());
        Ok(Witnesses { damaged: *damaged, stored_link, elsewhere })
    }

    /// Whether the header-sized `bytes` at `offset` lead to a record that states more bytes to be
    /// durable than were left whole. Nothing in `bytes` is believed without a reason.
    fn is_one(&mut self, bytes: &[u8], offset: u64) -> Result<bool> {
        let Some(claim) = Claim::read(bytes) else {
            return Ok(false);
        };
        if offset == self.damaged.offset {
            return self.is_believed_through(&claim, offset);
        }
        // Few offsets of ordinary data come past this line.
        if !claim.has_record_type || claim.synced_upto > offset {
            return Ok(false);
        }
        if claim.synced_upto > self.damaged.offset {
            let by_link = self.stored_link.is_some_and(|link| self.is_header(bytes, offset, link));
            if by_link || self.is_marker(&claim, offset)? {
                return Ok(true);
            }
        }
        self.is_believed_through(&claim, offset)
    }

    /// (b): the header is right if the record before it has this header crc.
    fn is_header(&self, bytes: &[u8], offset: u64, link: u32) -> bool {
        let place = Place { offset, chain: link, ..self.damaged };
        bytes.first_chunk().is_some_and(|bytes| RecordHeader::decode(bytes, &place).is_some())
    }

    /// (c): a marker whose payload names this very place.
    fn is_marker(&mut self, claim: &Claim, offset: u64) -> Result<bool> {
        if !claim.is_marker {
            return Ok(false);
        }
        let payload_offset = offset + usize_to_u64(HEADER_BYTES);
        let payload = self.elsewhere.get(payload_offset, MARKER_PAYLOAD_BYTES)?;
        let expected = Marker::at(&Place { offset, ..self.damaged });
        Ok(payload.is_some_and(|payload| {
            crc32(payload) == claim.payload_crc && Marker::decode(payload) == Some(expected)
        }))
    }

    /// (a): what is claimed here leads to a valid header, and that one testifies.
    fn is_believed_through(&mut self, claim: &Claim, offset: u64) -> Result<bool> {
        let end = offset + usize_to_u64(HEADER_BYTES) + u64::from(claim.payload_len);
        let place = Place { offset: end, chain: claim.header_crc, ..self.damaged };
        let next = header_at(&mut self.elsewhere, &place)?;
        Ok(next
            .is_some_and(|next| next.synced_upto > self.damaged.offset && next.synced_upto <= end))
    }
}

/// The fields of what may be a header; nothing has been checked.
struct Claim {
    header_crc: u32,
    payload_len: u32,
    payload_crc: u32,
    has_record_type: bool,
    is_marker: bool,
    synced_upto: u64,
}

impl Claim {
    fn read(bytes: &[u8]) -> Option<Claim> {
        let mut reader = Reader::new(bytes);
        let (header_crc, payload_len, payload_crc) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let [_, _, _, type_number] = reader.u32()?.to_le_bytes();
        let (_seqno, synced_upto) = (reader.u64()?, reader.u64()?);
        let record_type = RecordType::from_u8(type_number);
        let has_marker_len =
            usize::try_from(payload_len).is_ok_and(|len| len == MARKER_PAYLOAD_BYTES);
        Some(Claim {
            header_crc,
            payload_len,
            payload_crc,
            has_record_type: record_type.is_some(),
            is_marker: record_type == Some(RecordType::Marker) && has_marker_len,
            synced_upto,
        })
    }
}
