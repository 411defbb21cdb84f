//! The compactor: picks what to merge, runs the job, installs the result.
//!
//! What to do is decided by `compaction::picker`, a pure function of the shape of the tree. The
//! [`Desk`](crate::maintenance::desk::Desk) is where several compactors agree who works on what.

use crate::compaction::hints::Hints;
use crate::compaction::job::{CompactionJob, JobInputs, Outcome};
use crate::compaction::manual::{RangeStep, pick_range};
use crate::compaction::picker::pick;
use crate::compaction::plan::{Claim, Plan};
use crate::compaction::sieve::Progress;
use crate::error::{Error, Result};
use crate::format::key::Seqno;
use crate::format::limits::LEVELS;
use crate::maintenance::desk::{Desk, Sheet, Task};
use crate::maintenance::install;
use crate::maintenance::reserve;
use crate::manifest::Edit;
use crate::state::health::Duty;
use crate::state::store::Store;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;
use crate::version::Version;
use std::time::Duration;

/// Runs one compaction after another.
pub(crate) struct Compactor {
    store: Arc<Store>,
    desk: Arc<Desk>,
    running: Option<Running>,
    /// The request that the last job served, if that failed.
    failed_request: Option<u64>,
}

struct Running {
    job: Box<CompactionJob>,
    task: Task,
    /// Whether it takes room before it gives any back.
    writes_tables: bool,
    began: Duration,
}

/// What a look at the tree gave.
enum Picked {
    /// The tree has changed since the hints were taken.
    Stale,
    /// There is nothing to do; perhaps requests were settled by that.
    Nothing {
        settled: bool,
    },
    Task(Task, Plan),
}

impl Compactor {
    pub(crate) fn new(store: Arc<Store>, desk: Arc<Desk>) -> Compactor {
        Compactor { store, desk, running: None, failed_request: None }
    }

    /// Finds something to do and begins it.
    fn begin(&mut self) -> Result<Step> {
        let version = Arc::clone(&self.store.view.load().version);
        let asked = self.desk.with_sheet(|sheet| sheet.asked_so_far());
        let mut hints = hints(&self.store, &version).inspect_err(|error| {
            // Nothing can be planned, so whoever has asked for a compaction must not wait for one.
            self.desk.with_sheet(|sheet| sheet.refuse_requests(asked, error));
        })?;
        let toll = toll_nanos(&self.store, &version);
        // Under the lock of the desk, so that no two compactors take the same tables.
        let picked = self.desk.with_sheet(|sheet| {
            // What hides what may have changed with a job that was installed meanwhile: hints of one
            // version say nothing about the tables of another.
            if !Arc::ptr_eq(&version, &self.store.view.load().version) {
                return Picked::Stale;
            }
            hints.running = sheet.claims();
            hints.toll_nanos = toll;
            let waiting = sheet.waiting_requests();
            match choose(&self.store, sheet, &version, &hints) {
                Some((plan, request)) => Picked::Task(sheet.take(&plan, request), plan),
                None => Picked::Nothing { settled: sheet.waiting_requests() < waiting },
            }
        });
        let (task, plan) = match picked {
            Picked::Stale => return Ok(Step::Worked),
            // A request may have turned out to need nothing.
            Picked::Nothing { settled } => {
                self.store.signals.ring_if(settled);
                return Ok(Step::Idle);
            }
            Picked::Task(task, plan) => (task, plan),
        };
        if plan.inputs.iter().any(|input| input.level == 0) {
            self.store.toll.forget();
        }
        let began = self.store.fs.monotonic();
        let writes_tables = plan.writes_tables();
        let job = Box::new(CompactionJob::new(self.inputs(&version, plan)));
        self.running = Some(Running { job, task, writes_tables, began });
        Ok(Step::Worked)
    }

    fn inputs(&self, version: &Version, plan: Plan) -> JobInputs {
        let store = &self.store;
        let handles = plan.inputs.iter().map(|input| {
            let wanted = |id: u64| {
                let of_level = version.level(input.level).iter();
                of_level.filter(move |handle| handle.facts().id == id).cloned()
            };
            input.tables.iter().flat_map(|table| wanted(table.id)).collect()
        });
        let level = u8::try_from(plan.to_level).unwrap_or(u8::MAX);
        JobInputs {
            context: Arc::clone(&store.context),
            handles: handles.collect(),
            snapshots: store.snapshots.freeze(&store.sequence),
            next_file: Arc::clone(store.ledger.next_file()),
            options: store.settings.table_options(level, store.fs.unix_time().as_secs()),
            policy: store.settings.policy.clone(),
            plan,
        }
    }

