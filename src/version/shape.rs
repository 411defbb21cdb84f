//! The shape of a version: facts alone, no files. Who picks compactions looks at nothing else.
//!
//! Invariants (those of the version that it was taken from): (1) `levels[0]` is newest first by
//! seqno, and its tables may overlap in keys; (2) every other level is sorted by bounds, and its
//! tables are disjoint; (3) there are exactly `LEVELS` levels.

use crate::format::limits::LEVELS;
use crate::format::table_facts::TableFacts;
use crate::sync::Arc;
use std::collections::BTreeSet;

/// What a picker needs to know about the tables of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Tables by level; level 0 newest first, the others by bounds.
    pub(crate) levels: Vec<Vec<Arc<TableFacts>>>,
    /// Ids of the tables that a running job reads: they are not to be picked again.
    pub(crate) busy: BTreeSet<u64>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { levels: vec![Vec::new(); LEVELS], busy: BTreeSet::new() }
    }
}

impl Shape {
    /// The tables of one level.
    pub(crate) fn level(&self, level: usize) -> &[Arc<TableFacts>] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    /// Sum of the lengths of the level's files.
    pub(crate) fn size_bytes(&self, level: usize) -> u64 {
        self.level(level).iter().map(|table| table.size_bytes).sum()
    }

    /// The deepest level that has a table.
    pub(crate) fn deepest(&self) -> Option<usize> {
        self.levels.iter().rposition(|tables| !tables.is_empty())
    }

    /// Whether a running job reads this table.
    pub(crate) fn is_busy(&self, table: &TableFacts) -> bool {
        self.busy.contains(&table.id)
    }

    /// The tables of a level (1 or deeper) whose bounds share a user key with `table`.
    pub(crate) fn overlapping(&self, level: usize, table: &TableFacts) -> &[Arc<TableFacts>] {
        assert!(level > 0, "the tables of level 0 overlap each other: there is no such range");
        let tables = self.level(level);
        let from = tables.partition_point(|other| other.ends_before(&table.smallest));
        let count = tables[from..].partition_point(|other| !table.ends_before(&other.smallest));
        &tables[from..from + count]
    }
}

#[cfg(test)]
mod tests {
    use crate::format::table_facts::TableFacts;
    use crate::sync::Arc;
    use crate::version::shape::Shape;

    fn table(id: u64, smallest: &str, largest: &str, largest_exclusive: bool) -> Arc<TableFacts> {
        Arc::new(TableFacts {
            id,
            size_bytes: 100 + id,
            entries: 1,
            deletes: 0,
            range_deletes: 0,
            raw_bytes: 10,
            min_seqno: 1,
            max_seqno: 1,
            fingerprint: 0,
            smallest: smallest.as_bytes().to_vec(),
            largest: largest.as_bytes().to_vec(),
            largest_exclusive,
        })
    }

    #[test]
    fn overlapping_tables_are_one_slice_of_a_level() {
        let mut shape = Shape::default();
        shape.levels[2] =
            vec![table(1, "b", "d", true), table(2, "d", "f", false), table(3, "h", "k", false)];
        let ids = |smallest, largest, exclusive| {
            let probe = table(9, smallest, largest, exclusive);
            shape.overlapping(2, &probe).iter().map(|found| found.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("a", "z", false), [1, 2, 3]);
        assert_eq!(ids("d", "d", false), [2], "an exclusive end is outside");
        assert_eq!(ids("f", "h", true), [2]);
        assert_eq!(ids("f", "h", false), [2, 3]);
        assert_eq!(ids("g", "h", true), [0_u64; 0]);
        assert_eq!((shape.deepest(), shape.size_bytes(2)), (Some(2), 306));
        assert_eq!(Shape::default().deepest(), None);
    }
}
