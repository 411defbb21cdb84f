//! Merges sorted sources into one: they stand in a line, and the first of the line leads.
//!
//! The line is in the order of the sources' positions. The source that leads takes a step; as long as it
//! still comes before the second one, nothing else changes, and the step costs one comparison. That is
//! the common case, since levels differ in size by a factor. Else a binary search finds its new place,
//! and the second leads. There are never so many sources that moving the few in between would count.
//!
//! The line also knows who stands on the same user key: an entry whose source has each key once, and whose
//! second has another key, is alone.
//!
//! Invariants, while there is no failure: (1) no entry of any source lies between the current entry
//! and that source's position, in the direction of the walk, except what `seek_past` left out;
//! (2) the line holds the sources that have a position, ordered by it in the direction of the walk.
//!
//! No two entries of all sources have the same user key and seqno.

use crate::error::{Error, Result};
use crate::format::key::{self, Kind, Seqno, order};
use crate::merge::cursor::Cursor;
use crate::merge::line::{Line, Match};
use crate::merge::source::Source;
use crate::slice::Slice;
use std::cmp::Ordering;
use std::ops::Bound;

/// Steps that a source must have led in a row before it is asked how far it leads on: where sources take
/// turns, the question costs more than it saves.
const LEAD_BEFORE_LOOK: u32 = 2;

/// Which way the sources are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// See the module's caption.
pub(crate) struct MergingCursor<C = Source> {
    /// By rank: 0 is the newest.
    sources: Vec<C>,
    /// Those that have a position, the current one first. Empty while the cursor is not valid.
    line: Line,
    /// Steps that the current source has led in a row.
    lead: u32,
    direction: Direction,
    /// The error that made the cursor invalid; repeated until a seek succeeds.
    failure: Option<Error>,
    /// Room for the current key while the sources turn around.
    pivot: Vec<u8>,
}

impl<C: Cursor> MergingCursor<C> {
    /// A cursor over `sources`, newest first. Not valid before the first seek.
    pub(crate) fn new(sources: Vec<C>) -> MergingCursor<C> {
        let line = Line::with_room_for(sources.len());
        let (direction, failure, pivot) = (Direction::Forward, None, Vec::new());
        MergingCursor { sources, line, lead: 0, direction, failure, pivot }
    }

    /// Whether the current entry is known to be the only one of its user key that the walk still meets.
    /// Requires: `is_valid()`.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.has_unique_keys() && !self.line.is_key_shared()
    }

    /// The first user key, in the direction of the walk, that another source has.
    #[inline]
    fn limit_key(&self) -> Option<&[u8]> {
        self.line.second().map(|second| self.sources[second].key())
    }

    /// Rank of the source that the current entry comes from. Requires: `is_valid()`.
    #[inline]
    pub(crate) fn rank(&self) -> usize {
        match self.line.first() {
            Some(rank) => rank,
            None => panic!("a merging cursor was read where it is not valid"),
        }
    }

    #[inline]
    fn current(&self) -> &C {
        &self.sources[self.rank()]
    }

    #[inline]
    fn current_mut(&mut self) -> &mut C {
        let rank = self.rank();
        &mut self.sources[rank]
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
            let order = key::compare((source.key(), source.seqno()), (user_key, seqno));
            match (direction, order) {
                (Direction::Forward, Ordering::Less) => source.seek(user_key, seqno),
                (Direction::Backward, Ordering::Equal | Ordering::Greater) => {
                    source.seek_back(user_key, seqno)
                }
                _ => Ok(()),
            }
        });
        passed.map(|()| self.line_up())
    }

    fn restart(
        &mut self,
        direction: Direction,
        position: impl FnMut(usize, &mut C) -> Result<()>,
    ) -> Result<()> {
        (self.direction, self.failure) = (direction, None);
        self.each_source(position)?;
        self.line_up();
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
        self.line.clear();
        self.failure = Some(error.clone());
        error
    }

    /// Steps in the other direction than the last step: the sources stand on the wrong side of
    /// the current entry, and are put on the other one.
    #[cold]
    fn turn(&mut self, direction: Direction) -> Result<()> {
        let (current, seqno) = (self.rank(), self.seqno());
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

    /// Lines all sources up anew.
    fn line_up(&mut self) {
        let MergingCursor { sources, line, direction, .. } = self;
        line.clear();
        for (rank, source) in sources.iter().enumerate() {
            if source.is_valid() {
                line.join(rank, |other| compare(source, &sources[other], *direction));
            }
        }
        self.lead = 0;
    }

    /// Puts the line in order again after the first source has stepped.
    #[inline]
    fn settle(&mut self, stepped: Result<()>) -> Result<()> {
        if let Err(error) = stepped {
            return Err(self.fail(error));
        }
        let direction = self.direction;
        let MergingCursor { sources, line, lead, .. } = self;
        let (Some(first), second) = (line.first(), line.second()) else { return Ok(()) };
        let first = &sources[first];
        if !first.is_valid() {
            line.leave();
            *lead = 0;
        } else if let Some(second) = second {
            let met = compare(first, &sources[second], direction);
            if met.leads {
                line.stay(met.same_key);
                *lead = lead.saturating_add(1);
            } else {
                line.step_back(met.same_key, |other| compare(first, &sources[other], direction));
                *lead = 0;
            }
        }
        Ok(())
    }

    fn repeated_failure(&self) -> Result<()> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => panic!("a merging cursor was moved where it is not valid"),
        }
    }
}

