//! Turns a sealed memtable into one table of level 0.
//!
//! What readers no longer need does not reach the disk at all: versions that a newer one hides from
//! every snapshot, and what a range tombstone of the same memtable hides. Tombstones stay, since
//! anything may lie below.
//!
//! A crash at any moment leaves a table that no manifest names, and the log that it was made from.

use crate::compaction::below::Below;
use crate::compaction::cuts::Cuts;
use crate::compaction::output::OutputOptions;
use crate::compaction::retention::Retention;
use crate::compaction::sieve::{Progress, Rules, Sieve};
use crate::error::{Error, ErrorKind, Result};
use crate::format::key::Seqno;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::memtable::{Memtable, MemtableCursor};
use crate::sync::Arc;
use crate::table::{TableContext, TableOptions};

/// A flush that is under way.
pub(crate) struct FlushJob {
    sieve: Sieve<MemtableCursor>,
    entries: u64,
    failure: Option<Error>,
    is_done: bool,
}

/// What a flush made of its memtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// The table, synced; its name is not. `None` if the memtable was empty.
    pub(crate) table: Option<TableFacts>,
    pub(crate) entries_in: u64,
    pub(crate) entries_dropped: u64,
}

impl FlushJob {
    /// Writes `memtable` to the table `id`. `snapshots` are the seqnos that readers read at, in
    /// ascending order; the last one is what is visible now.
    ///
    /// Requires: nobody writes to the memtable any more, and all of it is visible.
    pub(crate) fn new(
        context: &Arc<TableContext>,
        memtable: &Arc<Memtable>,
        id: u64,
        options: TableOptions,
        snapshots: Vec<Seqno>,
    ) -> FlushJob {
        let range_tombstones = memtable
            .range_tombstones()
            .map_or_else(Fragments::default, |fragments| (*fragments).clone());
        let rules = Rules {
            retention: Retention::new(snapshots, false),
            range_tombstones,
            below: Below::Everywhere,
        };
        let options = OutputOptions {
            context: Arc::clone(context),
            table: options,
            // Without cuts there is one output.
            next_id: Box::new(move || id),
            cuts: Cuts::never(),
        };
        FlushJob {
            sieve: Sieve::new(memtable.cursor(), rules, options),
            entries: memtable.len() as u64,
            failure: None,
            is_done: false,
        }
    }

    /// Does a bounded piece of the work.
    ///
    /// # Errors
    /// Of the file system; it is repeated by all later calls.
    pub(crate) fn step(&mut self) -> Result<Progress<Flushed>> {
        assert!(!self.is_done, "a job that is done is not called again");
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let progress = self.advance();
        match &progress {
            Ok(Progress::Done(_)) => self.is_done = true,
            Ok(Progress::More) => {}
            Err(error) => self.failure = Some(error.clone()),
        }
        progress
    }

    fn advance(&mut self) -> Result<Progress<Flushed>> {
        if self.sieve.step()? {
            return Ok(Progress::More);
        }
        if !self.sieve.has_counted(self.entries) {
            let what = format!(
                "a flush read {} of the {} entries of its memtable",
                self.sieve.entries_in(),
                self.entries
            );
            return Err(Error::plain(ErrorKind::Corruption, what));
        }
        Ok(Progress::Done(Flushed {
            table: self.sieve.tables().first().cloned(),
            entries_in: self.sieve.entries_in(),
            entries_dropped: self.sieve.entries_dropped(),
        }))
    }

    /// The number of the file that was begun and came to nothing; it is garbage, and not to be
    /// used again.
    pub(crate) fn abandoned(&self) -> Vec<u64> {
        if self.is_done { Vec::new() } else { self.sieve.begun().to_vec() }
    }
}
