//! Walks a sorted run, many tables with disjoint bounds, as if it were one table.
//!
//! Which table can hold a key is decided from the facts alone; a table is opened when its entries
//! are needed, and let go when the walk leaves it. Bounds include range tombstones, so a table may
//! have no entry where its bounds promise one, or none at all: the walk then goes on to the next.
//!
//! Invariants: (1) tables are sorted and no two share a user key; (2) `cursor`, if there is one,
//! walks table `at`.

use crate::error::Result;
use crate::format::key::{Kind, Seqno, order};
use crate::merge::cursor::{Cursor, RunTable};
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::Handle;
use crate::table::reader::Fill;
use std::ops::{Bound, Range};

/// A cursor over the tables of one run.
pub(crate) struct RunCursor<T: RunTable = Handle> {
    /// Stands first: fields are dropped in order, and a file may go with the last handle of its
    /// table, so nothing may read it by then.
    cursor: Option<T::Cursor>,
    tables: Arc<[Arc<T>]>,
    /// The tables that it walks; the others are there because a run is shared whole.
    reach: Range<usize>,
    fill: Fill,
    at: usize,
}

impl<T: RunTable> RunCursor<T> {
    /// Requires: the tables are sorted, and no two share a user key.
    pub(crate) fn new(tables: Arc<[Arc<T>]>) -> RunCursor<T> {
        RunCursor::filling(tables, Fill::Cache)
    }

    /// A run cursor that says what becomes of the blocks that it reads. Requires: as for `new`.
    pub(crate) fn filling(tables: Arc<[Arc<T>]>, fill: Fill) -> RunCursor<T> {
        RunCursor { reach: 0..tables.len(), tables, fill, at: 0, cursor: None }
    }

    /// A run cursor that knows only the tables of these indexes. Requires: as for `new`, and they
    /// are indexes of the run.
    pub(crate) fn within(tables: Arc<[Arc<T>]>, reach: Range<usize>) -> RunCursor<T> {
        RunCursor { reach, ..RunCursor::new(tables) }
    }

    /// Index of the first table that has entries, from `from` on.
    fn filled_from(&self, from: usize) -> Option<usize> {
        let tables = self.tables.get(from..self.reach.end)?;
        tables.iter().position(|table| table.facts().entries > 0).map(|skipped| from + skipped)
    }

    /// Index of the last table that has entries, before `before`.
    fn filled_before(&self, before: usize) -> Option<usize> {
        let tables = self.tables.get(self.reach.start..before)?;
        let found = tables.iter().rposition(|table| table.facts().entries > 0);
        found.map(|skipped| self.reach.start + skipped)
    }

    /// A cursor over the table `index`: the one at hand, if it is that one. It is taken out, so
    /// that an error leaves the run without a position.
    fn take_cursor(&mut self, index: usize) -> Result<T::Cursor> {
        match self.cursor.take() {
            Some(cursor) if self.at == index => Ok(cursor),
            _ => self.tables[index].open_cursor(self.fill),
        }
    }

    /// Takes `cursor` as the position if it has one, else the first entry of a later table.
    fn settle_forward(&mut self, index: usize, cursor: T::Cursor) -> Result<()> {
        (self.at, self.cursor) = (index, Some(cursor));
        while !self.is_valid() {
            let Some(next) = self.filled_from(self.at + 1) else { return Ok(()) };
            let mut cursor = self.take_cursor(next)?;
            cursor.seek_first()?;
            (self.at, self.cursor) = (next, Some(cursor));
        }
        Ok(())
    }

    /// The mirror of `settle_forward`.
    fn settle_backward(&mut self, index: usize, cursor: T::Cursor) -> Result<()> {
        (self.at, self.cursor) = (index, Some(cursor));
        while !self.is_valid() {
            let Some(previous) = self.filled_before(self.at) else { return Ok(()) };
            let mut cursor = self.take_cursor(previous)?;
            cursor.seek_last()?;
            (self.at, self.cursor) = (previous, Some(cursor));
        }
        Ok(())
    }

