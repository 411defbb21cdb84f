//! What a user sees of a range at one moment: live keys, in both directions.
//!
//! The position of a scan is a gap between two live keys. `next` crosses the key behind the gap,
//! `prev` the one before it; the key just crossed can be read until the next move. So `next` and
//! then `prev` cross the same key. At an end, the move towards it stays `false`, and the other one
//! goes back in.
//!
//! Of each key the newest version at or below the visible seqno counts: it is live if it is a put
//! and no visible range tombstone is newer. Runs of versions that do not count are left with a
//! seek once they turn out to be long. A range tombstone hides everything under it in sources of a
//! higher rank: they are moved past it in one seek.
//!
//! Walking forward nothing is copied but the key (to know its older versions). Walking backward,
//! versions come oldest first, so the entry is copied while the newer ones are looked at; unless it is
//! known to be the only one of its key.
//!
//! Most blocks hold nothing but puts that every reader sees, and each key once. Where no range tombstone
//! is near, the sources say once how many such entries follow in the block before any other source, or the
//! range's end, has a word in it: those steps look at nothing.

use crate::error::{Error, Result};
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, order, wide_head};
use crate::merge::{Cover, Cursor, MergingCursor, RunTable, Source, Stride};
use crate::read::shade::{Shade, copy};
use crate::read::tally::Tally;
use crate::seeded::{Bug, is_seeded};
use crate::slice::Slice;
use crate::table::Handle;
use std::ops::Bound;

/// Most entries that are stepped over one by one before a seek.
const STEPS_BEFORE_SEEK: usize = 8;

/// A buffer for values is let go when it is larger than this and not needed.
const VALUE_BUFFER_BYTES_MAX: usize = 1 << 20;

/// The keys of a scan: from `start` to `end` (exclusive), or to the end of all keys. Bounds that
/// are the wrong way round are an empty range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

/// See the module's caption.
pub(crate) struct Scan<T: RunTable = Handle> {
    merged: MergingCursor<Source<T>>,
    cover: Cover<T>,
    visible: Seqno,
    bounds: Bounds,
    shade: Shade,
    tally: Tally,
    gap: Gap,
    /// Where the key that was crossed last is, if `gap` is next to it.
    entry: Place,
    /// Steps that need no look, each onto a plain entry, the only one of its key: forward, while `gap` is
    /// behind an entry where the sources stand; and backward, while it is before one. One of them is 0.
    ahead: usize,
    behind: usize,
    /// Heads of the bounds.
    start_head: u128,
    end_head: u128,
    /// The first error, repeated until a seek.
    failure: Option<Error>,
    /// With `Gap::Before`: that key. With `Place::Copied`: the entry's. Else free.
    key: Vec<u8>,
    value: Vec<u8>,
    seqno: Seqno,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Before all keys of the range.
    Front,
    /// Behind all keys of the range.
    Back,
    /// Before the key in `Scan::key`, whether that exists or not.
    Before,
    BeforeEntry,
    BehindEntry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The sources stand on it.
    Merged,
    /// They do, have come there walking backward, and none has another version of it.
    Only,
    /// In `key`, `value` and `seqno`; the sources stand on the last entry of a smaller key.
    Copied,
}

impl<T: RunTable> Scan<T> {
    /// A scan in front of its range. The index of a source is its rank, in `cover` too. Requires:
    /// the tombstones in `cover` were collected after `visible` was read.
    pub(crate) fn new(
        sources: Vec<Source<T>>,
        cover: Cover<T>,
        visible: Seqno,
        bounds: Bounds,
    ) -> Scan<T> {
        let start_head = wide_head(&bounds.start);
        let end_head = bounds.end.as_deref().map_or(u128::MAX, wide_head);
        Scan {
            merged: MergingCursor::new(sources),
            cover,
            visible,
            bounds,
            shade: Shade::default(),
            tally: Tally::default(),
            gap: Gap::Front,
            entry: Place::Merged,
            ahead: 0,
            behind: 0,
            start_head,
            end_head,
            failure: None,
            key: Vec::new(),
            value: Vec::new(),
            seqno: 0,
        }
    }

