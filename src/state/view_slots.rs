//! Where threads keep the view between two reads.
//!
//! To share the current view a reader counts itself among its holders, and readers on all processors then
//! fight for that one count. So a thread has a slot of its own for each database: a read takes the view
//! out of it, and puts it back when it is done; nobody else touches that memory.
//!
//! Invariant: no slot keeps a view that was replaced. Whoever swaps makes the generation known first, and
//! empties all slots then; who puts a view back asks for the generation under the lock of the slot.
//!
//! The slot counts the reads of its thread, too, where that costs no more than an addition.

use crate::state::view::View;
use crate::sync::{Arc, Mutex, Weak, thread_local};
use std::cell::RefCell;

/// The slots of one database.
#[derive(Debug, Default)]
pub(crate) struct ViewSlots {
    /// Those of threads that have ended, too, until the next swap.
    all: Mutex<Vec<Arc<Slot>>>,
}

/// Alone in its line of memory.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    view: Option<Arc<View>>,
    /// Since they were told last.
    reads: u64,
}

/// So many reads are told at once.
const READS_TOLD: u64 = 256;

thread_local! {
    /// The slots of this thread, and whose they are.
    static OWN: RefCell<Vec<(Weak<ViewSlots>, Arc<Slot>)>> = const { RefCell::new(Vec::new()) };
}

impl ViewSlots {
    /// Takes the view that this thread keeps, if it keeps one, for a read. Comes with the number of reads
    /// that were not told yet, or, mostly, with 0.
    pub(crate) fn take(self: &Arc<ViewSlots>) -> Option<(Arc<View>, u64)> {
        self.with_own(|slot| {
            let mut kept = slot.0.lock();
            let view = kept.view.take()?;
            kept.reads += 1;
            let told = if kept.reads < READS_TOLD { 0 } else { std::mem::take(&mut kept.reads) };
            Some((view, told))
        })?
    }

    /// Keeps `view` for the next read of this thread, if it `is_current` and there is room.
    pub(crate) fn put(self: &Arc<ViewSlots>, view: Arc<View>, is_current: impl Fn(&View) -> bool) {
        let mut view = Some(view);
        self.with_own(|slot| {
            let mut kept = slot.0.lock();
            if kept.view.is_none() && view.as_deref().is_some_and(&is_current) {
                kept.view = view.take();
            }
        });
        // It may be the last of a view: never under a lock.
        drop(view);
    }

    /// Empties all slots.
    pub(crate) fn empty(&self) {
        let mut views = Vec::new();
        {
            let mut all = self.all.lock();
            views.extend(all.iter().filter_map(|slot| slot.0.lock().view.take()));
            // Nobody else has the slot of a thread that has ended.
            all.retain(|slot| Arc::strong_count(slot) > 1);
        }
        drop(views);
    }

    /// Calls `act` with the slot of this thread, which is made if there is none; `None` while the thread
    /// ends.
    fn with_own<R>(self: &Arc<ViewSlots>, act: impl FnOnce(&Slot) -> R) -> Option<R> {
        let with = |own: &RefCell<Vec<(Weak<ViewSlots>, Arc<Slot>)>>| {
            let mut own = own.borrow_mut();
            let is_ours = |(of, _): &(Weak<ViewSlots>, Arc<Slot>)| of.as_ptr() == Arc::as_ptr(self);
            if let Some((_, slot)) = own.iter().find(|slot| is_ours(slot)) {
                return act(slot);
            }
            own.retain(|(of, _)| of.strong_count() > 0);
            let slot = Arc::<Slot>::default();
            self.all.lock().push(Arc::clone(&slot));
            own.push((Arc::downgrade(self), Arc::clone(&slot)));
            act(&slot)
        };
        OWN.try_with(with).ok()
    }
}
