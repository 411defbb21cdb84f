//! Recovery: the log becomes tables.
//!
//! Every batch that the log kept is replayed into memtables, and these are written as L0 tables and
//! synced. So what an open shows is durable by itself: it never rests on pages that the kernel may
//! have lost in a failed sync, and the old log can go as a whole. Bytes of a torn tail are kept aside
//! in `lost/` first. Until CURRENT names the new manifest nothing of the old story has changed; a
//! crash on the way leaves garbage tables that the next open sweeps.

use crate::compaction::flush::FlushJob;
use crate::compaction::sieve::Progress;
use crate::db::directory::Listing;
use crate::db::grounds::Grounds;
use crate::error::{Error, ErrorKind, Result};
use crate::format::key::{Kind, Seqno, keyspace_prefix};
use crate::format::ops;
use crate::format::table_facts::TableFacts;
use crate::manifest::{Edit, State};
use crate::memtable::Memtable;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::wal::{KnownEnd, Recovery, RecoveryReport, Replay, ReplayedBatch, keep_torn, replay};
use crate::write::apply::apply;
use std::collections::BTreeSet;

/// Numbers left out behind a torn tail, so that what was dropped never shares one with what follows.
/// More than a log can hold.
const SEQNO_GAP: Seqno = 1 << 32;

/// What the database is after recovery; nothing points to it yet.
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// The next number of the common sequence: above all that the manifest or the directory knows.
    pub(crate) next_file: u64,
    pub(crate) report: RecoveryReport,
}

/// Replays the log into tables.
pub(crate) fn recover(
    grounds: &Grounds,
    mut state: State,
    listing: &Listing,
    mode: Recovery,
) -> Result<Recovered> {
    let mut next_file = match is_seeded(Bug::FileNumberReuse) {
        true => state.next_file(),
        false => state.next_file().max(listing.largest_number() + 1),
    };
    // The whole log is read before the first table is written: if it is damaged, the directory stays
    // as it was. That takes as much memory as the memtables had that the log was written beside.
    let mut log = LogInMemory::new(grounds);
    let mut report = replay_log(grounds, &state, listing, mode, &mut |batch| log.apply(batch))?;
    let dropped_but_named = log.dropped_but_named(&state);
    let mut tables: Vec<(u8, TableFacts)> = Vec::new();
    for memtable in log.into_oldest_first() {
        tables.push((0, write_table(grounds, &memtable, &mut next_file)?));
    }
    if !tables.is_empty() {
        let sync = grounds.fs.sync_dir(&grounds.directory);
        sync.map_err(|error| Error::io("sync the directory", &grounds.directory, error))?;
    }
    for torn in &mut report.torn_tails {
        torn.kept_in = keep_torn(&*grounds.fs, &grounds.directory, torn)?;
    }
    let gap = if report.torn_tails.is_empty() { 0 } else { SEQNO_GAP };
    if is_seeded(Bug::SeqnoReuse) {
        report.last_seqno = state.last_seqno();
    }
    let edit = Edit {
        added: tables,
        next_file: Some(next_file),
        last_seqno: Some(state.last_seqno().max(report.last_seqno) + gap),
        keyspaces_dropped: dropped_but_named,
        opened: true,
        ..Edit::default()
    };
    apply_edit(&mut state, &edit)?;
    Ok(Recovered { state, next_file, report })
}

/// The log in memory: for the tables of an open, or for the reads of one that may not write.
pub(crate) struct LogInMemory<'a> {
    grounds: &'a Grounds,
    /// Oldest first; the last one takes the next batch. None is empty.
    memtables: Vec<Arc<Memtable>>,
    /// Keyspaces whose drop is in the log.
    dropped: BTreeSet<u32>,
}

