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

/// Freed files that are not deleted yet.
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

    /// The file that was put in last. It stays until it is [forgotten](Trash::forget), so that an
    /// empty trash means that everything is deleted.
    pub(crate) fn last(&self) -> Option<Freed> {
        self.0.lock().last().copied()
    }

    /// Takes a file out.
    pub(crate) fn forget(&self, freed: Freed) {
        self.0.lock().retain(|other| *other != freed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
