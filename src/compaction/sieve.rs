//! The work that flush and compaction share: entries in, retention, entries out.
//!
//! A sieve walks a cursor once, a bounded step at a time, and counts. Whoever runs it compares the
//! counts with what there should have been: an entry that a reader silently left out is noticed
//! before anything is made of the outputs.

use crate::compaction::below::Below;
use crate::compaction::output::{OutputOptions, Outputs};
use crate::compaction::retention::{Fate, Retention, SEQNO_SETTLED};
use crate::error::Result;
use crate::format::key::Seqno;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::merge::Cursor;
use crate::seeded::{Bug, is_seeded};

/// Bytes of entries that one step reads, about: what a pread brings.
const STEP_BYTES: usize = 32 << 10;

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress<T> {
    /// Call again.
    More,
    /// It has ended, with this result. It is not to be called again.
    Done(T),
}

/// What a sieve is told to decide by.
pub(crate) struct Rules {
    pub(crate) retention: Retention,
    /// All range tombstones of the inputs.
    pub(crate) range_tombstones: Fragments,
    /// Where older data than that of the inputs can lie.
    pub(crate) below: Below,
}

/// See the module's caption.
pub(crate) struct Sieve<C> {
    cursor: C,
    has_begun: bool,
    retention: Retention,
    below: Below,
    range_tombstones: Course,
    outputs: Outputs,
    /// The user key of the entry before.
    key: Vec<u8>,
    /// Whether a version of that key was written.
    is_key_written: bool,
    entries_in: u64,
    entries_dropped: u64,
}

/// Fragments, and the first of them that does not end before the current key.
struct Course {
    fragments: Fragments,
    at: usize,
}

impl Course {
    fn new(fragments: Fragments) -> Course {
        Course { fragments, at: 0 }
    }

    /// Requires: keys ascend.
    fn advance(&mut self, user_key: &[u8]) {
        let is_behind = |end: &[u8]| end <= user_key;
        while self.fragments.get(self.at).is_some_and(|fragment| is_behind(&fragment.end)) {
            self.at += 1;
        }
    }

    /// The range tombstones over the key that it was advanced to, newest first.
    fn over(&self, user_key: &[u8]) -> &[Seqno] {
        match self.fragments.get(self.at) {
            Some(fragment) if fragment.start.as_slice() <= user_key => &fragment.seqnos,
            _ => &[],
        }
    }
}

impl<C: Cursor> Sieve<C> {
    pub(crate) fn new(cursor: C, rules: Rules, options: OutputOptions) -> Sieve<C> {
        let Rules { retention, range_tombstones, below } = rules;
        let surviving = retention.surviving(&range_tombstones, &below);
        Sieve {
            cursor,
            has_begun: false,
            retention,
            below,
            range_tombstones: Course::new(range_tombstones),
            outputs: Outputs::new(options, surviving),
            key: Vec::new(),
            is_key_written: false,
            entries_in: 0,
            entries_dropped: 0,
        }
    }

    /// Handles about a block of entries, or finishes an output. False when all is done: the
    /// outputs are complete and synced.
    ///
    /// # Errors
    /// Of a cursor or an output. The sieve is not to be used again.
    pub(crate) fn step(&mut self) -> Result<bool> {
        if !self.has_begun {
            self.has_begun = true;
            self.cursor.seek_first()?;
        }
        let mut bytes = 0;
        while self.cursor.is_valid() {
            bytes += self.cursor.key().len() + self.cursor.value().len();
            let has_cut = self.pass()?;
            match self.cursor.next() {
                Err(_) if is_seeded(Bug::CompactionReadErrorSwallowed) => break,
                stepped => stepped?,
            }
            if has_cut || bytes >= STEP_BYTES {
                return Ok(true);
            }
        }
        self.outputs.finish()?;
        Ok(false)
    }

    /// Decides about the current entry. Says whether an output was finished.
    fn pass(&mut self) -> Result<bool> {
        let user_key = self.cursor.key();
        if self.entries_in == 0 || self.key != user_key {
            self.key.clear();
            self.key.extend_from_slice(user_key);
            self.is_key_written = false;
            self.retention.next_key();
            self.range_tombstones.advance(user_key);
        }
        self.entries_in += 1;
        let (seqno, kind) = (self.cursor.seqno(), self.cursor.kind());
        let covering = self.range_tombstones.over(user_key);
        let below = || self.below.may_hold(user_key);
        let seqno = match self.retention.judge((seqno, kind), covering, below) {
            Fate::Keep => seqno,
            Fate::Settle => SEQNO_SETTLED,
            Fate::Drop => {
                self.entries_dropped += 1;
                return Ok(false);
            }
        };
        let mut has_cut = false;
        if !self.is_key_written {
            has_cut = self.outputs.begin_key(user_key)?;
            self.is_key_written = true;
        }
        self.outputs.add(user_key, seqno, kind, self.cursor.value())?;
        Ok(has_cut)
    }

    /// Entries that the cursor has shown so far.
    pub(crate) fn entries_in(&self) -> u64 {
        self.entries_in
    }

    /// Entries that were not written.
    pub(crate) fn entries_dropped(&self) -> u64 {
        self.entries_dropped
    }

    /// The finished outputs, in order.
    pub(crate) fn tables(&self) -> &[TableFacts] {
        self.outputs.tables()
    }

    /// The numbers of all files that were begun.
    pub(crate) fn begun(&self) -> &[u64] {
        self.outputs.begun()
    }

    /// Whether as many entries were read as there are, and each was either written or dropped.
    pub(crate) fn has_counted(&self, entries: u64) -> bool {
        if is_seeded(Bug::CompactionReadErrorSwallowed) {
            return true;
        }
        let written: u64 = self.tables().iter().map(|table| table.entries).sum();
        self.entries_in == entries && written + self.entries_dropped == entries
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::below::Below;
    use crate::compaction::cuts::Cuts;
    use crate::compaction::model::{Engine, small_policy};
    use crate::compaction::output::OutputOptions;
    use crate::compaction::retention::Retention;
    use crate::compaction::sieve::{Rules, Sieve};
    use crate::format::range_tombstone::Fragments;
    use crate::fs::SimulatedFileSystem;
    use crate::merge::testing::{Entry, VecCursor};
    use crate::sync::Arc;

    #[test]
    fn entries_that_a_cursor_leaves_out_are_missed() {
        let engine = Engine::new(Arc::new(SimulatedFileSystem::new()), small_policy());
        let entries = vec![Entry::put(b"a", 3), Entry::put(b"a", 2), Entry::put(b"b", 1)];
        let rules = Rules {
            retention: Retention::new(vec![9], false),
            range_tombstones: Fragments::default(),
            below: Below::Everywhere,
        };
        let options = OutputOptions {
            context: Arc::clone(&engine.context),
            table: Engine::options(),
            next_id: Box::new(|| 1),
            cuts: Cuts::never(),
        };
        let mut sieve = Sieve::new(VecCursor::new(entries), rules, options);
        while sieve.step().unwrap() {}
        assert_eq!((sieve.entries_in(), sieve.entries_dropped()), (3, 1));
        assert!(sieve.has_counted(3) && !sieve.has_counted(4));
    }
}
