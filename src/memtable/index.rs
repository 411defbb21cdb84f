//! Keeps the entries of a memtable in order, and hides from the rest of the room how it does so.
//!
//! The arrangement: a lock-free skiplist (crossbeam's) of leaves, each of which has up to 64
//! entries, sorted. A leaf stands in the list under a slot that none of its entries lies below; it
//! has a neighbour's entries never, and entries of one keyspace only. Fewer and denser nodes are
//! what makes a search cheap: most of its time is misses of the processor's cache. Most searches for
//! one key do without the list: a directory of the leaves leads them to the right one.
//!
//! Invariants: (1) entries and leaves are only ever added, and no two entries have the same user
//! key and seqno; (2) an entry is in the leaf with the greatest slot at or below it, and for the
//! instant of a split in the leaf before that one too; (3) records lie in the arena beside the
//! list, and slots in the list point into it, or to nothing.
//!
//! Readers walk to the right when a leaf does not have what they look for: it may have been split
//! since the list was searched. They search again in every leaf that they enter, because of (2).
//!
//! Invariant 1 is why the skiplist may run without epochs, under `epoch::unprotected`: memory is
//! reclaimed late only for nodes that are removed or replaced, and there are none. It is kept by
//! using no method that removes, and `get_or_insert` instead of `insert`, which would replace.
#![expect(unsafe_code, reason = "the skiplist runs without epochs")]

use crate::format::key::{Kind, Seqno};
use crate::memtable::arena::Arena;
use crate::memtable::directory::{BYTES_A_LEAF, Directories};
use crate::memtable::leaf::{CAPACITY, Leaf, Moment};
use crate::memtable::record::{RECORD_HEADER_BYTES, Record, Slot};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crossbeam_epoch::Guard;
use crossbeam_skiplist::base;
use std::ops::Bound;

/// Memory of an entry about, in bytes, apart from its key and value: the header of its record, and
/// its part of a leaf that is three quarters full.
pub(crate) const ENTRY_BYTES: usize =
    RECORD_HEADER_BYTES + (size_of::<Leaf>() + BYTES_A_LEAF) / (CAPACITY * 3 / 4);

/// Leaves that are freed without a pause: in some ten microseconds.
const LEAVES_A_PIECE: usize = 64;

/// See the module's caption.
pub(crate) struct Index {
    list: base::SkipList<Slot, Arc<Leaf>>,
    directories: Directories,
    /// Relaxed: it stands for itself.
    len: AtomicUsize,
    /// Goes after the list, whose leaves name records in it.
    arena: Arena,
}

/// A leaf in the list, and the way to its neighbours.
type Node<'a> = base::Entry<'a, 'a, Slot, Arc<Leaf>>;

/// An entry of the index, and the way to its neighbours.
#[derive(Clone)]
pub(crate) struct Position<'a> {
    index: &'a Index,
    node: Node<'a>,
    /// Where it is in the leaf, as long as this moment lasts.
    moment: Moment,
    place: usize,
    record: Record<'a>,
}

/// Requires: nothing is ever removed from or replaced in the list that it is used with.
fn no_epoch() -> &'static Guard {
    // SAFETY: this guard delays no destruction; by invariant 1 there is none before the list is
    // dropped as a whole, and then nobody borrows it.
    unsafe { crossbeam_epoch::unprotected() }
}

impl Index {
    pub(crate) fn new() -> Index {
        Index {
            list: base::SkipList::new(crossbeam_epoch::default_collector().clone()),
            directories: Directories::new(),
            len: AtomicUsize::new(0),
            arena: Arena::new(),
        }
    }

    /// Frees it piece by piece, with `pause` between pieces of some leaves.
    pub(crate) fn dismantle(self, mut pause: impl FnMut()) {
        let Index { list, directories, arena, .. } = self;
        drop(directories);
        for (count, (_, leaf)) in list.into_iter().enumerate() {
            drop(leaf);
            if count % LEAVES_A_PIECE == LEAVES_A_PIECE - 1 {
                pause();
            }
        }
        drop(arena);
    }

    /// Number of entries; exact when no insert is under way.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Adds an entry, and returns its user key in one part. Requires: there is none with this user key
    /// and seqno.
    pub(crate) fn insert(
        &self,
        user_key: [&[u8]; 2],
        seqno: Seqno,
        kind: Kind,
        value: &[u8],
    ) -> &[u8] {
        let record = Record::store(&self.arena, user_key, seqno, kind, value);
        let slot = record.slot();
        self.place(&slot, record);
        self.len.fetch_add(1, Ordering::Relaxed);
        record.user_key()
    }

    /// Puts a record into its leaf.
    fn place(&self, slot: &Slot, record: Record<'_>) {
        let publish = |low, leaf| {
            self.publish(low, leaf);
        };
        if let Some(leaf) = self.directories.nearest(slot)
            && leaf.keyspace() == slot.keyspace
            && leaf.insert(slot, record, publish)
        {
            return;
        }
        loop {
            let node = self.list.upper_bound(Bound::Included(slot), no_epoch());
            let node = node.filter(|node| node.value().keyspace() == slot.keyspace);
            let is_in = match node {
                Some(node) => node.value().insert(slot, record, publish),
                None => {
                    self.publish(Slot::least_of(slot.keyspace), Arc::new(Leaf::new(slot, record)))
                }
            };
            if is_in {
                return;
            }
        }
    }

