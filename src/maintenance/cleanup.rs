//! The cleanup: the only place that deletes files.
//!
//! Invariants: (1) only names of our own grammar are deleted; (2) a file that was freed by a manifest
//! record goes only after a later record is durable; (3) a table goes only when the last handle that
//! names it is gone, so no reader ever loses a file; (4) a deletion that fails is harmless: the next
//! open sweeps what the manifest does not name.

use crate::error::{Error, Result};
use crate::format::filename::FileName;
use crate::fs::FileSystem;
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
    waiting: Vec<Freed>,
}

impl Cleanup {
    pub(crate) fn new(store: Arc<Store>) -> Cleanup {
        Cleanup { store, waiting: Vec::new() }
    }

    fn collect(&mut self) {
        let at_record = self.store.ledger.records();
        let freed = |name| Freed { name, at_record };
        let tables = self.store.context.take_released().into_iter().map(FileName::Table);
        let manifests = self.store.ledger.take_retired().into_iter().map(FileName::Manifest);
        self.waiting.extend(tables.chain(manifests).map(freed));
        self.waiting.extend(self.store.trash.take());
    }
}

impl Worker for Cleanup {
    fn duty(&self) -> Duty {
        Duty::Cleanup
    }

    fn step(&mut self) -> Result<Step> {
        self.store.health.check_background()?;
        self.collect();
        let Some(last) = self.waiting.last() else { return Ok(Step::Idle) };
        if last.at_record >= self.store.ledger.records() {
            self.store.ledger.settle()?;
        }
        let records = self.store.ledger.records();
        let Some(freed) = self.waiting.pop() else { return Ok(Step::Idle) };
        if freed.at_record >= records {
            self.waiting.push(freed);
            return Ok(Step::Worked);
        }
        remove(&*self.store.fs, &self.store.directory, freed.name)?;
        if self.waiting.is_empty() {
            self.store.signals.ring();
        }
        Ok(Step::Worked)
    }
}

/// Deletes every file of our grammar in the directory for which `is_needed` says no. Called by an
/// open, after the new manifest is durable and current.
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

fn remove(fs: &dyn FileSystem, directory: &Path, name: FileName) -> Result<()> {
    let path = name.in_directory(directory);
    match fs.remove(&path) {
        Ok(()) => Ok(()),
        // Someone was faster; the goal is reached.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove the file", &path, error)),
    }
}
