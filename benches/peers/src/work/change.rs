//! Changes a whole data set: overwrites and deletes.

use crate::data::keys::Kind;
use crate::data::model::{Event, Model, OVERWRITTEN, deleted, events, note, overwritten};
use crate::engine::{Engine, Result};
use crate::measure::outcome::Outcome;
use crate::measure::process::{
    Meter, Spent, directory_bytes, peak_memory_bytes, reset_peak_memory,
};
use crate::measure::settle::settle;
use crate::measure::threads::{Done, Limits, Timing, repeat};
use crate::work::check;
use crate::work::job::Job;

/// Writes as many entries as there are, at random.
pub(crate) fn overwrite<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    let mut ranks = overwritten(scene.entries);
    reset_peak_memory()?;
    let meter = Meter::start()?;
    let limits = Limits { operations: scene.entries, time: step.time() };
    let done = repeat(limits, Timing::Each, Vec::new(), |value, _| {
        let rank = ranks.next().unwrap_or_default();
        scene.values.fill(value, rank, Kind::Loaded, OVERWRITTEN);
        engine.put(&scene.keys.key(rank, Kind::Loaded), value)
    })?;
    let user_bytes = done.operations * scene.entry_bytes();
    let event = Event::Overwrote { operations: done.operations };
    finish(job, engine, Changed { spent: meter.spent()?, done, user_bytes, event })
}

/// Deletes half of the entries in random order.
pub(crate) fn delete<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    let mut ranks = deleted(scene.entries);
    reset_peak_memory()?;
    let meter = Meter::start()?;
    let limits = Limits { operations: scene.entries / 2, time: step.time() };
    let done = repeat(limits, Timing::Each, Vec::new(), |_, _| {
        let rank = ranks.next().unwrap_or_default();
        engine.delete(&scene.keys.key(rank, Kind::Loaded))
    })?;
    let user_bytes = done.operations * crate::data::keys::KEY_BYTES as u64;
    let event = Event::Deleted { operations: done.operations };
    finish(job, engine, Changed { spent: meter.spent()?, done, user_bytes, event })
}

struct Changed {
    spent: Spent,
    done: Done<Vec<u8>>,
    user_bytes: u64,
    event: Event,
}

fn finish<E: Engine>(job: &Job, engine: E, changed: Changed) -> Result<Vec<Outcome>> {
    let scene = job.scene();
    let mut outcome = Outcome::new(&job.step.row, changed.spent, &[changed.done]);
    outcome.settle = Some(settle(&engine)?);
    outcome.peak_memory_bytes = peak_memory_bytes()?;
    outcome.directory_bytes = directory_bytes(&job.database())?;
    outcome.user_bytes = changed.user_bytes;
    note(&job.events(), changed.event)?;
    let model = Model::of(scene.entries, &events(&job.events())?);
    outcome.live_bytes = model.entries() * scene.entry_bytes();
    outcome.checked = check::everything(&engine, &scene, &model)?;
    engine.close()?;
    Ok(vec![outcome])
}
