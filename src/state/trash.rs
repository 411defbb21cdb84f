//! Names of files that nothing needs any more, on their way to `maintenance::cleanup`.
//!
//! Whoever frees a file puts its name here; only cleanup deletes. Each name carries the number of
//! manifest records at the time: the file may go when a later record is durable, because the last
//! record of a manifest looks like a torn tail and must not be the only one that says so.

use crate::format::filename::FileName;
use crate::sync::Mutex;

/// A freed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) name: FileName,
    /// [`Ledger::records`](crate::state::ledger::Ledger::records) when it was freed.
    pub(crate) at_record: u64,
}

/// Freed files that are still there.
#[derive(Debug, Default)]
pub(crate) struct Trash(Mutex<Vec<Freed>>);

impl Trash {
    pub(crate) fn put(&self, freed: impl IntoIterator<Item = Freed>) {
        self.0.lock().extend(freed);
    }

    /// One of them, if there is one. It stays here until it is forgotten.
    pub(crate) fn last(&self) -> Option<Freed> {
        self.0.lock().last().copied()
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&self, deleted: Freed) {
        self.0.lock().retain(|freed| *freed != deleted);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
