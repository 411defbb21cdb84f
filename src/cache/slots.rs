//! The block cache: each table has an array with one slot a block, and one clock evicts from all.
//!
//! A lookup is an index into an array and a short lock of that one slot: no hashing, no list to
//! move, nothing shared with lookups of other blocks. Only an insert, which has just paid for a
//! read from disk, touches the ring.
//!
//! Invariants: (1) a slot that holds a block has exactly one entry in the ring, or the thread that
//! filled it is about to push it; (2) `Part::Blocks` of the budget is the sum of the bytes of all
//! entries of living arrays; (3) no lock is held while another is taken, and nothing of the cache's
//! users is dropped under a lock.
//! Threads: all calls from any thread.
//!
//! The ring is a queue with a second chance: the hand takes the oldest entry; if its slot was read
//! since the hand last came by, it goes back to the end, else its block goes. A block read once, by
//! a scan, thus leaves before one read twice.

use crate::cache::budget::{Budget, Part};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    counters: [Counters; STRIPES],
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// Entries whose array is gone; they are swept out when they are many.
    dead: usize,
}

struct Entry {
    slots: Weak<dyn Evict>,
    index: usize,
    bytes: usize,
}

#[derive(Default)]
#[repr(align(64))]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What the clock asks of an array, whatever its blocks are.
trait Evict: Send + Sync {
    /// Empties the slot, unless it was read since the last call; `true` if it is empty now.
    fn evict(&self, index: usize, bytes: usize) -> bool;
}

