//! A leaf of the index: up to 64 entries of one keyspace in order; one thread at a time changes it,
//! any number read it, and no reader waits.
//!
//! An entry lies in a cell and stays there; an order says which cell comes when. There are two
//! orders. A change fills a free cell, writes the order that does not count, and makes it the one
//! that counts by one store into `state`. Readers take a `Moment` first, read, and then ask whether
//! it is `still` that moment; if it is not, they read again. They repeat only when a change was
//! completed meanwhile, so a writer that was put to sleep in the middle of one holds up nobody.
//!
//! Invariants: (1) `state` changes under the mutex only, and each change is a new moment; (2) while
//! a moment lasts, nobody writes to its order or to the cells that this names; (3) every record in
//! a cell outlives the leaf; (4) all entries lie below `high`, which never rises; (5) a leaf that
//! others can find is never empty.
//!
//! A full leaf is split: the upper part goes to a new leaf, which is published in the index
//! *before* this leaf lets go of it, so that an entry can be found at any time. Until this leaf has
//! let go, the new one is locked: no entry is added to it that a reader of the old moment of this
//! leaf would pass by.
#![expect(unsafe_code, reason = "cells hold addresses of records in the arena")]

use crate::memtable::record::{Record, Slot};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use crate::sync::{Arc, Mutex};
use std::array;
use std::cmp;
use std::ptr;

/// Entries that a leaf has room for: one bit each in a word, one byte each in a cache line.
/// Loom looks at every way of it, so there it has fewer.
pub(crate) const CAPACITY: usize = if cfg!(loom) { 8 } else { 64 };

/// Bytes of a line of the processor's cache.
const LINE_BYTES: usize = 64;

/// See the module's caption.
#[repr(C, align(64))]
pub(crate) struct Leaf {
    /// The number of the change that counts, and in the lowest byte the number of entries.
    state: AtomicU64,
    keyspace: u32,
    /// Whether it was the last leaf of its keyspace when it was made.
    was_last: bool,
    writer: Mutex<Writer>,
    /// Numbers of cells, a byte each. The order that counts is chosen by the lowest bit of the
    /// number of the change.
    orders: [[AtomicU64; CAPACITY / 8]; 2],
    /// Apart from the addresses, because a search needs hardly anything else.
    first_heads: [AtomicU64; CAPACITY],
    second_heads: [AtomicU64; CAPACITY],
    /// Stored with Release and loaded with Acquire: the bytes of a record are read even in a moment
    /// that turns out to be over.
    records: [AtomicPtr<u8>; CAPACITY],
}

/// What only the thread that changes the leaf knows.
struct Writer {
    /// A bit for each cell that no moment since the last change names.
    free: u64,
    /// The lowest slot of the leaf that was split off last.
    high: Option<Slot>,
}

/// A state of a leaf between two changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

/// The cells of a leaf in the order of their entries.
type Order = [u8; CAPACITY];

impl Moment {
    /// Number of entries.
    pub(crate) fn count(self) -> usize {
        (self.0 & 0xff) as usize
    }

    fn order(self) -> usize {
        (self.0 >> 8 & 1) as usize
    }

    fn next(self, count: usize) -> Moment {
        Moment(((self.0 >> 8) + 1) << 8 | count as u64)
    }
}

impl Leaf {
    /// A leaf of one entry. Requires: the record lives longer than the leaf.
    pub(crate) fn new(slot: &Slot, record: Record<'_>) -> Leaf {
        let mut leaf = Leaf::empty(slot.keyspace, None);
        leaf.fill(0, slot.heads, record.address());
        leaf.writer = Mutex::new(Writer { free: !1, high: None });
        leaf.change(Moment(0), &[0; CAPACITY], 1);
        leaf
    }

