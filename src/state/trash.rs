//! Names of files that nothing needs any more, on their way to `maintenance::cleanup`.
//!
//! Whoever frees a file puts its name here; only cleanup deletes. Each name carries the number of
//! manifest records at the time: the file may go when a later record is durable, because the last
//! record of a manifest looks like a torn tail and must not be the only one that says so.
//!
//! A table is freed by its last reader. Segments and manifests have no handles: whoever reads them in a
//! database at work takes a [`Hold`] first, and looks what is named after that.

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
pub(crate) struct Trash(Mutex<Heap>);

#[derive(Debug, Default)]
struct Heap {
    freed: Vec<Freed>,
    holds: usize,
}

/// While it lives, no file goes that is not a table. The bell must be rung when it is gone.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Trash);

impl Trash {
    /// Tables that were begun and came to nothing: no manifest names them, so they may go at once.
    pub(crate) fn put_unnamed(&self, tables: impl IntoIterator<Item = u64>) {
        self.put(tables.into_iter().map(|id| Freed { name: FileName::Table(id), at_record: 0 }));
    }

    pub(crate) fn put(&self, freed: impl IntoIterator<Item = Freed>) {
        self.0.lock().freed.extend(freed);
    }

    /// Takes in what `source` gives up. Seen from [`Trash::is_empty_with`], it is in one of the two
    /// places at every moment.
    pub(crate) fn gather(&self, source: impl FnOnce() -> Vec<Freed>) {
        let mut trash = self.0.lock();
        trash.freed.extend(source());
    }

    /// Keeps what is freed from now on.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.0.lock().holds += 1;
        Hold(self)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.0.lock().holds > 0
    }

    /// The file to delete next, when the manifest has so many records. What waits for one more record
    /// comes last: on a full disk there may be no room for that record until the others are gone.
    pub(crate) fn next(&self, records: u64) -> Option<Freed> {
        let trash = self.0.lock();
        let may_go = |freed: &&Freed| trash.holds == 0 || matches!(freed.name, FileName::Table(_));
        let may_go = || trash.freed.iter().rev().filter(may_go);
        may_go().find(|freed| freed.at_record < records).or_else(|| may_go().next()).copied()
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&self, freed: Freed) {
        self.0.lock().freed.retain(|other| *other != freed);
    }

    /// Whether every freed file was deleted, and none waits in the source of `gather`.
    pub(crate) fn is_empty_with(&self, source_is_empty: impl FnOnce() -> bool) -> bool {
        let trash = self.0.lock();
        trash.freed.is_empty() && source_is_empty()
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.0.lock().holds -= 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::format::filename::FileName;
    use crate::state::trash::{Freed, Trash};

    #[test]
    fn only_tables_go_while_somebody_holds_the_rest() {
        let trash = Trash::default();
        let [table, segment] =
            [FileName::Table(1), FileName::Wal(2)].map(|name| Freed { name, at_record: 0 });
        trash.put([table, segment]);
        let (one, other) = (trash.hold(), trash.hold());
        assert_eq!(trash.next(1), Some(table));
        trash.forget(table);
        drop(one);
        assert!(trash.is_held() && trash.next(1).is_none());
        drop(other);
        assert_eq!(trash.next(1), Some(segment));
    }

    #[test]
    fn what_needs_another_record_first_goes_last() {
        let trash = Trash::default();
        let freed = [(1, 5), (2, 6), (3, 7)];
        let [old, newer, newest] =
            freed.map(|(id, at_record)| Freed { name: FileName::Table(id), at_record });
        trash.put([old, newer, newest]);
        for (expected, records) in [(newer, 7), (old, 7), (newest, 7)] {
            assert_eq!(trash.next(records), Some(expected));
            trash.forget(expected);
        }
        assert_eq!(trash.next(7), None);
    }
}
