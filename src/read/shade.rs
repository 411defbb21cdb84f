//! The range tombstone over the place where a scan stands, kept until the scan leaves its window.

use crate::error::Result;
use crate::format::key::Seqno;
use crate::merge::{Cover, RunTable};

/// A window of a cover, in memory of its own that is used again for the next one.
#[derive(Default)]
pub(crate) struct Shade {
    /// Whether the rest means anything yet.
    known: bool,
    start: Bound,
    end: Bound,
    covered: bool,
    tombstone: Tombstone,
}

/// A range tombstone that hides what is older, and everything in sources of a higher rank.
#[derive(Default)]
pub(crate) struct Tombstone {
    pub(crate) seqno: Seqno,
    pub(crate) rank: usize,
    /// See `Covering`: the reach over sources of a higher rank; `end` is exclusive.
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

#[derive(Default)]
struct Bound {
    /// Whether there is one.
    bounded: bool,
    key: Vec<u8>,
}

impl Shade {
    /// The newest range tombstone of `cover` over `user_key` that a reader at `seqno` sees.
    /// Requires: always the same cover and seqno.
    #[inline]
    pub(crate) fn over<T: RunTable>(
        &mut self,
        cover: &Cover<T>,
        user_key: &[u8],
        seqno: Seqno,
    ) -> Result<Option<&Tombstone>> {
        if cover.is_empty() {
            return Ok(None);
        }
        if !self.holds_for(user_key) {
            self.ask(cover, user_key, seqno)?;
        }
        Ok(self.covered.then_some(&self.tombstone))
    }

    /// Seqno of the tombstone of the last answer.
    #[inline]
    pub(crate) fn newest(&self) -> Option<Seqno> {
        (self.known && self.covered).then_some(self.tombstone.seqno)
    }

    fn holds_for(&self, user_key: &[u8]) -> bool {
        self.known
            && (!self.start.bounded || self.start.key[..] <= *user_key)
            && (!self.end.bounded || *user_key < self.end.key[..])
    }

    fn ask<T: RunTable>(&mut self, cover: &Cover<T>, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.known = false;
        let window = cover.window(user_key, seqno)?;
        self.start.set(window.start);
        self.end.set(window.end);
        self.covered = window.covering.is_some();
        if let Some(covering) = window.covering {
            (self.tombstone.seqno, self.tombstone.rank) = (covering.seqno, covering.rank);
            copy(&mut self.tombstone.start, covering.start);
            copy(&mut self.tombstone.end, covering.end);
        }
        self.known = true;
        Ok(())
    }
}

impl Bound {
    fn set(&mut self, key: Option<&[u8]>) {
        self.bounded = key.is_some();
        copy(&mut self.key, key.unwrap_or_default());
    }
}

/// Makes `into` equal to `from`, in the memory that it has.
pub(crate) fn copy(into: &mut Vec<u8>, from: &[u8]) {
    into.clear();
    into.extend_from_slice(from);
}
