//! What all tables of one database share: where they are, who they belong to, and their cache.

use crate::cache::clock::Cache;
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};
use std::fmt;
use std::path::PathBuf;

/// The surroundings of a table.
#[derive(Debug)]
pub(crate) struct TableContext {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
    /// Random number of the database: a table of another one is refused.
    pub(crate) database: u64,
    pub(crate) cache: Arc<Cache>,
    /// How many tables are obsolete and still held by somebody.
    held: AtomicUsize,
    /// Numbers of obsolete tables whose last holder is gone, until cleanup takes them.
    released: Mutex<Vec<u64>>,
    /// Called after a number came to `released`: the last holder may be a reader, and then nobody
    /// else would know that there is something to delete.
    on_release: OnceLock<OnRelease>,
}

struct OnRelease(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for OnRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRelease")
    }
}

impl TableContext {
    pub(crate) fn new(
        fs: Arc<dyn FileSystem>,
        directory: PathBuf,
        database: u64,
        cache: Arc<Cache>,
    ) -> Arc<TableContext> {
        let (released, on_release) = (Mutex::default(), OnceLock::new());
        let held = AtomicUsize::new(0);
        Arc::new(TableContext { fs, directory, database, cache, held, released, on_release })
    }

    /// Has `call` called whenever a table was released, from whatever thread let go of it.
    /// Requires: called once at most.
    pub(crate) fn on_release(&self, call: impl Fn() + Send + Sync + 'static) {
        let is_first = self.on_release.set(OnRelease(Box::new(call))).is_ok();
        assert!(is_first, "releases are told to one listener");
    }

    /// Whether there are released tables that nobody took yet.
    pub(crate) fn has_released(&self) -> bool {
        !self.released.lock().is_empty()
    }

    /// Takes the numbers of the tables that nobody can read any more.
    pub(crate) fn take_released(&self) -> Vec<u64> {
        std::mem::take(&mut *self.released.lock())
    }

    /// Notes that a table is obsolete; somebody holds it until it is released.
    pub(crate) fn note_obsolete(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// How many tables will be released when somebody lets go of them.
    pub(crate) fn held(&self) -> usize {
        // Relaxed: whoever waits for a change looks again.
        self.held.load(Ordering::Relaxed)
    }

    /// Notes that nobody can read this obsolete table any more.
    pub(crate) fn release(&self, id: u64) {
        self.released.lock().push(id);
        self.held.fetch_sub(1, Ordering::Relaxed);
        if let Some(OnRelease(call)) = self.on_release.get() {
            call();
        }
    }

    /// Path of a table.
    pub(crate) fn path(&self, id: u64) -> PathBuf {
        FileName::Table(id).in_directory(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Budget, Cache};
    use crate::fs::SimulatedFileSystem;
    use crate::sync::Arc;
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::table::TableContext;

    #[test]
    fn a_listener_hears_of_every_released_table() {
        let cache = Cache::new(Budget::new(1 << 20));
        let context = TableContext::new(Arc::new(SimulatedFileSystem::new()), "d".into(), 1, cache);
        let heard = Arc::new(AtomicUsize::new(0));
        let ear = Arc::clone(&heard);
        context.on_release(move || {
            ear.fetch_add(1, Ordering::Relaxed);
        });
        for id in [7, 8] {
            context.note_obsolete();
            assert_eq!(context.held(), 1);
            context.release(id);
        }
        assert_eq!(context.held(), 0);
        assert_eq!(heard.load(Ordering::Relaxed), 2);
        assert!(context.has_released());
        assert_eq!(context.take_released(), [7, 8]);
        assert!(!context.has_released());
    }
}
