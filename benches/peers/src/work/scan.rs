//! Scans: everything, forward and in reverse, and short ones from random keys.

use crate::data::choice::Chance;
use crate::data::keys::Kind;
use crate::data::model::Scene;
use crate::engine::{Engine, Result, Scan};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, peak_memory_bytes};
use crate::measure::threads::{Done, Limits, Timing, repeat, together};
use crate::work::check::{Fold, same};
use crate::work::job::Job;
use crate::work::read::warm;
use std::time::Duration;

const SEEK_SEED: u64 = 200;

/// Scans of a fixed length from random keys of a database that holds version 0 of all.
pub(crate) struct Seeks<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) entries: usize,
}

impl Seeks<'_> {
    /// Measures for `time` on `threads` threads and checks what was read.
    pub(crate) fn run<E: Engine>(
        &self,
        engine: &E,
        row: &str,
        threads: usize,
        time: Duration,
    ) -> Result<Outcome> {
        let meter = Meter::start()?;
        let done = together(threads, |thread| self.seek(engine, thread as u64, time))?;
        let mut outcome = Outcome::new(row, meter.spent()?, &done);
        outcome.peak_memory_bytes = peak_memory_bytes()?;
        let mut entries = 0;
        for (thread, done) in done.iter().enumerate() {
            let expected = self.expected(thread as u64, done.operations);
            same(row, done.carried, expected)?;
            entries += expected.count;
        }
        outcome.checked = format!("{entries} entries folded in order");
        Ok(outcome)
    }

    fn ranks(&self, thread: u64) -> impl FnMut() -> u64 {
        let (mut chance, entries) = (Chance::new(SEEK_SEED + thread), self.scene.entries);
        move || chance.below(entries)
    }

    fn seek<E: Engine>(&self, engine: &E, thread: u64, time: Duration) -> Result<Done<Fold>> {
        let mut rank = self.ranks(thread);
        let limits = Limits { operations: u64::MAX, time };
        repeat(limits, Timing::Sampled, Fold::default(), |fold, _| {
            let from = Some(self.scene.keys.key(rank(), Kind::Loaded));
            let scan = Scan { from, is_reverse: false, limit: self.entries };
            engine.scan(scan, |key, value| fold.entry(key, value))
        })
    }

    fn expected(&self, thread: u64, operations: u64) -> Fold {
        let (mut rank, mut fold) = (self.ranks(thread), Fold::default());
        for _ in 0..operations {
            let from = rank();
            let end = (from + self.entries as u64).min(self.scene.entries);
            for rank in from..end {
                fold.expect(self.scene, rank, Kind::Loaded, 0);
            }
        }
        fold
    }
}

/// Scans everything again and again for a time, on one or more threads.
struct Passes<'a> {
    scene: &'a Scene,
    is_reverse: bool,
}

impl Passes<'_> {
    fn run<E: Engine>(
        &self,
        engine: &E,
        row: &str,
        threads: usize,
        time: Duration,
    ) -> Result<Outcome> {
        let meter = Meter::start()?;
        let limits = Limits { operations: u64::MAX, time };
        let done = together(threads, |_| {
            repeat(limits, Timing::Each, Vec::new(), |passes, _| {
                let mut fold = Fold::default();
                let scan = Scan { from: None, is_reverse: self.is_reverse, limit: usize::MAX };
                engine.scan(scan, |key, value| fold.entry(key, value))?;
                passes.push(fold);
                Ok(())
            })
        })?;
        let mut outcome = Outcome::new(row, meter.spent()?, &done);
        outcome.peak_memory_bytes = peak_memory_bytes()?;
        outcome.operations *= self.scene.entries;
        outcome.latency = None;
        let expected = self.expected();
        let passes: Vec<Fold> = done.iter().flat_map(|done| done.carried.clone()).collect();
        for &found in &passes {
            same(row, found, expected)?;
        }
        outcome.checked = format!("{} passes over {} entries", passes.len(), expected.count);
        Ok(outcome)
    }

    fn expected(&self) -> Fold {
        let (mut fold, entries) = (Fold::default(), self.scene.entries);
        for at in 0..entries {
            let rank = if self.is_reverse { entries - 1 - at } else { at };
            fold.expect(self.scene, rank, Kind::Loaded, 0);
        }
        fold
    }
}

/// A forward scan of everything, for steps that have more to do.
pub(crate) fn pass<E: Engine>(
    engine: &E,
    scene: &Scene,
    row: &str,
    time: Duration,
) -> Result<Outcome> {
    Passes { scene, is_reverse: false }.run(engine, row, 1, time)
}

/// The step that scans everything.
pub(crate) fn scan_all<E: Engine>(job: &Job, is_reverse: bool) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    warm(&engine, &scene)?;
    let passes = Passes { scene: &scene, is_reverse };
    let outcome = passes.run(&engine, &step.row, step.threads, step.time())?;
    engine.close()?;
    Ok(vec![outcome])
}

/// The step that seeks.
pub(crate) fn seek<E: Engine>(job: &Job, entries: usize) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    warm(&engine, &scene)?;
    let seeks = Seeks { scene: &scene, entries };
    let outcome = seeks.run(&engine, &step.row, step.threads, step.time())?;
    engine.close()?;
    Ok(vec![outcome])
}