    fn empty(keyspace: u32, high: Option<Slot>) -> Leaf {
        Leaf {
            state: AtomicU64::new(0),
            keyspace,
            was_last: high.is_none(),
            writer: Mutex::new(Writer { free: u64::MAX, high }),
            orders: array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0))),
            first_heads: array::from_fn(|_| AtomicU64::new(0)),
            second_heads: array::from_fn(|_| AtomicU64::new(0)),
            records: array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// As if it had been split off in the middle.
    #[cfg(test)]
    pub(crate) fn not_last(self) -> Leaf {
        Leaf { was_last: false, ..self }
    }

    /// All entries have this keyspace.
    pub(crate) fn keyspace(&self) -> u32 {
        self.keyspace
    }

    /// Whether no leaf of its keyspace lay behind it when it was made.
    pub(crate) fn was_last(&self) -> bool {
        self.was_last
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.state.load(Ordering::Acquire))
    }

    /// Whether everything that was read since `moment` was taken belongs to it.
    pub(crate) fn still(&self, moment: Moment) -> bool {
        // Whatever was read out of a later change was stored behind the fence of `begin`, so this
        // fence makes the state of a later moment visible too.
        fence(Ordering::Acquire);
        self.state.load(Ordering::Relaxed) == moment.0
    }

    /// Number of entries below `target`, or, with `through`, at or below it. Believe it only if
    /// `moment` lasts.
    pub(crate) fn search(&self, moment: Moment, target: &Slot, through: bool) -> usize {
        match self.keyspace.cmp(&target.keyspace) {
            cmp::Ordering::Less => return moment.count(),
            cmp::Ordering::Greater => return 0,
            cmp::Ordering::Equal => {}
        }
        self.touch();
        let (mut low, mut len) = (0, moment.count());
        while len > 0 {
            let half = len / 2;
            let is_before = match self.compare(moment, low + half, target) {
                cmp::Ordering::Less => true,
                cmp::Ordering::Equal => through,
                cmp::Ordering::Greater => false,
            };
            if is_before {
                low += half + 1;
                len -= half + 1;
            } else {
                len = half;
            }
        }
        low
    }

    /// Loads a word of each line that a search may look into, and does nothing with it. A search goes from
    /// one line to the next only when it has seen the first; these loads wait for memory together.
    #[inline]
    fn touch(&self) {
        for line in self.first_heads.chunks(LINE_BYTES / size_of::<u64>()) {
            line[0].load(Ordering::Relaxed);
        }
    }

    /// How the entry at a place compares to a slot of the same keyspace.
    fn compare(&self, moment: Moment, place: usize, target: &Slot) -> cmp::Ordering {
        let cell = self.cell(moment, place);
        self.first_heads[cell]
            .load(Ordering::Relaxed)
            .cmp(&target.heads[0])
            .then_with(|| self.second_heads[cell].load(Ordering::Relaxed).cmp(&target.heads[1]))
            .then_with(|| match self.record_in(cell) {
                Some(record) => target.compare_record_beyond_heads(record),
                None => cmp::Ordering::Less,
            })
    }

    /// The entry at a place. Believe it only if `moment` lasts; if it does, there is one.
    pub(crate) fn record(&self, moment: Moment, place: usize) -> Option<Record<'_>> {
        self.record_in(self.cell(moment, place))
    }

    fn record_in(&self, cell: usize) -> Option<Record<'_>> {
        let address = self.records[cell].load(Ordering::Acquire);
        // SAFETY: a cell holds null or the address of a record that outlives the leaf (invariant
        // 3), stored (Release) after the record was written.
        unsafe { Record::at(address) }
    }

    /// The order may be half written, but its bytes are numbers of cells in any case.
    fn cell(&self, moment: Moment, place: usize) -> usize {
        let word = self.orders[moment.order()][place / 8].load(Ordering::Relaxed);
        (word >> (place % 8 * 8)) as usize % CAPACITY
    }

    /// Adds an entry, unless it belongs to a leaf further right: then it returns false. If a leaf
    /// has to be split off, it is given to `publish` with its lowest slot.
    ///
    /// Requires: it does not belong further left; the record lives longer than the leaf.
    pub(crate) fn insert(
        &self,
        slot: &Slot,
        record: Record<'_>,
        publish: impl FnOnce(Slot, Arc<Leaf>),
    ) -> bool {
        // Before the lock: it stands in the way of loads.
        self.touch();
        let mut writer = self.writer.lock();
        if writer.high.is_some_and(|high| *slot >= high) {
            return false;
        }
        let moment = self.now();
        let place = self.search(moment, slot, false);
        assert!(
            place == moment.count() || self.compare(moment, place, slot).is_ne(),
            "two entries with the same key and seqno in one memtable"
        );
        if moment.count() == CAPACITY {
            self.split(&mut writer, moment, (place, slot, record), publish);
        } else {
            let mut order = self.order(moment);
            self.add(&mut writer, moment, (&mut order, moment.count()), (place, slot, record));
        }
        true
    }

    /// Adds an entry to a full leaf: some entries, the new one perhaps, go to a leaf of their own.
    fn split(
        &self,
        writer: &mut Writer,
        moment: Moment,
        (place, slot, record): (usize, &Slot, Record<'_>),
        publish: impl FnOnce(Slot, Arc<Leaf>),
    ) {
        let mut order = self.order(moment);
        // Behind the last entry others are likely to follow: then this leaf stays full.
        let kept = if place == CAPACITY { CAPACITY } else { CAPACITY / 2 };
        let right = Arc::new(Leaf::empty(self.keyspace, writer.high));
        let mut right_writer = right.writer.lock();
        for (to, &from) in order[kept..].iter().enumerate() {
            let heads = [&self.first_heads, &self.second_heads];
            let heads = heads.map(|heads| heads[usize::from(from)].load(Ordering::Relaxed));
            let address = self.records[usize::from(from)].load(Ordering::Relaxed);
            right.fill(to, heads, address);
        }
        let moved = CAPACITY - kept;
        let mut right_order = array::from_fn(|place| place as u8);
        right_writer.free = u64::MAX.checked_shl(moved as u32).unwrap_or(0);
        let goes_right = place >= kept;
        if goes_right {
            let entry = (place - kept, slot, record);
            right.add(&mut right_writer, Moment(0), (&mut right_order, moved), entry);
        } else {
            right.change(Moment(0), &right_order, moved);
        }
        let low = match right.record(right.now(), 0) {
            Some(lowest) => lowest.slot(),
            None => unreachable!("half of a full leaf, or one entry, is in it"),
        };
        writer.high = Some(low);
        publish(low, Arc::clone(&right));
        for &cell in &order[kept..] {
            writer.free |= 1 << cell;
        }
        if !goes_right {
            // Two changes: readers of this moment may be in the cells that it names, and only when
            // it is over may one of them be filled again.
            self.change(moment, &order, kept);
            self.add(writer, self.now(), (&mut order, kept), (place, slot, record));
        } else if kept < CAPACITY {
            self.change(moment, &order, kept);
        }
        drop(right_writer);
    }

    /// Fills a free cell, and makes the order with it the one that counts.
    fn add(
        &self,
        writer: &mut Writer,
        moment: Moment,
        (order, count): (&mut Order, usize),
        (place, slot, record): (usize, &Slot, Record<'_>),
    ) {
        let cell = writer.free.trailing_zeros() as usize;
        writer.free &= writer.free - 1;
        begin();
        self.fill(cell, slot.heads, record.address());
        order.copy_within(place..count, place + 1);
        order[place] = cell as u8;
        self.change(moment, order, count + 1);
    }

    /// Requires: the cell is free, and `begin` was called since it became so.
    fn fill(&self, cell: usize, heads: [u64; 2], address: *mut u8) {
        self.first_heads[cell].store(heads[0], Ordering::Relaxed);
        self.second_heads[cell].store(heads[1], Ordering::Relaxed);
        self.records[cell].store(address, Ordering::Release);
    }

    /// Ends `moment`: from now on `order` counts.
    fn change(&self, moment: Moment, order: &Order, count: usize) {
        begin();
        let next = moment.next(count);
        for (word, bytes) in self.orders[next.order()].iter().zip(order.as_chunks().0) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        self.state.store(next.0, Ordering::Release);
    }

    fn order(&self, moment: Moment) -> Order {
        let mut order = [0; CAPACITY];
        let words = &self.orders[moment.order()];
        for (bytes, word) in order.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.load(Ordering::Relaxed).to_le_bytes();
        }
        order
    }
}

