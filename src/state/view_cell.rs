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
use crate::state::view_slots::ViewSlots;
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
    /// Where threads keep the view between reads.
    slots: Arc<ViewSlots>,
}

/// The view in the hands of one read, which gives it back to its thread.
#[derive(Debug)]
pub(crate) struct HeldView<'a> {
    cell: &'a ViewCell,
    view: Option<Arc<View>>,
    reads: u64,
}

impl ViewCell {
    pub(crate) fn new(parts: Parts) -> ViewCell {
        let view = Arc::new(with_generation(1, parts));
        let slots = Arc::new(ViewSlots::default());
        ViewCell { current: RwLock::new(view), generation: AtomicU64::new(1), slots }
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
    pub(crate) fn hold_at(&self, sequence: &Sequence) -> (HeldView<'_>, Seqno) {
        if is_seeded(Bug::ViewAfterSeqno) {
            let (view, seqno) = self.read_at(sequence);
            return (HeldView { cell: self, view: Some(view), reads: 0 }, seqno);
        }
        loop {
            let (view, reads) = self.slots.take().unwrap_or_else(|| (self.load(), 0));
            let seqno = sequence.visible();
            if self.is_current(&view) {
                return (HeldView { cell: self, view: Some(view), reads }, seqno);
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
        // Behind the new generation: what is put into a slot from now on is looked at first.
        self.slots.empty();
        // Freeing a memtable takes milliseconds: never inside the lock.
        drop(last);
    }
}

impl Drop for ViewCell {
    fn drop(&mut self) {
        self.slots.empty();
    }
}

impl HeldView<'_> {
    /// How many reads of this thread have to be counted: mostly none, and then many at once.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }
}

impl Deref for HeldView<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        match &self.view {
            Some(view) => view,
            None => unreachable!("it is given back when this is dropped"),
        }
    }
}

impl Drop for HeldView<'_> {
    fn drop(&mut self) {
        if let Some(view) = self.view.take() {
            self.cell.slots.put(view, |view| self.cell.is_current(view));
        }
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
    fn a_thread_keeps_the_view_between_reads_and_nobody_keeps_an_old_one() {
        let (cell, sequence) = (ViewCell::new(parts()), Sequence::new(0));
        let first = Arc::downgrade(&cell.load());
        drop(cell.hold_at(&sequence));
        assert_eq!(first.strong_count(), 2, "the cell's, and this thread's");
        let (one, other) = (cell.hold_at(&sequence).0, cell.hold_at(&sequence).0);
        assert_eq!(first.strong_count(), 3, "the second one found the slot empty");
        drop((one, other));
        assert_eq!(first.strong_count(), 2, "a slot has room for one");
        thread::scope(|scope| {
            scope.spawn(|| drop(cell.hold_at(&sequence)));
        });
        assert_eq!(first.strong_count(), 3, "the other thread has ended, and its slot is there");
        let held = cell.hold_at(&sequence).0;
        cell.swap(|_| parts());
        assert_eq!(first.strong_count(), 1, "only the read that goes on has it");
        drop(held);
        assert_eq!(first.strong_count(), 0, "and it did not go back into the slot");
        let second = Arc::downgrade(&cell.load());
        drop(cell.hold_at(&sequence));
        drop(cell);
        assert_eq!(second.strong_count(), 0);
    }

    #[test]
    fn each_cell_has_its_own_slots() {
        let (one, other, sequence) =
            (ViewCell::new(parts()), ViewCell::new(parts()), Sequence::new(0));
        for _ in 0..3 {
            let (left, right) = (one.hold_at(&sequence).0, other.hold_at(&sequence).0);
            assert!(Arc::ptr_eq(&left.active, &one.load().active));
            assert!(Arc::ptr_eq(&right.active, &other.load().active));
        }
    }
}