impl Cache {
    pub(crate) fn new(budget: Arc<Budget>) -> Arc<Cache> {
        let counters = std::array::from_fn(|_| Counters::default());
        Arc::new(Cache { budget, ring: Mutex::new(Ring::default()), counters })
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
                    if !slots.evict(entry.index, entry.bytes) {
                        self.ring.lock().entries.push_back(entry);
                    }
                }
            }
        }
    }

    fn push(&self, entry: Entry) {
        self.ring.lock().entries.push_back(entry);
    }

    /// An array with `count` filled slots is gone.
    fn forget(&self, count: usize) {
        let mut ring = self.ring.lock();
        ring.dead += count;
        if ring.dead * 2 > ring.entries.len() {
            ring.entries.retain(|entry| entry.slots.strong_count() > 0);
            ring.dead = 0;
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The cached blocks of one table. `T` is whatever the table makes of a block; a clone shares it.
pub(crate) struct Slots<T: Clone + Send + Sync + 'static> {
    cache: Arc<Cache>,
    /// This array, for the entries of the ring.
    own: Weak<Slots<T>>,
    slots: Box<[Mutex<Slot<T>>]>,
    /// Bytes and number of filled slots.
    bytes: AtomicUsize,
    count: AtomicUsize,
}

struct Slot<T> {
    block: Option<T>,
    /// Whether it was read since the clock last came by.
    referenced: bool,
}

impl<T: Clone + Send + Sync + 'static> Slots<T> {
    /// `len` empty slots.
    pub(crate) fn new(cache: &Arc<Cache>, len: usize) -> Arc<Slots<T>> {
        let empty = || Mutex::new(Slot { block: None, referenced: false });
        Arc::new_cyclic(|own| Slots {
            cache: Arc::clone(cache),
            own: Weak::clone(own),
            slots: std::iter::repeat_with(empty).take(len).collect(),
            bytes: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
        })
    }

    /// Memory of the array itself, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<Mutex<Slot<T>>>()
    }

    /// The block in this slot. `touch` sees it before it is shared: sharing it counts, and a processor
    /// that counts loads nothing meanwhile. Requires: `index` is below the length.
    pub(crate) fn get(&self, index: usize, touch: impl FnOnce(&T)) -> Option<T> {
        let found = {
            let mut slot = self.slots[index].lock();
            slot.referenced = slot.block.is_some();
            slot.block.as_ref().inspect(|block| touch(block)).cloned()
        };
        let counters = &self.cache.counters[index % STRIPES];
        let counter = if found.is_some() { &counters.hits } else { &counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Fills an empty slot with a block of `bytes`, and makes room for it. If another thread was
    /// faster, its block stays. A block for which half of the others would have to go is not kept.
    /// Returns the block to use.
    /// Requires: `index` is below the length.
    pub(crate) fn insert(&self, index: usize, block: T, bytes: usize) -> T {
        if bytes > self.cache.budget.blocks_capacity() / 2 {
            return block;
        }
        {
            let mut slot = self.slots[index].lock();
            if let Some(present) = &slot.block {
                return present.clone();
            }
            *slot = Slot { block: Some(block.clone()), referenced: false };
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.cache.budget.add(Part::Blocks, bytes);
        let slots: Weak<dyn Evict> = self.own.clone();
        self.cache.push(Entry { slots, index, bytes });
        self.cache.trim();
        block
    }
}

impl<T: Clone + Send + Sync + 'static> Evict for Slots<T> {
    fn evict(&self, index: usize, bytes: usize) -> bool {
        let evicted = {
            let mut slot = self.slots[index].lock();
            if slot.referenced {
                slot.referenced = false;
                return false;
            }
            slot.block.take()
        };
        if evicted.is_some() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.cache.budget.subtract(Part::Blocks, bytes);
        }
        true
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Slots<T> {
    fn drop(&mut self) {
        self.cache.budget.subtract(Part::Blocks, self.bytes.load(Ordering::Relaxed));
        self.cache.forget(self.count.load(Ordering::Relaxed));
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("len", &self.slots.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::budget::{Budget, Part};
    use crate::cache::slots::{Cache, Slots};
    use crate::sync::{Arc, thread};

    fn cache(total: usize) -> Arc<Cache> {
        Cache::new(Budget::new(total))
    }

    fn cached(slots: &Slots<Arc<usize>>, len: usize) -> Vec<usize> {
        // Looks without touching: `get` would set the reference bits.
        (0..len).filter(|&index| slots.slots[index].lock().block.is_some()).collect()
    }

    #[test]
    fn what_was_inserted_is_found_until_room_is_needed() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 20);
        assert_eq!(slots.get(3, |_| ()), None);
        for index in 0..10 {
            slots.insert(index, Arc::new(index), 10);
        }
        assert_eq!(cached(&slots, 20), (0..10).collect::<Vec<_>>());
        assert_eq!(slots.get(3, |_| ()).as_deref(), Some(&3));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.used_bytes), (1, 1, 100));
    }

    #[test]
    fn a_block_that_was_read_outlives_older_ones_that_were_not() {
        let cache = cache(40);
        let slots = Slots::new(&cache, 20);
        for index in 0..4 {
            slots.insert(index, Arc::new(index), 10);
        }
        slots.get(0, |_| ());
        slots.insert(4, Arc::new(4), 10);
        assert_eq!(cached(&slots, 20), [0, 2, 3, 4], "0 had its second chance, 1 had none");
        for index in 5..9 {
            slots.insert(index, Arc::new(index), 10);
        }
        assert_eq!(cached(&slots, 20), [5, 6, 7, 8], "a second chance is not a third");
        assert_eq!(cache.stats().used_bytes, 40);
    }

    #[test]
    fn the_clock_runs_over_all_arrays_and_shrinks_with_the_budget() {
        let cache = cache(80);
        let (first, second) = (Slots::new(&cache, 4), Slots::new(&cache, 4));
        for index in 0..4 {
            first.insert(index, Arc::new(index), 10);
            second.insert(index, Arc::new(index), 10);
        }
        let _memtables = cache.budget().charge(Part::Memtables, 50);
        cache.trim();
        assert_eq!((cached(&first, 4), cached(&second, 4)), (vec![3], vec![2, 3]));
        assert_eq!(cache.stats().used_bytes, 30);
    }

    #[test]
    fn a_block_too_large_for_the_cache_is_served_and_drives_nothing_out() {
        let cache = cache(40);
        let slots = Slots::new(&cache, 2);
        slots.insert(1, Arc::new(1), 10);
        assert_eq!(*slots.insert(0, Arc::new(7), 1000), 7);
        assert_eq!((slots.get(0, |_| ()), cache.stats().used_bytes), (None, 10));
    }

    #[test]
    fn the_first_of_two_blocks_for_one_slot_stays() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 1);
        let first = slots.insert(0, Arc::new(1), 10);
        let second = slots.insert(0, Arc::new(1), 10);
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(cache.stats().used_bytes, 10);
    }

    #[test]
    fn a_dropped_array_gives_its_bytes_back_and_leaves_no_entry_behind() {
        let cache = cache(1000);
        let kept = Slots::new(&cache, 1);
        kept.insert(0, Arc::new(0), 10);
        for _ in 0..100 {
            let slots = Slots::new(&cache, 8);
            for index in 0..8 {
                slots.insert(index, Arc::new(index), 10);
            }
        }
        assert_eq!(cache.stats().used_bytes, 10);
        assert!(cache.ring.lock().entries.len() < 20, "dead entries are swept");
        assert_eq!(cached(&kept, 1), [0]);
    }

    #[test]
    fn threads_share_the_cache_and_the_sums_stay_right() {
        let cache = cache(500);
        let slots: Arc<Slots<Arc<usize>>> = Slots::new(&cache, 100);
        thread::scope(|scope| {
            for seed in 0..4 {
                let slots = &slots;
                scope.spawn(move || {
                    for step in 0..5_000 {
                        let index = (step * 7 + seed * 13) % 100;
                        let block = slots
                            .get(index, |_| ())
                            .unwrap_or_else(|| slots.insert(index, Arc::new(index), 10));
                        assert_eq!(*block, index);
                    }
                });
            }
        });
        let filled = cached(&slots, 100).len();
        assert_eq!(cache.stats().used_bytes, filled * 10);
        assert_eq!(cache.ring.lock().entries.len(), filled);
        assert!(filled <= 51, "at most one over, for the insert under way");
        let stats = cache.stats();
        assert_eq!(stats.hits + stats.misses, 20_000);
    }
}
