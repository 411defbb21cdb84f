//! The flusher: sealed memtables become L0 tables, oldest first.
//!
//! A memtable is flushed only when everything in it is visible: then no writer is still inserting,
//! and no number in the table is above what a job may take for settled.

use crate::compaction::flush::FlushJob;
use crate::compaction::sieve::Progress;
use crate::error::Result;
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use crate::maintenance::install;
use crate::manifest::Edit;
use crate::memtable::Memtable;
use crate::seeded::{Bug, is_seeded};
use crate::state::health::Duty;
use crate::state::store::Store;
use crate::state::trash::Freed;
use crate::state::view::Sealed;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;
use std::time::Duration;

/// How soon to look again for the last commits into a sealed memtable to finish.
const SETTLE_POLL: Duration = Duration::from_millis(1);

/// A smaller flush says more about the latency of a sync than about how much a flusher gets done.
const RATE_BYTES_MIN: u64 = 1 << 20;

/// Between two pieces of a memtable that is freed: long enough for a writer to wake up and allocate.
const FREEING_PAUSE: Duration = Duration::from_micros(20);

/// How many pauses to wait for readers that have just begun or are about to end.
const READERS_PATIENCE: u32 = 50;

/// Turns sealed memtables into tables.
pub(crate) struct Flusher {
    store: Arc<Store>,
    running: Option<Running>,
}

struct Running {
    memtable: Arc<Memtable>,
    job: FlushJob,
    began: Duration,
}

impl Flusher {
    pub(crate) fn new(store: Arc<Store>) -> Flusher {
        Flusher { store, running: None }
    }

    fn begin(&mut self) -> Result<Step> {
        let view = self.store.view.load();
        let Some(Sealed { memtable, last_seqno }) = view.sealed.last() else {
            return Ok(Step::Idle);
        };
        // The memtable that took its place was charged to the budget in the middle of a commit,
        // where there is no time to make room for it.
        self.store.context.cache.trim();
        let is_settled = self.store.sequence.visible() >= *last_seqno;
        if !is_settled && !is_seeded(Bug::FlushAboveVisible) {
            return Ok(Step::IdleFor(SETTLE_POLL));
        }
        let unix_seconds = self.store.fs.unix_time().as_secs();
        let options = self.store.settings.table_options(0, unix_seconds);
        let moments = self.store.snapshots.freeze(&self.store.sequence);
        let id = self.store.ledger.draw_file();
        if is_seeded(Bug::UnlinkWalEarly) {
            let name = FileName::Wal(memtable.segment());
            self.store.trash.put([Freed { name, at_record: 0 }]);
        }
        let job = FlushJob::new(&self.store.context, memtable, id, options, moments);
        let began = self.store.fs.monotonic();
        self.running = Some(Running { memtable: Arc::clone(memtable), job, began });
        Ok(Step::Worked)
    }
}

/// Frees a flushed memtable at leisure. Readers may still have it: if they keep it, the last of them frees it.
fn free(fs: &dyn FileSystem, mut memtable: Arc<Memtable>) {
    for _ in 0..READERS_PATIENCE {
        match Arc::try_unwrap(memtable) {
            Ok(own) => return own.dismantle(|| fs.sleep(FREEING_PAUSE)),
            Err(shared) => memtable = shared,
        }
        fs.sleep(FREEING_PAUSE);
    }
}

impl Worker for Flusher {
    fn duty(&self) -> Duty {
        Duty::Flush
    }

    fn step(&mut self) -> Result<Step> {
        self.store.health.check_background()?;
        let Some(mut running) = self.running.take() else { return self.begin() };
        let flushed = match running.job.step() {
            Ok(Progress::More) => {
                self.running = Some(running);
                return Ok(Step::Worked);
            }
            Ok(Progress::Done(flushed)) => flushed,
            Err(error) => {
                // Its file is garbage, and the next attempt takes a new number.
                self.store.trash.put_unnamed(running.job.abandoned());
                return Err(error);
            }
        };
        let bytes = flushed.table.as_ref().map_or(0, |facts| facts.size_bytes);
        let added = flushed.table.into_iter().map(|facts| (0, facts)).collect();
        install::flush(&self.store, &running.memtable, Edit { added, ..Edit::default() })?;
        let took = self.store.fs.monotonic().saturating_sub(running.began);
        let filled = running.memtable.size_bytes() as u64;
        if filled >= RATE_BYTES_MIN {
            self.store.gauges.flush_rate().note(filled, took);
        }
        self.store.counters.flushes.add(1);
        self.store.counters.flush_bytes.add(bytes);
        let Running { memtable, job, .. } = running;
        drop(job);
        free(&*self.store.fs, memtable);
        Ok(Step::Finished)
    }
}
