//! Opens: after a clean close, and after a death with a full log.

use crate::data::keys::Kind;
use crate::data::model::{Model, Scene};
use crate::engine::{Engine, Result};
use crate::measure::outcome::Outcome;
use crate::measure::process::{self, Meter, directory_bytes, peak_memory_bytes};
use crate::measure::threads::{Limits, Timing, repeat};
use crate::work::check;
use crate::work::fill::Order;
use crate::work::job::Job;
use std::time::Duration;

/// Opens of one step.
const OPENS: u64 = 5;

/// The time from the call of open to the answer of the first get, some times.
pub(crate) fn reopen<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let meter = Meter::start()?;
    let limits = Limits { operations: OPENS, time: Duration::from_secs(60) };
    let mut engine: Option<E> = None;
    let done = repeat(limits, Timing::Sampled, Vec::new(), |opens, number| {
        if let Some(engine) = engine.take() {
            engine.close()?;
        }
        let open = Meter::start()?;
        engine = Some(open_and_get(job, &scene, number)?);
        opens.push(open.spent()?.wall_seconds);
        Ok(())
    })?;
    let mut opens = done.carried.clone();
    opens.sort_by(f64::total_cmp);
    let mut outcome = Outcome::new(&step.row, meter.spent()?, &[done]);
    // One operation that takes the median: so that the row reads like the others.
    outcome.operations = 1;
    outcome.latency = None;
    outcome.spent.wall_seconds = opens[opens.len() / 2];
    outcome.peak_memory_bytes = peak_memory_bytes()?;
    outcome.checked = "the first value after each open".to_owned();
    if let Some(engine) = engine {
        engine.close()?;
    }
    Ok(vec![outcome])
}

fn open_and_get<E: Engine>(job: &Job, scene: &Scene, rank: u64) -> Result<E> {
    let engine: E = job.open()?;
    let key = scene.keys.key(rank, Kind::Loaded);
    let is_right = engine.get(&key, |value| scene.values.is(value, rank, Kind::Loaded, 0))?;
    match is_right {
        Some(true) => Ok(engine),
        other => Err(format!("the first get behind the open is wrong: {other:?}").into()),
    }
}

/// Writes everything and dies without a word.
pub(crate) fn die<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let scene = job.scene();
    let order = Order::new(scene.entries, true);
    let engine: E = job.open()?;
    let mut value = Vec::new();
    for place in 0..scene.entries {
        let rank = order.rank(place);
        scene.values.fill(&mut value, rank, Kind::Loaded, 0);
        engine.put(&scene.keys.key(rank, Kind::Loaded), &value)?;
    }
    process::die()
}

/// The open that replays the log; everything that was acknowledged must be there.
pub(crate) fn reopen_after_death<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let directory_bytes = directory_bytes(&job.database())?;
    let meter = Meter::start()?;
    let engine: E = open_and_get(job, &scene, 0)?;
    let spent = meter.spent()?;
    let checked = check::everything(&engine, &scene, &Model::loaded(scene.entries))?;
    engine.close()?;
    Ok(vec![Outcome {
        row: step.row.clone(),
        operations: 1,
        spent,
        directory_bytes,
        peak_memory_bytes: peak_memory_bytes()?,
        checked,
        ..Outcome::default()
    }])
}
