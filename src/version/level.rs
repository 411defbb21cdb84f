//! One level of a version. It never changes; versions share the levels that no edit touched.
//!
//! Invariants: (1) level 0 is newest first, and the tables' ranges of seqnos are disjoint; (2)
//! every other level is sorted by bounds, and no two tables share a user key (an exclusive end may
//! touch the next smallest key).

use crate::format::key::order;
use crate::format::table_facts::TableFacts;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::table::Handle;
use crate::version::fences::Fences;
use std::cmp::Reverse;
use std::ops::Range;

/// Tables that are sorted and disjoint: one run.
pub(crate) type Run = Arc<[Arc<Handle>]>;

/// The tables of one level.
#[derive(Debug)]
pub(crate) struct Level {
    tables: Run,
    fences: Fences,
    has_range_tombstones: bool,
}

impl Level {
    /// Puts tables into the order of level number `level`.
    pub(crate) fn new(level: usize, mut tables: Vec<Arc<Handle>>) -> Level {
        let mut fences = Fences::default();
        if level == 0 && is_seeded(Bug::L0OrderByNumber) {
            tables.sort_by_key(|table| table.facts().id);
        } else if level == 0 {
            tables.sort_by_key(|table| Reverse(table.facts().max_seqno));
        } else {
            tables.sort_by(|a, b| a.facts().smallest.cmp(&b.facts().smallest));
            let smallest: Vec<_> =
                tables.iter().map(|table| table.facts().smallest.as_slice()).collect();
            fences = Fences::new(&smallest);
        }
        let has_range_tombstones = tables.iter().any(|table| table.facts().range_deletes > 0);
        Level { tables: tables.into(), fences, has_range_tombstones }
    }

    /// The tables in the order of the level.
    pub(crate) fn tables(&self) -> &Run {
        &self.tables
    }

    /// Whether any table of the level has a range tombstone.
    pub(crate) fn has_range_tombstones(&self) -> bool {
        self.has_range_tombstones
    }

    /// Which tables have bounds that reach into `start..end` (`None`: without end). Requires: the
    /// level is not level 0.
    pub(crate) fn reaching(&self, start: &[u8], end: Option<&[u8]>) -> Range<usize> {
        let smallest = |index: usize| self.tables[index].facts().smallest.as_slice();
        let first = match self.fences.find(start, smallest) {
            None => 0,
            Some(last) => last + usize::from(self.tables[last].facts().ends_before(start)),
        };
        let is_before = |table: &Arc<Handle>, end| order(&table.facts().smallest, end).is_lt();
        let end = end.map_or(self.tables.len(), |end| {
            self.tables.partition_point(|table| is_before(table, end))
        });
        first..end.max(first)
    }

    /// The one table whose bounds contain this user key. Requires: the level is not level 0.
    #[inline]
    pub(crate) fn table_for(&self, user_key: &[u8]) -> Option<&Arc<Handle>> {
        // Most levels of most trees.
        if self.tables.is_empty() {
            return None;
        }
        let smallest = |index: usize| self.tables[index].facts().smallest.as_slice();
        let table = &self.tables[self.fences.find(user_key, smallest)?];
        (!table.facts().ends_before(user_key)).then_some(table)
    }

    /// Says which tables break the invariants of level number `level`.
    pub(crate) fn check(&self, level: usize) -> Result<(), String> {
        for pair in self.tables.windows(2) {
            let (first, second) = (pair[0].facts(), pair[1].facts());
            if !may_follow(level, first, second) {
                return Err(format!(
                    "tables {} and {} of level {level} overlap or are out of order",
                    first.id, second.id
                ));
            }
        }
        Ok(())
    }
}

fn may_follow(level: usize, first: &TableFacts, second: &TableFacts) -> bool {
    match level {
        0 if is_seeded(Bug::L0OrderByNumber) => true,
        0 => second.max_seqno < first.min_seqno,
        _ => first.ends_before(&second.smallest),
    }
}
