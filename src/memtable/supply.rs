//! Memory that one memtable gives back and the next one takes: chunks that have their pages already.
//!
//! Who writes the first byte of a huge page waits until the system has found it, cleared it and mapped it: a
//! tenth of a millisecond, and several where a virtual machine must get it from its host. Chunks of a
//! flushed memtable have that behind them.
//!
//! Invariant: what is kept fits into what memtables are charged to the budget for and do not have in chunks
//! yet. A memtable is charged for its full size as soon as anything is in it; a quarter of that is left for
//! its leaves and its filter.

use crate::cache::{Budget, Part};
use crate::memtable::chunk::{Chunk, HUGE_BYTES};
use crate::sync::{Arc, Mutex};

/// See the module's caption.
pub(crate) struct Supply {
    budget: Arc<Budget>,
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    /// Chunks of [`HUGE_BYTES`].
    kept: Vec<Chunk>,
    /// Bytes of all chunks that memtables have.
    lent_bytes: usize,
}

impl Supply {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Supply> {
        Arc::new(Supply { budget: Arc::clone(budget), stock: Mutex::new(Stock::default()) })
    }

    /// A chunk of so many bytes, which may be anything.
    pub(crate) fn take(&self, capacity: usize) -> Chunk {
        let mut stock = self.stock.lock();
        stock.lent_bytes += capacity;
        let kept = if capacity == HUGE_BYTES { stock.kept.pop() } else { None };
        drop(stock);
        kept.unwrap_or_else(|| {
            // There is less room for what is kept.
            self.trim();
            Chunk::allocate(capacity)
        })
    }

    /// Takes back what [`take`](Supply::take) gave. Requires: nobody will look at its bytes again.
    pub(crate) fn give_back(&self, mut chunk: Chunk) {
        chunk.empty();
        let mut stock = self.stock.lock();
        stock.lent_bytes -= chunk.capacity();
        if chunk.capacity() == HUGE_BYTES {
            stock.kept.push(chunk);
        }
        drop(stock);
        self.trim();
    }

    /// Frees what is kept too much: a memtable is charged no longer, say.
    pub(crate) fn trim(&self) {
        let charged = self.budget.used(Part::Memtables);
        let mut stock = self.stock.lock();
        let room = (charged - charged / 4).saturating_sub(stock.lent_bytes) / HUGE_BYTES;
        let most = room.min(stock.kept.len());
        let excess = stock.kept.split_off(most);
        drop(stock);
        // Not under the lock: a writer may wait for a chunk.
        drop(excess);
    }

    /// Bytes that are kept.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.stock.lock().kept.len() * HUGE_BYTES
    }
}