/// Stands before the first store of a change: who sees any of its stores sees the state of the
/// change before it as well, and so that older moments are over.
fn begin() {
    fence(Ordering::Release);
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::format::key::Kind;
    use crate::memtable::arena::Arena;
    use crate::memtable::leaf::{CAPACITY, Leaf};
    use crate::memtable::record::Record;
    use byteorder::{BigEndian, ByteOrder};

    pub(crate) fn record(arena: &Arena, number: u64) -> Record<'_> {
        let mut key = [0; 8];
        BigEndian::write_u64(&mut key, number);
        Record::store(arena, [b"0000", &key], 1, Kind::Put, b"")
    }

    fn numbers(leaf: &Leaf) -> Vec<u64> {
        let moment = leaf.now();
        let records = (0..moment.count()).map(|place| leaf.record(moment, place).unwrap());
        let numbers = records.map(|it| BigEndian::read_u64(&it.user_key()[4..]));
        let numbers = numbers.collect();
        assert!(leaf.still(moment));
        numbers
    }

    /// A full leaf of the even numbers.
    fn full(arena: &Arena) -> Leaf {
        let first = record(arena, 0);
        let leaf = Leaf::new(&first.slot(), first);
        for number in 1..CAPACITY as u64 {
            let even = record(arena, number * 2);
            assert!(leaf.insert(&even.slot(), even, |_, _| panic!("there is room")));
        }
        leaf
    }

    /// The two moments at which a reader or a writer of the new leaf could pass an entry by.
    #[test]
    fn a_split_publishes_before_it_lets_go_and_keeps_the_new_leaf_locked_until_then() {
        for number in [1, 63, 65, 125, 127] {
            let arena = Arena::new();
            let leaf = full(&arena);
            let before = numbers(&leaf);
            let (odd, mut right) = (record(&arena, number), None);
            let is_in = leaf.insert(&odd.slot(), odd, |low, published| {
                assert_eq!(numbers(&leaf), before, "nothing has left the old leaf yet");
                assert!(published.writer.try_lock().is_none(), "nothing joins the new leaf yet");
                assert!(published.record(published.now(), 0).unwrap().slot() == low);
                right = Some(published);
            });
            assert!(is_in);
            let right = right.unwrap();
            assert!(right.writer.try_lock().is_some());
            let mut all: Vec<u64> = before.iter().copied().chain([number]).collect();
            all.sort_unstable();
            assert_eq!([numbers(&leaf), numbers(&right)].concat(), all);
            let last = record(&arena, *all.last().unwrap() + 1);
            assert!(!leaf.insert(&last.slot(), last, |_, _| ()), "it belongs further right");
        }
    }

    #[test]
    fn a_moment_is_over_with_the_next_change_and_not_before() {
        let arena = Arena::new();
        let leaf = full(&arena);
        let moment = leaf.now();
        assert!(leaf.still(moment));
        let odd = record(&arena, 1);
        leaf.insert(&odd.slot(), odd, |_, _| assert!(leaf.still(moment)));
        assert!(!leaf.still(moment));
    }
}
