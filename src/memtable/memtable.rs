//! A memtable: takes the writes of one WAL segment, and answers for them until it is flushed.
//!
//! Invariants: (1) nothing that was inserted is ever removed or changed; (2) an insert is seen by
//! every reader that learned of its seqno after the insert returned; (3) what it is charged to the
//! budget is what was reserved for it, or its size if that is more, until it is dropped.
//! Threads: every method may be called by any thread at any time.

use crate::cache::{Budget, Part};
use crate::format::key::{Kind, Seqno, filter_hash};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::memtable::filter::KeyFilter;
use crate::memtable::index::{ENTRY_BYTES, Index};
use crate::memtable::ranges::Ranges;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a range tombstone adds to the size on top of its bytes: fragments are built again after
/// every insert, so a memtable should hold a few thousand tombstones at most.
const RANGE_TOMBSTONE_CHARGE_BYTES: usize = 16 << 10;

/// See the module's caption.
pub(crate) struct Memtable {
    // Constant after construction.
    segment: u64,
    /// Where its memory is charged, if anywhere.
    budget: Option<Arc<Budget>>,
    reserved_bytes: usize,
    // What was inserted.
    /// The keys of `index`, if this memtable is to take part in gets.
    filter: Option<KeyFilter>,
    index: Index,
    ranges: Ranges,
    // Sums over what was inserted. Relaxed: each stands for itself.
    size_bytes: AtomicUsize,
    max_seqno: AtomicU64,
}

impl Memtable {
    /// An empty memtable for the records of this WAL segment.
    pub(crate) fn new(segment: u64) -> Memtable {
        Memtable {
            segment,
            budget: None,
            reserved_bytes: 0,
            filter: None,
            index: Index::new(),
            ranges: Ranges::new(),
            size_bytes: AtomicUsize::new(0),
            max_seqno: AtomicU64::new(0),
        }
    }

    /// Gives it a filter that suits a size of so many bytes. Requires: it is empty.
    pub(crate) fn filtered(mut self, memtable_bytes: usize) -> Memtable {
        assert!(self.is_empty(), "a filter knows every key");
        self.filter = Some(KeyFilter::new(memtable_bytes));
        self
    }

    /// Charges it to `budget`: nothing while it is empty, and `reserved_bytes` at once when it is not. A
    /// memtable that has begun to fill will be full soon, and the cache should make room for it before
    /// that; of one that nobody writes into, the cache has the room. A filter comes on top.
    ///
    /// Requires: it is empty.
    pub(crate) fn charged_to(mut self, budget: &Arc<Budget>, reserved_bytes: usize) -> Memtable {
        assert!(
            self.budget.is_none() && self.size_bytes() == 0,
            "charged once, and from the start"
        );
        let filter_bytes = self.filter.as_ref().map_or(0, KeyFilter::memory_bytes);
        self.reserved_bytes = reserved_bytes + filter_bytes;
        self.budget = Some(Arc::clone(budget));
        self
    }

    /// Frees its memory piece by piece, and calls `pause` between pieces.
    ///
    /// Freeing it at once takes milliseconds in which one lock of the allocator is taken again and again:
    /// whoever allocates meanwhile, like the writers that filled it, hardly ever gets that lock.
    pub(crate) fn dismantle(mut self, pause: impl FnMut()) {
        std::mem::replace(&mut self.index, Index::new()).dismantle(pause);
    }

    /// Number of the WAL segment whose records it holds.
    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    /// As `insert_joined`, with the user key in one part.
    #[cfg(any(test, fuzzing, feature = "testing"))]
    pub(crate) fn insert(&self, user_key: &[u8], seqno: Seqno, kind: Kind, value: &[u8]) {
        self.insert_joined([user_key, b""], seqno, kind, value);
    }

