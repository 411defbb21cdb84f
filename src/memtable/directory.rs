//! Remembers where the leaves of an index stand, so that most searches need not walk through the list.
//!
//! A walk through a skiplist of some thousand leaves is two dozen steps, and each misses the processor's
//! cache. A directory is the same leaves in one sorted array, as they stood when it was made, and behind
//! them those that came since. It may be out of date, and need not know better: a leaf keeps all
//! entries from its lowest slot up to where it was split last, and says so itself when it is asked for what
//! lies further right. Then the list is searched.
//!
//! When a quarter of the leaves are new, the next directory is made, by whoever brought the last of
//! them. The old ones stay until the index goes, because readers may be in them: there are a few
//! dozen, which together hold five times the rows of the last one.
//!
//! Invariants: (1) rows are sorted, and are those of leaves that are in the list; (2) a directory changes
//! under the mutex only, and only by one more fresh row.

use crate::memtable::leaf::Leaf;
use crate::memtable::record::Slot;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};

/// So many directories are made. Each has a quarter more rows than the one before: the last would
/// have some ten million.
const GENERATIONS: usize = 64;

/// Fresh rows that a directory has room for, besides a quarter of its rows.
const FRESH_MIN: usize = 4;

/// Bytes of all directories together for each leaf, about: the older ones have four times the rows of the
/// last, and each has room for a quarter more.
pub(crate) const BYTES_A_LEAF: usize = 5 * (size_of::<Row>() + size_of::<OnceLock<Row>>() / 4);

/// A leaf, and its lowest slot.
#[derive(Clone)]
struct Row {
    low: Slot,
    leaf: Arc<Leaf>,
}

/// The leaves at one moment.
struct Directory {
    rows: Box<[Row]>,
    /// Those that came since, in the order in which they came.
    fresh: Box<[OnceLock<Row>]>,
    fresh_len: AtomicUsize,
}

/// See the module's caption.
pub(crate) struct Directories {
    all: [OnceLock<Directory>; GENERATIONS],
    /// How many there are. The last one counts.
    len: AtomicUsize,
    writer: Mutex<()>,
}

impl Directory {
    fn new(rows: Box<[Row]>) -> Directory {
        let room = FRESH_MIN + rows.len() / 4;
        let fresh = (0..room).map(|_| OnceLock::new()).collect();
        Directory { rows, fresh, fresh_len: AtomicUsize::new(0) }
    }

    fn newest(&self) -> Option<&Row> {
        let len = self.fresh_len.load(Ordering::Acquire);
        self.fresh.get(len.checked_sub(1)?)?.get()
    }

    /// The directory with all rows of this one in order. Whoever splits a leaf meanwhile waits for it.
    fn next(&self) -> Directory {
        let fresh = self.fresh.iter().filter_map(OnceLock::get);
        let mut rows: Vec<Row> = self.rows.iter().chain(fresh).cloned().collect();
        // Two sorted runs, or nearly so: the stable sort finds them.
        rows.sort_by_key(|row| row.low);
        Directory::new(rows.into())
    }
}

impl Directories {
    pub(crate) fn new() -> Directories {
        Directories {
            all: [const { OnceLock::new() }; GENERATIONS],
            len: AtomicUsize::new(0),
            writer: Mutex::new(()),
        }
    }

    fn current(&self) -> Option<&Directory> {
        self.all[self.len.load(Ordering::Acquire).checked_sub(1)?].get()
    }

    /// A leaf in which `slot` may lie, but never one that begins behind it.
    pub(crate) fn nearest(&self, slot: &Slot) -> Option<&Leaf> {
        let directory = self.current()?;
        // Whoever writes in ascending order writes into the newest leaf.
        if let Some(row) = directory.newest()
            && row.leaf.was_last()
            && row.low.keyspace == slot.keyspace
            && row.low <= *slot
        {
            return Some(&row.leaf);
        }
        let behind = directory.rows.partition_point(|row| row.low <= *slot);
        let row = directory.rows.get(behind.checked_sub(1)?)?;
        Some(&row.leaf)
    }