    /// Puts a leaf into the list, unless there is one in its place; returns whether it did.
    fn publish(&self, low: Slot, leaf: Arc<Leaf>) -> bool {
        let own = Arc::clone(&leaf);
        // The reference that comes with the entry is not given back: without removals nobody asks
        // for the count of a node.
        let entry = self.list.get_or_insert(low, leaf, no_epoch());
        let is_in = Arc::ptr_eq(entry.value(), &own);
        if is_in {
            self.directories.add(low, own);
        }
        is_in
    }

    /// The first entry at or behind (`user_key`, `seqno`), if it has this user key.
    pub(crate) fn find(&self, user_key: &[u8], seqno: Seqno) -> Option<Record<'_>> {
        let target = Slot::new(user_key, seqno);
        if let Some(leaf) = self.directories.nearest(&target) {
            let moment = leaf.now();
            let place = leaf.search(moment, &target, false);
            // What it has at or behind the target is the first there is: see the caption of `directory`.
            if place < moment.count()
                && let Some(record) = leaf.record(moment, place)
                && leaf.still(moment)
            {
                return (record.user_key() == user_key).then_some(record);
            }
        }
        let found = self.seek(user_key, seqno)?;
        (found.user_key() == user_key).then_some(found.record)
    }

    /// The first entry at or behind (`user_key`, `seqno`).
    pub(crate) fn seek(&self, user_key: &[u8], seqno: Seqno) -> Option<Position<'_>> {
        let target = Slot::new(user_key, seqno);
        let node = self.list.upper_bound(Bound::Included(&target), no_epoch());
        self.first_from(node.or_else(|| self.list.front(no_epoch()))?, &target, false)
    }

    /// The last entry before (`user_key`, `seqno`).
    pub(crate) fn seek_back(&self, user_key: &[u8], seqno: Seqno) -> Option<Position<'_>> {
        self.last_before(Slot::new(user_key, seqno))
    }

    pub(crate) fn first(&self) -> Option<Position<'_>> {
        let node = self.list.front(no_epoch())?;
        let low = *node.key();
        self.first_from(node, &low, false)
    }

    pub(crate) fn last(&self) -> Option<Position<'_>> {
        let mut node = self.list.back(no_epoch())?;
        loop {
            let leaf: &Leaf = node.value();
            let moment = leaf.now();
            if let Some(right) = node.next() {
                node = right;
            } else if let Some(position) = self.position(&node, moment, moment.count() - 1) {
                return Some(position);
            }
        }
    }

    /// The first entry at `target` or behind it (only behind it, if `past`) in this leaf or to the
    /// right of it.
    fn first_from<'a>(
        &'a self,
        mut node: Node<'a>,
        target: &Slot,
        past: bool,
    ) -> Option<Position<'a>> {
        loop {
            let leaf: &Leaf = node.value();
            let moment = leaf.now();
            let place = leaf.search(moment, target, past);
            if place < moment.count() {
                if let Some(position) = self.position(&node, moment, place) {
                    return Some(position);
                }
            } else if leaf.still(moment) {
                node = node.next()?;
            }
        }
    }

    fn last_before(&self, mut target: Slot) -> Option<Position<'_>> {
        loop {
            let mut node = self.list.upper_bound(Bound::Excluded(&target), no_epoch())?;
            loop {
                let leaf: &Leaf = node.value();
                let moment = leaf.now();
                let place = leaf.search(moment, &target, false);
                // A leaf that was split off since the list was searched may have a later one.
                let right = (place == moment.count()).then(|| node.next()).flatten();
                if let Some(right) = right.filter(|right| *right.key() < target) {
                    node = right;
                } else if place > 0 {
                    if let Some(position) = self.position(&node, moment, place - 1) {
                        return Some(position);
                    }
                } else if leaf.still(moment) {
                    // All that is before the target lies before this leaf.
                    target = *node.key();
                    break;
                }
            }
        }
    }

    /// The entry at a place of a leaf, if `moment` lasts.
    fn position<'a>(
        &'a self,
        node: &Node<'a>,
        moment: Moment,
        place: usize,
    ) -> Option<Position<'a>> {
        let leaf: &'a Leaf = node.value();
        let record = leaf.record(moment, place);
        let record = record.filter(|_| leaf.still(moment))?;
        Some(Position { index: self, node: node.clone(), moment, place, record })
    }
}

impl<'a> Position<'a> {
    pub(crate) fn next(&self) -> Option<Position<'a>> {
        let place = self.place + 1;
        if place < self.moment.count()
            && let Some(next) = self.index.position(&self.node, self.moment, place)
        {
            return Some(next);
        }
        // The end of the leaf, or it was changed. The next leaf may, for the instant of a split,
        // begin with entries that were seen in this one.
        self.index.first_from(self.node.clone(), &self.record.slot(), true)
    }

    /// At the first entry of a leaf this is a search from the top of the list.
    pub(crate) fn prev(&self) -> Option<Position<'a>> {
        if self.place > 0
            && let Some(previous) = self.index.position(&self.node, self.moment, self.place - 1)
        {
            return Some(previous);
        }
        self.index.last_before(self.record.slot())
    }

    pub(crate) fn user_key(&self) -> &'a [u8] {
        self.record.user_key()
    }

    pub(crate) fn seqno(&self) -> Seqno {
        self.record.seqno()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.record.kind()
    }

    pub(crate) fn value(&self) -> &'a [u8] {
        self.record.value()
    }
}
