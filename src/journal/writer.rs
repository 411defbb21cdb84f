//! Appends records to a journal file; `replay` reads them back.
//!
//! record := header[32] payload[len]        (format/record.rs)
//!
//! Invariants: (1) a record is appended with one `append` call; (2) `end` and `chain` are those of
//! the last record whose append succeeded; (3) after an error the writer refuses all further calls
//! with that first error, because an unknown part of a record may stand behind `end`: the file is
//! abandoned there; (4) `synced_upto` never claims bytes that were not appended yet.
//! Threads: one writer. The `syncer` may be used beside it.

use crate::error::{Error, Result};
use crate::format::checksum::crc32;
use crate::format::codec::usize_to_u64;
use crate::format::record::{HEADER_BYTES, Place, RecordHeader, RecordType};
use crate::fs::{Append, Syncer};
use crate::journal::marker::{MARKER_PAYLOAD_BYTES, Marker};
use crate::sync::Arc;
use std::path::{Path, PathBuf};

/// Room is taken in multiples of this: what file systems give at least.
const ROOM_STEP_BYTES: u64 = 4 << 10;

/// What the caller says about a record; the writer adds length, place and chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) record_type: RecordType,
    /// Plain CRC-32 of the payload, computed before any lock was taken.
    pub(crate) payload_crc: u32,
    /// Operations in the payload.
    pub(crate) count: u32,
    pub(crate) seqno: u64,
    /// Bytes of this file that are durable for certain.
    pub(crate) synced_upto: u64,
}

/// Appends records to one file.
pub(crate) struct JournalWriter {
    // Constant after construction.
    path: PathBuf,
    database: u64,
    file_id: u64,

    // Move together, and only when an append succeeded.
    file: Box<dyn Append>,
    end: u64,
    chain: u32,

    failure: Option<Error>,
}

impl JournalWriter {
    /// Begins a journal in a file to which nothing was appended yet.
    pub(crate) fn new(
        file: Box<dyn Append>,
        path: PathBuf,
        database: u64,
        file_id: u64,
    ) -> JournalWriter {
        assert!(file.is_empty(), "a journal begins at offset 0");
        JournalWriter { path, database, file_id, file, end: 0, chain: 0, failure: None }
    }

    /// Fills the header in the first [`HEADER_BYTES`] of `record` (the payload stands behind them)
    /// and appends all of it. Returns the length of the file after the record.
    ///
    /// # Errors
    /// What the operating system reports; from then on every call returns this first error.
    pub(crate) fn append(&mut self, record: &mut [u8], draft: &Draft) -> Result<u64> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        assert!(draft.synced_upto <= self.end, "only appended bytes can be durable");
        let Some((header_bytes, payload)) = record.split_first_chunk_mut::<HEADER_BYTES>() else {
            unreachable!("a record has room for its header");
        };
        debug_assert_eq!(crc32(payload), draft.payload_crc, "the crc is the payload's");
        let Ok(payload_len) = u32::try_from(payload.len()) else {
            unreachable!("the size of a batch is checked at the door");
        };
        let header = RecordHeader {
            header_crc: 0,
            payload_len,
            payload_crc: draft.payload_crc,
            count: draft.count,
            record_type: draft.record_type,
            seqno: draft.seqno,
            synced_upto: draft.synced_upto,
        };
        let chain = header.encode_into(header_bytes, &self.place());
        if let Err(source) = self.file.append(record) {
            let failure = Error::io_at("append to the file", &self.path, self.end, source);
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        self.end += usize_to_u64(record.len());
        self.chain = chain;
        Ok(self.end)
    }

    /// Takes room for a file of so many bytes. Where there is none, or not so much, records take it as
    /// they come, and it is they that fail.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        self.file.reserve(bytes).unwrap_or_default();
    }

    /// Takes room for a record of so many bytes, and for a marker behind it, so that the marker can be
    /// appended whatever happens on the disk meanwhile.
    ///
    /// # Errors
    /// There is no such room. Nothing was written, and the file can still be appended to.
    pub(crate) fn reserve_record(&mut self, bytes: usize) -> Result<()> {
        let end =
            self.end + usize_to_u64(bytes) + usize_to_u64(HEADER_BYTES + MARKER_PAYLOAD_BYTES);
        // In steps, since each changes the length of the file; on a full disk, what it takes.
        let stepped = self.file.reserve(end.next_multiple_of(ROOM_STEP_BYTES));
        let reserved = stepped.or_else(|_| self.file.reserve(end));
        reserved.map_err(|source| Error::io_at("reserve room in", &self.path, self.end, source))
    }

    /// Takes room for a marker. A full disk would keep a piece of one, and that looks like the torn end of
    /// something that mattered.
    ///
    /// # Errors
    /// There is no such room. Nothing was written, and the file can still be appended to.
    pub(crate) fn reserve_marker(&mut self) -> Result<()> {
        let end = self.end + usize_to_u64(HEADER_BYTES + MARKER_PAYLOAD_BYTES);
        let reserved = self.file.reserve(end);
        reserved.map_err(|source| Error::io_at("reserve a marker", &self.path, self.end, source))
    }

    /// Appends a marker: it says that `synced_upto` bytes are durable, and takes the last place,
    /// where damage is hardest to judge, from the last record that matters.
    pub(crate) fn append_marker(&mut self, synced_upto: u64) -> Result<u64> {
        let mut record = Marker::at(&self.place()).to_record();
        let payload_crc = crc32(record.get(HEADER_BYTES..).unwrap_or_default());
        let record_type = RecordType::Marker;
        let draft = Draft { record_type, payload_crc, count: 0, seqno: 0, synced_upto };
        self.append(&mut record, &draft)
    }

    /// Length of the file up to the last record that was appended whole.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// `header_crc` of the last record that was appended whole; 0 if there is none.
    pub(crate) fn chain(&self) -> u32 {
        self.chain
    }

    /// A handle that makes the appended records durable.
    pub(crate) fn syncer(&self) -> Arc<dyn Syncer> {
        self.file.syncer()
    }

    pub(crate) fn file_id(&self) -> u64 {
        self.file_id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self) -> Place {
        let JournalWriter { database, file_id: file, end: offset, chain, .. } = *self;
        Place { database, file, offset, chain }
    }
}
