//! Merges sorted sources into one, with a loser tree that rests while one source leads.
//!
//! The inner nodes of the tree hold the losers of a knock-out between the sources; the winner is
//! the current source. Among the losers that the winner met is the second best, the `limit`: as
//! long as the winner's next entry comes before the limit's, nothing in the tree changes, and a
//! step costs one comparison. That is the common case, since levels differ in size by a factor.
//!
//! Invariants, while the tree is valid: (1) no entry of any source lies between the current entry
//! and that source's position, in the direction of the walk, except what `seek_past` left out;
//! (2) `current` is the first of all positions in the direction, `limit` the first of the others.
//!
//! No two entries of all sources have the same user key and seqno.

use crate::error::{Error, Result};
use crate::format::key::{Kind, Seqno, compare, order};
use crate::merge::cursor::Cursor;
use crate::merge::source::Source;
use crate::slice::Slice;
use std::cmp::Ordering;
use std::ops::Bound;

/// Steps that a source must have led in a row before it is asked how far it leads on: where sources take
/// turns, the question costs more than it saves.
const LEAD_BEFORE_LOOK: u32 = 2;

/// Which way a tree walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// See the module's caption.
pub(crate) struct MergeTree<C = Source> {
    /// By rank: 0 is the newest.
    sources: Vec<C>,
    /// The loser at each inner node, from 1 on; leaf i stands at `sources.len() + i`.
    losers: Vec<usize>,
    /// Room for the winner at each node while the tree is built.
    winners: Vec<usize>,
    current: usize,
    /// `None` if there is no other source.
    limit: Option<usize>,
    /// Steps that the current source has led in a row.
    lead: u32,
    direction: Direction,
    valid: bool,
    /// The error that made the tree invalid; repeated until a seek succeeds.
    failure: Option<Error>,
    /// Room for the current key while the sources turn around.
    pivot: Vec<u8>,
}

impl<C: Cursor> MergeTree<C> {
    /// A tree over `sources`, newest first. Not valid before the first seek.
    pub(crate) fn new(sources: Vec<C>) -> MergeTree<C> {
        let count = sources.len();
        MergeTree {
            sources,
            losers: vec![0; count],
            winners: vec![0; 2 * count],
            current: 0,
            limit: None,
            lead: 0,
            direction: Direction::Forward,
            valid: false,
            failure: None,
            pivot: Vec::new(),
        }
    }

    /// Steps forward, and says whether it is known without a look that the new entry has another user
    /// key: the same source leads on, and it has each key once. If not, the key before is in `last`.
    #[inline]
    pub(crate) fn next_from(&mut self, last: &mut Vec<u8>) -> Result<bool> {
        let (before, is_unique) = (self.current, self.has_unique_keys());
        if !is_unique || self.limit.is_some() {
            last.clear();
            last.extend_from_slice(self.key());
        }
        self.next()?;
        Ok(is_unique && self.current == before)
    }