    /// Adds a leaf that has just been put into the list.
    pub(crate) fn add(&self, low: Slot, leaf: Arc<Leaf>) {
        let _writer = self.writer.lock();
        let len = self.len.load(Ordering::Relaxed);
        let Some(directory) = self.current() else {
            self.append(len, Directory::new(Box::new([Row { low, leaf }])));
            return;
        };
        let at = directory.fresh_len.load(Ordering::Relaxed);
        let Some(place) = directory.fresh.get(at) else {
            // The last generation is full: what is not in it is found in the list.
            return;
        };
        let is_set = place.set(Row { low, leaf }).is_ok();
        assert!(is_set, "a place is filled once, under the mutex");
        directory.fresh_len.store(at + 1, Ordering::Release);
        if at + 1 == directory.fresh.len() && len < GENERATIONS {
            self.append(len, directory.next());
        }
    }

    fn append(&self, len: usize, directory: Directory) {
        let is_set = self.all[len].set(directory).is_ok();
        assert!(is_set, "a generation is made once, under the mutex");
        self.len.store(len + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use crate::format::key::Kind;
    use crate::memtable::arena::Arena;
    use crate::memtable::directory::{Directories, FRESH_MIN};
    use crate::memtable::leaf::Leaf;
    use crate::memtable::leaf::tests::record;
    use crate::memtable::record::Record;
    use crate::sync::Arc;
    use crate::sync::atomic::Ordering;
    use byteorder::{BigEndian, ByteOrder};

    fn number_of(leaf: &Leaf) -> u64 {
        BigEndian::read_u64(&leaf.record(leaf.now(), 0).unwrap().user_key()[4..])
    }

    /// Leaves of one entry each, at even numbers, in a scattered order.
    #[test]
    fn the_nearest_leaf_is_the_right_one_or_one_further_left() {
        let arena = Arena::new();
        let directories = Directories::new();
        assert!(directories.nearest(&record(&arena, 7).slot()).is_none());
        let mut known = std::collections::BTreeSet::new();
        let mut hits = 0;
        let leaves = if cfg!(miri) { 20 } else { 100 };
        for index in 0..leaves {
            let number = index * 37 % leaves * 2;
            let lowest = record(&arena, number);
            let leaf = Leaf::new(&lowest.slot(), lowest).not_last();
            directories.add(lowest.slot(), Arc::new(leaf));
            known.insert(number);
            for asked in 0..2 * leaves {
                let right = known.range(..=asked).next_back().copied();
                let found = directories.nearest(&record(&arena, asked).slot()).map(number_of);
                assert!(found <= right, "{found:?} begins behind {asked}");
                hits += u64::from(found == right);
            }
        }
        assert!(hits > leaves * 2 * leaves * 3 / 4, "mostly the right one: {hits}");
    }

    #[test]
    fn the_newest_leaf_of_another_keyspace_stands_in_nobodys_way() {
        let (arena, directories) = (Arena::new(), Directories::new());
        let higher = record(&arena, 5);
        directories.add(higher.slot(), Arc::new(Leaf::new(&higher.slot(), higher)));
        let lower = Record::store(&arena, [b"00/z", b"log"], 1, Kind::Put, b"");
        directories.add(lower.slot(), Arc::new(Leaf::new(&lower.slot(), lower)));
        let found = directories.nearest(&record(&arena, 9).slot()).map(number_of);
        assert_eq!(found, Some(5));
    }

    #[test]
    fn the_newest_leaf_is_found_at_once_if_nothing_lies_behind_it() {
        let (arena, directories) = (Arena::new(), Directories::new());
        let leaves = if cfg!(miri) { 100 } else { 1000 };
        for number in 0..leaves {
            let lowest = record(&arena, number);
            directories.add(lowest.slot(), Arc::new(Leaf::new(&lowest.slot(), lowest)));
            let found = directories.nearest(&record(&arena, number + 1).slot()).map(number_of);
            assert_eq!(found, Some(number));
        }
        let generations = directories.len.load(Ordering::Relaxed);
        assert!((leaves / 100..30).contains(&(generations as u64)), "{generations} directories");
        let rows = directories.current().unwrap().rows.len() as u64;
        assert!(rows > leaves - leaves / 4 - FRESH_MIN as u64);
    }
}
