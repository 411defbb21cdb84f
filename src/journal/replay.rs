//! Walks the records of a journal file, and says how the file ends.
//!
//! A record is handed out when its header is the one that belongs at this very place (database,
//! file, offset, chain) and its payload has the header's crc. A length is believed only after the
//! header's crc, and only if the file is that long.
//!
//! Behind the last whole record there is nothing, or zeros to the end of the file (room that was
//! reserved): a clean end. Anything else is damage, and `damage` says which kind: a torn write,
//! which may be dropped, or rot, which may not.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Result};
use crate::format::codec::usize_to_u64;
use crate::format::record::{HEADER_BYTES, Place, RecordHeader};
use crate::journal::damage;
use crate::journal::pieces::Pieces;
use crate::journal::source::{Source, header_at, payload_of};
use crate::seeded::{Bug, is_seeded};

/// A whole record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Where it begins in its file.
    pub(crate) offset: u64,
    pub(crate) header: RecordHeader,
    pub(crate) payload: &'a [u8],
}

/// How a file ends that holds nothing but what was written, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing or zeros behind the last whole record.
    Clean {
        /// End of the last whole record.
        offset: u64,
        /// Its chain value.
        chain: u32,
    },
    /// Something behind the last whole record, and no proof that it was ever durable.
    Torn {
        /// End of the last whole record.
        offset: u64,
        /// Its chain value.
        chain: u32,
        /// Bytes from there to the last one that is not zero.
        bytes_after: u64,
    },
}

/// What is behind the last whole record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    Ended(End),
    /// Bytes that were durable, or a record that was whole, are gone.
    Rot {
        /// End of the last whole record before the damage.
        offset: u64,
        /// Its chain value.
        chain: u32,
        /// Bytes from there to the last one that is not zero.
        bytes_after: u64,
        /// How we know.
        proof: &'static str,
    },
}

/// Hands every whole record to `sink`, from the first on.
///
/// # Errors
/// `Corruption` if the file is damaged and that cannot be a torn write; I/O errors; what `sink`
/// returns. Whether this file may end torn at all is for the caller to decide.
pub(crate) fn replay(
    source: &Source<'_>,
    sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
) -> Result<End> {
    let mut records = Records::new(source);
    while let Some(record) = records.next()? {
        sink(&record)?;
    }
    match records.end()? {
        Diagnosis::Ended(end) => Ok(end),
        Diagnosis::Rot { offset, proof, .. } => Err(Error::corruption(source.path, offset, proof)),
    }
}

/// The records of a file, one after the other.
pub(crate) struct Records<'a> {
    source: Source<'a>,
    pieces: Pieces<'a>,
    offset: u64,
    chain: u32,
}

impl<'a> Records<'a> {
    /// Starts before the first record.
    pub(crate) fn new(source: &Source<'a>) -> Records<'a> {
        let pieces = Pieces::new(source.file, source.path, source.limit);
        Records { source: *source, pieces, offset: 0, chain: 0 }
    }

    /// End of the last record that was handed out.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Chain value of the last record that was handed out.
    pub(crate) fn chain(&self) -> u32 {
        self.chain
    }

    /// The next whole record; `None` where there is none, for a reason that [`end`](Self::end)
    /// finds.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        let (offset, place) = (self.offset, self.place());
        let Some(header) = header_at(&mut self.pieces, &place)? else {
            return Ok(None);
        };
        let Some(payload) = payload_of(&mut self.pieces, offset, &header)? else {
            return Ok(None);
        };
        if !header.matches(payload) {
            return Ok(None);
        }
        self.offset = offset + usize_to_u64(HEADER_BYTES) + u64::from(header.payload_len);
        self.chain = header.header_crc;
        Ok(Some(Record { offset, header, payload }))
    }

    /// Bytes from `offset` to the last one that is not zero.
    pub(crate) fn written_after(&mut self, offset: u64) -> Result<u64> {
        Ok(self.pieces.written_end(offset)?.map_or(0, |end| end - offset))
    }

    /// What is behind the last whole record.
    /// Requires: `next` has returned `None`.
    pub(crate) fn end(&mut self) -> Result<Diagnosis> {
        let (offset, chain) = (self.offset, self.chain);
        if is_seeded(Bug::PreallocZerosAsRecords) && self.pieces.len() > offset {
            let bytes_after = self.pieces.len() - offset;
            return Ok(Diagnosis::Ended(End::Torn { offset, chain, bytes_after }));
        }
        let Some(written_end) = self.pieces.written_end(offset)? else {
            if self.source.durable_upto > offset {
                let proof = "the file ends before records that were durable";
                return Ok(Diagnosis::Rot { offset, chain, bytes_after: 0, proof });
            }
            return Ok(Diagnosis::Ended(End::Clean { offset, chain }));
        };
        let bytes_after = written_end - offset;
        let damaged = self.place();
        Ok(match damage::proof_of_rot(&self.source, &damaged, written_end)? {
            Some(proof) => Diagnosis::Rot { offset, chain, bytes_after, proof },
            None if is_seeded(Bug::TailTakenAsCorruption) => {
                let proof = "a record is damaged";
                Diagnosis::Rot { offset, chain, bytes_after, proof }
            }
            None => Diagnosis::Ended(End::Torn { offset, chain, bytes_after }),
        })
    }

    /// Goes on with the record at `offset`, if the one before it had this chain value.
    pub(crate) fn go_on_at(&mut self, offset: u64, chain: u32) {
        (self.offset, self.chain) = (offset, chain);
    }

    /// Where the next record must stand.
    pub(crate) fn place(&self) -> Place {
        let Source { database, file_id: file, .. } = self.source;
        Place { database, file, offset: self.offset, chain: self.chain }
    }
}