impl std::fmt::Debug for Supply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Budget, Part};
    use crate::format::key::{Kind, filter_hash};
    use crate::memtable::Memtable;
    use crate::memtable::arena::Arena;
    use crate::memtable::chunk::HUGE_BYTES;
    use crate::memtable::supply::Supply;
    use crate::sync::{Arc, thread};

    const KIB: usize = 1 << 10;

    #[test]
    fn what_comes_back_is_given_again_as_if_it_were_new() {
        let budget = Budget::new(1 << 30);
        let _charge = budget.charge(Part::Memtables, 4 * HUGE_BYTES);
        let supply = Supply::new(&budget);
        let chunk = supply.take(HUGE_BYTES);
        let address = chunk.cut(HUGE_BYTES).unwrap().addr();
        assert!(chunk.cut(1).is_none());
        supply.give_back(chunk);
        assert_eq!(supply.kept_bytes(), HUGE_BYTES);
        let again = supply.take(HUGE_BYTES);
        assert_eq!(again.cut(HUGE_BYTES).unwrap().addr(), address);
        assert_eq!(supply.kept_bytes(), 0);
    }

    #[test]
    fn no_more_is_kept_than_memtables_are_charged_for() {
        let budget = Budget::new(1 << 30);
        // Three quarters of it are a little more than three chunks.
        let charge = budget.charge(Part::Memtables, 4 * HUGE_BYTES + 400 * KIB);
        let supply = Supply::new(&budget);
        let chunks = [(); 5].map(|()| supply.take(HUGE_BYTES));
        for (chunk, kept) in chunks.into_iter().zip([0, 0, 1, 2, 3]) {
            supply.give_back(chunk);
            assert_eq!(supply.kept_bytes(), kept * HUGE_BYTES);
        }
        let small = supply.take(300 * KIB);
        assert_eq!(supply.kept_bytes(), 3 * HUGE_BYTES, "there was room for it beside them");
        let other = supply.take(300 * KIB);
        assert_eq!(supply.kept_bytes(), 2 * HUGE_BYTES, "it takes the room of one");
        supply.give_back(small);
        supply.give_back(other);
        assert_eq!(supply.kept_bytes(), 2 * HUGE_BYTES, "small ones are not kept");
        let lent = supply.take(HUGE_BYTES);
        drop(charge);
        supply.trim();
        assert_eq!(supply.kept_bytes(), 0);
        supply.give_back(lent);
        assert_eq!(supply.kept_bytes(), 0);
    }

    const MEMTABLE_BYTES: usize = 8 * HUGE_BYTES;

    fn memtable(budget: &Arc<Budget>, supply: &Arc<Supply>) -> Memtable {
        Memtable::new(1).charged_to(budget, MEMTABLE_BYTES).supplied_by(supply)
    }

    /// Fills so many chunks with values of so many bytes.
    fn fill(memtable: &Memtable, chunks: usize, value_bytes: usize) {
        for number in 0..chunks * HUGE_BYTES / value_bytes {
            memtable.insert(&number.to_le_bytes(), 1, Kind::Put, &vec![number as u8; value_bytes]);
        }
    }

    #[test]
    fn one_memtable_fills_what_another_one_leaves() {
        let budget = Budget::new(1 << 30);
        let supply = Supply::new(&budget);
        let (first, second) = (memtable(&budget, &supply), memtable(&budget, &supply));
        fill(&first, 4, 100 * KIB);
        second.insert(b"0000", 1, Kind::Put, b"");
        first.dismantle(|| ());
        let kept = supply.kept_bytes();
        assert!((2 * HUGE_BYTES..=MEMTABLE_BYTES).contains(&kept), "{kept}");
        fill(&second, 3, 100 * KIB);
        assert!(supply.kept_bytes() < kept, "it has taken some");
        second.dismantle(|| ());
        assert_eq!(supply.kept_bytes(), 0, "nobody is charged for anything");
    }

    /// Each value has a chunk of its own, one of them the size of those that are kept.
    #[test]
    fn what_is_kept_makes_room_for_large_values() {
        let budget = Budget::new(1 << 30);
        let supply = Supply::new(&budget);
        let (first, second) = (memtable(&budget, &supply), memtable(&budget, &supply));
        fill(&first, 6, 100 * KIB);
        second.insert(b"0000", 1, Kind::Put, b"");
        drop(first);
        assert!(supply.kept_bytes() > 3 * HUGE_BYTES);
        let kept = supply.kept_bytes();
        let arena = Arena::new(Some(Arc::clone(&supply)));
        assert_eq!(arena.store([&vec![7; HUGE_BYTES]]).len(), HUGE_BYTES);
        assert_eq!(supply.kept_bytes(), kept - HUGE_BYTES);
        drop(arena);
        assert_eq!(supply.kept_bytes(), kept);
        fill(&second, 6, 300 * KIB);
        assert_eq!(supply.kept_bytes(), 0, "the second one has three quarters of its charge");
        drop(second);
        assert_eq!(supply.stock.lock().lent_bytes, 0);
    }

    #[test]
    fn threads_fill_and_free_memtables_of_one_supply() {
        let budget = Budget::new(1 << 30);
        let supply = Supply::new(&budget);
        let rounds = if cfg!(miri) { 1 } else { 5 };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        let own = memtable(&budget, &supply);
                        fill(&own, 3, 200 * KIB);
                        for number in 0..3 * HUGE_BYTES / (200 * KIB) {
                            let key = number.to_le_bytes();
                            let (.., value) = own.get(&key, filter_hash(&key), 1).unwrap();
                            assert!(value.iter().all(|&byte| byte == number as u8));
                        }
                    }
                });
            }
        });
        assert_eq!((supply.kept_bytes(), supply.stock.lock().lent_bytes), (0, 0));
    }
}
