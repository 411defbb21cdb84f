//! Sources made of vectors, and the walk that compares any cursor with a sorted vector.

use crate::error::{Error, Result};
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, compare};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::format::table_facts::TableFacts;
use crate::merge::cursor::{Cursor, RunTable};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::table::reader::Fill;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::ops::{Bound, RangeBounds};
use std::path::Path;

/// One entry of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) seqno: Seqno,
    pub(crate) kind: Kind,
    pub(crate) value: Vec<u8>,
}

impl Entry {
    /// A put whose value tells which write it was.
    pub(crate) fn put(key: &[u8], seqno: Seqno) -> Entry {
        let value = format!("{key:?}@{seqno}").into_bytes();
        Entry { key: key.to_vec(), seqno, kind: Kind::Put, value }
    }

    pub(crate) fn delete(key: &[u8], seqno: Seqno) -> Entry {
        Entry { key: key.to_vec(), seqno, kind: Kind::Delete, value: Vec::new() }
    }
}

/// Entries in the order of internal keys, each (key, seqno) once.
pub(crate) fn sorted(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by(|a, b| compare((&a.key, a.seqno), (&b.key, b.seqno)));
    entries.dedup_by(|a, b| (&a.key, a.seqno) == (&b.key, b.seqno));
    entries
}

/// Walks a sorted vector. `fail_in` operations from now, every operation fails (0: never).
pub(crate) struct VecCursor {
    entries: Arc<Vec<Entry>>,
    at: Option<usize>,
    fail_in: usize,
}

impl VecCursor {
    pub(crate) fn new(entries: Vec<Entry>) -> VecCursor {
        VecCursor { entries: Arc::new(entries), at: None, fail_in: 0 }
    }

    pub(crate) fn failing_after(entries: Vec<Entry>, operations: usize) -> VecCursor {
        VecCursor { fail_in: operations + 1, ..VecCursor::new(entries) }
    }

    fn go(&mut self, index: Option<usize>) -> Result<()> {
        if self.fail_in == 1 {
            self.at = None;
            return Err(Error::corruption(Path::new("7.sst"), 512, "a planted failure"));
        }
        self.fail_in = self.fail_in.saturating_sub(1);
        self.at = index.filter(|&index| index < self.entries.len());
        Ok(())
    }

    fn lower_bound(&self, user_key: &[u8], seqno: Seqno) -> usize {
        self.entries.partition_point(|e| compare((&e.key, e.seqno), (user_key, seqno)).is_lt())
    }

    fn entry(&self) -> &Entry {
        &self.entries[self.at.unwrap()]
    }

    /// Whether the entry of this index is a put that a reader at `seqno` sees, and the only one of its key.
    fn is_plain(&self, at: usize, seqno: Seqno) -> bool {
        let own = &self.entries[at];
        let of_key = self.entries.iter().filter(|entry| entry.key == own.key);
        own.kind == Kind::Put && own.seqno <= seqno && of_key.count() == 1
    }
}

impl Cursor for VecCursor {
    fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.go(Some(self.lower_bound(user_key, seqno)))
    }
    fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.go(self.lower_bound(user_key, seqno).checked_sub(1))
    }
    fn seek_first(&mut self) -> Result<()> {
        self.go(Some(0))
    }
    fn seek_last(&mut self) -> Result<()> {
        self.go(self.entries.len().checked_sub(1))
    }
    fn next(&mut self) -> Result<()> {
        self.go(Some(self.at.unwrap() + 1))
    }
    fn prev(&mut self) -> Result<()> {
        self.go(self.at.unwrap().checked_sub(1))
    }
    fn is_valid(&self) -> bool {
        self.at.is_some()
    }
    fn key(&self) -> &[u8] {
        &self.entry().key
    }
    fn seqno(&self) -> Seqno {
        self.entry().seqno
    }
    fn kind(&self) -> Kind {
        self.entry().kind
    }
    fn value(&self) -> &[u8] {
        &self.entry().value
    }
    fn has_unique_keys(&self) -> bool {
        let keys = |at: usize| self.entries.get(at).map(|entry| &entry.key);
        let (at, own) = (self.at.unwrap(), Some(&self.entry().key));
        keys(at + 1) != own && at.checked_sub(1).and_then(keys) != own
    }
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        self.fail_in == 0 && self.entry().kind == Kind::Put && self.entry().seqno <= seqno
    }
    fn plain_ahead(&self, seqno: Seqno, end: Option<&[u8]>) -> usize {
        let counts = |at: &usize| {
            let is_before = end.is_none_or(|end| &self.entries[*at].key[..] < end);
            is_before && self.is_plain(*at, seqno)
        };
        (self.at.unwrap()..self.entries.len()).skip(1).take_while(counts).count()
    }
    fn plain_behind(&self, seqno: Seqno, start: Bound<&[u8]>) -> usize {
        let range: (Bound<&[u8]>, Bound<&[u8]>) = (start, Bound::Unbounded);
        let counts = |at: &usize| {
            RangeBounds::<[u8]>::contains(&range, &self.entries[*at].key)
                && self.is_plain(*at, seqno)
        };
        (0..self.at.unwrap()).rev().take_while(counts).count()
    }
    fn next_plain(&mut self) {
        self.at = Some(self.at.unwrap() + 1);
        assert!(self.is_plain(self.at.unwrap(), SEQNO_LATEST), "a step that nobody counted");
    }
    fn prev_plain(&mut self) {
        self.at = Some(self.at.unwrap().checked_sub(1).expect("a step that nobody counted"));
        assert!(self.is_plain(self.at.unwrap(), SEQNO_LATEST), "a step that nobody counted");
    }
}