impl<'a> LogInMemory<'a> {
    pub(crate) fn new(grounds: &'a Grounds) -> LogInMemory<'a> {
        LogInMemory { grounds, memtables: Vec::new(), dropped: BTreeSet::new() }
    }

    /// Takes a batch in.
    pub(crate) fn apply(&mut self, batch: &ReplayedBatch<'_>) -> Result<()> {
        for op in ops::decode(batch.payload).flatten() {
            if op.kind == Kind::DropKeyspace {
                self.dropped.insert(op.keyspace);
            }
        }
        let full = self.grounds.settings.memtable_bytes;
        let memtable = match self.memtables.last().filter(|last| last.size_bytes() < full) {
            Some(last) => Arc::clone(last),
            None => {
                // Nothing is reserved: it gets what the log has, and no more.
                let next = Memtable::new(0).charged_to(&self.grounds.budget, 0);
                self.memtables.push(Arc::new(next));
                Arc::clone(&self.memtables[self.memtables.len() - 1])
            }
        };
        if is_seeded(Bug::ReplayPartialBatch) && without_last(&memtable, batch) {
            return Ok(());
        }
        apply(&memtable, batch.payload, batch.first_seqno).map_err(|offset| {
            let what = format!("byte {offset} of the batch is not an operation");
            Error::plain(ErrorKind::Corruption, what)
        })
    }

    /// The memtables, which may go one by one.
    pub(crate) fn into_oldest_first(self) -> impl DoubleEndedIterator<Item = Arc<Memtable>> {
        self.memtables.into_iter()
    }

    /// Keyspaces that the log drops and the manifest still names.
    pub(crate) fn dropped_but_named(&self, state: &State) -> Vec<u32> {
        let named = state.keyspaces().by_name().values().copied();
        named.filter(|id| self.dropped.contains(id)).collect()
    }
}

/// Replays the log; the same for a writer and for a reader.
pub(crate) fn replay_log(
    grounds: &Grounds,
    state: &State,
    listing: &Listing,
    mode: Recovery,
    sink: &mut dyn FnMut(&ReplayedBatch<'_>) -> Result<()>,
) -> Result<RecoveryReport> {
    let known: Vec<u64> = state.segments().iter().copied().collect();
    let present = listing.segments();
    let clean_close = state.clean_close().map(|close| KnownEnd {
        segment: close.segment,
        length: close.length,
        chain: close.chain,
    });
    let request = Replay {
        fs: &*grounds.fs,
        directory: &grounds.directory,
        database: grounds.database,
        floor: state.wal_floor(),
        known: &known,
        present: &present,
        clean_close,
        recovery: mode,
    };
    replay(&request, sink)
}

/// The facts with which a new life of the database begins: the log starts at `segment`.
pub(crate) fn begin_life(state: &mut State, segment: u64, next_file: u64) -> Result<()> {
    let edit = Edit {
        next_file: Some(next_file),
        wal_floor: Some(segment),
        segments: vec![segment],
        opened: true,
        ..Edit::default()
    };
    apply_edit(state, &edit)
}

fn apply_edit(state: &mut State, edit: &Edit) -> Result<()> {
    state.apply(edit).map_err(|what| Error::plain(ErrorKind::Corruption, what))
}

/// [`Bug::ReplayPartialBatch`]: applies a batch of several operations without the last one.
fn without_last(memtable: &Memtable, batch: &ReplayedBatch<'_>) -> bool {
    let count = ops::decode(batch.payload).flatten().count();
    let puts = ops::decode(batch.payload).flatten().zip(batch.first_seqno..).take(count - 1);
    for (op, seqno) in puts.filter(|(op, _)| matches!(op.kind, Kind::Put | Kind::Delete)) {
        let keyspace = keyspace_prefix(op.keyspace);
        memtable.insert_joined([&keyspace, op.key], seqno, op.kind, op.value);
    }
    count > 1
}

/// Writes a memtable as a table.
fn write_table(
    grounds: &Grounds,
    memtable: &Arc<Memtable>,
    next_file: &mut u64,
) -> Result<TableFacts> {
    let id = *next_file;
    *next_file += 1;
    let options = grounds.settings.table_options(0, grounds.fs.unix_time().as_secs());
    // Nobody reads yet: only the newest version of each key counts.
    let moments = memtable.max_seqno().into_iter().collect();
    let mut job = FlushJob::new(&grounds.context, memtable, id, options, moments);
    loop {
        if let Progress::Done(flushed) = job.step()? {
            let empty = || Error::plain(ErrorKind::Corruption, "a batch of the log holds nothing");
            return flushed.table.ok_or_else(empty);
        }
    }
}
