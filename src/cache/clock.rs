//! The clock: what all arrays of slots share, and who evicts from them.
//!
//! The ring is a queue with a second chance: the hand takes the oldest entry; what was read of its
//! block since the hand last came by goes back to the end, the rest goes. A block of which nothing
//! was read, a scan's for example, thus leaves before one that was read twice; and of a block whose
//! one entry is in demand only that entry stays (`marks`).
//!
//! Invariants: no lock is held while another is taken, and nothing of the cache's users is dropped
//! under a lock. Threads: all calls from any thread.

use crate::cache::budget::{Budget, Part};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, Weak};
use std::collections::VecDeque;
use std::fmt;

/// Hits and misses are counted in several places, so that threads do not fight for one.
const STRIPES: usize = 16;

/// How the cache does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) used_bytes: usize,
}

/// What all arrays of slots share.
pub(crate) struct Cache {
    budget: Arc<Budget>,
    ring: Mutex<Ring>,
    /// Whether the last insert found little room: then it counts what of a block is read.
    is_tight: AtomicBool,
    counters: [Counters; STRIPES],
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// Entries whose array is gone; they are swept out when they are many.
    dead: usize,
}

pub(crate) struct Entry {
    pub(crate) slots: Weak<dyn Evict>,
    pub(crate) index: usize,
}

#[derive(Default)]
#[repr(align(64))]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What the clock asks of an array, whatever its blocks are.
pub(crate) trait Evict: Send + Sync {
    /// Takes out of the slot what was not read since the last call; `true` if it is empty now.
    fn evict(&self, index: usize) -> bool;
}

impl Cache {
    pub(crate) fn new(budget: Arc<Budget>) -> Arc<Cache> {
        let counters = std::array::from_fn(|_| Counters::default());
        let (ring, is_tight) = (Mutex::new(Ring::default()), AtomicBool::new(false));
        Arc::new(Cache { budget, ring, is_tight, counters })
    }

    /// The budget that cached blocks are charged to.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let mut stats =
            CacheStats { used_bytes: self.budget.used(Part::Blocks), ..CacheStats::default() };
        for counters in &self.counters {
            stats.hits += counters.hits.load(Ordering::Relaxed);
            stats.misses += counters.misses.load(Ordering::Relaxed);
        }
        stats
    }

    /// Evicts until the blocks fit into what the budget leaves them.
    pub(crate) fn trim(&self) {
        let (used, capacity) = (self.budget.used(Part::Blocks), self.budget.blocks_capacity());
        self.is_tight.store(used > capacity - capacity / 8, Ordering::Relaxed);
        if used <= capacity {
            return;
        }
        // Two rounds visit every entry with and without its second chance. Other threads may push
        // meanwhile, but they trim themselves.
        let mut steps = self.ring.lock().entries.len() * 2;
        while steps > 0 && self.budget.used(Part::Blocks) > self.budget.blocks_capacity() {
            steps -= 1;
            let Some(entry) = self.ring.lock().entries.pop_front() else { return };
            match entry.slots.upgrade() {
                None => {
                    let mut ring = self.ring.lock();
                    ring.dead = ring.dead.saturating_sub(1);
                }
                Some(slots) => {
                    if !slots.evict(entry.index) {
                        self.ring.lock().entries.push_back(entry);
                    }
                }
            }
        }
    }

    /// Whether parts of blocks are to be kept where parts are read: there is no room for all.
    pub(crate) fn is_tight(&self) -> bool {
        self.is_tight.load(Ordering::Relaxed)
    }

    /// Counts a read of a block; `stripe` is any number, best a different one for different blocks.
    pub(crate) fn count_read(&self, stripe: usize, is_hit: bool) {
        let counters = &self.counters[stripe % STRIPES];
        let counter = if is_hit { &counters.hits } else { &counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A slot was filled that had been empty.
    pub(crate) fn push(&self, entry: Entry) {
        self.ring.lock().entries.push_back(entry);
    }

    /// An array with `count` filled slots is gone.
    pub(crate) fn forget(&self, count: usize) {
        let mut ring = self.ring.lock();
        ring.dead += count;
        if ring.dead * 2 > ring.entries.len() {
            ring.entries.retain(|entry| entry.slots.strong_count() > 0);
            ring.dead = 0;
        }
    }
}

#[cfg(test)]
impl Cache {
    /// Entries of the ring, those of arrays that are gone among them.
    pub(crate) fn entries(&self) -> usize {
        self.ring.lock().entries.len()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
