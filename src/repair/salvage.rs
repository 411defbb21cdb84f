//! From old files to tables that can be merged: whole ones as they are, the rest copied.
//!
//! A *piece* is a table of the new directory with what could be read of a damaged table, or of a part of
//! the log. Nothing names it, so the first open of the new database removes it.

use crate::compaction::flush::FlushJob;
use crate::compaction::sieve::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::format::filename::FileName;
use crate::format::key::{Kind, Seqno, compare};
use crate::format::limits::{SEQNO_MAX, USER_KEY_BYTES_MAX};
use crate::format::ops;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::fs::{FileKind, FileSystem};
use crate::inspect::{LogKnown, Survey, VerifyReport, known_log, readable_batches};
use crate::memtable::Memtable;
use crate::sync::Arc;
use crate::table::examine::{Flaw, Subject, Witness, examine};
use crate::table::{Handle, TableContext, TableOptions, TableWriter};
use crate::write::apply::apply;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A part of the log in memory is not larger than this, about.
const MEMTABLE_BYTES: usize = 32 << 20;

/// Collects what can be read.
pub(crate) struct Salvage<'a> {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) old: Arc<TableContext>,
    pub(crate) new: Arc<TableContext>,
    pub(crate) survey: &'a Survey,
    pub(crate) found: &'a VerifyReport,
    pub(crate) options: TableOptions,
    pub(crate) next_file: u64,
    /// Sorted runs, the newest first: of two equal entries the first counts.
    pub(crate) runs: Vec<Vec<Arc<Handle>>>,
    /// The largest seqno that was seen.
    pub(crate) last_seqno: Seqno,
    /// Keyspaces that the log drops.
    pub(crate) dropped: BTreeSet<u32>,
}

impl Salvage<'_> {
    /// Reads everything, the log first.
    pub(crate) fn collect(&mut self) -> Result<()> {
        self.log()?;
        let survey = self.survey;
        match survey.state.as_ref().filter(|_| survey.is_whole) {
            Some(state) => {
                let mut levels: Vec<(u8, Vec<Arc<Handle>>)> = Vec::new();
                for (level, facts) in state.tables().iter() {
                    if !self.is_whole(facts.id) {
                        self.copy(facts.id, Some(facts))?;
                        continue;
                    }
                    self.last_seqno = self.last_seqno.max(facts.max_seqno);
                    let handle = Handle::new(&self.old, (**facts).clone());
                    match levels.last_mut() {
                        // Below level 0 no two tables share a key.
                        Some((last, run)) if *last == level && level > 0 => run.push(handle),
                        _ => levels.push((level, vec![handle])),
                    }
                }
                self.runs.extend(levels.into_iter().map(|(_, mut run)| {
                    run.sort_by(|one, other| one.facts().smallest.cmp(&other.facts().smallest));
                    run
                }));
            }
            // A later number was written later.
            None => {
                let ids: Vec<u64> = survey.contents.tables().collect();
                ids.into_iter().rev().try_for_each(|id| self.copy(id, None))?;
            }
        }
        Ok(())
    }

    fn path(&self, name: FileName) -> PathBuf {
        name.in_directory(&self.old.directory)
    }

    fn is_whole(&self, table: u64) -> bool {
        let path = self.path(FileName::Table(table));
        self.found.damages.iter().all(|damage| damage.file != path)
    }

    fn draw_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn keep(&mut self, piece: TableFacts) {
        self.last_seqno = self.last_seqno.max(piece.max_seqno);
        self.runs.push(vec![Handle::new(&self.new, piece)]);
    }

    /// Copies what can be read of a table.
    fn copy(&mut self, id: u64, facts: Option<&TableFacts>) -> Result<()> {
        let path = self.path(FileName::Table(id));
        // What cannot be opened was told as a damage.
        let Ok(file) = self.fs.open(&path, FileKind::Table) else { return Ok(()) };
        let subject = Subject { file, path: &path, id, database: self.survey.database, facts };
        let piece = self.draw_file();
        let mut copy = Copy {
            context: &self.new,
            piece,
            options: &self.options,
            writer: None,
            tombstones: None,
            last: None,
            outcome: Ok(()),
        };
        examine(&subject, &mut copy);
        if let Some(facts) = copy.finish()? {
            self.keep(facts);
        }
        Ok(())
    }

    /// The log, as one piece for each memtable.
    fn log(&mut self) -> Result<()> {
        let survey = self.survey;
        let present: Vec<u64> = survey.contents.segments().collect();
        let known = match survey.state.as_ref().filter(|_| survey.is_whole) {
            Some(state) => known_log(state, present),
            None => {
                LogKnown { present, database: survey.database.unwrap_or(0), ..LogKnown::default() }
            }
        };
        let is_of_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "wal");
        let is_damaged = self.found.damages.iter().any(|damage| is_of_log(&damage.file));
        let (fs, directory) = (Arc::clone(&self.fs), self.old.directory.clone());
        let mut memtable = Arc::new(Memtable::new(0));
        readable_batches(&*fs, &directory, (&known, is_damaged), &mut |first_seqno, payload| {
            let mut ops = ops::decode(payload).flatten();
            let drops = ops.by_ref().filter(|op| op.kind == Kind::DropKeyspace);
            self.dropped.extend(drops.map(|op| op.keyspace));
            // Whatever passes as a batch can be applied: its operations were decoded to count them.
            apply(&memtable, payload, first_seqno).map_err(|offset| {
                let what = format!("byte {offset} of a batch of the log is not an operation");
                Error::plain(ErrorKind::Corruption, what)
            })?;
            if memtable.size_bytes() >= MEMTABLE_BYTES {
                self.flush(&std::mem::replace(&mut memtable, Arc::new(Memtable::new(0))))?;
            }
            Ok(())
        })?;
        self.flush(&memtable)
    }

    fn flush(&mut self, memtable: &Arc<Memtable>) -> Result<()> {
        let Some(last) = memtable.max_seqno() else { return Ok(()) };
        let (id, options) = (self.draw_file(), self.options.clone());
        let mut job = FlushJob::new(&self.new, memtable, id, options, vec![last]);
        loop {
            if let Progress::Done(flushed) = job.step()? {
                flushed.table.into_iter().for_each(|piece| self.keep(piece));
                return Ok(());
            }
        }
    }
}

