//! Where one output table ends and the next begins.
//!
//! A table ends when it is large enough; when it overlaps too many bytes of the level below its
//! own, because a later job will have to merge it with all of them; and, once it is half full, at
//! the edge of a table there, so that later jobs find edges that match. It ends between user keys,
//! never inside one.

use crate::format::table_facts::TableFacts;
use crate::sync::Arc;

/// Pure: it is told how far the job has come, and answers where to cut.
#[derive(Debug)]
pub(crate) struct Cuts {
    table_bytes: u64,
    grandparent_bytes: u64,
    /// Tables of the level below the output, in order.
    grandparents: Vec<Arc<TableFacts>>,
    /// Index of the first one that the job has not left behind.
    next: usize,
    /// Bytes of those left behind that the current output overlaps.
    overlap: u64,
}

/// What the current output holds.
pub(crate) struct Held<'a> {
    /// Its size, about, in bytes; 0 if it has no entry.
    pub(crate) size_bytes: u64,
    /// Whether it holds anything before this user key, range tombstones included.
    pub(crate) anything_before: &'a dyn Fn(&[u8]) -> bool,
}

impl Cuts {
    pub(crate) fn new(
        table_bytes: u64,
        grandparent_bytes: u64,
        grandparents: Vec<Arc<TableFacts>>,
    ) -> Cuts {
        Cuts { table_bytes, grandparent_bytes, grandparents, next: 0, overlap: 0 }
    }

    /// One output, however large.
    pub(crate) fn never() -> Cuts {
        Cuts::new(u64::MAX, u64::MAX, Vec::new())
    }

    /// The user key before which the current output is to end, if it is to end before `user_key`
    /// is written to it (`None`: before the end of the job). To be asked again after each cut.
    ///
    /// Requires: keys ascend. Ensures: the answer lies behind all that was written, and not behind
    /// `user_key`.
    pub(crate) fn before(&mut self, user_key: Option<&[u8]>, held: &Held<'_>) -> Option<Vec<u8>> {
        let mut is_at_edge = false;
        while let Some(left) = self.grandparents.get(self.next) {
            if user_key.is_some_and(|user_key| !left.ends_before(user_key)) {
                break;
            }
            if (held.anything_before)(&left.largest) {
                self.overlap = self.overlap.saturating_add(left.size_bytes);
                is_at_edge = true;
            }
            self.next += 1;
            let edge = self.grandparents.get(self.next).map(|next| next.smallest.as_slice());
            if let Some(edge) = edge.filter(|_| self.overlap > self.grandparent_bytes) {
                self.overlap = 0;
                return Some(user_key.map_or(edge, |user_key| user_key.min(edge)).to_vec());
            }
        }
        let is_full = held.size_bytes >= self.table_bytes
            || (is_at_edge && held.size_bytes >= self.table_bytes / 2);
        let user_key = user_key.filter(|_| is_full && held.size_bytes > 0)?;
        self.overlap = 0;
        Some(user_key.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::cuts::{Cuts, Held};
    use crate::compaction::scripts::table;

    fn before(cuts: &mut Cuts, user_key: &str, size_bytes: u64) -> Option<String> {
        let held = Held { size_bytes, anything_before: &|_| size_bytes > 0 };
        let cut = cuts.before(Some(user_key.as_bytes()), &held);
        cut.map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn a_table_ends_when_it_is_full() {
        let mut cuts = Cuts::new(100, 1000, Vec::new());
        assert_eq!(before(&mut cuts, "a", 0), None);
        assert_eq!(before(&mut cuts, "b", 99), None);
        assert_eq!(before(&mut cuts, "c", 100), Some("c".into()));
        assert_eq!(before(&mut Cuts::never(), "c", u64::MAX - 1), None);
    }

    #[test]
    fn a_table_ends_where_it_would_burden_a_later_job() {
        let grandparents =
            ["b", "d", "f", "h", "k"].map(|key| table(1, key, key, |facts| facts.size_bytes = 10));
        let mut cuts = Cuts::new(100, 19, grandparents.to_vec());
        assert_eq!(before(&mut cuts, "c", 0), None, "b was not overlapped");
        assert_eq!(before(&mut cuts, "e", 3), None);
        assert_eq!(before(&mut cuts, "g", 6), Some("g".into()), "d and f make 20");
        assert_eq!(before(&mut cuts, "g", 0), None);
        assert_eq!(before(&mut cuts, "l", 3), None, "behind the last one there is no later job");
        let mut cuts = Cuts::new(100, 20, grandparents.to_vec());
        assert_eq!(before(&mut cuts, "a", 1), None);
        assert_eq!(before(&mut cuts, "e", 3), None);
        assert_eq!(before(&mut cuts, "e", 4), None, "b and d are as much as may be");
        assert_eq!(before(&mut cuts, "g", 6), Some("g".into()));
    }

    #[test]
    fn range_tombstones_are_cut_at_the_edges_of_grandparents() {
        let grandparents =
            ["b", "d", "f", "h", "k"].map(|key| table(1, key, key, |facts| facts.size_bytes = 10));
        let mut cuts = Cuts::new(100, 19, grandparents.to_vec());
        // They begin at c.
        let held = Held { size_bytes: 0, anything_before: &|key| key > b"c" };
        assert_eq!(cuts.before(None, &held), Some(b"h".to_vec()));
        assert_eq!(cuts.before(None, &held), None);
    }

    #[test]
    fn a_half_full_table_ends_at_the_edge_of_a_grandparent() {
        let grandparents = ["b", "d"].map(|key| table(1, key, key, |facts| facts.size_bytes = 10));
        let mut cuts = Cuts::new(100, 1000, grandparents.to_vec());
        assert_eq!(before(&mut cuts, "b", 60), None);
        assert_eq!(before(&mut cuts, "c", 60), Some("c".into()));
        assert_eq!(before(&mut cuts, "e", 49), None);
    }
}
