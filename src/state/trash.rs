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
    /// Tables that were begun and came to nothing: no manifest names them, so they may go at once.
    pub(crate) fn put_unnamed(&self, tables: impl IntoIterator<Item = u64>) {
        self.put(tables.into_iter().map(|id| Freed { name: FileName::Table(id), at_record: 0 }));
    }

    pub(crate) fn put(&self, freed: impl IntoIterator<Item = Freed>) {
        self.0.lock().extend(freed);
    }

    /// Takes in what `source` gives up. Seen from [`Trash::is_empty_with`], it is in one of the two
    /// places at every moment.
    pub(crate) fn gather(&self, source: impl FnOnce() -> Vec<Freed>) {
        let mut trash = self.0.lock();
        trash.extend(source());
    }

    /// The file to delete next.
    pub(crate) fn next(&self) -> Option<Freed> {
        self.0.lock().last().copied()
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&self, freed: Freed) {
        self.0.lock().retain(|other| *other != freed);
    }

    /// Whether every freed file was deleted, and none waits in the source of `gather`.
    pub(crate) fn is_empty_with(&self, source_is_empty: impl FnOnce() -> bool) -> bool {
        let trash = self.0.lock();
        trash.is_empty() && source_is_empty()
    }
}
