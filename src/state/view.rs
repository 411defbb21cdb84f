//! The view: the memtables and the version that a read works on. `view_cell` holds the current one.
//!
//! Invariants: (1) a view never changes; whoever wants another one makes it and swaps it in; (2) going
//! from `active` over `sealed` to the version, every version of a key is met newest first.

use crate::format::key::Seqno;
use crate::memtable::Memtable;
use crate::state::toll::extra_runs;
use crate::sync::Arc;
use crate::version::Version;

/// One picture of the whole tree.
#[derive(Debug)]
pub(crate) struct View {
    /// Rises by one with each swap.
    pub(crate) generation: u64,
    /// Takes the writes.
    pub(crate) active: Arc<Memtable>,
    /// Waiting for the flusher, newest first.
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) version: Arc<Version>,
}

/// A memtable that gets no new commits.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) memtable: Arc<Memtable>,
    /// The last number that was given to a commit into it. Until that is visible, someone may still
    /// be inserting: what the memtable itself knows of is not enough.
    pub(crate) last_seqno: Seqno,
}

impl View {
    /// How many runs a read has to look into that a merge of level 0 would take away.
    pub(crate) fn extra_runs(&self) -> usize {
        let has_lower = self.version.sorted_levels().any(|level| !level.tables().is_empty());
        extra_runs(self.version.level(0).len(), has_lower)
    }

    /// The memtables, newest first.
    pub(crate) fn memtables(&self) -> impl DoubleEndedIterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(self.sealed.iter().map(|sealed| &sealed.memtable))
    }
}

/// What a view is made of; the cell adds the generation.
pub(crate) struct Parts {
    pub(crate) active: Arc<Memtable>,
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) version: Arc<Version>,
}
