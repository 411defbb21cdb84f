//! The store: everything that the threads of one open database share.
//!
//! It has no behaviour of its own. `write` commits into it, `maintenance` works on it, `read` looks
//! at it, and `db` makes it and hands it out.

use crate::cache::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::fs::birthplace::Birthplace;
use crate::state::counters::Counters;
use crate::state::gauges::Gauges;
use crate::state::health::Health;
use crate::state::keyspaces::Keyspaces;
use crate::state::ledger::Ledger;
use crate::state::reserve::Reserve;
use crate::state::sequence::Sequence;
use crate::state::settings::Settings;
use crate::state::signals::Signals;
use crate::state::snapshots::Snapshots;
use crate::state::toll::Toll;
use crate::state::trash::Trash;
use crate::state::view_cell::ViewCell;
use crate::sync::Arc;
use crate::table::TableContext;
use std::path::PathBuf;

/// One open database.
#[derive(Debug)]
pub(crate) struct Store {
    // Constant after the open.
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
    /// The random id in every file of this database.
    pub(crate) database: u64,
    /// A number of this opening alone: a handle of an earlier one, or of a copy of the directory, has
    /// the same database id and must not be taken for one of this.
    pub(crate) opening: u64,
    pub(crate) settings: Settings,
    pub(crate) context: Arc<TableContext>,
    pub(crate) budget: Arc<Budget>,
    /// The process that opened it. A child after `fork` has a copy of this memory, but none of the
    /// threads, and must keep its hands off the files.
    pub(crate) birthplace: Birthplace,

    // Shared state; each part guards itself.
    pub(crate) view: ViewCell,
    pub(crate) sequence: Sequence,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) health: Arc<Health>,
    pub(crate) signals: Signals,
    pub(crate) ledger: Ledger,
    pub(crate) keyspaces: Keyspaces,
    pub(crate) counters: Counters,
    pub(crate) gauges: Gauges,
    pub(crate) trash: Trash,
    pub(crate) reserve: Reserve,
    pub(crate) toll: Toll,
}

impl Store {
    /// Whether this process may write.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, or `Invalid` in a forked child.
    pub(crate) fn check_write(&self) -> Result<()> {
        self.health.check_write()?;
        if !self.birthplace.is_here() {
            let what = "the database was opened before a fork; the child has to open its own";
            return Err(Error::plain(ErrorKind::Invalid, what));
        }
        Ok(())
    }

    /// What the reserve should have for a log of so many bytes beside the tables that there are.
    pub(crate) fn reserve_bytes(&self, log_bytes: u64) -> u64 {
        let view = self.view.load();
        let tables: u64 = view.version.tables().map(|table| table.facts().size_bytes).sum();
        self.settings.reserve_bytes(log_bytes, tables)
    }

    /// Notes what readers have lost to runs that could be merged, and wakes the compactors now and then.
    pub(crate) fn pay_toll(&self, nanos: u64) {
        // After a fork, the lock of the bell may be held by a thread that is not there.
        self.signals.ring_if(self.toll.add(nanos) && self.birthplace.is_here());
    }

    /// Poisons the database and wakes everyone, so that nobody waits for what will never come.
    pub(crate) fn poison(&self, cause: &Error) -> Error {
        let error = self.health.poison(cause);
        self.signals.ring();
        error
    }
}