/// Writes down what an examination reads.
struct Copy<'a> {
    context: &'a Arc<TableContext>,
    piece: u64,
    options: &'a TableOptions,
    /// Once there is something to write.
    writer: Option<TableWriter>,
    tombstones: Option<Fragments>,
    last: Option<(Vec<u8>, Seqno)>,
    outcome: Result<()>,
}

impl Copy<'_> {
    fn writer(&mut self) -> Result<&mut TableWriter> {
        if self.writer.is_none() {
            let options = self.options.clone();
            self.writer = Some(TableWriter::create(self.context, self.piece, options)?);
        }
        match &mut self.writer {
            Some(writer) => Ok(writer),
            None => unreachable!("it was made above"),
        }
    }

    fn add(&mut self, entry: (&[u8], Seqno, Kind, &[u8])) -> Result<()> {
        let (user_key, seqno, kind, value) = entry;
        let is_behind =
            |last: &(Vec<u8>, Seqno)| compare((&last.0, last.1), (user_key, seqno)).is_lt();
        let is_entry = user_key.len() <= USER_KEY_BYTES_MAX && seqno <= SEQNO_MAX;
        // What is out of order was told as a damage, and has no place.
        if !is_entry || !self.last.as_ref().is_none_or(is_behind) {
            return Ok(());
        }
        self.writer()?.add(user_key, seqno, kind, value)?;
        let last = self.last.get_or_insert_default();
        last.0.clear();
        last.0.extend_from_slice(user_key);
        last.1 = seqno;
        Ok(())
    }

    fn finish(mut self) -> Result<Option<TableFacts>> {
        self.outcome.clone()?;
        if let Some(tombstones) = self.tombstones.take().filter(|found| !found.is_empty()) {
            self.writer()?.set_range_tombstones(tombstones);
        }
        self.writer.map(TableWriter::finish).transpose()
    }
}

impl Witness for Copy<'_> {
    fn flaw(&mut self, _: Flaw) {}

    fn entry(&mut self, user_key: &[u8], seqno: Seqno, kind: Kind, value: &[u8]) {
        if self.outcome.is_ok() {
            self.outcome = self.add((user_key, seqno, kind, value));
        }
    }

    fn range_tombstones(&mut self, fragments: &Fragments) {
        self.tombstones = Some(fragments.clone());
    }
}