    /// The same, noting what it loses by so many runs beyond the first.
    pub(crate) fn tallied(mut self, extra_runs: usize) -> Scan<T> {
        self.tally = Tally::new(extra_runs);
        self
    }

    /// Nanoseconds that it has lost by them since it was asked last.
    pub(crate) fn take_lost(&mut self) -> u64 {
        self.tally.take_lost()
    }

    /// To the gap before `user_key`, or to the end of the range that is nearest to it.
    pub(crate) fn seek(&mut self, user_key: &[u8]) {
        let user_key = user_key.max(&self.bounds.start);
        match &self.bounds.end {
            Some(end) if end[..] <= *user_key => copy(&mut self.key, end),
            _ => copy(&mut self.key, user_key),
        }
        self.restart(Gap::Before);
    }

    /// To the gap before all keys of the range.
    pub(crate) fn seek_front(&mut self) {
        self.restart(Gap::Front);
    }

    /// To the gap behind all keys of the range.
    pub(crate) fn seek_back(&mut self) {
        self.restart(Gap::Back);
    }

    /// From now on the range begins behind `user_key`: another scan has returned that from its
    /// other side. Requires: this scan walks backward only, and has crossed no smaller key.
    pub(crate) fn begin_behind(&mut self, user_key: &[u8]) {
        self.behind = 0;
        copy(&mut self.bounds.start, user_key);
        self.bounds.start.push(0);
        self.start_head = wide_head(user_key);
    }

    /// From now on the range ends before `user_key`: another scan has returned that from its other
    /// side. Requires: this scan walks forward only, and has crossed no larger key.
    pub(crate) fn end_before(&mut self, user_key: &[u8]) {
        self.ahead = 0;
        copy(self.bounds.end.get_or_insert_default(), user_key);
        self.end_head = wide_head(user_key);
    }

    fn restart(&mut self, gap: Gap) {
        (self.gap, self.failure) = (gap, None);
        (self.ahead, self.behind) = (0, 0);
    }