    /// Whether the current entry is known to be the only one of its user key that the walk still meets.
    /// Requires: `is_valid()`.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.has_unique_keys() && self.limit_key().is_none_or(|key| order(key, self.key()).is_ne())
    }

    /// The first user key, in the direction of the walk, that another source has.
    #[inline]
    fn limit_key(&self) -> Option<&[u8]> {
        let limit = &self.sources[self.limit?];
        limit.is_valid().then(|| limit.key())
    }

    /// Rank of the source that the current entry comes from. Requires: `is_valid()`.
    pub(crate) fn rank(&self) -> usize {
        self.current
    }

    /// Moves the sources of rank `rank_from` and above, as far as they have not come there yet:
    /// walking forward to their first entry at or behind (`user_key`, `seqno`), walking backward
    /// to their last entry before it. The other sources stay, and so may the current entry.
    /// Requires: `is_valid()`.
    pub(crate) fn seek_past(
        &mut self,
        rank_from: usize,
        user_key: &[u8],
        seqno: Seqno,
    ) -> Result<()> {
        let direction = self.direction;
        let passed = self.each_source(|rank, source| {
            if rank < rank_from || !source.is_valid() {
                return Ok(());
            }
            let order = compare((source.key(), source.seqno()), (user_key, seqno));
            match (direction, order) {
                (Direction::Forward, Ordering::Less) => source.seek(user_key, seqno),
                (Direction::Backward, Ordering::Equal | Ordering::Greater) => {
                    source.seek_back(user_key, seqno)
                }
                _ => Ok(()),
            }
        });
        passed.map(|()| self.build())
    }

    fn restart(
        &mut self,
        direction: Direction,
        position: impl FnMut(usize, &mut C) -> Result<()>,
    ) -> Result<()> {
        (self.direction, self.failure) = (direction, None);
        self.each_source(position)?;
        self.build();
        Ok(())
    }

    fn each_source(&mut self, mut act: impl FnMut(usize, &mut C) -> Result<()>) -> Result<()> {
        for (rank, source) in self.sources.iter_mut().enumerate() {
            if let Err(error) = act(rank, source) {
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        (self.valid, self.failure) = (false, Some(error.clone()));
        error
    }

    /// Steps in the other direction than the last step: the sources stand on the wrong side of
    /// the current entry, and are put on the other one.
    #[cold]
    fn turn(&mut self, direction: Direction) -> Result<()> {
        let (current, seqno) = (self.current, self.seqno());
        let mut pivot = std::mem::take(&mut self.pivot);
        pivot.clear();
        pivot.extend_from_slice(self.key());
        let turned = self.restart(direction, |rank, source| match (direction, rank == current) {
            (Direction::Forward, true) => source.next(),
            (Direction::Backward, true) => source.prev(),
            (Direction::Forward, false) => source.seek(&pivot, seqno),
            (Direction::Backward, false) => source.seek_back(&pivot, seqno),
        });
        self.pivot = pivot;
        turned
    }

    /// Whether the position of one source comes before that of another one, in the direction of
    /// the walk; a source without a position comes last.
    #[inline]
    fn leads(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.sources[one], &self.sources[other]);
        match (one.is_valid(), other.is_valid()) {
            (false, _) => false,
            (true, false) => true,
            (true, true) => {
                let order = compare((one.key(), one.seqno()), (other.key(), other.seqno()));
                order.is_lt() == (self.direction == Direction::Forward)
            }
        }
    }

    /// Plays all matches.
    fn build(&mut self) {
        let count = self.sources.len();
        if count == 0 {
            return;
        }
        for leaf in 0..count {
            self.winners[count + leaf] = leaf;
        }
        for node in (1..count).rev() {
            let (left, right) = (self.winners[2 * node], self.winners[2 * node + 1]);
            let (winner, loser) =
                if self.leads(right, left) { (right, left) } else { (left, right) };
            (self.winners[node], self.losers[node]) = (winner, loser);
        }
        self.crown(if count == 1 { 0 } else { self.winners[1] });
    }

    /// Plays the matches of the current source again, after its position has changed.
    fn replay(&mut self) {
        let mut winner = self.current;
        let mut node = (self.sources.len() + winner) / 2;
        while node > 0 {
            let loser = self.losers[node];
            if self.leads(loser, winner) {
                (winner, self.losers[node]) = (loser, winner);
            }
            node /= 2;
        }
        self.crown(winner);
    }

    /// Makes `winner` the current source, and the best that it met the limit.
    fn crown(&mut self, winner: usize) {
        let mut node = (self.sources.len() + winner) / 2;
        let mut limit = None;
        while node > 0 {
            let loser = self.losers[node];
            if limit.is_none_or(|best| self.leads(loser, best)) {
                limit = Some(loser);
            }
            node /= 2;
        }
        (self.current, self.limit, self.lead) = (winner, limit, 0);
        self.valid = self.sources[winner].is_valid();
    }

    /// Finds the current source again after the one so far has stepped.
    #[inline]
    fn settle(&mut self, stepped: Result<()>) -> Result<()> {
        if let Err(error) = stepped {
            return Err(self.fail(error));
        }
        match self.limit {
            None => self.valid = self.sources[self.current].is_valid(),
            Some(limit) if self.leads(self.current, limit) => self.lead += 1,
            Some(_) => self.replay(),
        }
        Ok(())
    }

    fn repeated_failure(&self) -> Result<()> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => panic!("a merge tree was moved where it is not valid"),
        }
    }
}

