//! The options of a database, resolved: every figure that the engine runs by.
//!
//! `Options` (in `db`) is what a caller says; this is what follows from it.

use crate::cache::Budget;
use crate::compaction::policy::Policy;
use crate::format::limits::{BATCH_BYTES_MIN_LIMIT, LEVELS, RECORD_PAYLOAD_BYTES_MAX};
use crate::memtable::Memtable;
use crate::sync::Arc;
use crate::table::{Compression, Creation, FilterKind, TableOptions};
use crate::wal::Room;
use std::time::Duration;

/// Length of a segment that holds little, unless it must be smaller.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// What survives what, once a write has returned `Ok`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Survives power loss: the log was synced to the device. All commits that wait at the same
    /// moment share one sync. This is the default.
    #[default]
    Sync,
    /// Survives the death of the process: the bytes are with the operating system. Power loss may
    /// take back the last commits, always a suffix of them and never a hole.
    Buffered,
}

/// Who runs flushes and compactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Threads of the database's own. This is the default.
    #[default]
    Threads,
    /// Nobody, until [`Db::step`](crate::Db::step) is called or a call has to wait; then one step
    /// at a time, of a job chosen by this seed. Makes tests repeatable: one seed is one sequence of
    /// calls to the file system.
    Stepped {
        /// Chooses the order of background steps.
        seed: u64,
    },
}

/// Everything resolved, constant while the database is open.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) background: Background,
    /// The one budget for memtables, block cache, filters and indexes.
    pub(crate) memory_bytes: usize,
    /// A memtable is sealed at about this size.
    pub(crate) memtable_bytes: usize,
    /// Sealed memtables above this number stop writers until one is flushed.
    pub(crate) sealed_max: usize,
    /// A log segment is left at about this length.
    pub(crate) segment_bytes: u64,
    /// Most room that is kept for a full disk; 0 for none.
    pub(crate) reserve_bytes_max: u64,
    pub(crate) batch_bytes_max: usize,
    pub(crate) block_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) filter: FilterKind,
    pub(crate) compactors: usize,
    /// Runs in L0 at which writers begin to be slowed, and at which they are slowed most.
    pub(crate) runs_soft: usize,
    pub(crate) runs_hard: usize,
    pub(crate) policy: Policy,
    /// After this long without a commit the log is synced and marked.
    pub(crate) idle: Duration,
}

impl Settings {
    /// How a table of this level is written: nothing is compressed in the levels that are rewritten
    /// soon, because that is most of the work of a compaction and saves little space.
    pub(crate) fn table_options(&self, level: u8, unix_seconds: u64) -> TableOptions {
        let is_deep = usize::from(level) + 1 >= LEVELS;
        let compression = if is_deep { self.compression } else { Compression::None };
        let filter = if is_deep { self.filter } else { self.filter.above_last_level() };
        TableOptions {
            block_bytes: self.block_bytes,
            compression,
            filter,
            creation: Creation { level, unix_seconds },
            ..TableOptions::default()
        }
    }

    /// A segment that holds little, in bytes: what the reserve has to have room for.
    pub(crate) fn segment_bytes_min(&self) -> u64 {
        self.segment_bytes.min(SEGMENT_BYTES_MIN)
    }

    /// The room of a segment that follows one of `used` bytes.
    pub(crate) fn segment_room(&self, used: u64) -> Room {
        Room::after(used, self.segment_step_min(), self.segment_bytes / 8)
    }

    /// The room of a segment on a full disk: what it takes ahead is what tables lack.
    pub(crate) fn segment_room_on_full_disk(&self) -> Room {
        Room::after(0, self.segment_step_min(), self.segment_step_min())
    }

    fn segment_step_min(&self) -> u64 {
        (self.segment_bytes / 64).max(1)
    }

    /// How long a log the reserve serves from the start.
    pub(crate) fn reserved_log_bytes_min(&self) -> u64 {
        self.segment_bytes_min() / 2
    }

    /// How long a log the reserve shall serve when it has grown to `end`.
    pub(crate) fn reserved_log_bytes(&self, end: u64) -> u64 {
        (end + end / 2).min(self.segment_bytes).max(end).max(self.reserved_log_bytes_min())
    }

    /// What it takes to get along on a full disk with a log of so many bytes: they become a table, beside
    /// another segment and another manifest; and with tables of so many bytes: a few are merged.
    pub(crate) fn reserve_bytes(&self, log_bytes: u64, table_bytes: u64) -> u64 {
        log_bytes + log_bytes / 4 + 2 * self.segment_bytes_min() + table_bytes / 16
    }

    /// An empty memtable for the records of a segment, charged to the budget.
    pub(crate) fn memtable(&self, segment: u64, budget: &Arc<Budget>) -> Arc<Memtable> {
        let bytes = self.memtable_bytes;
        Arc::new(Memtable::new(segment).filtered(bytes).charged_to(budget, bytes))
    }

    /// Largest batch for a memory budget.
    pub(crate) fn batch_bytes_max_for(memory_bytes: usize) -> usize {
        BATCH_BYTES_MIN_LIMIT.max(memory_bytes / 4).min(RECORD_PAYLOAD_BYTES_MAX)
    }
}
