//! One memory budget for the whole database, and receipts for what was taken from it.
//!
//! Memtables and pinned parts of tables (index, filter) charge what they hold; the block cache
//! may use the rest. The budget itself refuses nothing: who charges decides what to do when the
//! total is exceeded (memtables are flushed, the cache evicts).
//!
//! Threads: counters only, all `Relaxed`. They publish no other memory, and a reader needs no more
//! than a recent value.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Who uses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Active and sealed memtables.
    Memtables,
    /// What an open table keeps in memory: index, filter, range tombstones, slots.
    Pinned,
    /// Cached blocks.
    Blocks,
}

/// The budget of one database.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    memtables: AtomicUsize,
    pinned: AtomicUsize,
    blocks: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(total_bytes: usize) -> Arc<Budget> {
        Arc::new(Budget {
            total: total_bytes,
            memtables: AtomicUsize::new(0),
            pinned: AtomicUsize::new(0),
            blocks: AtomicUsize::new(0),
        })
    }

    /// Takes `bytes` for `part` until the returned charge is dropped.
    pub(crate) fn charge(self: &Arc<Budget>, part: Part, bytes: usize) -> Charge {
        self.add(part, bytes);
        Charge { budget: Arc::clone(self), part, bytes }
    }

    /// Bytes in use by `part`.
    pub(crate) fn used(&self, part: Part) -> usize {
        self.counter(part).load(Ordering::Relaxed)
    }

    /// Bytes that cached blocks may use now: what the others leave, and a floor of an eighth, so
    /// that a burst of writes does not turn every read into a read from disk.
    pub(crate) fn blocks_capacity(&self) -> usize {
        let others = self.used(Part::Memtables).saturating_add(self.used(Part::Pinned));
        self.total.saturating_sub(others).max(self.total / 8)
    }

    /// For owners that keep one sum instead of a charge for each of many small things.
    pub(crate) fn add(&self, part: Part, bytes: usize) {
        self.counter(part).fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back what [`add`](Budget::add) took.
    pub(crate) fn subtract(&self, part: Part, bytes: usize) {
        let before = self.counter(part).fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "more was given back than taken");
    }

    fn counter(&self, part: Part) -> &AtomicUsize {
        match part {
            Part::Memtables => &self.memtables,
            Part::Pinned => &self.pinned,
            Part::Blocks => &self.blocks,
        }
    }
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    part: Part,
    bytes: usize,
}

impl Charge {}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.subtract(self.part, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::budget::{Budget, Part};

    #[test]
    fn charges_add_up_and_end_with_their_owner() {
        let budget = Budget::new(1000);
        let charge = budget.charge(Part::Memtables, 100);
        let other = budget.charge(Part::Memtables, 5);
        assert_eq!(budget.used(Part::Memtables), 105);
        drop(charge);
        assert_eq!((budget.used(Part::Memtables), budget.used(Part::Pinned)), (5, 0));
        drop(other);
        assert_eq!(budget.used(Part::Memtables), 0);
    }

    #[test]
    fn blocks_get_what_the_others_leave_but_never_nothing() {
        let budget = Budget::new(800);
        assert_eq!(budget.blocks_capacity(), 800);
        let _memtables = budget.charge(Part::Memtables, 300);
        let _pinned = budget.charge(Part::Pinned, 100);
        let _blocks = budget.charge(Part::Blocks, 400);
        assert_eq!(budget.blocks_capacity(), 400);
        let _more = budget.charge(Part::Memtables, 900);
        assert_eq!(budget.blocks_capacity(), 100);
    }
}
