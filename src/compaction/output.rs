//! Writes the tables of a job.
//!
//! Invariants: (1) no two outputs share a user key: the range tombstones that survive the job are
//! cut where outputs are; (2) every surviving range tombstone is in the outputs, piece by piece;
//! (3) an output is synced before its facts are known; (4) the number of every file that was begun
//! is remembered, so that a job which fails can say what it leaves behind.

use crate::compaction::cuts::{Cuts, Held};
use crate::error::Result;
use crate::format::key::{Kind, Seqno};
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::table::{TableContext, TableOptions, TableWriter};

/// Gives out file ids, each once.
pub(crate) type NextId = Box<dyn FnMut() -> u64 + Send>;

/// How the tables of a job are to be written.
pub(crate) struct OutputOptions {
    pub(crate) context: Arc<TableContext>,
    pub(crate) table: TableOptions,
    pub(crate) next_id: NextId,
    pub(crate) cuts: Cuts,
}

/// The tables of one job, in order.
pub(crate) struct Outputs {
    options: OutputOptions,
    /// Range tombstones of the whole job.
    surviving: Fragments,
    /// Where the current output begins; empty, which is smaller than any user key, for the first.
    start: Vec<u8>,
    /// The current output, once it has an entry.
    writer: Option<TableWriter>,
    finished: Vec<TableFacts>,
    begun: Vec<u64>,
}

impl Outputs {
    pub(crate) fn new(options: OutputOptions, surviving: Fragments) -> Outputs {
        let (start, finished, begun) = (Vec::new(), Vec::new(), Vec::new());
        Outputs { options, surviving, start, writer: None, finished, begun }
    }

    /// Prepares for the entries of a user key; they will all be in one table. Says whether an
    /// output was finished on the way. Requires: keys ascend.
    pub(crate) fn begin_key(&mut self, user_key: &[u8]) -> Result<bool> {
        let mut has_cut = false;
        while let Some(at) = self.next_cut(Some(user_key)) {
            self.cut(Some(at))?;
            has_cut = true;
        }
        Ok(has_cut)
    }

    /// Appends an entry. Requires: `begin_key` was called for its user key, and versions come
    /// newest first.
    pub(crate) fn add(
        &mut self,
        user_key: &[u8],
        seqno: Seqno,
        kind: Kind,
        value: &[u8],
    ) -> Result<()> {
        if self.writer.is_none() {
            self.writer = Some(self.begin_table()?);
        }
        match &mut self.writer {
            Some(writer) => writer.add(user_key, seqno, kind, value),
            None => unreachable!("it was made above"),
        }
    }

    /// Finishes the last output.
    pub(crate) fn finish(&mut self) -> Result<()> {
        while let Some(at) = self.next_cut(None) {
            self.cut(Some(at))?;
        }
        self.cut(None)
    }

    /// The finished tables, in order.
    pub(crate) fn tables(&self) -> &[TableFacts] {
        &self.finished
    }

    /// The numbers of all files that were begun, finished or not.
    pub(crate) fn begun(&self) -> &[u64] {
        &self.begun
    }

    fn next_cut(&mut self, user_key: Option<&[u8]>) -> Option<Vec<u8>> {
        let has_entries = self.writer.is_some();
        let (surviving, start) = (&self.surviving, &self.start);
        let held = Held {
            size_bytes: self.writer.as_ref().map_or(0, |writer| writer.size_estimate().max(1)),
            anything_before: &|user_key| {
                let next = surviving.get(surviving.first_ending_after(start));
                has_entries || next.is_some_and(|fragment| fragment.start.as_slice() < user_key)
            },
        };
        self.options.cuts.before(user_key, &held)
    }

    /// Ends the current output before this user key; `None` for the end of the job.
    fn cut(&mut self, at: Option<Vec<u8>>) -> Result<()> {
        let tombstones = match is_seeded(Bug::RangeTombstoneUncut) {
            true => self.surviving.clone(),
            false => self.surviving.cut(Some(&self.start), at.as_deref()),
        };
        if self.writer.is_some() || !tombstones.is_empty() {
            let mut writer = match self.writer.take() {
                Some(writer) => writer,
                None => self.begin_table()?,
            };
            writer.set_range_tombstones(tombstones);
            self.finished.push(writer.finish()?);
        }
        self.start = at.unwrap_or_default();
        Ok(())
    }

    fn begin_table(&mut self) -> Result<TableWriter> {
        let id = (self.options.next_id)();
        self.begun.push(id);
        TableWriter::create(&self.options.context, id, self.options.table.clone())
    }
}
