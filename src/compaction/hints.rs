//! What the picker is told beside the shape of the tree.
//!
//! The range tombstones must be those of the very version that is picked on: one that was spent
//! since may cover newer entries, whose seqnos a compaction has settled. The oldest seqno may be a
//! little old, and is then merely cautious: readers only move forward.

use crate::compaction::plan::Claim;
use crate::format::key::Seqno;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::sync::Arc;

/// Facts from outside the tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    /// What readers have lost to the runs of level 0 since these were merged last, in nanoseconds.
    pub(crate) toll_nanos: u64,
    /// The oldest seqno that a reader reads at, or will: the oldest snapshot, or what is visible.
    /// 0 if unknown.
    pub(crate) oldest_snapshot: Seqno,
    /// The range tombstones of all tables of the tree, joined. Those of memtables must be left
    /// out: they can still be lost, and what they hide would be lost before them. Empty if
    /// unknown.
    pub(crate) range_tombstones: Arc<Fragments>,
    /// What running jobs will write to.
    pub(crate) running: Vec<Claim>,
}

impl Hints {
    /// Whether no reader will ever see anything of this table again, its own tombstones included:
    /// newer range tombstones that all readers see cover its bounds without a gap.
    ///
    /// Such a table can go unread. Whatever it hides lies below it and is older still, so the same
    /// range tombstones hide that as well; and they themselves stay until it is gone.
    pub(crate) fn erased(&self, table: &TableFacts) -> bool {
        let mut index = self.range_tombstones.first_ending_after(&table.smallest);
        let mut from = table.smallest.as_slice();
        while let Some(fragment) = self.range_tombstones.get(index) {
            let newest = fragment.newest_at(self.oldest_snapshot);
            if fragment.start.as_slice() > from || newest.is_none_or(|own| own <= table.max_seqno) {
                return false;
            }
            from = &fragment.end;
            if table.ends_before(from) {
                return true;
            }
            index += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::hints::Hints;
    use crate::compaction::scripts::table;
    use crate::format::range_tombstone::{Fragments, RangeTombstone};
    use crate::sync::Arc;

    fn hints(oldest_snapshot: u64) -> Hints {
        let tombstones = [("b", "f", 50), ("f", "k", 60), ("m", "p", 70)];
        let range_tombstones = Arc::new(Fragments::build(tombstones.map(|(start, end, seqno)| {
            RangeTombstone { start: start.into(), end: end.into(), seqno }
        })));
        Hints { oldest_snapshot, range_tombstones, ..Hints::default() }
    }

    #[test]
    fn a_table_is_erased_only_as_a_whole_and_for_every_reader() {
        let bounds = |from, to, exclusive, max_seqno| {
            table(1, from, to, |facts| {
                facts.largest_exclusive = exclusive;
                (facts.min_seqno, facts.max_seqno) = (max_seqno, max_seqno);
            })
        };
        assert!(hints(60).erased(&bounds("b", "j", false, 40)));
        assert!(hints(60).erased(&bounds("c", "k", true, 49)), "neighbours join");
        assert!(!hints(60).erased(&bounds("c", "k", false, 40)), "k itself is not covered");
        assert!(!hints(60).erased(&bounds("a", "c", false, 40)));
        assert!(!hints(60).erased(&bounds("g", "n", false, 40)), "there is a gap");
        assert!(!hints(59).erased(&bounds("b", "j", false, 40)), "a reader at 59 sees f to k");
        assert!(!hints(60).erased(&bounds("b", "j", false, 50)), "not everything is older");
        assert!(!Hints::default().erased(&bounds("b", "c", false, 1)));
    }
}
