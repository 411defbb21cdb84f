//! What all tables of one database share: where they are, who they belong to, and their cache.

use crate::cache::slots::Cache;
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use crate::sync::{Arc, Mutex};
use std::path::PathBuf;

/// The surroundings of a table.
#[derive(Debug)]
pub(crate) struct TableContext {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
    /// Random number of the database: a table of another one is refused.
    pub(crate) database: u64,
    pub(crate) cache: Arc<Cache>,
    /// Numbers of obsolete tables whose last holder is gone, until cleanup takes them.
    released: Mutex<Vec<u64>>,
}

impl TableContext {
    pub(crate) fn new(
        fs: Arc<dyn FileSystem>,
        directory: PathBuf,
        database: u64,
        cache: Arc<Cache>,
    ) -> Arc<TableContext> {
        Arc::new(TableContext { fs, directory, database, cache, released: Mutex::default() })
    }

    /// Takes the numbers of the tables that nobody can read any more.
    pub(crate) fn take_released(&self) -> Vec<u64> {
        std::mem::take(&mut *self.released.lock())
    }

    /// Whether [`TableContext::take_released`] would give something.
    pub(crate) fn has_released(&self) -> bool {
        !self.released.lock().is_empty()
    }

    /// Notes that nobody can read this table any more.
    pub(crate) fn release(&self, id: u64) {
        self.released.lock().push(id);
    }

    /// Path of a table.
    pub(crate) fn path(&self, id: u64) -> PathBuf {
        FileName::Table(id).in_directory(&self.directory)
    }
}
