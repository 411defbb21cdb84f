//! Makes segments and appends to them.
//!
//! The life of a segment: [`prepare`] creates the file, reserves its first room and makes both durable,
//! away from any lock; the manifest notes the number; at the switch [`SegmentWriter::begin`] takes
//! the empty file and appends the opening record; batches follow, and a marker when things are
//! quiet. A segment is never appended to again after its writer is gone.
//!
//! Invariants: (1) the operations of a segment have consecutive seqnos, beginning with the one in
//! the header of its opening record; (2) `end`, `chain` and `last_seqno` describe the last record
//! that was appended whole, also after a failed append: the next segment links to exactly that.
//! Threads: one writer, owned by the commit path; the `syncer` runs beside it.

use crate::error::{Error, Result};
use crate::format::checksum::crc32;
use crate::format::codec::usize_to_u64;
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::format::limits::SEQNO_MAX;
use crate::format::record::{HEADER_BYTES, RecordType};
use crate::fs::{Append, FileKind, FileSystem, Syncer};
use crate::journal::{Draft, JournalWriter};
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::wal::room::Room;
use crate::wal::segment::{Opening, Previous};
use std::path::{Path, PathBuf};

/// A segment that is ready and empty: its name and its room are durable.
pub(crate) struct Prepared {
    pub(crate) id: u64,
    file: Box<dyn Append>,
    path: PathBuf,
    room: Room,
}

/// Creates the segment `id` and makes it durable, empty. After an error the file may be there; its
/// number is not to be used again.
pub(crate) fn prepare(
    fs: &dyn FileSystem,
    directory: &Path,
    id: u64,
    room: Room,
) -> Result<Prepared> {
    let path = FileName::Wal(id).in_directory(directory);
    let mut file = fs
        .create_new(&path, FileKind::Wal)
        .map_err(|source| Error::io("create the segment", &path, source))?;
    file.reserve(room.upto())
        .map_err(|source| Error::io("reserve room for the segment", &path, source))?;
    file.syncer().sync().map_err(|source| Error::io("sync the segment", &path, source))?;
    if !is_seeded(Bug::NoDirSyncWal) {
        let synced = fs.sync_dir(directory);
        synced.map_err(|source| Error::io("sync the directory", directory, source))?;
    }
    Ok(Prepared { id, file, path, room })
}

/// What the commit path says about a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchDraft {
    /// Plain CRC-32 of the payload.
    pub(crate) payload_crc: u32,
    /// Operations in it, at least one.
    pub(crate) count: u32,
    /// Of the first operation.
    pub(crate) first_seqno: Seqno,
    /// Bytes of this segment that are durable for certain. More than 0 only if all segments before
    /// are durable too.
    pub(crate) synced_upto: u64,
}

/// Appends to one segment.
pub(crate) struct SegmentWriter {
    journal: JournalWriter,
    room: Room,
    last_seqno: Seqno,
}

impl SegmentWriter {
    /// Begins a segment with its opening record; nothing is synced. `last_seqno` is the last one
    /// given out so far, in whatever segment.
    /// Requires: `last_seqno` is not below that of `previous`.
    pub(crate) fn begin(
        prepared: Prepared,
        database: u64,
        last_seqno: Seqno,
        previous: Option<Previous>,
    ) -> Result<SegmentWriter> {
        let Prepared { id, file, path, room } = prepared;
        let is_ahead = previous.is_none_or(|previous| previous.last_seqno <= last_seqno);
        assert!(is_ahead, "seqnos only grow from segment to segment");
        let mut journal = JournalWriter::new(file, path, database, id);
        let mut record = Opening { database, segment: id, previous }.to_record();
        let payload_crc = crc32(record.get(HEADER_BYTES..).unwrap_or_default());
        let (record_type, seqno) = (RecordType::Opening, last_seqno + 1);
        let draft = Draft { record_type, payload_crc, count: 0, seqno, synced_upto: 0 };
        journal.append(&mut record, &draft)?;
        Ok(SegmentWriter { journal, room, last_seqno })
    }

    /// Appends a batch (header room and operations, as `OpsBuffer::record_mut` gives them) and
    /// returns the length of the segment after it.
    /// Requires: its seqnos follow the last one.
    ///
    /// # Errors
    /// What the operating system reports; from then on every call returns this first error. The
    /// segment is to be abandoned: begin the next one with [`as_previous`](Self::as_previous).
    pub(crate) fn append(&mut self, record: &mut [u8], draft: &BatchDraft) -> Result<u64> {
        let BatchDraft { payload_crc, count, first_seqno, synced_upto } = *draft;
        assert!(count > 0, "a batch has operations");
        assert!(first_seqno == self.last_seqno + 1, "seqnos leave no gap in a segment");
        let last_seqno = self.last_seqno + u64::from(count);
        assert!(last_seqno <= SEQNO_MAX, "a database never runs out of seqnos");
        if let Some(upto) = self.room.grow(self.end() + usize_to_u64(record.len())) {
            self.journal.reserve(upto);
        }
        let (record_type, seqno) = (RecordType::Batch, first_seqno);
        let draft = Draft { record_type, payload_crc, count, seqno, synced_upto };
        let end = self.journal.append(record, &draft)?;
        self.last_seqno = last_seqno;
        Ok(end)
    }

    /// Takes room for a marker; without it there must be none.
    ///
    /// # Errors
    /// There is no room. Nothing was written, and the segment can still be appended to.
    pub(crate) fn reserve_marker(&mut self) -> Result<()> {
        self.journal.reserve_marker()
    }

    /// Appends a marker that states `synced_upto` bytes to be durable. The same duty holds as for
    /// a batch: all segments before are durable too.
    pub(crate) fn append_marker(&mut self, synced_upto: u64) -> Result<u64> {
        self.journal.append_marker(synced_upto)
    }

    /// Length of the segment up to its last whole record.
    pub(crate) fn end(&self) -> u64 {
        self.journal.end()
    }

    /// Chain value of its last whole record.
    pub(crate) fn chain(&self) -> u32 {
        self.journal.chain()
    }

    pub(crate) fn id(&self) -> u64 {
        self.journal.file_id()
    }

    /// Seqno of the last operation appended here, or the last one given out before.
    #[cfg(test)]
    pub(crate) fn last_seqno(&self) -> Seqno {
        self.last_seqno
    }

    /// A handle that makes the segment durable.
    pub(crate) fn syncer(&self) -> Arc<dyn Syncer> {
        self.journal.syncer()
    }

    /// What the next segment says about this one. `durable`: all of it is known to be.
    pub(crate) fn as_previous(&self, durable: bool) -> Previous {
        let (id, length, chain) = (self.id(), self.end(), self.chain());
        Previous { id, length, last_seqno: self.last_seqno, chain, durable }
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("id", &self.id).finish_non_exhaustive()
    }
}
