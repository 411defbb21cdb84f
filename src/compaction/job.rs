//! Carries out a plan, a bounded step at a time.
//!
//! Invariants: (1) a job changes nothing but to add files that nothing names yet: its outcome takes
//! effect when the caller makes an edit of it; (2) it has an outcome only if every entry and every
//! range tombstone that the facts of its inputs count was read, and each entry was either written
//! or dropped by retention; (3) after an error, or when it is dropped half way, all that is left of
//! it are the files that `abandoned` lists.

use crate::compaction::cuts::Cuts;
use crate::compaction::output::OutputOptions;
use crate::compaction::plan::{Action, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy};
use crate::compaction::retention::Retention;
use crate::compaction::sieve::{Progress, Rules, Sieve};
use crate::error::{Error, ErrorKind, Result};
use crate::format::key::Seqno;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::merge::{MergingCursor, RunCursor};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::table::reader::Fill;
use crate::table::{Handle, TableContext, TableOptions};

/// What a job needs.
pub(crate) struct JobInputs {
    pub(crate) context: Arc<TableContext>,
    pub(crate) plan: Plan,
    /// The tables of `plan.inputs`, in the same order.
    pub(crate) handles: Vec<Vec<Arc<Handle>>>,
    /// The seqnos that readers read at, in ascending order; the last one is what is visible now.
    pub(crate) snapshots: Vec<Seqno>,
    /// The next file id of the database.
    pub(crate) next_file: Arc<AtomicU64>,
    /// For tables of `plan.to_level`.
    pub(crate) options: TableOptions,
    pub(crate) policy: Policy,
}

/// What became of a plan: the edit that makes it true, and figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tables with their level. They are synced; their names are not.
    pub(crate) added: Vec<(u8, TableFacts)>,
    pub(crate) removed: Vec<(u8, u64)>,
    pub(crate) entries_in: u64,
    pub(crate) entries_dropped: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

/// A plan that is being carried out.
pub(crate) struct CompactionJob {
    plan: Plan,
    stage: Stage,
}

enum Stage {
    New(Box<JobInputs>),
    Merging(Box<Merging>),
    Failed(Error, Vec<u64>),
    Done,
}

type Merging = Sieve<MergingCursor<RunCursor>>;

impl CompactionJob {
    /// Requires: the handles are those of the plan's inputs.
    pub(crate) fn new(inputs: JobInputs) -> CompactionJob {
        let planned = inputs.plan.tables().map(|(_, table)| table.id);
        let given = inputs.handles.iter().flatten().map(|handle| handle.facts().id);
        assert!(planned.eq(given), "a job gets the tables of its plan");
        CompactionJob { plan: inputs.plan.clone(), stage: Stage::New(Box::new(inputs)) }
    }

    /// What it carries out.
    #[cfg(test)]
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Does a bounded piece of the work: about a block of entries, or the end of one table.
    ///
    /// # Errors
    /// Of the file system, or `Corruption` of an input. It is repeated by all later calls.
    pub(crate) fn step(&mut self) -> Result<Progress<Outcome>> {
        match self.advance() {
            Ok(Progress::More) => Ok(Progress::More),
            Ok(Progress::Done(outcome)) => {
                self.stage = Stage::Done;
                Ok(Progress::Done(outcome))
            }
            Err(error) => {
                self.stage = Stage::Failed(error.clone(), self.abandoned());
                Err(error)
            }
        }
    }

    /// The numbers of the files that were begun and came to nothing, if it ends now. They are
    /// garbage, and not to be used again.
    pub(crate) fn abandoned(&self) -> Vec<u64> {
        match &self.stage {
            Stage::New(_) | Stage::Done => Vec::new(),
            Stage::Merging(sieve) => sieve.begun().to_vec(),
            Stage::Failed(_, begun) => begun.clone(),
        }
    }

