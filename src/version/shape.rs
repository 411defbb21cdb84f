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

    /// Whether a running job reads this table.
    pub(crate) fn is_busy(&self, table: &TableFacts) -> bool {
        self.busy.contains(&table.id)
    }
}
