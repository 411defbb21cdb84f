//! The slots of a table: an array with one slot a block.
//!
//! A lookup is an index into an array and a short lock of that one slot: no hashing, no list to
//! move, nothing shared with lookups of other blocks. Only an insert, which has just paid for a
//! read from disk, touches what the arrays share (`clock`).
//!
//! Invariants: (1) a slot that holds a block has exactly one entry in the ring of the clock, or the
//! thread that filled it is about to push it; (2) `Part::Blocks` of the budget is the sum of the bytes
//! of all blocks in living arrays; (3) no lock is held while another is taken, and nothing of the
//! cache's users is dropped under a lock.
//! Threads: all calls from any thread.

use crate::cache::budget::Part;
use crate::cache::clock::{Cache, Entry, Evict};
use crate::cache::marks::{Kept, Marks};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, Weak};
use std::fmt;

/// The cached blocks of one table. `T` is whatever the table makes of a block; a clone shares it.
pub(crate) struct Slots<T: Kept> {
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
    /// What was read of it since the clock last came by.
    read: Marks,
}

impl<T: Kept> Slots<T> {
    /// `len` empty slots.
    pub(crate) fn new(cache: &Arc<Cache>, len: usize) -> Arc<Slots<T>> {
        let empty = || Mutex::new(Slot { block: None, read: Marks::NONE });
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

    /// Whether parts of blocks are to be kept where parts are read: there is no room for all.
    pub(crate) fn is_tight(&self) -> bool {
        self.cache.is_tight()
    }

    /// The whole block of this slot, for whoever reads all of it. `touch` sees it before it is shared:
    /// sharing it counts, and a processor that counts loads nothing meanwhile. Requires: `index` is
    /// below the length.
    pub(crate) fn get(&self, index: usize, touch: impl FnOnce(&T)) -> Option<T> {
        let found = {
            let mut slot = self.slots[index].lock();
            let Slot { block, read } = &mut *slot;
            let whole = block.as_ref().filter(|block| block.is_whole());
            whole.inspect(|block| (*read, ()) = (Marks::ALL, touch(block))).cloned()
        };
        self.cache.count_read(index, found.is_some());
        found
    }

    /// What this slot holds of the block, for whoever wants one entry; [`note`](Slots::note) is to be
    /// called with what came of it. Requires: `index` is below the length.
    pub(crate) fn look(&self, index: usize, touch: impl FnOnce(&T)) -> Option<T> {
        let is_tight = self.is_tight();
        let mut slot = self.slots[index].lock();
        if !is_tight {
            slot.read = Marks::ALL;
        }
        slot.block.as_ref().inspect(|block| touch(block)).cloned()
    }

    /// Which entry of what [`look`](Slots::look) gave was read, if it was there.
    pub(crate) fn note(&self, index: usize, entry: Option<usize>) {
        if let Some(entry) = entry
            && self.is_tight()
        {
            // Meanwhile the slot may hold other entries; then a wrong one stays for a round.
            self.slots[index].lock().read.add(entry);
        }
        self.cache.count_read(index, entry.is_some());
    }

    /// Fills a slot with a whole block, and makes room for it. If another thread was faster, its
    /// block stays. Returns the block to use.
    /// Requires: `index` is below the length.
    pub(crate) fn insert(&self, index: usize, block: T) -> T {
        let mut used = block.clone();
        self.fill(index, |present, _| match present {
            Some(present) if present.is_whole() => {
                used = present.clone();
                None
            }
            _ => Some((block, Marks::NONE)),
        });
        used
    }

    /// Fills a slot with what `make` makes of its block and of what was read of that, and makes room for
    /// it; `None` leaves the slot as it is, and so does a block for which half of the others would have to
    /// go. `make` runs under the lock of the slot.
    /// Requires: `index` is below the length.
    pub(crate) fn fill(
        &self,
        index: usize,
        make: impl FnOnce(Option<&T>, Marks) -> Option<(T, Marks)>,
    ) {
        let before = {
            let mut slot = self.slots[index].lock();
            let Some((block, read)) = make(slot.block.as_ref(), slot.read) else { return };
            if block.memory_bytes() > self.cache.budget().blocks_capacity() / 2 {
                return;
            }
            // Under the lock: whoever gives these bytes back finds them taken.
            self.bytes.fetch_add(block.memory_bytes(), Ordering::Relaxed);
            self.cache.budget().add(Part::Blocks, block.memory_bytes());
            slot.read = read;
            slot.block.replace(block)
        };
        match before {
            Some(before) => self.give_back(before.memory_bytes()),
            None => {
                self.count.fetch_add(1, Ordering::Relaxed);
                let slots: Weak<dyn Evict> = self.own.clone();
                self.cache.push(Entry { slots, index });
            }
        }
        self.cache.trim();
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.cache.budget().subtract(Part::Blocks, bytes);
    }
}

impl<T: Kept> Evict for Slots<T> {
    fn evict(&self, index: usize) -> bool {
        let (before, after) = {
            let mut slot = self.slots[index].lock();
            let Some(block) = &slot.block else { return true };
            let after = match slot.read {
                Marks::NONE => None,
                read => {
                    let less = block.reduced_to(read);
                    slot.read = Marks::NONE;
                    let Some(less) = less else { return false };
                    Some(less)
                }
            };
            let after_bytes = after.as_ref().map(T::memory_bytes);
            (std::mem::replace(&mut slot.block, after), after_bytes)
        };
        let before = before.map_or(0, |before| before.memory_bytes());
        self.give_back(before - after.unwrap_or_default());
        if after.is_none() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        after.is_none()
    }
}

impl<T: Kept> Drop for Slots<T> {
    fn drop(&mut self) {
        self.cache.budget().subtract(Part::Blocks, self.bytes.load(Ordering::Relaxed));
        self.cache.forget(self.count.load(Ordering::Relaxed));
    }
}

impl<T: Kept> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("len", &self.slots.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::budget::{Budget, Part};
    use crate::cache::clock::Cache;
    use crate::cache::marks::{Kept, Marks};
    use crate::cache::slots::Slots;
    use crate::sync::{Arc, thread};

    /// A block of some entries of ten bytes each.
    #[derive(Clone, Debug)]
    struct Block {
        number: Arc<usize>,
        entries: usize,
        is_whole: bool,
    }

    impl Kept for Block {
        fn memory_bytes(&self) -> usize {
            10 * self.entries
        }

        fn is_whole(&self) -> bool {
            self.is_whole
        }

        fn reduced_to(&self, marks: Marks) -> Option<Block> {
            let entries = (0..self.entries).filter(|&entry| marks.has(entry)).count();
            let part = Block { number: Arc::clone(&self.number), entries, is_whole: false };
            (entries < self.entries).then_some(part)
        }
    }

    /// A block of ten bytes.
    fn block(number: usize) -> Block {
        block_of(number, 1)
    }

    fn block_of(number: usize, entries: usize) -> Block {
        Block { number: Arc::new(number), entries, is_whole: true }
    }

    fn number(block: Option<Block>) -> Option<usize> {
        block.map(|block| *block.number)
    }

    fn cache(total: usize) -> Arc<Cache> {
        Cache::new(Budget::new(total))
    }

    fn cached(slots: &Slots<Block>, len: usize) -> Vec<usize> {
        // Looks without touching: `get` would set the reference bits.
        (0..len).filter(|&index| slots.slots[index].lock().block.is_some()).collect()
    }

    #[test]
    fn what_was_inserted_is_found_until_room_is_needed() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 20);
        assert!(slots.get(3, |_| ()).is_none());
        for index in 0..10 {
            slots.insert(index, block(index));
        }
        assert_eq!(cached(&slots, 20), (0..10).collect::<Vec<_>>());
        assert_eq!(number(slots.get(3, |_| ())), Some(3));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.used_bytes), (1, 1, 100));
    }

    #[test]
    fn a_block_that_was_read_outlives_older_ones_that_were_not() {
        let cache = cache(40);
        let slots = Slots::new(&cache, 20);
        for index in 0..4 {
            slots.insert(index, block(index));
        }
        slots.get(0, |_| ());
        slots.insert(4, block(4));
        assert_eq!(cached(&slots, 20), [0, 2, 3, 4], "0 had its second chance, 1 had none");
        for index in 5..9 {
            slots.insert(index, block(index));
        }
        assert_eq!(cached(&slots, 20), [5, 6, 7, 8], "a second chance is not a third");
        assert_eq!(cache.stats().used_bytes, 40);
    }

    #[test]
    fn the_clock_runs_over_all_arrays_and_shrinks_with_the_budget() {
        let cache = cache(80);
        let (first, second) = (Slots::new(&cache, 4), Slots::new(&cache, 4));
        for index in 0..4 {
            first.insert(index, block(index));
            second.insert(index, block(index));
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
        slots.insert(1, block(1));
        assert_eq!(*slots.insert(0, block_of(7, 100)).number, 7);
        assert!(slots.get(0, |_| ()).is_none());
        assert_eq!(cache.stats().used_bytes, 10);
    }

    #[test]
    fn the_first_of_two_blocks_for_one_slot_stays() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 1);
        let first = slots.insert(0, block(1));
        let second = slots.insert(0, block(1));
        assert!(Arc::ptr_eq(&first.number, &second.number));
        assert_eq!(cache.stats().used_bytes, 10);
    }

    /// Reads an entry as the point read of a table does.
    fn read(slots: &Slots<Block>, index: usize, entry: usize) -> bool {
        let is_there = slots.look(index, |_| ()).is_some_and(|block| entry < block.entries);
        slots.note(index, is_there.then_some(entry));
        is_there
    }

    #[test]
    fn of_a_block_stays_what_was_read_when_there_is_no_room_for_all() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 20);
        slots.insert(0, block_of(0, 5));
        slots.insert(1, block_of(1, 4));
        assert!(slots.is_tight());
        assert!(read(&slots, 0, 2) && read(&slots, 0, 4) && !read(&slots, 0, 5));
        slots.insert(2, block_of(2, 2));
        assert_eq!((cached(&slots, 20), cache.stats().used_bytes), (vec![0, 1, 2], 80));
        assert!(slots.get(0, |_| ()).is_none(), "a part is not what a scan wants");
        // The marks are those of the part now.
        assert!(read(&slots, 0, 1) && read(&slots, 2, 0));
        slots.insert(3, block_of(3, 4));
        assert_eq!((cached(&slots, 20), cache.stats().used_bytes), (vec![0, 2, 3], 80));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (4, 2));
        slots.insert(0, block_of(0, 5));
        assert!(slots.get(0, |_| ()).is_some(), "the whole takes the place of a part");
        drop(slots);
        assert_eq!(cache.stats().used_bytes, 0);
    }

    #[test]
    fn a_block_stays_whole_where_there_is_room() {
        let cache = cache(1000);
        let slots = Slots::new(&cache, 2);
        slots.insert(0, block_of(0, 5));
        assert!(read(&slots, 0, 1) && !slots.is_tight());
        assert_eq!(slots.slots[0].lock().read, Marks::ALL);
    }

    #[test]
    fn a_part_grows_in_its_place() {
        let cache = cache(100);
        let slots = Slots::new(&cache, 2);
        slots.insert(0, Block { is_whole: false, ..block(0) });
        assert!(read(&slots, 0, 0));
        slots.fill(0, |present, read| {
            assert_eq!(present.map(|part| part.entries), Some(1));
            Some((Block { is_whole: false, ..block_of(0, 2) }, read))
        });
        slots.fill(0, |_, _| None);
        assert_eq!(cache.stats().used_bytes, 20);
        assert_eq!(cache.entries(), 1, "one block, one entry");
    }

    #[test]
    fn a_dropped_array_gives_its_bytes_back_and_leaves_no_entry_behind() {
        let cache = cache(1000);
        let kept = Slots::new(&cache, 1);
        kept.insert(0, block(0));
        for _ in 0..100 {
            let slots = Slots::new(&cache, 8);
            for index in 0..8 {
                slots.insert(index, block(index));
            }
        }
        assert_eq!(cache.stats().used_bytes, 10);
        assert!(cache.entries() < 20, "dead entries are swept");
        assert_eq!(cached(&kept, 1), [0]);
    }

    #[test]
    fn threads_share_the_cache_and_the_sums_stay_right() {
        let cache = cache(500);
        let slots: Arc<Slots<Block>> = Slots::new(&cache, 100);
        thread::scope(|scope| {
            for seed in 0..4 {
                let slots = &slots;
                scope.spawn(move || {
                    for step in 0..5_000 {
                        let index = (step * 7 + seed * 13) % 100;
                        let block = slots
                            .get(index, |_| ())
                            .unwrap_or_else(|| slots.insert(index, block(index)));
                        assert_eq!(*block.number, index);
                    }
                });
            }
        });
        let filled = cached(&slots, 100).len();
        assert_eq!(cache.stats().used_bytes, filled * 10);
        assert_eq!(cache.entries(), filled);
        assert!(filled <= 51, "at most one over, for the insert under way");
        let stats = cache.stats();
        assert_eq!(stats.hits + stats.misses, 20_000);
    }
}