    /// Adds an entry. Its user key comes in two parts: the keyspace id and the caller's key.
    ///
    /// Requires: a put or a delete; no entry with this user key and seqno is there.
    pub(crate) fn insert_joined(
        &self,
        user_key: [&[u8]; 2],
        seqno: Seqno,
        kind: Kind,
        value: &[u8],
    ) {
        assert!(matches!(kind, Kind::Put | Kind::Delete), "range tombstones have their own list");
        let stored = self.index.insert(user_key, seqno, kind, value);
        if let Some(filter) = &self.filter {
            filter.add(filter_hash(stored));
        }
        let key_bytes = user_key[0].len() + user_key[1].len();
        self.account(seqno, ENTRY_BYTES + key_bytes + value.len());
    }

    /// Adds a range tombstone.
    pub(crate) fn insert_range_tombstone(&self, tombstone: RangeTombstone) {
        let bytes = tombstone.start.len() + tombstone.end.len();
        let seqno = tombstone.seqno;
        self.ranges.insert(tombstone);
        self.account(seqno, RANGE_TOMBSTONE_CHARGE_BYTES + bytes);
    }

    fn account(&self, seqno: Seqno, bytes: usize) {
        let before = self.size_bytes.fetch_add(bytes, Ordering::Relaxed);
        // Of all inserts one sees that it was the first.
        if (before == 0 || before + bytes > self.reserved_bytes)
            && let Some(budget) = &self.budget
        {
            let more = self.charged(before + bytes) - self.charged(before);
            budget.add(Part::Memtables, more);
        }
        // Seqnos mostly rise, so mostly the first of these two is only a load.
        if seqno > self.max_seqno.load(Ordering::Relaxed) {
            self.max_seqno.fetch_max(seqno, Ordering::Relaxed);
        }
    }

    /// What the budget is charged for a memtable of this size.
    fn charged(&self, size_bytes: usize) -> usize {
        if size_bytes == 0 { 0 } else { size_bytes.max(self.reserved_bytes) }
    }

    /// The newest version of a key that a reader at `seqno` sees, range tombstones left aside. `hash` is
    /// `filter_hash(user_key)`.
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        hash: u64,
        seqno: Seqno,
    ) -> Option<(Seqno, Kind, &[u8])> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_contain(hash)) {
            return None;
        }
        let found = self.index.find(user_key, seqno)?;
        Some((found.seqno(), found.kind(), found.value()))
    }

    /// All range tombstones; `None` if there is none, which costs one load.
    pub(crate) fn range_tombstones(&self) -> Option<Arc<Fragments>> {
        self.ranges.fragments()
    }

    /// Memory about, in bytes; it never falls.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Number of entries, range tombstones not counted.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing was inserted, range tombstones included.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.ranges.count() == 0
    }

    /// Largest seqno that was inserted; `None` while it is empty.
    pub(crate) fn max_seqno(&self) -> Option<Seqno> {
        let seqno = self.max_seqno.load(Ordering::Relaxed);
        (seqno != 0).then_some(seqno)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }
}

impl std::fmt::Debug for Memtable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memtable").field("segment", &self.segment()).finish_non_exhaustive()
    }
}

impl Drop for Memtable {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.subtract(Part::Memtables, self.charged(self.size_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Budget, Part};
    use crate::format::key::Kind;
    use crate::memtable::Memtable;

    #[test]
    fn the_budget_is_charged_what_was_reserved_and_what_goes_beyond() {
        let budget = Budget::new(1 << 20);
        let memtable = Memtable::new(1).charged_to(&budget, 1000);
        assert_eq!(budget.used(Part::Memtables), 0, "nobody has written");
        memtable.insert(b"0000key", 1, Kind::Put, b"value");
        assert!(memtable.size_bytes() < 1000);
        assert_eq!(budget.used(Part::Memtables), 1000);
        memtable.insert(b"0000key", 2, Kind::Put, &[0; 5000]);
        memtable.insert(b"0000key", 3, Kind::Delete, b"");
        assert!(memtable.size_bytes() > 5000);
        assert_eq!(budget.used(Part::Memtables), memtable.size_bytes());
        drop(memtable);
        assert_eq!(budget.used(Part::Memtables), 0);
    }
}
