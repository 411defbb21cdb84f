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
//! Sources that take turns, as tables of level 0 do, need that comparison at each entry; all else is counted
//! beforehand, a block at a time. So a step is one of three kinds: unseen, as far as a source leads on
//! (`count_ahead`, `next_plain`); counted, which looks at nothing but who leads (`next_counted`); or an
//! ordinary one, after which the caller looks at the entry.
//!
//! Invariants, while there is no failure: (1) no entry of any source lies between the current entry
//! and that source's position, in the direction of the walk, except what `seek_past` left out;
//! (2) the line holds the sources that have a position, ordered by it in the direction of the walk.
//!
//! No two entries of all sources have the same user key and seqno.

use crate::error::{Error, Result};
use crate::format::key::{self, Kind, Seqno, order, wide_head};
use crate::merge::cursor::Cursor;
use crate::merge::line::{Line, Match};
use crate::merge::source::Source;
use crate::slice::Slice;
use std::cmp::Ordering;
use std::ops::Bound;

/// Steps that a source must have led in a row before it is asked how far it leads on: where sources take
/// turns, the question costs more than it saves. Chosen by measurement, as decision 0032 says.
const LEAD_BEFORE_LOOK: u32 = 4;

/// Which way the sources are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// What a step that was counted beforehand has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    /// None was counted, and no step was taken.
    Uncounted,
    /// A plain entry, the only one of its key, inside the limit.
    Plain,
    /// An entry that needs a look, or the end.
    Unknown,
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

    /// As [`plain_ahead`](Cursor::plain_ahead). Where sources take turns, each entry needs a comparison, but
    /// the steps that need nothing else are counted for `next_counted`. Requires: `seqno` is always the same.
    #[inline]
    pub(crate) fn count_ahead(&mut self, seqno: Seqno, end: Option<&[u8]>) -> usize {
        let ahead = self.plain_ahead(seqno, end);
        self.count(ahead, |source| source.plain_ahead(seqno, None));
        ahead
    }

    /// The mirror of `count_ahead`, for `prev_counted`.
    #[inline]
    pub(crate) fn count_behind(&mut self, seqno: Seqno, start: Bound<&[u8]>) -> usize {
        let behind = self.plain_behind(seqno, start);
        self.count(behind, |source| source.plain_behind(seqno, Bound::Unbounded));
        behind
    }

    /// Notes how many plain entries the source has; so many of them will be stepped over unseen.
    #[inline]
    fn count(&mut self, unseen: usize, all: impl Fn(&C) -> usize) {
        let all = all(self.current());
        self.line.count_plain(if all > 0 { 1 + all - unseen } else { 0 });
    }

    /// Steps forward if that step was counted. An entry whose head is not below `limit` needs a look.
    #[inline]
    pub(crate) fn next_counted(&mut self, limit: u128) -> Stride {
        self.step_counted(Direction::Forward, limit, C::next_plain)
    }

    /// The mirror: an entry whose head is not above `limit` needs a look.
    #[inline]
    pub(crate) fn prev_counted(&mut self, limit: u128) -> Stride {
        self.step_counted(Direction::Backward, !limit, C::prev_plain)
    }

    #[inline]
    fn step_counted(
        &mut self,
        direction: Direction,
        limit: u128,
        step: impl FnOnce(&mut C),
    ) -> Stride {
        let Some((first, left)) = self.line.plain_left() else { return Stride::Uncounted };
        if self.direction != direction {
            return Stride::Uncounted;
        }
        step(&mut self.sources[first]);
        self.advance(first, left);
        // One that leads so long is asked how far.
        if self.lead != LEAD_BEFORE_LOOK && self.line.is_plain_below(limit) {
            Stride::Plain
        } else {
            Stride::Unknown
        }
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
                let head = head(source, *direction);
                line.join(rank, head, |other| compare(source, &sources[other], *direction));
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
        let Some(first) = self.line.first() else { return Ok(()) };
        if self.sources[first].is_valid() {
            self.advance(first, 0);
        } else {
            self.line.leave();
            self.lead = 0;
        }
        Ok(())
    }

    /// Finds the place of the first, which stands on another entry now, from where so many are known to be
    /// plain.
    #[inline]
    fn advance(&mut self, first: usize, plain: usize) {
        let MergingCursor { sources, line, lead, direction, .. } = self;
        line.count_plain(plain);
        let first = &sources[first];
        let leads = line.advance(
            || head(first, *direction),
            |other| compare(first, &sources[other], *direction),
        );
        *lead = if leads { lead.saturating_add(1) } else { 0 };
    }

    fn repeated_failure(&self) -> Result<()> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => panic!("a merging cursor was moved where it is not valid"),
        }
    }
}

/// A number that is smaller for the source that comes first in the direction of the walk, unless it is the same.
#[inline]
fn head<C: Cursor>(source: &C, direction: Direction) -> u128 {
    match direction {
        Direction::Forward => wide_head(source.key()),
        Direction::Backward => !wide_head(source.key()),
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
