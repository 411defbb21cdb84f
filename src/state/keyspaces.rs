//! The keyspaces that exist: names to ids, and whether a handle is still good.
//!
//! Invariants: (1) an id is never given out twice; (2) a cell that is `gone` stays gone, and the
//! commit path looks at it under the commit lock, so nothing is written to a keyspace behind the
//! operation that dropped it.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, RwLock};
use std::collections::BTreeMap;

/// One keyspace of one open database.
#[derive(Debug)]
pub(crate) struct KeyspaceCell {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// Which opening of which database it belongs to; see `Store::opening`.
    pub(crate) opening: u64,
    gone: AtomicBool,
}

/// All keyspaces by name, the default one apart.
#[derive(Debug, Default)]
pub(crate) struct Keyspaces {
    by_name: RwLock<BTreeMap<String, Arc<KeyspaceCell>>>,
}

impl KeyspaceCell {
    pub(crate) fn new(id: u32, name: &str, opening: u64) -> Arc<KeyspaceCell> {
        let gone = AtomicBool::new(false);
        Arc::new(KeyspaceCell { id, name: name.to_owned(), opening, gone })
    }

    /// Whether the keyspace was dropped, or is being dropped.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Marks it as dropped. Returns whether this call did.
    pub(crate) fn mark_gone(&self) -> bool {
        !self.gone.swap(true, Ordering::AcqRel)
    }

    /// Takes the mark back, when the drop could not be written.
    pub(crate) fn revive(&self) {
        self.gone.store(false, Ordering::Release);
    }
}

impl Keyspaces {
    pub(crate) fn new(cells: impl IntoIterator<Item = Arc<KeyspaceCell>>) -> Keyspaces {
        let by_name = cells.into_iter().map(|cell| (cell.name.clone(), cell)).collect();
        Keyspaces { by_name: RwLock::new(by_name) }
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<KeyspaceCell>> {
        self.by_name.read().get(name).map(Arc::clone)
    }

    pub(crate) fn insert(&self, cell: Arc<KeyspaceCell>) {
        self.by_name.write().insert(cell.name.clone(), cell);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.by_name.write().remove(name);
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.by_name.read().keys().cloned().collect()
    }
}