impl<C: Cursor> Cursor for MergeTree<C> {
    fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.restart(Direction::Forward, |_, source| source.seek(user_key, seqno))
    }

    fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.restart(Direction::Backward, |_, source| source.seek_back(user_key, seqno))
    }

    fn seek_first(&mut self) -> Result<()> {
        self.restart(Direction::Forward, |_, source| source.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.restart(Direction::Backward, |_, source| source.seek_last())
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        if !self.valid {
            return self.repeated_failure();
        }
        if self.direction != Direction::Forward {
            return self.turn(Direction::Forward);
        }
        let stepped = self.sources[self.current].next();
        self.settle(stepped)
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        if !self.valid {
            return self.repeated_failure();
        }
        if self.direction != Direction::Backward {
            return self.turn(Direction::Backward);
        }
        let stepped = self.sources[self.current].prev();
        self.settle(stepped)
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.valid
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.sources[self.current].key()
    }

    #[inline]
    fn seqno(&self) -> Seqno {
        self.sources[self.current].seqno()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.sources[self.current].kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.sources[self.current].value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.sources[self.current].value_slice()
    }

    #[inline]
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        self.sources[self.current].is_plain_at(seqno)
    }

    #[inline]
    fn plain_ahead(&self, seqno: Seqno, end: Option<&[u8]>) -> usize {
        let limit = self.limit_key();
        if limit.is_some() && self.lead < LEAD_BEFORE_LOOK {
            return 0;
        }
        let end = match (limit, end) {
            (Some(limit), Some(end)) => Some(if order(limit, end).is_lt() { limit } else { end }),
            (limit, end) => limit.or(end),
        };
        self.sources[self.current].plain_ahead(seqno, end)
    }

    #[inline]
    fn plain_behind(&self, seqno: Seqno, start: Bound<&[u8]>) -> usize {
        let limit = self.limit_key();
        if limit.is_some() && self.lead < LEAD_BEFORE_LOOK {
            return 0;
        }
        let start = match (limit, start) {
            (Some(limit), Bound::Included(start) | Bound::Excluded(start))
                if order(limit, start).is_lt() =>
            {
                Bound::Included(start)
            }
            (Some(limit), _) => Bound::Excluded(limit),
            (None, start) => start,
        };
        self.sources[self.current].plain_behind(seqno, start)
    }

    /// The limit stays: the source was asked up to there.
    #[inline]
    fn next_plain(&mut self) {
        self.sources[self.current].next_plain();
    }

    #[inline]
    fn prev_plain(&mut self) {
        self.sources[self.current].prev_plain();
    }

    /// Other sources may still have the key.
    #[inline]
    fn has_unique_keys(&self) -> bool {
        self.sources[self.current].has_unique_keys()
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::format::key::{SEQNO_LATEST, Seqno};
    use crate::merge::cursor::Cursor;
    use crate::merge::testing::{Entry, VecCursor, position, sorted, walk_like_a_sorted_vec};
    use crate::merge::tree::MergeTree;
    use proptest::prelude::*;

    /// Entries with their source. Seqno 0 stands for zeroed ones, in the last source only.
    fn any_sources() -> impl Strategy<Value = (Vec<Vec<Entry>>, Vec<Entry>)> {
        let entries =
            prop::collection::vec((0..12_u8, 0..9_u64, any::<prop::sample::Index>()), 0..60);
        (1..10_usize, entries).prop_map(|(count, entries)| {
            let mut sources = vec![Vec::new(); count];
            let mut all = Vec::new();
            for (key, seqno, source) in entries {
                let entry = Entry::put(&[key], seqno);
                if all.contains(&entry) {
                    continue;
                }
                let source = if seqno == 0 { count - 1 } else { source.index(count) };
                sources[source].push(entry.clone());
                all.push(entry);
            }
            (sources.into_iter().map(sorted).collect(), sorted(all))
        })
    }

    fn tree(sources: &[Vec<Entry>]) -> MergeTree<VecCursor> {
        MergeTree::new(sources.iter().cloned().map(VecCursor::new).collect())
    }

    proptest! {
        #[test]
        fn a_tree_walks_like_one_sorted_vec(
            (sources, all) in any_sources(),
            steps in prop::collection::vec((0..30_u8, 0..13_u8, 0..10_u64), 1..120),
        ) {
            // Steps far above 5 are steps back; half of the rest becomes steps forward.
            let steps: Vec<(u8, u8, Seqno)> =
                steps.into_iter().map(|(s, k, q)| (if s < 6 { s } else { 4 + s % 4 }, k, q)).collect();
            walk_like_a_sorted_vec(&mut tree(&sources), &all, &steps)?;
        }

        #[test]
        fn seek_past_leaves_out_only_old_sources_before_the_key(
            (sources, _) in any_sources(),
            start in 0..12_u8,
            past in 0..12_u8,
            rank_from in 0..5_usize,
            forward: bool,
        ) {
            let mut tree = tree(&sources);
            let keep = |rank: usize, entry: &Entry| {
                let key = entry.key[0];
                match forward {
                    true => key >= start && (rank < rank_from || key >= past),
                    false => key < start && (rank < rank_from || key < past),
                }
            };
            let kept = (0..).zip(&sources).flat_map(|(rank, entries)| {
                entries.iter().filter(move |entry| keep(rank, entry)).cloned()
            });
            let mut expect = sorted(kept);
            if !forward {
                expect.reverse();
            }
            match forward {
                true => tree.seek(&[start], SEQNO_LATEST).unwrap(),
                false => tree.seek_back(&[start], SEQNO_LATEST).unwrap(),
            }
            if !tree.is_valid() {
                return Ok(());
            }
            tree.seek_past(rank_from, &[past], SEQNO_LATEST).unwrap();
            for entry in expect {
                prop_assert_eq!(position(&tree), Some((entry.key.clone(), entry.seqno)));
                prop_assert!(sources[tree.rank()].contains(&entry));
                if forward { tree.next().unwrap() } else { tree.prev().unwrap() }
            }
            prop_assert!(!tree.is_valid());
        }
    }

    #[test]
    fn a_tree_without_sources_is_empty() {
        let mut tree = tree(&[]);
        tree.seek_first().unwrap();
        assert!(!tree.is_valid());
        tree.seek_back(b"k", 3).unwrap();
        assert!(!tree.is_valid());
    }

    #[test]
    fn an_error_is_repeated_until_a_seek() {
        let entries: Vec<_> = (0..9).map(|key| Entry::put(&[key], 5)).collect();
        let others: Vec<_> = (0..9).map(|key| Entry::put(&[key], 6)).collect();
        let failing = VecCursor::failing_after(entries, 3);
        let mut tree = MergeTree::new(vec![VecCursor::new(others), failing]);
        tree.seek_first().unwrap();
        let mut steps = 0;
        let error = loop {
            match tree.next() {
                Ok(()) => steps += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((steps, error.kind()), (5, ErrorKind::Corruption));
        assert!(!tree.is_valid());
        assert_eq!(tree.next().unwrap_err().offset(), Some(512));
        assert_eq!(tree.prev().unwrap_err().offset(), Some(512));
        assert!(tree.seek_first().is_err() && !tree.is_valid());
    }
}