    /// Crosses the key behind the gap; `false` if there is none. The first error is repeated until
    /// a seek.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<bool> {
        if let Some(left) = self.ahead.checked_sub(1) {
            self.ahead = left;
            self.merged.next_plain();
            return Ok(true);
        }
        self.behind = 0;
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        match self.try_next() {
            Ok(found) => {
                self.gap = if found { Gap::BehindEntry } else { Gap::Back };
                Ok(found)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Crosses the key before the gap; `false` if there is none. The first error is repeated until
    /// a seek.
    #[inline]
    pub(crate) fn prev(&mut self) -> Result<bool> {
        if let Some(left) = self.behind.checked_sub(1) {
            self.behind = left;
            self.merged.prev_plain();
            return Ok(true);
        }
        self.ahead = 0;
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        match self.try_prev() {
            Ok(found) => {
                self.gap = if found { Gap::BeforeEntry } else { Gap::Front };
                Ok(found)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The key that was crossed last. Requires, as the two below: the last move gave `true`.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self.entry {
            Place::Merged | Place::Only => self.merged.key(),
            Place::Copied => &self.key,
        }
    }

    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        match self.entry {
            Place::Merged | Place::Only => self.merged.value(),
            Place::Copied => &self.value,
        }
    }

    /// The value as a slice of its own.
    #[inline]
    pub(crate) fn value_slice(&self) -> Slice {
        match self.entry {
            Place::Merged | Place::Only => self.merged.value_slice(),
            Place::Copied => Slice::from(&self.value[..]),
        }
    }

    #[cfg(test)]
    pub(crate) fn seqno(&self) -> Seqno {
        match self.entry {
            Place::Merged | Place::Only => self.merged.seqno(),
            Place::Copied => self.seqno,
        }
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        self.failure = Some(error.clone());
        error
    }

    #[inline]
    fn try_next(&mut self) -> Result<bool> {
        self.tally.note_turn();
        match (self.gap, self.entry) {
            (Gap::BehindEntry, Place::Merged | Place::Only) => {
                match self.merged.next_counted(self.end_head) {
                    Stride::Plain => return Ok(true),
                    Stride::Unknown => {}
                    Stride::Uncounted => self.skip_older_versions()?,
                }
            }
            (Gap::BehindEntry, Place::Copied) => {
                self.key.push(0);
                self.merged.seek(&self.key, SEQNO_LATEST)?;
            }
            (Gap::BeforeEntry, _) => return Ok(true),
            (Gap::Back, _) => return Ok(false),
            (Gap::Before, _) => {
                self.tally.note_seek();
                self.merged.seek(&self.key, self.visible)?;
            }
            (Gap::Front, _) => {
                self.tally.note_seek();
                self.merged.seek(&self.bounds.start, self.visible)?;
            }
        }
        self.find_forward()
    }

    #[inline]
    fn try_prev(&mut self) -> Result<bool> {
        self.tally.note_turn();
        match (self.gap, self.entry) {
            (Gap::BeforeEntry, Place::Copied) => {}
            (Gap::BeforeEntry, Place::Only) => match self.merged.prev_counted(self.start_head) {
                Stride::Plain => return Ok(true),
                Stride::Unknown => {}
                Stride::Uncounted => self.merged.prev()?,
            },
            (Gap::BeforeEntry, Place::Merged) => {
                copy(&mut self.key, self.merged.key());
                self.merged.seek_back(&self.key, SEQNO_LATEST)?;
            }
            (Gap::BehindEntry, Place::Merged) if is_seeded(Bug::PrevNextEdge) => {
                copy(&mut self.key, self.merged.key());
                self.merged.seek_back(&self.key, SEQNO_LATEST)?;
            }
            (Gap::BehindEntry, _) => return Ok(true),
            (Gap::Front, _) => return Ok(false),
            (Gap::Before, _) => {
                self.tally.note_seek();
                self.merged.seek_back(&self.key, SEQNO_LATEST)?;
            }
            (Gap::Back, _) => match &self.bounds.end {
                Some(end) => self.merged.seek_back(end, SEQNO_LATEST)?,
                None => self.merged.seek_last()?,
            },
        }
        self.find_backward()
    }

    /// From an entry of a key none of whose visible versions was passed: to the first live one.
    fn find_forward(&mut self) -> Result<bool> {
        self.entry = Place::Merged;
        let mut too_new = 0;
        while self.merged.is_valid() {
            if self.bounds.end.as_ref().is_some_and(|end| order(end, self.merged.key()).is_le()) {
                return Ok(false);
            }
            if self.cover.is_empty() && self.merged.is_plain_at(self.visible) {
                self.ahead = self.merged.count_ahead(self.visible, self.bounds.end.as_deref());
                return Ok(true);
            }
            if self.merged.seqno() > self.visible {
                too_new += 1;
                self.skip_newer_version(too_new)?;
                continue;
            }
            too_new = 0;
            if self.leave_shade_forward()? {
                continue;
            }
            if self.merged.kind() == Kind::Put && !self.is_covered(self.merged.seqno()) {
                return Ok(true);
            }
            self.skip_older_versions()?;
        }
        Ok(false)
    }

    /// Steps over a version that this scan must not see, the `count`th in a row.
    fn skip_newer_version(&mut self, count: usize) -> Result<()> {
        if !count.is_multiple_of(STEPS_BEFORE_SEEK) {
            return self.merged.next();
        }
        copy(&mut self.key, self.merged.key());
        self.merged.seek_past(0, &self.key, self.visible)
    }

    /// From a version that was judged to the first entry of the next key.
    #[inline]
    fn skip_older_versions(&mut self) -> Result<()> {
        if self.merged.is_alone() {
            return self.merged.next();
        }
        copy(&mut self.key, self.merged.key());
        self.merged.next()?;
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.merged.is_valid() || order(self.merged.key(), &self.key).is_ne() {
                return Ok(());
            }
            self.merged.next()?;
        }
        if !self.merged.is_valid() {
            return Ok(());
        }
        self.key.push(0);
        self.merged.seek_past(0, &self.key, SEQNO_LATEST)
    }

    /// If the entry lies under a range tombstone of a newer source, moves all sources that this
    /// tombstone hides past its end.
    #[inline]
    fn leave_shade_forward(&mut self) -> Result<bool> {
        let (rank, seqno) = (self.merged.rank(), self.merged.seqno());
        match self.shade.over(&self.cover, self.merged.key(), self.visible)? {
            Some(tombstone) if tombstone.rank < rank && tombstone.seqno > seqno => {
                self.merged.seek_past(tombstone.rank + 1, &tombstone.end, SEQNO_LATEST)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The mirror of `leave_shade_forward`.
    #[inline]
    fn leave_shade_backward(&mut self) -> Result<bool> {
        let (rank, seqno) = (self.merged.rank(), self.merged.seqno());
        match self.shade.over(&self.cover, self.merged.key(), self.visible)? {
            Some(tombstone) if tombstone.rank < rank && tombstone.seqno > seqno => {
                self.merged.seek_past(tombstone.rank + 1, &tombstone.start, SEQNO_LATEST)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether the range tombstone that was found last hides an entry of this seqno.
    #[inline]
    fn is_covered(&self, seqno: Seqno) -> bool {
        self.shade.newest().is_some_and(|newest| newest > seqno)
    }

    /// From the last entry of a key, its oldest version: to the last live key at or before it. The
    /// sources end on the last entry of a key before that.
    fn find_backward(&mut self) -> Result<bool> {
        self.entry = Place::Copied;
        while self.merged.is_valid() {
            if order(self.merged.key(), &self.bounds.start).is_lt() {
                return Ok(false);
            }
            if self.cover.is_empty()
                && self.merged.is_plain_at(self.visible)
                && self.merged.is_alone()
            {
                self.entry = Place::Only;
                let start = Bound::Included(&self.bounds.start[..]);
                self.behind = self.merged.count_behind(self.visible, start);
                return Ok(true);
            }
            if self.leave_shade_backward()? {
                continue;
            }
            copy(&mut self.key, self.merged.key());
            let newest = self.take_newest_visible()?;
            self.skip_to_smaller_key()?;
            if let Some(Kind::Put) = newest
                && !self.is_covered(self.seqno)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Walks the visible versions of `self.key` from the oldest to the newest, and copies that one.
    fn take_newest_visible(&mut self) -> Result<Option<Kind>> {
        let mut newest = None;
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.is_visible_version() {
                return Ok(newest);
            }
            newest = Some(self.copy_version());
            self.merged.prev()?;
        }
        if self.is_visible_version() {
            // A long history: look its newest visible version up from the other side.
            self.merged.seek(&self.key, self.visible)?;
            newest = Some(self.copy_version());
            self.merged.seek_back(&self.key, SEQNO_LATEST)?;
        }
        Ok(newest)
    }

    fn is_visible_version(&self) -> bool {
        self.merged.is_valid()
            && self.merged.seqno() <= self.visible
            && order(self.merged.key(), &self.key).is_eq()
    }

    fn copy_version(&mut self) -> Kind {
        let kind = self.merged.kind();
        self.seqno = self.merged.seqno();
        let value = self.merged.value();
        if self.value.capacity() > VALUE_BUFFER_BYTES_MAX && value.len() <= VALUE_BUFFER_BYTES_MAX {
            self.value = Vec::new();
        }
        copy(&mut self.value, value);
        kind
    }

    /// Past the versions of `self.key` that are too new to be seen.
    #[inline]
    fn skip_to_smaller_key(&mut self) -> Result<()> {
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.merged.is_valid() || order(self.merged.key(), &self.key).is_ne() {
                return Ok(());
            }
            self.merged.prev()?;
        }
        if self.merged.is_valid() {
            self.merged.seek_past(0, &self.key, SEQNO_LATEST)?;
        }
        Ok(())
    }
}
