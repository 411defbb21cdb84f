//! Looks at every segment before any is replayed: which there are, and how each begins.
//!
//! Only openings are judged here, and whether batches follow. What a segment is worth depends on
//! what the segments after it say about it, so nothing can be replayed before all have been seen.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Reason, Result};
use crate::format::codec::usize_to_u64;
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::format::limits::FORMAT_VERSION;
use crate::format::ops;
use crate::format::record::{HEADER_BYTES, RecordHeader, RecordType};
use crate::fs::{FileKind, FileSystem, ReadAt};
use crate::journal::{Diagnosis, End, Records, Source};
use crate::sync::Arc;
use crate::wal::segment::{NotAnOpening, OPENING_BYTES, Opening};
use std::io;
use std::path::{Path, PathBuf};

/// A segment, and how it begins.
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn ReadAt>,
    pub(crate) start: Start,
}

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing was appended: prepared, not begun.
    Empty,
    /// With its opening record.
    Opened {
        opening: Opening,
        /// Seqno that its first batch has.
        first_seqno: Seqno,
        has_batches: bool,
    },
    /// With something else, which may be a torn opening.
    Broken {
        /// If not: how we know.
        proof_of_rot: Option<&'static str>,
    },
}

/// What identifies the records of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) database: u64,
    pub(crate) segment: u64,
    /// Length that is known from outside the log to be durable, or 0.
    pub(crate) durable_upto: u64,
}

impl Segment {
    /// Opens the segment and looks at its beginning; `None` if there is no such file.
    pub(crate) fn look(
        fs: &dyn FileSystem,
        directory: &Path,
        identity: &Identity,
    ) -> Result<Option<Segment>> {
        let id = identity.segment;
        let path = FileName::Wal(id).in_directory(directory);
        let file = match fs.open(&path, FileKind::Wal) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io("open the segment", &path, source)),
        };
        let mut segment = Segment { id, path, file, start: Start::Empty };
        segment.start = segment.start_of(identity)?;
        Ok(Some(segment))
    }

    /// Its opening, if it has one.
    pub(crate) fn opening(&self) -> Option<&Opening> {
        match &self.start {
            Start::Opened { opening, .. } => Some(opening),
            Start::Empty | Start::Broken { .. } => None,
        }
    }

    pub(crate) fn has_batches(&self) -> bool {
        matches!(self.start, Start::Opened { has_batches: true, .. })
    }

    /// The records of this file as those of `identity`, up to `limit`.
    pub(crate) fn records(&self, identity: &Identity, limit: u64) -> Records<'_> {
        Records::new(&Source {
            file: &*self.file,
            path: &self.path,
            database: identity.database,
            file_id: identity.segment,
            durable_upto: identity.durable_upto,
            limit,
            is_plausible,
        })
    }

    /// Whether a record in this file states that bytes of `identity` are durable.
    pub(crate) fn claims_durable(&self, identity: &Identity) -> Result<bool> {
        let mut records = self.records(identity, u64::MAX);
        while let Some(record) = records.next()? {
            if record.header.synced_upto > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which other segment's opening stands where this one's should, if any does.
    pub(crate) fn foreign_opening(&self, database: u64) -> Result<Option<Identity>> {
        let Some(opening) = self.opening_unverified()? else {
            return Ok(None);
        };
        let segment = opening.segment;
        let identity = Identity { database, segment, durable_upto: 0 };
        let is_whole = self.records(&identity, u64::MAX).next()?.is_some();
        Ok((is_whole && segment != self.id).then_some(identity))
    }

    /// What stands where the payload of the opening should; its crc has not been checked.
    fn opening_unverified(&self) -> Result<Option<Opening>> {
        let mut payload = [0; OPENING_BYTES];
        let offset = usize_to_u64(HEADER_BYTES);
        if self.file.len() < offset + usize_to_u64(OPENING_BYTES) {
            return Ok(None);
        }
        self.file
            .read_exact_at(&mut payload, offset)
            .map_err(|source| Error::io_at("read the segment", &self.path, offset, source))?;
        Ok(Opening::decode(&payload).ok())
    }

    fn start_of(&self, identity: &Identity) -> Result<Start> {
        let mut records = self.records(identity, u64::MAX);
        let Some(record) = records.next()? else {
            return Ok(match records.end()? {
                Diagnosis::Ended(End::Clean { .. }) => Start::Empty,
                Diagnosis::Ended(End::Torn { .. }) => Start::Broken { proof_of_rot: None },
                Diagnosis::Rot { proof, .. } => Start::Broken { proof_of_rot: Some(proof) },
            });
        };
        let first_seqno = record.header.seqno;
        let opening = match (record.header.record_type, Opening::decode(record.payload)) {
            (RecordType::Opening, Ok(opening)) if opening.segment == identity.segment => opening,
            (RecordType::Opening, Err(NotAnOpening::Newer(found))) => {
                let reason = Reason::NewerFormat { found, max: FORMAT_VERSION };
                let what = "the segment was written by a newer format";
                return Err(Error::unsupported(&self.path, reason, what));
            }
            _ => {
                let proof = "a segment does not begin with its opening record";
                return Ok(Start::Broken { proof_of_rot: Some(proof) });
            }
        };
        let mut has_batches = false;
        while let Some(record) = records.next()? {
            if record.header.record_type == RecordType::Batch {
                has_batches = true;
                break;
            }
        }
        Ok(Start::Opened { opening, first_seqno, has_batches })
    }
}

/// Whether the payload is one that a segment can hold under this header.
pub(crate) fn is_plausible(header: &RecordHeader, payload: &[u8]) -> bool {
    match header.record_type {
        RecordType::Opening => Opening::decode(payload) != Err(NotAnOpening::Malformed),
        RecordType::Marker => true,
        RecordType::Edit => false,
        RecordType::Batch => {
            let mut count = 0_u32;
            for op in ops::decode(payload) {
                if op.is_err() {
                    return false;
                }
                count = count.saturating_add(1);
            }
            count > 0 && count == header.count
        }
    }
}
