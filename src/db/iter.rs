//! The iterator over a range: owned, both ways, at one moment.

use crate::db::bounds::HalfOpen;
use crate::db::engine::Engine;
use crate::db::keyspace::{Keyspace, Moment};
use crate::error::{Error, Result};
use crate::format::key::{KEYSPACE_ID_BYTES, Seqno};
use crate::read::sources::{self, ViewScan};
use crate::slice::Slice;
use crate::state::view::View;
use crate::sync::Arc;
use std::iter::FusedIterator;

/// The entries of a range, in the order of their keys, from both ends.
///
/// It sees one moment, owns what it needs and may go to another thread. It keeps the database open and
/// its memtables and tables alive: drop it when done. An error is an item, and from then on the only
/// one.
///
/// ```
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// for key in ["a", "b", "c"] {
///     db.put(key, "")?;
/// }
/// let mut entries = db.iter();
/// let (first, last) = (entries.next().unwrap()?, entries.next_back().unwrap()?);
/// assert_eq!((&*first.0, &*last.0), (&b"a"[..], &b"c"[..]));
/// # Ok::<(), siltstone::Error>(())
/// ```
#[must_use = "an iterator does nothing until it is asked"]
pub struct Iter {
    /// None once the range is known to hold nothing more, or with `failure`.
    range: Option<Range>,
    failure: Option<Error>,
    // Before `engine`, because both hold parts of it.
    front: Option<ViewScan>,
    back: Option<ViewScan>,
    engine: Arc<Engine>,
}

/// What is left, in user keys.
struct Range {
    view: Arc<View>,
    seqno: Seqno,
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Range {
    /// One half, and what the other one has left of the range.
    fn open(&self, forward: bool, other: Option<&ViewScan>) -> ViewScan {
        let mut scan = sources::scan(&self.view, self.start.clone(), self.end.clone(), self.seqno);
        if !forward {
            scan.seek_back();
        }
        match (forward, other) {
            (true, Some(back)) => scan.end_before(back.key()),
            (false, Some(front)) => scan.begin_behind(front.key()),
            (_, None) => {}
        }
        scan
    }
}

impl Iter {
    pub(crate) fn new(keyspace: &Keyspace, moment: Result<Moment>, range: &HalfOpen) -> Iter {
        let engine = Arc::clone(keyspace.engine());
        let (range, failure) = match moment {
            Err(error) => (None, Some(error)),
            Ok(_) if range.is_empty() => (None, None),
            Ok(Moment { view, seqno }) => {
                let (start, end) = range.in_keyspace(keyspace.cell().id);
                (Some(Range { view, seqno, start, end }), None)
            }
        };
        Iter { range, failure, front: None, back: None, engine }
    }

    fn step(&mut self, forward: bool) -> Option<Result<(Slice, Slice)>> {
        if let Some(error) = &self.failure {
            return Some(Err(error.clone()));
        }
        match self.try_step(forward) {
            Ok(Some(entry)) => Some(Ok(entry)),
            Ok(None) => {
                self.end();
                None
            }
            Err(error) => {
                self.end();
                self.failure = Some(error.clone());
                Some(Err(error))
            }
        }
    }

    /// Lets go of everything, and tells what was lost to runs that could be merged.
    fn end(&mut self) {
        self.range = None;
        let halves = [self.front.take(), self.back.take()];
        let lost = halves.into_iter().flatten().map(|mut scan| scan.take_lost()).sum();
        self.engine.store.pay_toll(lost);
    }

    fn try_step(&mut self, forward: bool) -> Result<Option<(Slice, Slice)>> {
        let Some(range) = &self.range else { return Ok(None) };
        self.engine.store.health.check_read()?;
        // Each half must not give what the other one gave: it is told when it is opened, and later with
        // every entry. A half that is open has given the entry that it stands on.
        let (own, other) = match forward {
            true => (&mut self.front, &mut self.back),
            false => (&mut self.back, &mut self.front),
        };
        let scan = own.get_or_insert_with(|| range.open(forward, other.as_ref()));
        let found = if forward { scan.next()? } else { scan.prev()? };
        if found && let Some(other) = other {
            match forward {
                true => other.begin_behind(scan.key()),
                false => other.end_before(scan.key()),
            }
        }
        Ok(found.then(|| entry(scan)))
    }
}

/// The entry that a scan has just crossed.
#[inline]
fn entry(scan: &ViewScan) -> (Slice, Slice) {
    (Slice::from(&scan.key()[KEYSPACE_ID_BYTES..]), scan.value_slice())
}

impl Drop for Iter {
    fn drop(&mut self) {
        self.end();
    }
}

impl Iterator for Iter {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl FusedIterator for Iter {}

impl std::fmt::Debug for Iter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("failure", &self.failure).finish_non_exhaustive()
    }
}
