//! Scans over ranges full of tombstones, as a queue or an expiry leaves them.
//!
//! Blocks of neighbours are deleted one by one and the memtable is flushed. Then each seek goes to a
//! random key in a deleted block and reads the ten entries that follow: all of them lie behind the
//! block. Measured in the state that the flush has left, and again when the engine has settled.

use crate::data::choice::Chance;
use crate::data::keys::Kind;
use crate::data::model::{Model, Scene};
use crate::engine::{Engine, Result, Scan};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, peak_memory_bytes, reset_peak_memory};
use crate::measure::settle::settle;
use crate::measure::threads::{Limits, Timing, repeat};
use crate::work::check::{self, Fold, same};
use crate::work::job::Job;

/// Neighbours deleted in one block.
const BLOCK: u64 = 20_000;
/// Of so many neighbours, those of one block are deleted.
const PERIOD: u64 = 50_000;
const SEEK_SEED: u64 = 400;
const SCAN_ENTRIES: usize = 10;

fn is_deleted(rank: u64) -> bool {
    rank % PERIOD >= PERIOD - BLOCK
}

/// The step; the database was loaded and has settled.
pub(crate) fn tombstones<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    let mut model = Model::loaded(scene.entries);
    for rank in (0..scene.entries).filter(|&rank| is_deleted(rank)) {
        engine.delete(&scene.keys.key(rank, Kind::Loaded))?;
        model.set(rank, Kind::Loaded, None);
    }
    engine.flush()?;
    reset_peak_memory()?;
    let fresh = seek(&engine, job, &scene, &step.row)?;
    settle(&engine)?;
    let settled = seek(&engine, job, &scene, &format!("{}-settled", step.row))?;
    check::everything(&engine, &scene, &model)?;
    engine.close()?;
    Ok(vec![fresh, settled])
}

fn seek<E: Engine>(engine: &E, job: &Job, scene: &Scene, row: &str) -> Result<Outcome> {
    let blocks = scene.entries / PERIOD;
    let ranks = || {
        let mut chance = Chance::new(SEEK_SEED);
        move || chance.below(blocks) * PERIOD + PERIOD - BLOCK + chance.below(BLOCK)
    };
    let mut rank = ranks();
    let limits = Limits { operations: u64::MAX, time: job.step.time() };
    let meter = Meter::start()?;
    let done = repeat(limits, Timing::Each, Fold::default(), |fold, _| {
        let from = Some(scene.keys.key(rank(), Kind::Loaded));
        let scan = Scan { from, is_reverse: false, limit: SCAN_ENTRIES };
        engine.scan(scan, |key, value| fold.entry(key, value))
    })?;
    let spent = meter.spent()?;
    let (mut rank, mut expected) = (ranks(), Fold::default());
    for _ in 0..done.operations {
        let behind = (rank() / PERIOD + 1) * PERIOD;
        for rank in behind..(behind + SCAN_ENTRIES as u64).min(scene.entries) {
            expected.expect(scene, rank, Kind::Loaded, 0);
        }
    }
    same(row, done.carried, expected)?;
    let mut outcome = Outcome::new(row, spent, &[done]);
    outcome.checked = format!("{} entries folded in order", expected.count);
    outcome.peak_memory_bytes = peak_memory_bytes()?;
    Ok(outcome)
}