/// A table in memory that counts how often it was opened, and refuses on demand.
#[derive(Debug)]
pub(crate) struct TestTable {
    pub(crate) entries: Vec<Entry>,
    facts: TableFacts,
    tombstones: Arc<Fragments>,
    opened: AtomicUsize,
    fails: AtomicBool,
}

impl TestTable {
    /// Bounds are those of the entries, or given: then the largest is exclusive.
    pub(crate) fn new(entries: Vec<Entry>, bounds: Option<(Vec<u8>, Vec<u8>)>) -> TestTable {
        let largest_exclusive = bounds.is_some();
        let (smallest, largest) = bounds
            .unwrap_or_else(|| (entries[0].key.clone(), entries[entries.len() - 1].key.clone()));
        let facts = TableFacts {
            id: 1,
            size_bytes: 1,
            entries: entries.len() as u64,
            deletes: 0,
            range_deletes: 0,
            raw_bytes: 0,
            min_seqno: 1,
            max_seqno: SEQNO_LATEST,
            fingerprint: 0,
            smallest,
            largest,
            largest_exclusive,
        };
        let tombstones = Arc::new(Fragments::default());
        let (opened, fails) = (AtomicUsize::new(0), AtomicBool::new(false));
        TestTable { entries, facts, tombstones, opened, fails }
    }

    /// The same table with range tombstones, its bounds widened by them.
    pub(crate) fn with_range_tombstones(mut self, tombstones: Vec<RangeTombstone>) -> TestTable {
        let fragments = Fragments::build(tombstones);
        for fragment in fragments.iter() {
            self.facts.smallest = self.facts.smallest.min(fragment.start.clone());
            if fragment.end > self.facts.largest {
                self.facts.largest.clone_from(&fragment.end);
                self.facts.largest_exclusive = true;
            }
        }
        self.facts.range_deletes = fragments.count();
        self.tombstones = Arc::new(fragments);
        self
    }

    /// A table of range tombstones alone, in tight bounds or those given (as entries would make
    /// them). Requires: at least one is not empty.
    pub(crate) fn of_range_tombstones(
        tombstones: Vec<RangeTombstone>,
        bounds: Option<(Vec<u8>, Vec<u8>)>,
    ) -> TestTable {
        let first = tombstones.iter().min().unwrap();
        let bounds = bounds.unwrap_or_else(|| (first.start.clone(), first.end.clone()));
        TestTable::new(Vec::new(), Some(bounds)).with_range_tombstones(tombstones)
    }

    /// How often it was opened.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// From now on, whether opening it fails.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    fn open(&self) -> Result<()> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        match self.fails.load(Ordering::Relaxed) {
            true => Err(Error::corruption(Path::new("7.sst"), 0, "a planted failure")),
            false => Ok(()),
        }
    }
}

impl RunTable for TestTable {
    type Cursor = VecCursor;

    fn facts(&self) -> &TableFacts {
        &self.facts
    }

    fn open_cursor(&self, _: Fill) -> Result<VecCursor> {
        self.open()?;
        Ok(VecCursor::new(self.entries.clone()))
    }

    fn open_range_tombstones(&self) -> Result<Arc<Fragments>> {
        self.open()?;
        Ok(Arc::clone(&self.tombstones))
    }
}

/// Where a cursor stands.
pub(crate) fn position(cursor: &impl Cursor) -> Option<(Vec<u8>, Seqno)> {
    cursor.is_valid().then(|| (cursor.key().to_vec(), cursor.seqno()))
}

/// Takes a cursor and a sorted vector through the same steps: (operation, key, seqno).
pub(crate) fn walk_like_a_sorted_vec(
    cursor: &mut impl Cursor,
    all: &[Entry],
    steps: &[(u8, u8, Seqno)],
) -> Result<(), TestCaseError> {
    let mut model = VecCursor::new(all.to_vec());
    prop_assert!(!cursor.is_valid());
    for &(step, key, seqno) in steps {
        match step {
            0 => (cursor.seek(&[key], seqno).unwrap(), model.seek(&[key], seqno).unwrap()),
            1 => {
                (cursor.seek_back(&[key], seqno).unwrap(), model.seek_back(&[key], seqno).unwrap())
            }
            2 => (cursor.seek_first().unwrap(), model.seek_first().unwrap()),
            3 => (cursor.seek_last().unwrap(), model.seek_last().unwrap()),
            4 | 5 if model.is_valid() => (cursor.next().unwrap(), model.next().unwrap()),
            _ if model.is_valid() => (cursor.prev().unwrap(), model.prev().unwrap()),
            _ => continue,
        };
        prop_assert_eq!(position(cursor), position(&model));
        if model.is_valid() {
            prop_assert_eq!((cursor.kind(), cursor.value()), (model.kind(), model.value()));
        }
    }
    Ok(())
}
