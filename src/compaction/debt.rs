//! How far the tree is behind: what back-pressure is computed from.

use crate::compaction::picker::{FULL, fullness};
use crate::compaction::policy::{LAST_LEVEL, Policy, Targets};
use crate::version::shape::Shape;

/// Work that is waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Runs of level 0, those that a job is merging included: readers still look into them.
    pub(crate) level0_runs: usize,
    /// Bytes of level 0.
    pub(crate) level0_bytes: u64,
    /// Bytes, about, that merges have to read until no level is too full.
    pub(crate) pending_bytes: u64,
}

/// Measures a shape. Each byte too many in a level costs itself and what it overlaps in the next,
/// and then is one byte more there.
pub(crate) fn debt(shape: &Shape, policy: &Policy) -> Debt {
    let targets = Targets::new(shape, policy);
    let level0_bytes = shape.size_bytes(0);
    let mut pending_bytes = 0_u64;
    let mut arriving = 0_u64;
    if fullness(shape, policy, &targets, 0) >= FULL {
        pending_bytes = level0_bytes.saturating_add(shape.size_bytes(targets.base));
        arriving = level0_bytes;
    }
    for level in targets.base..LAST_LEVEL {
        let size = shape.size_bytes(level).saturating_add(arriving);
        arriving = size.saturating_sub(targets.bytes[level]);
        let overlap = shape.size_bytes(level + 1) / size.max(1);
        pending_bytes = pending_bytes.saturating_add(arriving.saturating_mul(overlap + 1));
    }
    Debt { level0_runs: shape.level(0).len(), level0_bytes, pending_bytes }
}

#[cfg(test)]
mod tests {
    use crate::compaction::debt::{Debt, debt};
    use crate::compaction::policy::Policy;
    use crate::compaction::scripts::table;
    use crate::version::shape::Shape;

    #[test]
    fn debt_counts_what_overflows_and_what_it_drags_along() {
        let policy =
            Policy { level0_trigger: 2, level0_patience: 3, base_bytes: 1000, ..Policy::new(1, 1) };
        let sized = |id, size| table(id, "a", "b", |facts| facts.size_bytes = size);
        let mut shape = Shape::default();
        assert_eq!(debt(&shape, &policy), Debt::default());
        shape.levels[0] = vec![sized(1, 50)];
        shape.levels[5] = vec![sized(2, 300)];
        shape.levels[6] = vec![sized(3, 3000)];
        let calm = Debt { level0_runs: 1, level0_bytes: 50, pending_bytes: 0 };
        assert_eq!(debt(&shape, &policy), calm);
        shape.levels[0].extend([sized(4, 50), sized(5, 50)]);
        // 150 + 300 for level 0, then 150 too many in L5 with 6 in L6 for each.
        let full = Debt { level0_runs: 3, level0_bytes: 150, pending_bytes: 450 + 1050 };
        assert_eq!(debt(&shape, &policy), full);
    }
}
