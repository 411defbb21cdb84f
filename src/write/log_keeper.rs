//! The log keeper: prepares the next segment, closes deleted ones, and marks the end of an idle log.

use crate::error::Result;
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::manifest::Edit;
use crate::state::health::Duty;
use crate::state::store::Store;
use crate::state::trash::Freed;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;
use crate::wal::{Prepared, Room, prepare};
use crate::write::commit::Committer;
use std::time::Duration;

/// Looks after the log beside the commits.
pub(crate) struct LogKeeper {
    store: Arc<Store>,
    committer: Arc<Committer>,
    /// The last sequence number at the last look, and when that was.
    last_seen: (Seqno, Duration),
    marked: Seqno,
    /// Segments below this are deleted and closed.
    closed_upto: u64,
}

impl LogKeeper {
    pub(crate) fn new(store: Arc<Store>, committer: Arc<Committer>) -> LogKeeper {
        let last_seen = (store.sequence.visible(), store.fs.monotonic());
        LogKeeper { store, committer, last_seen, marked: last_seen.0, closed_upto: 0 }
    }

    fn prepare_segment(&self) -> Result<Prepared> {
        // The memtable has begun to fill, and its charge came in the middle of a commit.
        self.store.context.cache.trim();
        let id = self.store.ledger.draw_file();
        let room = self.room();
        let prepared = prepare(&*self.store.fs, &self.store.directory, id, room);
        let prepared = prepared.inspect_err(|_| {
            // It may be there, and nobody will ever need it.
            self.store.trash.put([Freed { name: FileName::Wal(id), at_record: 0 }]);
        })?;
        let edit = Edit { segments: vec![id], ..Edit::default() };
        self.store.ledger.record(|_| Ok(edit), |_, _| Ok(()))?;
        Ok(prepared)
    }

    /// What the next segment takes at first: little on a full disk, or where little is written.
    fn room(&self) -> Room {
        let settings = &self.store.settings;
        match self.store.reserve.is_low() {
            true => settings.segment_room_on_full_disk(),
            false => settings.segment_room(self.committer.segment_end()),
        }
    }

    /// Marks the log when it has been idle long enough. Returns how long to wait before looking again;
    /// nothing once the log is marked, because the next commit rings.
    fn mark_when_idle(&mut self) -> Result<Option<Duration>> {
        let idle = self.store.settings.idle;
        let now = self.store.fs.monotonic();
        let visible = self.store.sequence.visible();
        if visible == self.marked && self.committer.ring_at_next_commit(visible) {
            // Here, and not when the log is marked: a flush may come later.
            self.committer.lower_reserve();
            return Ok(None);
        }
        if visible != self.last_seen.0 {
            self.last_seen = (visible, now);
            return Ok(Some(idle));
        }
        let waited = now.saturating_sub(self.last_seen.1);
        if waited < idle {
            return Ok(Some(idle.saturating_sub(waited)));
        }
        if self.committer.mark_if_idle(visible)? {
            self.marked = visible;
        }
        Ok(Some(idle))
    }
}

impl Worker for LogKeeper {
    fn duty(&self) -> Duty {
        Duty::Log
    }

    fn step(&mut self) -> Result<Step> {
        self.store.health.check_background()?;
        if self.committer.spare().is_wanted() {
            let prepared = self.prepare_segment()?;
            self.committer.spare().put(prepared);
            self.store.signals.ring();
            return Ok(Step::Finished);
        }
        let log_floor = self.store.gauges.log_floor();
        if log_floor > self.closed_upto {
            self.committer.close_deleted();
            self.closed_upto = log_floor;
        }
        Ok(self.mark_when_idle()?.map_or(Step::Idle, Step::IdleFor))
    }
}
