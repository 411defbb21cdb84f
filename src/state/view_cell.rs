//! Holds the current view, and hands it to readers.
//!
//! A reader takes the view, then the visible sequence number, then checks that the view is still
//! current ([`ViewCell::read_at`], [`ViewCell::hold_at`]). The other way round a compaction could drop
//! what the older number needs; without the check, a commit could rotate the memtable in between and be
//! missed.
//!
//! Invariant: generations rise by one with each swap.

use crate::format::key::Seqno;
use crate::seeded::{Bug, is_seeded};
use crate::state::sequence::Sequence;
use crate::state::view::{Parts, View};
use crate::state::view_shares::{Share, ViewShares};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, RwLock, thread};
use std::ops::Deref;

/// Holds the current view.
#[derive(Debug)]
pub(crate) struct ViewCell {
    current: RwLock<Arc<View>>,
    /// Generation of `current`; stored (Release) inside the write lock, so a reader that loads
    /// (Acquire) the generation of its view knows that no newer one was swapped in before.
    generation: AtomicU64,
    /// What threads hold it by.
    shares: Arc<ViewShares>,
}

/// The view in the hands of one read.
#[derive(Debug)]
pub(crate) struct HeldView {
    share: Arc<Share>,
    reads: u64,
}

impl ViewCell {
    pub(crate) fn new(parts: Parts) -> ViewCell {
        let view = Arc::new(with_generation(1, parts));
        let shares = Arc::new(ViewShares::default());
        ViewCell { current: RwLock::new(view), generation: AtomicU64::new(1), shares }
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
            if self.is_current(&view) {
                return (view, seqno);
            }
        }
    }

    /// As `read_at`, for a read that is over soon: threads do not meet at the count of holders.
    pub(crate) fn hold_at(&self, sequence: &Sequence) -> (HeldView, Seqno) {
        if is_seeded(Bug::ViewAfterSeqno) {
            let seqno = sequence.visible();
            thread::yield_now();
            return (HeldView { share: self.share(), reads: 0 }, seqno);
        }
        let mut kept = self.shares.take();
        loop {
            let (share, reads) = kept.take().unwrap_or_else(|| (self.share(), 0));
            let seqno = sequence.visible();
            if self.is_current(&share) {
                return (HeldView { share, reads }, seqno);
            }
        }
    }

    /// A new share of the current view for this thread.
    fn share(&self) -> Arc<Share> {
        loop {
            if let Some(share) = self.shares.make(self.load(), |view| self.is_current(view)) {
                return share;
            }
        }
    }

    fn is_current(&self, view: &View) -> bool {
        self.generation.load(Ordering::Acquire) == view.generation
    }

    /// Swaps in what `change` makes of the current view.
    pub(crate) fn swap(&self, change: impl FnOnce(&View) -> Parts) {
        let mut current = self.current.write();
        let next = Arc::new(with_generation(current.generation + 1, change(&current)));
        self.generation.store(next.generation, Ordering::Release);
        let last = std::mem::replace(&mut *current, next);
        drop(current);
        // Behind the new generation: who makes a share from now on asks for it.
        self.shares.take_back();
        // Freeing a memtable takes milliseconds: never inside the lock.
        drop(last);
    }
}

impl HeldView {
    /// How many reads of this thread have to be counted: mostly none, and then many at once.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }
}

impl Deref for HeldView {
    type Target = View;

    fn deref(&self) -> &View {
        &self.share
    }
}

fn with_generation(generation: u64, parts: Parts) -> View {
    let Parts { active, sealed, version } = parts;
    View { generation, active, sealed, version }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use crate::state::scene::{alone, holding, no_tables};
    use crate::state::sequence::Sequence;
    use crate::state::view::Parts;
    use crate::state::view_cell::ViewCell;
    use crate::sync::{Arc, thread};

    fn parts() -> Parts {
        alone(holding(1), &no_tables())
    }

    #[test]
    fn a_thread_has_one_share_and_nobody_keeps_an_old_view() {
        let (cell, sequence) = (ViewCell::new(parts()), Sequence::new(0));
        let first = Arc::downgrade(&cell.load());
        drop(cell.hold_at(&sequence));
        assert_eq!(first.strong_count(), 2, "the cell's, and this thread's");
        let both = (cell.hold_at(&sequence), cell.hold_at(&sequence));
        assert_eq!(first.strong_count(), 2, "reads of one thread have it by one share");
        drop(both);
        thread::scope(|scope| {
            scope.spawn(|| drop(cell.hold_at(&sequence)));
        });
        assert_eq!(first.strong_count(), 3, "the other thread has ended, and its share is there");
        let held = cell.hold_at(&sequence).0;
        cell.swap(|_| parts());
        assert_eq!(first.strong_count(), 1, "only the read that goes on has it");
        let (newer, _) = cell.hold_at(&sequence);
        assert_eq!((held.generation, newer.generation), (1, 2));
        drop(held);
        assert_eq!(first.strong_count(), 0, "and nobody has kept it");
        let second = Arc::downgrade(&cell.load());
        drop((newer, cell));
        assert_eq!(second.strong_count(), 0);
    }

    #[test]
    fn reads_are_told_many_at_once() {
        let (cell, sequence) = (ViewCell::new(parts()), Sequence::new(0));
        let told = |reads: u64| (0..reads).map(|_| cell.hold_at(&sequence).0.reads()).sum::<u64>();
        assert_eq!(told(1 + 255), 0, "the first one made the share");
        assert_eq!((told(1), told(255), told(1)), (256, 0, 256));
        cell.swap(|_| parts());
        assert_eq!(told(1 + 256), 256, "a swap forgets none of them");
    }

    #[test]
    fn each_cell_has_its_own_shares() {
        let (one, other, sequence) =
            (ViewCell::new(parts()), ViewCell::new(parts()), Sequence::new(0));
        for _ in 0..3 {
            let (left, right) = (one.hold_at(&sequence).0, other.hold_at(&sequence).0);
            assert!(Arc::ptr_eq(&left.active, &one.load().active));
            assert!(Arc::ptr_eq(&right.active, &other.load().active));
        }
    }
}
