//! Point reads.

use crate::data::choice::Chance;
use crate::data::keys::Kind;
use crate::data::model::Scene;
use crate::data::values::fingerprint;
use crate::engine::{Engine, Result};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, peak_memory_bytes, reset_peak_memory};
use crate::measure::threads::{Done, Limits, Timing, repeat, together};
use crate::work::check::{Fold, same};
use crate::work::job::Job;
use std::time::Duration;

const READ_SEED: u64 = 100;
/// No engine's blocks are smaller, so something is read of each.
const BLOCK_BYTES_MIN: u64 = 4 << 10;
const WARM_READS: Duration = Duration::from_millis(300);

/// Gets of random keys of a database that holds version 0 of all.
pub(crate) struct Reads<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) is_present: bool,
}

impl Reads<'_> {
    /// Measures for `time` on `threads` threads and checks what was read.
    pub(crate) fn run<E: Engine>(
        &self,
        engine: &E,
        row: &str,
        threads: usize,
        time: Duration,
    ) -> Result<Outcome> {
        let meter = Meter::start()?;
        let done = together(threads, |thread| self.read(engine, thread as u64, time))?;
        let mut outcome = Outcome::new(row, meter.spent()?, &done);
        outcome.peak_memory_bytes = peak_memory_bytes()?;
        let mut found = 0;
        for (thread, done) in done.iter().enumerate() {
            let expected = self.expected(thread as u64, done.operations);
            same(row, done.carried, expected)?;
            found += expected.count;
        }
        outcome.checked = format!("{found} values found and folded");
        Ok(outcome)
    }

    fn ranks(&self, thread: u64) -> impl FnMut() -> u64 {
        let (mut chance, entries) = (Chance::new(READ_SEED + thread), self.scene.entries);
        move || chance.below(entries)
    }

    fn kind(&self) -> Kind {
        if self.is_present { Kind::Loaded } else { Kind::Missing }
    }

    fn read<E: Engine>(&self, engine: &E, thread: u64, time: Duration) -> Result<Done<Fold>> {
        let (mut rank, kind, keys) = (self.ranks(thread), self.kind(), self.scene.keys);
        let limits = Limits { operations: u64::MAX, time };
        repeat(limits, Timing::Sampled, Fold::default(), |fold, _| {
            if let Some(fingerprint) = engine.get(&keys.key(rank(), kind), fingerprint)? {
                fold.value(fingerprint);
            }
            Ok(())
        })
    }

    fn expected(&self, thread: u64, operations: u64) -> Fold {
        let (mut rank, mut fold) = (self.ranks(thread), Fold::default());
        for _ in 0..if self.is_present { operations } else { 0 } {
            fold.value(self.scene.values.fingerprint(rank(), Kind::Loaded, 0));
        }
        fold
    }
}

/// Reads something of every block once, in order, and then at random for a while: what the cache can
/// hold is in it, and what belongs to the first reads of a process is over.
pub(crate) fn warm<E: Engine>(engine: &E, scene: &Scene) -> Result<()> {
    let entries_a_block = (BLOCK_BYTES_MIN / 2 / scene.entry_bytes()).max(1);
    for rank in (0..scene.entries).step_by(usize::try_from(entries_a_block)?) {
        engine.get(&scene.keys.key(rank, Kind::Loaded), |_| ())?;
    }
    warm_at_random(engine, scene)
}

/// Only the second part, for caches that hold no more than a part of the data anyway.
pub(crate) fn warm_at_random<E: Engine>(engine: &E, scene: &Scene) -> Result<()> {
    let reads = Reads { scene, is_present: true };
    reads.read(engine, u64::from(u32::MAX), WARM_READS)?;
    reset_peak_memory()?;
    Ok(())
}

/// The step.
pub(crate) fn get<E: Engine>(job: &Job, is_present: bool) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    warm(&engine, &scene)?;
    let reads = Reads { scene: &scene, is_present };
    let outcome = reads.run(&engine, &step.row, step.threads, step.time())?;
    engine.close()?;
    Ok(vec![outcome])
}