    #[inline]
    fn entry(&self) -> &T::Cursor {
        match &self.cursor {
            Some(cursor) => cursor,
            None => panic!("a run cursor was read where it is not valid"),
        }
    }

    #[inline]
    fn entry_mut(&mut self) -> &mut T::Cursor {
        match &mut self.cursor {
            Some(cursor) => cursor,
            None => panic!("a run cursor was moved where it is not valid"),
        }
    }

    fn take_entry(&mut self) -> T::Cursor {
        match self.cursor.take() {
            Some(cursor) => cursor,
            None => panic!("a run cursor was moved where it is not valid"),
        }
    }

    #[cold]
    fn leave_forward(&mut self) -> Result<()> {
        let (at, cursor) = (self.at, self.take_entry());
        self.settle_forward(at, cursor)
    }

    #[cold]
    fn leave_backward(&mut self) -> Result<()> {
        let (at, cursor) = (self.at, self.take_entry());
        self.settle_backward(at, cursor)
    }
}

impl<T: RunTable> Cursor for RunCursor<T> {
    fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        let tables = &self.tables[self.reach.clone()];
        // Most seeks go to the start of what is to be walked.
        let skipped = match tables.first() {
            Some(first) if !first.facts().ends_before(user_key) => 0,
            _ => tables.partition_point(|table| table.facts().ends_before(user_key)),
        };
        let Some(index) = self.filled_from(self.reach.start + skipped) else {
            self.cursor = None;
            return Ok(());
        };
        let mut cursor = self.take_cursor(index)?;
        cursor.seek(user_key, seqno)?;
        self.settle_forward(index, cursor)
    }

    fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        let tables = &self.tables[self.reach.clone()];
        let skipped =
            tables.partition_point(|table| order(&table.facts().smallest, user_key).is_le());
        let Some(index) = self.filled_before(self.reach.start + skipped) else {
            self.cursor = None;
            return Ok(());
        };
        let mut cursor = self.take_cursor(index)?;
        cursor.seek_back(user_key, seqno)?;
        self.settle_backward(index, cursor)
    }

    fn seek_first(&mut self) -> Result<()> {
        let Some(index) = self.filled_from(self.reach.start) else {
            self.cursor = None;
            return Ok(());
        };
        let mut cursor = self.take_cursor(index)?;
        cursor.seek_first()?;
        self.settle_forward(index, cursor)
    }

    fn seek_last(&mut self) -> Result<()> {
        let Some(index) = self.filled_before(self.reach.end) else {
            self.cursor = None;
            return Ok(());
        };
        let mut cursor = self.take_cursor(index)?;
        cursor.seek_last()?;
        self.settle_backward(index, cursor)
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.entry_mut().next()?;
        if self.is_valid() { Ok(()) } else { self.leave_forward() }
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        self.entry_mut().prev()?;
        if self.is_valid() { Ok(()) } else { self.leave_backward() }
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.cursor.as_ref().is_some_and(Cursor::is_valid)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.entry().key()
    }

    #[inline]
    fn seqno(&self) -> Seqno {
        self.entry().seqno()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.entry().kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.entry().value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.entry().value_slice()
    }

    #[inline]
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        self.entry().is_plain_at(seqno)
    }

    #[inline]
    fn plain_ahead(&self, seqno: Seqno, end: Option<&[u8]>) -> usize {
        self.entry().plain_ahead(seqno, end)
    }

    #[inline]
    fn plain_behind(&self, seqno: Seqno, start: Bound<&[u8]>) -> usize {
        self.entry().plain_behind(seqno, start)
    }

    #[inline]
    fn next_plain(&mut self) {
        self.entry_mut().next_plain();
    }

    #[inline]
    fn prev_plain(&mut self) {
        self.entry_mut().prev_plain();
    }

    #[inline]
    fn has_unique_keys(&self) -> bool {
        self.entry().has_unique_keys()
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::format::key::{SEQNO_LATEST, Seqno};
    use crate::merge::cursor::Cursor;
    use crate::merge::run::RunCursor;
    use crate::merge::testing::{Entry, TestTable, position, sorted, walk_like_a_sorted_vec};
    use crate::sync::Arc;
    use proptest::prelude::*;

    /// Tables over keys [0, 4), [4, 8) ...; some with wider bounds, as range tombstones make them,
    /// and some without entries.
    fn any_run() -> impl Strategy<Value = Vec<Arc<TestTable>>> {
        let table = (prop::collection::vec((0..4_u8, 1..9_u64), 0..6), any::<bool>());
        prop::collection::vec(table, 0..6).prop_map(|tables| {
            let tables = (0_u8..).zip(tables).filter_map(|(i, (entries, wide))| {
                let entries: Vec<Entry> = sorted(
                    entries.into_iter().map(|(key, seqno)| Entry::put(&[i * 4 + key], seqno)),
                );
                let bounds = wide.then(|| (vec![i * 4], vec![i * 4 + 4]));
                (wide || !entries.is_empty()).then(|| Arc::new(TestTable::new(entries, bounds)))
            });
            tables.collect()
        })
    }

    proptest! {
        #[test]
        fn a_run_walks_like_one_table(
            tables in any_run(),
            steps in prop::collection::vec((0..8_u8, 0..26_u8, 0..10_u64), 1..50),
        ) {
            let all: Vec<Entry> =
                tables.iter().flat_map(|table| table.entries.iter().cloned()).collect();
            walk_like_a_sorted_vec(&mut RunCursor::new(tables.into()), &all, &steps)?;
        }
    }

    fn three_tables() -> Vec<Arc<TestTable>> {
        let entries = |keys: &[u8], seqno: Seqno| {
            keys.iter().map(|&key| Entry::put(&[key], seqno)).collect::<Vec<_>>()
        };
        let bounds = Some((vec![10], vec![20]));
        vec![
            Arc::new(TestTable::new(entries(&[1, 2], 5), None)),
            Arc::new(TestTable::new(entries(&[12, 13], 5), bounds)),
            Arc::new(TestTable::new(entries(&[20, 21], 5), None)),
        ]
    }

    #[test]
    fn only_tables_that_are_needed_are_opened() {
        let tables = three_tables();
        let opened = |i: usize| tables[i].opened();
        let mut cursor = RunCursor::new(tables.clone().into());
        cursor.seek(&[12], SEQNO_LATEST).unwrap();
        cursor.next().unwrap();
        cursor.seek(&[12], SEQNO_LATEST).unwrap();
        assert_eq!([opened(0), opened(1), opened(2)], [0, 1, 0]);
        cursor.next().unwrap();
        cursor.next().unwrap();
        assert_eq!(position(&cursor), Some((vec![20], 5)));
        assert_eq!([opened(0), opened(1), opened(2)], [0, 1, 1]);
        cursor.seek_back(&[12], SEQNO_LATEST).unwrap();
        assert_eq!(position(&cursor), Some((vec![2], 5)));
    }

    #[test]
    fn a_key_at_an_exclusive_bound_is_looked_for_in_the_next_table_only() {
        let tables = three_tables();
        let mut cursor = RunCursor::new(tables.clone().into());
        cursor.seek(&[20], SEQNO_LATEST).unwrap();
        assert_eq!(position(&cursor), Some((vec![20], 5)));
        assert_eq!([tables[1].opened(), tables[2].opened()], [0, 1]);
    }

    #[test]
    fn a_table_that_does_not_open_ends_the_walk_with_its_error() {
        let tables = three_tables();
        tables[1].fail(true);
        let mut cursor = RunCursor::new(tables.clone().into());
        cursor.seek(&[2], SEQNO_LATEST).unwrap();
        assert_eq!(cursor.next().unwrap_err().kind(), ErrorKind::Corruption);
        assert!(!cursor.is_valid());
        tables[1].fail(false);
        cursor.seek(&[2], SEQNO_LATEST).unwrap();
        cursor.next().unwrap();
        assert_eq!(position(&cursor), Some((vec![12], 5)));
    }
}
