//! The keyspaces that exist: names to ids, and whether a handle is still good.
//!
//! Invariants: (1) an id is never given out twice; (2) a cell that is `DROPPED` stays so, and the
//! commit path looks at it under the commit lock, so nothing is written to a keyspace behind the
//! operation that dropped it; (3) the name of a dropped cell may stay for a while, because taking it
//! out of the manifest can fail: nobody sees it, and the next drop or creation takes it out.

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Arc, RwLock};
use std::collections::BTreeMap;

const LIVE: u8 = 0;
/// Its drop is being written to the log.
const GOING: u8 = 1;
/// Its drop is in the log, durably.
const DROPPED: u8 = 2;

/// One keyspace of one open database.
#[derive(Debug)]
pub(crate) struct KeyspaceCell {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// Which opening of which database it belongs to; see `Store::opening`.
    pub(crate) opening: u64,
    /// One of the constants above.
    stage: AtomicU8,
}

/// All keyspaces by name, the default one apart.
#[derive(Debug, Default)]
pub(crate) struct Keyspaces {
    by_name: RwLock<BTreeMap<String, Arc<KeyspaceCell>>>,
}

impl KeyspaceCell {
    pub(crate) fn new(id: u32, name: &str, opening: u64) -> Arc<KeyspaceCell> {
        let stage = AtomicU8::new(LIVE);
        Arc::new(KeyspaceCell { id, name: name.to_owned(), opening, stage })
    }

    /// Whether the keyspace was dropped, or is being dropped.
    pub(crate) fn is_gone(&self) -> bool {
        self.stage.load(Ordering::Acquire) != LIVE
    }

    /// Whether the keyspace was dropped, durably.
    pub(crate) fn is_dropped(&self) -> bool {
        self.stage.load(Ordering::Acquire) == DROPPED
    }

    /// Begins to drop it: commits to it are refused from now on. Returns whether this call did.
    pub(crate) fn begin_drop(&self) -> bool {
        let begun = self.stage.compare_exchange(LIVE, GOING, Ordering::AcqRel, Ordering::Acquire);
        begun.is_ok()
    }

    /// Ends what `begin_drop` began: the drop is durable, or could not be written.
    pub(crate) fn end_drop(&self, is_durable: bool) {
        self.stage.store(if is_durable { DROPPED } else { LIVE }, Ordering::Release);
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

    /// The names of all that were not dropped, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let by_name = self.by_name.read();
        by_name.values().filter(|cell| !cell.is_dropped()).map(|cell| cell.name.clone()).collect()
    }
}
