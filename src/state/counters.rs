//! What happened since the database was opened, as numbers.
//!
//! Relaxed everywhere: each number is right by itself, and none orders anything else.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Adds up over the life of a handle.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Commits acknowledged.
    pub(crate) commits: Counter,
    /// Bytes of keys and values that callers wrote.
    pub(crate) user_bytes: Counter,
    /// Bytes appended to the log.
    pub(crate) wal_bytes: Counter,
    /// Syncs of the log; one serves all commits that wait for it.
    pub(crate) wal_syncs: Counter,
    /// Memtables flushed, and bytes of the tables made of them.
    pub(crate) flushes: Counter,
    pub(crate) flush_bytes: Counter,
    /// Compactions finished, and bytes that they read and wrote.
    pub(crate) compactions: Counter,
    pub(crate) compaction_read_bytes: Counter,
    pub(crate) compaction_written_bytes: Counter,
    /// Entries that compactions dropped.
    pub(crate) entries_dropped: Counter,
    /// Time that writers were slowed or stopped, in nanoseconds.
    pub(crate) stalled_nanos: Counter,
}

/// One number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
