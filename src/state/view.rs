//! The view: the memtables and the version that a read works on, swapped whole.
//!
//! Invariants: (1) a view never changes; whoever wants another one makes it and swaps it in;
//! (2) generations rise by one with each swap; (3) going from `active` over `sealed` to the version,
//! every version of a key is met newest first.
//!
//! A reader takes the view, then the visible sequence number, then checks that the view is still
//! current ([`ViewCell::read_at`]). The other way round a compaction could drop what the older number
//! needs; without the check, a commit could rotate the memtable in between and be missed.

use crate::format::key::Seqno;
use crate::memtable::Memtable;
use crate::seeded::{Bug, is_seeded};
use crate::state::sequence::Sequence;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, RwLock, thread};
use crate::version::Version;

/// One picture of the whole tree.
#[derive(Debug)]
pub(crate) struct View {
    generation: u64,
    /// Takes the writes.
    pub(crate) active: Arc<Memtable>,
    /// Waiting for the flusher, newest first.
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) version: Arc<Version>,
}

/// A memtable that gets no new commits.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) memtable: Arc<Memtable>,
    /// The last number that was given to a commit into it. Until that is visible, someone may still
    /// be inserting: what the memtable itself knows of is not enough.
    pub(crate) last_seqno: Seqno,
}

impl View {
    /// The memtables, newest first.
    pub(crate) fn memtables(&self) -> impl DoubleEndedIterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(self.sealed.iter().map(|sealed| &sealed.memtable))
    }
}

/// What a view is made of; the cell adds the generation.
pub(crate) struct Parts {
    pub(crate) active: Arc<Memtable>,
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) version: Arc<Version>,
}

/// Holds the current view.
#[derive(Debug)]
pub(crate) struct ViewCell {
    current: RwLock<Arc<View>>,
    /// Generation of `current`; stored (Release) inside the write lock, so a reader that loads
    /// (Acquire) the generation of its view knows that no newer one was swapped in before.
    generation: AtomicU64,
}

impl ViewCell {
    pub(crate) fn new(parts: Parts) -> ViewCell {
        let view = Arc::new(with_generation(1, parts));
        ViewCell { current: RwLock::new(view), generation: AtomicU64::new(1) }
    }

    /// The current view.
    pub(crate) fn load(&self) -> Arc<View> {
        Arc::clone(&self.current.read())
    }

    /// The current view and the newest moment that it can show.
    pub(crate) fn read_at(&self, sequence: &Sequence) -> (Arc<View>, Seqno) {
        if is_seeded(Bug::ViewAfterSeqno) {
            let seqno = sequence.visible();
            thread::yield_now();
            return (self.load(), seqno);
        }
        loop {
            let view = self.load();
            let seqno = sequence.visible();
            if self.generation.load(Ordering::Acquire) == view.generation {
                return (view, seqno);
            }
        }
    }

    /// Swaps in what `change` makes of the current view.
    pub(crate) fn swap(&self, change: impl FnOnce(&View) -> Parts) {
        let mut current = self.current.write();
        let next = Arc::new(with_generation(current.generation + 1, change(&current)));
        self.generation.store(next.generation, Ordering::Release);
        let last = std::mem::replace(&mut *current, next);
        drop(current);
        // Freeing a memtable takes milliseconds: never inside the lock.
        drop(last);
    }
}

fn with_generation(generation: u64, parts: Parts) -> View {
    let Parts { active, sealed, version } = parts;
    View { generation, active, sealed, version }
}
