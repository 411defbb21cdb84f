//! How large levels may be: counted from the last level upward.
//!
//! The last level holds as much as it holds, and each level above it a tenth of the one below,
//! until that is little enough for level 0 to be merged into: the base level. Levels between
//! level 0 and the base stay empty. So nine tenths of the data are in the last level, however
//! large the tree is, and no space goes to half-filled levels. (RocksDB calls this dynamic level
//! sizes.)

use crate::format::limits::LEVELS;
use crate::version::shape::Shape;

/// The deepest level.
pub(crate) const LAST_LEVEL: usize = LEVELS - 1;

/// The numbers that the picker works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Runs of level 0 that start a merge into the base level.
    pub(crate) level0_trigger: usize,
    /// Runs that start a merge which rewrites more than half as much of the base level as it brings: the more
    /// it brings, the less is rewritten for each byte.
    pub(crate) level0_patience: usize,
    /// Largest target of the base level, in bytes.
    pub(crate) base_bytes: u64,
    /// How many times larger a level is than the one above.
    pub(crate) ratio: u64,
    /// Size of an output table, in bytes.
    pub(crate) table_bytes: u64,
    /// Bytes two levels below that one table may overlap at most, because one later job will have
    /// to merge with all of them.
    pub(crate) grandparent_bytes: u64,
    /// First level whose tables are compressed; `LEVELS` if none is. A table that crosses it is
    /// rewritten, never moved.
    pub(crate) compressed_from: usize,
}

impl Policy {
    /// What suits memtables of this size.
    pub(crate) fn new(memtable_bytes: u64, table_bytes: u64) -> Policy {
        Policy {
            level0_trigger: 4,
            level0_patience: 6,
            base_bytes: memtable_bytes.saturating_mul(8),
            ratio: 10,
            table_bytes,
            grandparent_bytes: table_bytes.saturating_mul(10),
            compressed_from: LEVELS,
        }
    }
}

/// What the levels of one shape should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    /// The level that level 0 is merged into: no level above it has a table.
    pub(crate) base: usize,
    /// Bytes by level, at least 1 from the base level on; index 0 means nothing.
    pub(crate) bytes: [u64; LEVELS],
}

impl Targets {
    pub(crate) fn new(shape: &Shape, policy: &Policy) -> Targets {
        let mut bytes = [0; LEVELS];
        let first_used = (1..LEVELS).find(|&level| !shape.level(level).is_empty());
        let largest = (1..LEVELS).map(|level| shape.size_bytes(level)).max().unwrap_or(0);
        let mut target = largest.max(policy.base_bytes).max(1);
        let mut base = LAST_LEVEL;
        bytes[base] = target;
        // A level in use is never skipped, even if the tree has shrunk and no longer needs it: its
        // tiny target drains it.
        while base > 1
            && (target > policy.base_bytes || first_used.is_some_and(|first| first < base))
        {
            base -= 1;
            target = (target / policy.ratio).max(1);
            bytes[base] = target;
        }
        Targets { base, bytes }
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::policy::{LAST_LEVEL, Policy, Targets};
    use crate::compaction::scripts::table;
    use crate::version::shape::Shape;

    fn targets(sizes: &[(usize, u64)]) -> Targets {
        let mut shape = Shape::default();
        for &(level, size) in sizes {
            shape.levels[level].push(table(1, "a", "b", |facts| facts.size_bytes = size));
        }
        let policy = Policy { base_bytes: 100, ..Policy::new(1, 1) };
        Targets::new(&shape, &policy)
    }

    #[test]
    fn a_small_tree_has_level_zero_and_the_last_level_alone() {
        assert_eq!(targets(&[]).base, LAST_LEVEL);
        assert_eq!(targets(&[(6, 100)]).base, LAST_LEVEL);
    }

    #[test]
    fn levels_open_from_the_last_one_upward() {
        let one = targets(&[(6, 101)]);
        assert_eq!((one.base, one.bytes[5]), (5, 10));
        let three = targets(&[(6, 90_000)]);
        assert_eq!((three.base, &three.bytes[3..]), (3, &[90, 900, 9_000, 90_000][..]));
    }

    #[test]
    fn a_level_in_use_is_never_skipped() {
        let drained = targets(&[(2, 5), (6, 50)]);
        assert_eq!((drained.base, drained.bytes[2]), (2, 1));
    }

    #[test]
    fn the_largest_tree_uses_every_level() {
        let huge = targets(&[(6, u64::MAX / 2)]);
        assert_eq!(huge.base, 1);
    }
}
