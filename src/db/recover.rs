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
use crate::format::key::{Kind, Seqno};
use crate::format::ops;
use crate::format::table_facts::TableFacts;
use crate::manifest::{Edit, State};
use crate::memtable::Memtable;
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

/// What a replay finds beside the entries.
#[derive(Debug, Default)]
pub(crate) struct LogFindings {
    /// Keyspaces whose drop is in the log.
    pub(crate) dropped: BTreeSet<u32>,
}

/// Replays the log into tables.
pub(crate) fn recover(
    grounds: &Grounds,
    mut state: State,
    listing: &Listing,
    mode: Recovery,
) -> Result<Recovered> {
    let mut next_file = state.next_file().max(listing.largest_number() + 1);
    let mut tables: Vec<(u8, TableFacts)> = Vec::new();
    let new_memtable = || grounds.settings.memtable(0, &grounds.budget);
    let mut memtable = new_memtable();
    let mut findings = LogFindings::default();
    let mut report = replay_log(grounds, &state, listing, mode, &mut |batch| {
        findings.apply(&memtable, batch)?;
        if memtable.size_bytes() >= grounds.settings.memtable_bytes {
            let full = std::mem::replace(&mut memtable, new_memtable());
            tables.extend(write_table(grounds, &full, &mut next_file)?);
        }
        Ok(())
    })?;
    tables.extend(write_table(grounds, &memtable, &mut next_file)?);
    if !tables.is_empty() {
        let sync = grounds.fs.sync_dir(&grounds.directory);
        sync.map_err(|error| Error::io("sync the directory", &grounds.directory, error))?;
    }
    for torn in &mut report.torn_tails {
        torn.kept_in = keep_torn(&*grounds.fs, &grounds.directory, torn)?;
    }
    let gap = if report.torn_tails.is_empty() { 0 } else { SEQNO_GAP };
    let edit = Edit {
        added: tables,
        next_file: Some(next_file),
        last_seqno: Some(state.last_seqno().max(report.last_seqno) + gap),
        keyspaces_dropped: findings.still_named(&state),
        opened: true,
        ..Edit::default()
    };
    apply_edit(&mut state, &edit)?;
    Ok(Recovered { state, next_file, report })
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

impl LogFindings {
    /// Puts a batch into the memtable and notes what else it says.
    pub(crate) fn apply(&mut self, memtable: &Memtable, batch: &ReplayedBatch<'_>) -> Result<()> {
        for op in ops::decode(batch.payload).flatten() {
            if op.kind == Kind::DropKeyspace {
                self.dropped.insert(op.keyspace);
            }
        }
        apply(memtable, batch.payload, batch.first_seqno).map_err(|offset| {
            let what = format!("byte {offset} of the batch is not an operation");
            Error::plain(ErrorKind::Corruption, what)
        })
    }

    /// Keyspaces that the log drops and the manifest still names.
    pub(crate) fn still_named(&self, state: &State) -> Vec<u32> {
        let named = state.keyspaces().by_name().values().copied();
        named.filter(|id| self.dropped.contains(id)).collect()
    }
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

/// Writes a memtable as a table; an empty one makes none.
fn write_table(
    grounds: &Grounds,
    memtable: &Arc<Memtable>,
    next_file: &mut u64,
) -> Result<Option<(u8, TableFacts)>> {
    if memtable.is_empty() && memtable.range_tombstones().is_none() {
        return Ok(None);
    }
    let id = *next_file;
    *next_file += 1;
    let options = grounds.settings.table_options(0, grounds.fs.unix_time().as_secs());
    // Nobody reads yet: only the newest version of each key counts.
    let moments = memtable.max_seqno().into_iter().collect();
    let mut job = FlushJob::new(&grounds.context, memtable, id, options, moments);
    loop {
        if let Progress::Done(flushed) = job.step()? {
            return Ok(flushed.table.map(|facts| (0, facts)));
        }
    }
}
