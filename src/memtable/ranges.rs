//! The range tombstones of a memtable: a list, and fragments that are built when someone asks.
//!
//! Threads: a writer adds to the list before its seqno becomes visible; a reader learns its seqno
//! first and asks then. So a reader that must see a tombstone sees the counter that announces it
//! (the publication of the seqno orders the two), and under the lock the list is complete.

use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::seeded::{Bug, is_seeded};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, RwLock};

/// See the module's caption.
pub(crate) struct Ranges {
    /// Number of tombstones in the list. Stored (Release) after the list has grown.
    count: AtomicUsize,
    list: RwLock<List>,
}

struct List {
    tombstones: Vec<RangeTombstone>,
    /// Made of all tombstones; `None` since the last insert.
    fragments: Option<Arc<Fragments>>,
}

impl Ranges {
    pub(crate) fn new() -> Ranges {
        let list = RwLock::new(List { tombstones: Vec::new(), fragments: None });
        Ranges { count: AtomicUsize::new(0), list }
    }

    pub(crate) fn insert(&self, tombstone: RangeTombstone) {
        let mut list = self.list.write();
        let is_same =
            |last: &RangeTombstone| (&last.start, &last.end) == (&tombstone.start, &tombstone.end);
        let stays = is_seeded(Bug::RangeTwiceUnseen) && list.tombstones.last().is_some_and(is_same);
        list.tombstones.push(tombstone);
        if !stays {
            list.fragments = None;
        }
        self.count.store(list.tombstones.len(), Ordering::Release);
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// All tombstones so far; `None` if there is none, which costs one load.
    pub(crate) fn fragments(&self) -> Option<Arc<Fragments>> {
        if self.count() == 0 {
            return None;
        }
        if let Some(fragments) = &self.list.read().fragments {
            return Some(Arc::clone(fragments));
        }
        let mut list = self.list.write();
        let List { tombstones, fragments } = &mut *list;
        let built =
            fragments.get_or_insert_with(|| Arc::new(Fragments::build(tombstones.iter().cloned())));
        Some(Arc::clone(built))
    }
}

#[cfg(test)]
mod tests {
    use crate::format::range_tombstone::RangeTombstone;
    use crate::memtable::ranges::Ranges;
    use crate::sync::Arc;

    fn tombstone(start: &[u8], end: &[u8], seqno: u64) -> RangeTombstone {
        RangeTombstone { start: start.to_vec(), end: end.to_vec(), seqno }
    }

    #[test]
    fn fragments_are_built_again_after_an_insert_and_only_then() {
        let ranges = Ranges::new();
        assert!(ranges.fragments().is_none());
        ranges.insert(tombstone(b"b", b"d", 3));
        let first = ranges.fragments().unwrap();
        assert!(Arc::ptr_eq(&first, &ranges.fragments().unwrap()));
        ranges.insert(tombstone(b"c", b"e", 5));
        let second = ranges.fragments().unwrap();
        assert_eq!((first.covering(b"c", 9), second.covering(b"c", 9)), (Some(3), Some(5)));
        assert_eq!((second.covering(b"b", 9), ranges.count()), (Some(3), 2));
    }
}
