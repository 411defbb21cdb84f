//! The commit line: the one place where sequence numbers are given and the log is appended to.
//!
//! Invariants, kept under its mutex: (1) records stand in the log in the order of their sequence
//! numbers, without a gap; (2) a number is taken only by a record that was appended whole; (3) the
//! memtable is the one that belongs to the segment; (4) `unsynced` names every older segment that
//! is needed and may have bytes that are not durable; (5) after a failed append nothing more goes
//! into that segment: the next commit begins a new one, whose header says where the good bytes of
//! the last one end. No file is created or synced under the mutex.

use crate::error::{Error, ErrorKind, Result};
use crate::format::key::Seqno;
use crate::format::ops::OpsBuffer;
use crate::fs::Syncer;
use crate::manifest::CleanClose;
use crate::memtable::Memtable;
use crate::state::store::Store;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::wal::{BatchDraft, Prepared, SegmentWriter};
use crate::write::group::Position;

/// What the mutex protects.
pub(crate) struct Line {
    writer: SegmentWriter,
    memtable: Arc<Memtable>,
    next_seqno: Seqno,
    /// Bytes of the current segment known durable; stored by whoever leads a sync.
    synced: Arc<AtomicU64>,
    unsynced: Vec<OlderSegment>,
    spoiled: Option<Error>,
    /// Whether a batch went into this segment. The memtable cannot tell: the batch of a commit that
    /// is still on its way is not in it yet.
    has_batches: bool,
    /// End of the segment after the last marker.
    marked_end: u64,
    /// Whether the helper was asked for the next segment.
    pub(crate) asked_for_spare: bool,
    /// Whether the log keeper sleeps until the next commit.
    pub(crate) keeper_sleeps: bool,
    /// When the segment is longer, the reserve should be larger.
    pub(crate) reserve_until: u64,
}

/// A segment that is complete but perhaps not durable.
#[derive(Clone)]
pub(crate) struct OlderSegment {
    id: u64,
    syncer: Arc<dyn Syncer>,
}

/// Where a batch went.
pub(crate) struct Placed {
    pub(crate) first_seqno: Seqno,
    pub(crate) last_seqno: Seqno,
    pub(crate) memtable: Arc<Memtable>,
    pub(crate) position: Position,
}

/// What a leader has to sync, oldest first, and how far the log is durable after that.
pub(crate) struct SyncPlan {
    older: Vec<OlderSegment>,
    current: Arc<dyn Syncer>,
    synced: Arc<AtomicU64>,
    position: Position,
    pub(crate) last_seqno: Seqno,
}

impl Line {
    pub(crate) fn new(writer: SegmentWriter, memtable: Arc<Memtable>, next_seqno: Seqno) -> Line {
        Line {
            writer,
            memtable,
            next_seqno,
            synced: Arc::new(AtomicU64::new(0)),
            unsynced: Vec::new(),
            spoiled: None,
            has_batches: false,
            marked_end: 0,
            asked_for_spare: false,
            keeper_sleeps: false,
            reserve_until: 0,
        }
    }

    /// Appends a batch and gives it its sequence numbers.
    ///
    /// # Errors
    /// The log could not be appended to: the batch has no number and is not seen. Its bytes may be in
    /// the file all the same; they do not count from the moment at which the next segment is there.
    pub(crate) fn append(&mut self, batch: &mut OpsBuffer, payload_crc: u32) -> Result<Placed> {
        let count = u32::try_from(batch.count()).unwrap_or(u32::MAX);
        let first_seqno = self.next_seqno;
        let draft = BatchDraft { payload_crc, count, first_seqno, synced_upto: self.synced_upto() };
        let appended = self.writer.append(batch.record_mut(), &draft);
        let end = appended.inspect_err(|error| self.spoiled = Some(error.clone()))?;
        self.next_seqno += u64::from(count);
        self.has_batches = true;
        Ok(Placed {
            first_seqno,
            last_seqno: self.next_seqno - 1,
            memtable: Arc::clone(&self.memtable),
            position: Position { segment: self.writer.id(), end },
        })
    }

    /// What a record may call durable: nothing of this segment while an older one is not, because
    /// recovery takes it as proof that everything before is there.
    fn synced_upto(&self) -> u64 {
        if self.unsynced.is_empty() { self.synced.load(Ordering::Relaxed) } else { 0 }
    }