    fn advance(&mut self) -> Result<Progress<Outcome>> {
        match &mut self.stage {
            Stage::New(inputs) => match inputs.plan.action {
                Action::Merge => {
                    let sieve = begin(inputs)?;
                    self.stage = Stage::Merging(Box::new(sieve));
                    Ok(Progress::More)
                }
                Action::Move => Ok(Progress::Done(moved(&self.plan))),
                Action::Drop => Ok(Progress::Done(unread(&self.plan))),
            },
            Stage::Merging(sieve) => {
                if sieve.step()? {
                    return Ok(Progress::More);
                }
                merged(&self.plan, sieve).map(Progress::Done)
            }
            Stage::Failed(error, _) => Err(error.clone()),
            Stage::Done => panic!("a job that is done is not called again"),
        }
    }
}

/// Opens what has range tombstones, and puts everything in order. Entries are not touched yet.
fn begin(inputs: &mut JobInputs) -> Result<Merging> {
    let plan = &inputs.plan;
    let mut range_tombstones = Vec::new();
    for handle in inputs.handles.iter().flatten() {
        let expected = handle.facts().range_deletes;
        if expected > 0 {
            let table = handle.table()?;
            let found = table.range_tombstones();
            if found.count() != expected {
                return Err(miscounted("range tombstones", found.count(), expected));
            }
            range_tombstones.extend(found.tombstones());
        }
    }
    let mut runs = Vec::new();
    for (input, handles) in plan.inputs.iter().zip(&inputs.handles) {
        // Blocks are read once and must not displace those of readers.
        let run = |handles: &[Arc<Handle>]| RunCursor::filling(Arc::from(handles), Fill::Nothing);
        match input.level {
            0 => runs.extend(handles.iter().map(|handle| run(std::slice::from_ref(handle)))),
            _ => runs.push(run(handles)),
        }
    }
    let snapshots = std::mem::take(&mut inputs.snapshots);
    let settles = plan.to_level == LAST_LEVEL && plan.below.is_nowhere();
    let rules = Rules {
        retention: Retention::new(snapshots, settles),
        range_tombstones: Fragments::build(range_tombstones),
        below: plan.below.clone(),
    };
    let next_file = Arc::clone(&inputs.next_file);
    let policy = &inputs.policy;
    let options = OutputOptions {
        context: Arc::clone(&inputs.context),
        table: inputs.options.clone(),
        // Relaxed: the counter orders nothing but itself.
        next_id: Box::new(move || next_file.fetch_add(1, Ordering::Relaxed)),
        cuts: Cuts::new(policy.table_bytes, policy.grandparent_bytes, plan.grandparents.clone()),
    };
    Ok(Sieve::new(MergingCursor::new(runs), rules, options))
}

fn merged(plan: &Plan, sieve: &Merging) -> Result<Outcome> {
    let expected: u64 = plan.tables().map(|(_, table)| table.entries).sum();
    if !sieve.has_counted(expected) {
        return Err(miscounted("entries", sieve.entries_in(), expected));
    }
    let tables = sieve.tables();
    Ok(Outcome {
        added: tables.iter().map(|table| (on_disk(plan.to_level), table.clone())).collect(),
        entries_in: sieve.entries_in(),
        entries_dropped: sieve.entries_dropped(),
        bytes_read: plan.size_bytes(),
        bytes_written: tables.iter().map(|table| table.size_bytes).sum(),
        ..unread(plan)
    })
}

/// The inputs are named one level below, and no file changes.
fn moved(plan: &Plan) -> Outcome {
    let to_level = on_disk(plan.to_level);
    let added = plan.tables().map(|(_, table)| (to_level, (**table).clone())).collect();
    Outcome { added, ..unread(plan) }
}

/// The inputs are gone.
fn unread(plan: &Plan) -> Outcome {
    let removed = plan.tables().map(|(level, table)| (on_disk(level), table.id)).collect();
    Outcome { removed, ..Outcome::default() }
}

fn miscounted(what: &str, found: u64, expected: u64) -> Error {
    let what = format!("a compaction read {found} {what} of tables that hold {expected}");
    Error::plain(ErrorKind::Corruption, what)
}

/// A level as edits number it.
fn on_disk(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}