/// Compares the positions of two sources that have one, in the direction of the walk.
#[inline]
fn compare<C: Cursor>(one: &C, other: &C, direction: Direction) -> Match {
    let is_forward = direction == Direction::Forward;
    match order(one.key(), other.key()) {
        // Of one key the newest version comes first.
        Ordering::Equal => {
            Match { leads: (one.seqno() > other.seqno()) == is_forward, same_key: true }
        }
        unequal => Match { leads: unequal.is_lt() == is_forward, same_key: false },
    }
}

impl<C: Cursor> Cursor for MergingCursor<C> {
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
        if !self.is_valid() {
            return self.repeated_failure();
        }
        if self.direction != Direction::Forward {
            return self.turn(Direction::Forward);
        }
        let stepped = self.current_mut().next();
        self.settle(stepped)
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        if !self.is_valid() {
            return self.repeated_failure();
        }
        if self.direction != Direction::Backward {
            return self.turn(Direction::Backward);
        }
        let stepped = self.current_mut().prev();
        self.settle(stepped)
    }

    #[inline]
    fn is_valid(&self) -> bool {
        !self.line.is_empty()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.current().key()
    }

    #[inline]
    fn seqno(&self) -> Seqno {
        self.current().seqno()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.current().kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.current().value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.current().value_slice()
    }

    #[inline]
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        self.current().is_plain_at(seqno)
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
        self.current().plain_ahead(seqno, end)
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
        self.current().plain_behind(seqno, start)
    }

    /// The limit stays: the source was asked up to there.
    #[inline]
    fn next_plain(&mut self) {
        self.current_mut().next_plain();
    }

    #[inline]
    fn prev_plain(&mut self) {
        self.current_mut().prev_plain();
    }

    /// Other sources may still have the key.
    #[inline]
    fn has_unique_keys(&self) -> bool {
        self.current().has_unique_keys()
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::format::key::{SEQNO_LATEST, Seqno};
    use crate::merge::cursor::Cursor;
    use crate::merge::merging::MergingCursor;
    use crate::merge::testing::{Entry, VecCursor, position, sorted, walk_like_a_sorted_vec};
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

    fn merging(sources: &[Vec<Entry>]) -> MergingCursor<VecCursor> {
        MergingCursor::new(sources.iter().cloned().map(VecCursor::new).collect())
    }

    proptest! {
        #[test]
        fn a_merge_walks_like_one_sorted_vec(
            (sources, all) in any_sources(),
            steps in prop::collection::vec((0..30_u8, 0..13_u8, 0..10_u64), 1..120),
        ) {
            // Steps far above 5 are steps back; half of the rest becomes steps forward.
            let steps: Vec<(u8, u8, Seqno)> =
                steps.into_iter().map(|(s, k, q)| (if s < 6 { s } else { 4 + s % 4 }, k, q)).collect();
            walk_like_a_sorted_vec(&mut merging(&sources), &all, &steps)?;
        }

        #[test]
        fn seek_past_leaves_out_only_old_sources_before_the_key(
            (sources, _) in any_sources(),
            start in 0..12_u8,
            past in 0..12_u8,
            rank_from in 0..5_usize,
            forward: bool,
        ) {
            let mut cursor = merging(&sources);
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
                true => cursor.seek(&[start], SEQNO_LATEST).unwrap(),
                false => cursor.seek_back(&[start], SEQNO_LATEST).unwrap(),
            }
            if !cursor.is_valid() {
                return Ok(());
            }
            cursor.seek_past(rank_from, &[past], SEQNO_LATEST).unwrap();
            for entry in expect {
                prop_assert_eq!(position(&cursor), Some((entry.key.clone(), entry.seqno)));
                prop_assert!(sources[cursor.rank()].contains(&entry));
                if forward { cursor.next().unwrap() } else { cursor.prev().unwrap() }
            }
            prop_assert!(!cursor.is_valid());
        }
    }

    #[test]
    fn a_merge_without_sources_is_empty() {
        let mut cursor = merging(&[]);
        cursor.seek_first().unwrap();
        assert!(!cursor.is_valid());
        cursor.seek_back(b"k", 3).unwrap();
        assert!(!cursor.is_valid());
    }

    #[test]
    fn an_error_is_repeated_until_a_seek() {
        let entries: Vec<_> = (0..9).map(|key| Entry::put(&[key], 5)).collect();
        let others: Vec<_> = (0..9).map(|key| Entry::put(&[key], 6)).collect();
        let failing = VecCursor::failing_after(entries, 3);
        let mut cursor = MergingCursor::new(vec![VecCursor::new(others), failing]);
        cursor.seek_first().unwrap();
        let mut steps = 0;
        let error = loop {
            match cursor.next() {
                Ok(()) => steps += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((steps, error.kind()), (5, ErrorKind::Corruption));
        assert!(!cursor.is_valid());
        assert_eq!(cursor.next().unwrap_err().offset(), Some(512));
        assert_eq!(cursor.prev().unwrap_err().offset(), Some(512));
        assert!(cursor.seek_first().is_err() && !cursor.is_valid());
    }
}