    /// Whether the segment can take nothing more, because an append to it failed.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled.is_some()
    }

    /// Whether a record may stand whole behind the end, although its commit was refused. On a full disk
    /// it does not: that took the rest of it.
    pub(crate) fn may_hold_refused(&self) -> bool {
        self.spoiled.as_ref().is_some_and(|error| error.kind() != ErrorKind::DiskFull)
    }

    /// Whether nothing was committed into this segment and its memtable.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_batches
    }

    pub(crate) fn memtable(&self) -> &Arc<Memtable> {
        &self.memtable
    }

    /// Length of the current segment in bytes.
    pub(crate) fn segment_end(&self) -> u64 {
        self.writer.end()
    }

    pub(crate) fn last_seqno(&self) -> Seqno {
        self.next_seqno - 1
    }

    /// Whether records were appended since the last marker.
    pub(crate) fn needs_marker(&self) -> bool {
        self.writer.end() != self.marked_end && self.spoiled.is_none()
    }

    pub(crate) fn position(&self) -> Position {
        Position { segment: self.writer.id(), end: self.writer.end() }
    }

    /// Goes on in a new segment with a new memtable. Returns the new memtable.
    ///
    /// # Errors
    /// The header of the new segment could not be appended. It may be in the file all the same, and
    /// says where the old segment ends: so that one is spoiled, and takes nothing more.
    pub(crate) fn rotate(&mut self, prepared: Prepared, store: &Store) -> Result<Arc<Memtable>> {
        let is_durable = self.synced.load(Ordering::Relaxed) >= self.writer.end();
        let previous = self.writer.as_previous(is_durable);
        let begun =
            SegmentWriter::begin(prepared, store.database, self.last_seqno(), Some(previous));
        let writer = begun.inspect_err(|error| self.spoiled = Some(error.clone()))?;
        if !is_durable {
            let (id, syncer) = (self.writer.id(), self.writer.syncer());
            self.unsynced.push(OlderSegment { id, syncer });
        }
        self.memtable = store.settings.memtable(writer.id(), &store.budget);
        self.writer = writer;
        self.synced = Arc::new(AtomicU64::new(0));
        self.spoiled = None;
        self.has_batches = false;
        self.marked_end = 0;
        self.asked_for_spare = false;
        Ok(Arc::clone(&self.memtable))
    }

    /// What has to be synced to make everything appended so far durable.
    pub(crate) fn plan_sync(&self) -> SyncPlan {
        SyncPlan {
            older: self.unsynced.clone(),
            current: self.writer.syncer(),
            synced: Arc::clone(&self.synced),
            position: self.position(),
            last_seqno: self.last_seqno(),
        }
    }

    /// Gives up the older segments below `log_floor`: their files were deleted, for all that is in them
    /// became tables for good. Who drops the last of such a file frees its room.
    pub(crate) fn give_up(&mut self, log_floor: u64) -> Vec<OlderSegment> {
        self.unsynced.extract_if(.., |older| older.id < log_floor).collect()
    }

    /// Forgets older segments that a plan made durable.
    pub(crate) fn forget_synced(&mut self, plan: &SyncPlan) {
        self.unsynced.retain(|own| plan.older.iter().all(|synced| synced.id != own.id));
    }

    /// Appends a marker that says how much is durable, so that the last record is no longer the last.
    ///
    /// # Errors
    /// There is no room for it, and nothing has changed; or the append failed, and the segment is spoiled.
    pub(crate) fn append_marker(&mut self) -> Result<Position> {
        self.writer.reserve_marker()?;
        let appended = self.writer.append_marker(self.synced_upto());
        self.marked_end = appended.inspect_err(|error| self.spoiled = Some(error.clone()))?;
        Ok(self.position())
    }

    /// How the log ends: what the manifest notes at a clean close.
    pub(crate) fn clean_close(&self) -> CleanClose {
        let (segment, length) = (self.writer.id(), self.writer.end());
        CleanClose { segment, length, chain: self.writer.chain() }
    }
}

impl SyncPlan {
    /// Syncs, oldest segment first, so that the log never has a durable part behind a hole.
    pub(crate) fn run(&self) -> Result<Position, (u64, std::io::Error)> {
        for segment in &self.older {
            segment.syncer.sync().map_err(|error| (segment.id, error))?;
        }
        self.current.sync().map_err(|error| (self.position.segment, error))?;
        self.synced.fetch_max(self.position.end, Ordering::Relaxed);
        Ok(self.position)
    }
}