    fn finish(&self, outcome: Outcome, began: Duration) -> Result<()> {
        let counters = &self.store.counters;
        let from_level0 = outcome.removed.iter().any(|&(level, _)| level == 0);
        let (added, removed) = (outcome.added, outcome.removed);
        install::compaction(&self.store, Edit { added, removed, ..Edit::default() })?;
        counters.compactions.add(1);
        counters.compaction_read_bytes.add(outcome.bytes_read);
        counters.compaction_written_bytes.add(outcome.bytes_written);
        counters.entries_dropped.add(outcome.entries_dropped);
        if from_level0 && outcome.bytes_read > 0 {
            let took = self.store.fs.monotonic().saturating_sub(began);
            self.store.gauges.compaction_rate().note(outcome.bytes_read, took);
        }
        Ok(())
    }
}

impl Worker for Compactor {
    fn duty(&self) -> Duty {
        Duty::Compaction
    }

    fn step(&mut self) -> Result<Step> {
        self.store.health.check_background()?;
        let Some(mut running) = self.running.take() else { return self.begin() };
        let is_requested = running.task.request().is_some();
        let may_go_on = match running.writes_tables {
            true => reserve::check_compaction(&self.store, is_requested),
            false => Ok(()),
        };
        let outcome = match may_go_on.and_then(|()| running.job.step()) {
            Ok(Progress::More) => {
                self.running = Some(running);
                return Ok(Step::Worked);
            }
            Ok(Progress::Done(outcome)) => self.finish(outcome, running.began),
            Err(error) => {
                self.store.trash.put_unnamed(running.job.abandoned());
                Err(error)
            }
        };
        // A request stays on the sheet until it is certain that nothing can be done about its failure.
        self.failed_request = outcome.is_err().then_some(running.task.request()).flatten();
        self.desk.with_sheet(|sheet| sheet.give_back(&running.task));
        self.store.signals.ring();
        outcome.map(|()| Step::Finished)
    }

    fn failed(&mut self, error: &Error) {
        if let Some(request) = self.failed_request.take() {
            self.desk.with_sheet(|sheet| sheet.settle(request, Err(error.clone())));
            self.store.signals.ring();
        }
    }
}

/// What the next job should do: what a user asked for, else what the tree needs.
fn choose(
    store: &Store,
    sheet: &mut Sheet,
    version: &Version,
    hints: &Hints,
) -> Option<(Plan, Option<u64>)> {
    let mut shape = version.shape();
    shape.busy = sheet.busy().clone();
    let policy = &store.settings.policy;
    while let Some(request) = sheet.first_request() {
        match pick_range(&shape, policy, hints, &request.range) {
            RangeStep::Plan(plan) => return Some((plan, Some(request.id))),
            RangeStep::Done => sheet.settle(request.id, Ok(())),
            RangeStep::Blocked => break,
        }
    }
    pick(&shape, policy, hints).map(|plan| (plan, None))
}

/// What the picker should know beside the shape, what readers want apart.
fn hints(store: &Store, version: &Version) -> Result<Hints> {
    let moments: Vec<Seqno> = store.snapshots.freeze(&store.sequence);
    Ok(Hints {
        toll_nanos: 0,
        oldest_snapshot: moments.first().copied().unwrap_or(0),
        range_tombstones: version.range_tombstones()?,
        running: Vec::<Claim>::new(),
    })
}

/// What readers have lost, or nothing where a merge for their sake could fill the disk. Whatever it would
/// read has to fit twice, so that others find room meanwhile.
fn toll_nanos(store: &Store, version: &Version) -> u64 {
    let toll = store.toll.nanos();
    if toll == 0 || store.reserve.is_low() {
        return 0;
    }
    let shape = version.shape();
    let base = (1..LEVELS).map(|level| shape.size_bytes(level)).find(|&bytes| bytes > 0);
    let merged = shape.size_bytes(0).saturating_add(base.unwrap_or(0));
    let free = store.fs.free_space(&store.directory).unwrap_or(0);
    if free / 2 >= merged { toll } else { 0 }
}

/// Whether the tree wants no compaction and none is running. A merge that only readers want does not count:
/// they may come to want it at any moment, and nobody is told at once.
///
/// # Errors
/// A table whose range tombstones cannot be read.
pub(crate) fn is_settled(store: &Store, desk: &Desk) -> Result<bool> {
    if !desk.with_sheet(|sheet| sheet.is_free()) {
        return Ok(false);
    }
    let version = Arc::clone(&store.view.load().version);
    let hints = hints(store, &version)?;
    Ok(pick(&version.shape(), &store.settings.policy, &hints).is_none())
}
