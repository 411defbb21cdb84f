//! The cleanup: the only place that deletes files.
//!
//! Invariants: (1) only names of our own grammar are deleted; (2) a file that was freed by a manifest
//! record goes only after a later record is durable; (3) a table goes only when the last handle that
//! names it is gone, so no reader ever loses a file; (4) a deletion that fails is tried again, and the
//! next open sweeps what the manifest does not name.

use crate::error::{Error, Result};
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use crate::manifest::State;
use crate::seeded::{Bug, is_seeded};
use crate::state::health::Duty;
use crate::state::store::Store;
use crate::state::trash::Freed;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;
use std::io;
use std::path::Path;

/// Deletes what nothing needs.
pub(crate) struct Cleanup {
    store: Arc<Store>,
}

impl Cleanup {
    pub(crate) fn new(store: Arc<Store>) -> Cleanup {
        Cleanup { store }
    }

    fn collect(&self) {
        let store = &*self.store;
        store.trash.gather(|| {
            let tables = store.context.take_released().into_iter().map(FileName::Table);
            let names: Vec<FileName> = tables.chain(store.ledger.take_retired()).collect();
            // Only now: the record that freed the last of them must be among those counted.
            let at_record = if names.is_empty() { 0 } else { store.ledger.records() };
            names.into_iter().map(|name| Freed { name, at_record }).collect()
        });
    }
}

impl Worker for Cleanup {
    fn duty(&self) -> Duty {
        Duty::Cleanup
    }

    fn step(&mut self) -> Result<Step> {
        let store = &*self.store;
        store.health.check_background()?;
        self.collect();
        let records = store.ledger.records();
        let Some(freed) = store.trash.next(records) else { return Ok(Step::Idle) };
        if freed.at_record >= records {
            store.ledger.settle()?;
        }
        remove(&*store.fs, &store.directory, freed.name)?;
        // A segment that no manifest came to name is deleted too: its number is above those in use.
        if let FileName::Wal(segment) = freed.name
            && (segment < store.ledger.inspect(State::wal_floor) || is_seeded(Bug::LogFloorTooHigh))
        {
            store.gauges.note_log_floor(segment + 1);
        }
        store.trash.forget(freed);
        store.signals.ring_if(store.trash.next(records).is_none());
        Ok(Step::Finished)
    }
}

/// Deletes everything that was freed, before there is a worker.
pub(crate) fn empty(store: &Arc<Store>) -> Result<()> {
    let mut cleanup = Cleanup::new(Arc::clone(store));
    while cleanup.step()? == Step::Finished {}
    Ok(())
}

/// Takes an open back that failed before anything pointed to what it had written: deletes the files that
/// were not there before. What cannot be deleted is harmless, the next open sweeps it.
pub(crate) fn undo(fs: &dyn FileSystem, directory: &Path, was_there: impl Fn(FileName) -> bool) {
    let stays = |name| {
        let is_garbage = match name {
            FileName::Table(_) | FileName::Wal(_) | FileName::Manifest(_) => true,
            FileName::CurrentTemp(_) => true,
            FileName::Current | FileName::Lock | FileName::Reserve | FileName::LostDirectory => {
                false
            }
        };
        was_there(name) || !is_garbage
    };
    drop(sweep(fs, directory, stays));
}

/// Deletes every file of our grammar in the directory for which `is_needed` says no. Called by a
/// close, after the workers have ended.
pub(crate) fn sweep(
    fs: &dyn FileSystem,
    directory: &Path,
    is_needed: impl Fn(FileName) -> bool,
) -> Result<()> {
    let entries = fs.list(directory);
    for entry in entries.map_err(|error| Error::io("list the directory", directory, error))? {
        match FileName::parse(&entry.name) {
            Some(name) if !entry.is_dir && !is_needed(name) => remove(fs, directory, name)?,
            _ => {}
        }
    }
    Ok(())
}

/// Deletes a file that is perhaps there.
pub(crate) fn remove(fs: &dyn FileSystem, directory: &Path, name: FileName) -> Result<()> {
    let path = name.in_directory(directory);
    match fs.remove(&path) {
        Ok(()) => Ok(()),
        // Someone was faster; the goal is reached.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove the file", &path, error)),
    }
}
