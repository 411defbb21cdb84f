//! Memory that one memtable gives back and the next one takes: chunks that have their pages already.
//!
//! Who writes the first byte of a huge page waits until the system has found it, cleared it and mapped it: a
//! tenth of a millisecond, and several where a virtual machine must get it from its host. Chunks of a
//! flushed memtable have that behind them.
//!
//! Invariant: so much is kept that with what memtables have there is no more than they are charged to the
//! budget for. A memtable is charged for its full size as soon as anything is in it, so what it does not
//! have yet is the room for what is kept.

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
    kept: Vec<Chunk>,
    /// Chunks that memtables have.
    lent: usize,
}

impl Supply {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Supply> {
        Arc::new(Supply { budget: Arc::clone(budget), stock: Mutex::new(Stock::default()) })
    }

    /// A chunk of [`HUGE_BYTES`]; its bytes may be anything.
    pub(crate) fn take(&self) -> Chunk {
        let mut stock = self.stock.lock();
        stock.lent += 1;
        let kept = stock.kept.pop();
        drop(stock);
        kept.unwrap_or_else(|| Chunk::allocate(HUGE_BYTES))
    }

    /// Takes back what [`take`](Supply::take) gave.
    pub(crate) fn give_back(&self, mut chunk: Chunk) {
        chunk.empty();
        let mut stock = self.stock.lock();
        stock.lent -= 1;
        stock.kept.push(chunk);
        drop(stock);
        self.trim();
    }

    /// Frees what is kept too much: a memtable is charged no longer.
    pub(crate) fn trim(&self) {
        let charged = self.budget.used(Part::Memtables) / HUGE_BYTES;
        let mut stock = self.stock.lock();
        let most = charged.saturating_sub(stock.lent).min(stock.kept.len());
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
    use crate::format::key::Kind;
    use crate::memtable::Memtable;
    use crate::memtable::chunk::HUGE_BYTES;
    use crate::memtable::supply::Supply;

    #[test]
    fn what_comes_back_is_given_again_as_if_it_were_new() {
        let budget = Budget::new(1 << 30);
        let _charge = budget.charge(Part::Memtables, 2 * HUGE_BYTES);
        let supply = Supply::new(&budget);
        let chunk = supply.take();
        let address = chunk.cut(HUGE_BYTES).unwrap().addr();
        assert!(chunk.cut(1).is_none());
        supply.give_back(chunk);
        assert_eq!(supply.kept_bytes(), HUGE_BYTES);
        let again = supply.take();
        assert_eq!(again.cut(HUGE_BYTES).unwrap().addr(), address);
        assert_eq!(supply.kept_bytes(), 0);
    }

    #[test]
    fn no_more_is_kept_than_memtables_are_charged_for() {
        let budget = Budget::new(1 << 30);
        let charge = budget.charge(Part::Memtables, 3 * HUGE_BYTES + 1);
        let supply = Supply::new(&budget);
        let chunks = [(); 5].map(|()| supply.take());
        for (chunk, kept) in chunks.into_iter().zip([0, 0, 1, 2, 3]) {
            supply.give_back(chunk);
            assert_eq!(supply.kept_bytes(), kept * HUGE_BYTES);
        }
        let lent = supply.take();
        drop(charge);
        supply.trim();
        assert_eq!(supply.kept_bytes(), 0);
        supply.give_back(lent);
        assert_eq!(supply.kept_bytes(), 0);
    }

    #[test]
    fn one_memtable_fills_what_another_one_leaves() {
        const BYTES: usize = 4 * HUGE_BYTES;
        let budget = Budget::new(1 << 30);
        let supply = Supply::new(&budget);
        let memtable = || Memtable::new(1).charged_to(&budget, BYTES).supplied_by(&supply);
        let fill = |memtable: &Memtable, chunks: u64| {
            for number in 0..chunks * 16 {
                memtable.insert(&number.to_le_bytes(), 1, Kind::Put, &[7; HUGE_BYTES / 16]);
            }
        };
        let (first, second) = (memtable(), memtable());
        fill(&first, 3);
        second.insert(b"0000", 1, Kind::Put, b"");
        first.dismantle(|| ());
        let kept = supply.kept_bytes();
        assert!((2 * HUGE_BYTES..=BYTES).contains(&kept), "{kept}");
        fill(&second, 2);
        assert!(supply.kept_bytes() < kept, "it has taken some");
        second.dismantle(|| ());
        assert_eq!(supply.kept_bytes(), 0, "nobody is charged for anything");
    }
}
