//! One open database, from the open to the close.
//!
//! Handles share it; when the last one goes, it closes. A close flushes, syncs and marks the log,
//! notes in the manifest that the end was clean, stops the workers and gives the lock back. After
//! that every call answers `Closed`.
//!
//! In a child after `fork` it does nothing at all: the files belong to the parent.

use crate::compaction::manual::RangeRequest;
use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::format::ops::OpsBuffer;
use crate::fs::FileLock;
use crate::maintenance::desk::Desk;
use crate::maintenance::reserve;
use crate::maintenance::stepper::SeededStepper;
use crate::maintenance::threads::Threads;
use crate::maintenance::{cleanup, compactor};
use crate::manifest::Edit;
use crate::state::health::Duty;
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::state::store::Store;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, Mutex};
use crate::wal::RecoveryReport;
use crate::write::commit::{Committer, keyspace_gone};
use std::fmt;

/// Everything of one open database.
pub(crate) struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) report: RecoveryReport,
    /// None if it is open to read only.
    pub(crate) writer: Option<Writer>,
    lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// What only a writable database has.
pub(crate) struct Writer {
    pub(crate) committer: Arc<Committer>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) crew: Crew,
}

/// Who does the background work.
pub(crate) enum Crew {
    Threads(Threads),
    Stepped(Arc<SeededStepper>),
}

impl Engine {
    pub(crate) fn new(
        store: Arc<Store>,
        report: RecoveryReport,
        writer: Option<Writer>,
        lock: Box<dyn FileLock>,
    ) -> Engine {
        Engine { store, report, writer, lock: Mutex::new(Some(lock)) }
    }

    /// What only a writable database has.
    ///
    /// # Errors
    /// `Invalid` if it is open to read only.
    pub(crate) fn writer(&self) -> Result<&Writer> {
        let read_only = || {
            Error::invalid(
                Reason::ReadOnly,
                "the database is open to read only; open it with `open`",
            )
        };
        self.writer.as_ref().ok_or_else(read_only)
    }

    /// Whether a keyspace is of this opening of this database.
    ///
    /// # Errors
    /// `Invalid`: its number means another keyspace here, or none.
    pub(crate) fn check_own(&self, cell: &KeyspaceCell) -> Result<()> {
        if cell.opening != self.store.opening {
            return Err(keyspace_gone(&cell.name));
        }
        Ok(())
    }

    /// Commits operations; none at all only make what came before durable, if that is asked for.
    pub(crate) fn write(
        &self,
        ops: &mut OpsBuffer,
        keyspaces: &[Arc<KeyspaceCell>],
        durability: Durability,
    ) -> Result<()> {
        let writer = self.writer()?;
        for cell in keyspaces {
            self.check_own(cell)?;
        }
        if ops.count() == 0 {
            self.store.check_write()?;
            return match durability {
                Durability::Sync => writer.committer.sync(),
                Durability::Buffered => Ok(()),
            };
        }
        writer.committer.commit(ops, keyspaces, durability)?;
        writer.crew.maybe_step();
        Ok(())
    }

    /// Moves everything that was written so far into tables.
    pub(crate) fn flush(&self) -> Result<()> {
        let writer = self.writer()?;
        self.store.check_write()?;
        let last_seqno = writer.committer.seal()?;
        self.wait_for_flush(last_seqno)
    }

    fn wait_for_flush(&self, last_seqno: Seqno) -> Result<()> {
        let store = &*self.store;
        let ticket = store.signals.hurry();
        store.signals.wait_until(|| {
            let view = store.view.load();
            if view.sealed.iter().all(|sealed| sealed.last_seqno > last_seqno) {
                return Some(Ok(()));
            }
            let failed = store.health.background_error(Duty::Flush, ticket).map(Err);
            failed.or_else(|| store.health.check_background().err().map(Err))
        })
    }

    /// Compacts what overlaps the user keys from `start` to `end` (exclusive) to the last level.
    pub(crate) fn compact(&self, start: Vec<u8>, end: Option<Vec<u8>>) -> Result<()> {
        let upto = self.store.sequence.visible();
        self.flush()?;
        let desk = &self.writer()?.desk;
        let before = self.store.ledger.next_file().load(Ordering::Relaxed);
        let request = desk.request(RangeRequest { start, end, upto, before });
        self.store.signals.hurry();
        self.store.signals.wait_until(|| {
            if let Err(error) = self.store.check_write() {
                return Some(Err(error));
            }
            desk.take_outcome(request)
        })
    }

    /// Waits until no flush and no compaction is running or wanted, and freed files are deleted.
    pub(crate) fn wait_idle(&self) -> Result<()> {
        let writer = self.writer()?;
        let store = &*self.store;
        let ticket = store.signals.hurry();
        store.signals.wait_until(|| {
            if let Err(error) = store.check_write() {
                return Some(Err(error));
            }
            if let Some(error) = store.health.any_background_error(ticket) {
                return Some(Err(error));
            }
            // An older failure stands until its worker, which was hurried, has tried again.
            if store.health.any_background_error(0).is_some() {
                return None;
            }
            let has_trash = !store.trash.is_empty_with(|| !store.context.has_released());
            if has_trash || !store.view.load().sealed.is_empty() {
                return None;
            }
            match compactor::is_settled(store, &writer.desk) {
                Ok(is_settled) => is_settled.then_some(Ok(())),
                Err(error) => Some(Err(error)),
            }
        })
    }

    /// Closes for good. A second call waits for the first and does nothing.
    pub(crate) fn close(&self) -> Result<()> {
        let mut lock = self.lock.lock();
        if !self.store.birthplace.is_here() || !self.store.health.begin_close() {
            return Ok(());
        }
        let outcome = match &self.writer {
            Some(writer) => self.end_writing(writer),
            None => Ok(()),
        };
        self.store.health.close();
        self.store.signals.ring();
        drop(lock.take());
        outcome
    }

    fn end_writing(&self, writer: &Writer) -> Result<()> {
        let flushed = writer.committer.seal().and_then(|last| self.wait_for_flush(last));
        writer.crew.stop();
        // Also when the flush failed: what was written with `Buffered` is made durable now.
        let ended = writer.committer.end();
        flushed?;
        let clean_close = Some(ended?);
        reserve::shrink(&self.store);
        self.store.ledger.record(|_| Ok(Edit { clean_close, ..Edit::default() }), |_, _| Ok(()))?;
        // The last record of a manifest looks like a torn tail: one more makes this one certain.
        self.store.ledger.settle()?;
        if self.store.trash.is_held() {
            return Ok(());
        }
        // What the flush freed goes now, so that a closed database takes no more room than it needs.
        let floor = self.store.ledger.inspect(|state| state.wal_floor());
        let is_needed = |name| !matches!(name, FileName::Wal(segment) if segment < floor);
        cleanup::sweep(&*self.store.fs, &self.store.directory, is_needed)
    }
}

impl Crew {
    pub(crate) fn maybe_step(&self) {
        if let Crew::Stepped(stepper) = self {
            stepper.maybe_step();
        }
    }

    fn stop(&self) {
        match self {
            Crew::Threads(threads) => threads.stop(),
            Crew::Stepped(stepper) => stepper.stop(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whoever wants to know how the close went calls `close`; the log has everything anyway.
        drop(self.close());
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("directory", &self.store.directory).finish_non_exhaustive()
    }
}
