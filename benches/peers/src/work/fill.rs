//! Fills empty databases.

use crate::data::choice::permutation;
use crate::data::keys::{KEY_BYTES, Kind};
use crate::data::model::{Model, Scene};
use crate::engine::settings::Durability;
use crate::engine::{Batch, Engine, Result};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, directory_bytes, peak_memory_bytes, reset_peak_memory};
use crate::measure::settle::settle;
use crate::measure::threads::{Done, Limits, Timing, repeat, together};
use crate::work::check;
use crate::work::job::Job;
use crate::work::read::Reads;
use crate::work::scan::{Seeks, pass};
use std::time::Duration;

const FILL_SEED: u64 = 1;
const LOAD_BATCH: u64 = 1000;

/// The order in which ranks are written; thread `t` of `n` takes places t, t + n, ...
pub(crate) struct Order {
    permutation: Option<Vec<u32>>,
    entries: u64,
}

impl Order {
    pub(crate) fn new(entries: u64, is_random: bool) -> Order {
        Order { permutation: is_random.then(|| permutation(entries, FILL_SEED)), entries }
    }

    pub(crate) fn rank(&self, place: u64) -> u64 {
        let random = |ranks: &Vec<u32>| u64::from(ranks[place as usize]);
        self.permutation.as_ref().map_or(place, random)
    }
}

/// Writes the places `from..` of `order` in batches on one thread until all are written.
pub(crate) fn write_rest<E: Engine>(
    engine: &E,
    scene: &Scene,
    order: &Order,
    from: u64,
) -> Result<()> {
    let mut batch = Batch::new();
    for begin in (from..order.entries).step_by(LOAD_BATCH as usize) {
        let end = (begin + LOAD_BATCH).min(order.entries);
        compose(&mut batch, scene, (begin..end).map(|place| order.rank(place)));
        engine.write(&batch)?;
    }
    Ok(())
}

/// Makes the entries of these ranks, in the room of those that were there before.
fn compose(batch: &mut Batch, scene: &Scene, ranks: impl Iterator<Item = u64>) {
    let mut count = 0;
    for rank in ranks {
        if count == batch.len() {
            batch.push(([0; KEY_BYTES], Vec::new()));
        }
        let (key, value) = &mut batch[count];
        *key = scene.keys.key(rank, Kind::Loaded);
        scene.values.fill(value, rank, Kind::Loaded, 0);
        count += 1;
    }
    batch.truncate(count);
}

/// The measured fill. What the time was too short for is then written without a measurement, so that
/// later steps find the whole data set; synced fills leave it out.
pub(crate) fn fill<E: Engine>(job: &Job, is_random: bool, batch: u64) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let order = Order::new(scene.entries, is_random);
    let filling = Filling { scene: &scene, order: &order, threads: step.threads as u64, batch };
    let engine: E = job.open()?;
    reset_peak_memory()?;
    let meter = Meter::start()?;
    let done = if batch > 1 {
        vec![filling.in_batches(&engine, step.time())?]
    } else {
        together(step.threads, |thread| filling.one_by_one(&engine, step.time(), thread as u64))?
    };
    let mut outcome = Outcome::new(&step.row, meter.spent()?, &done);
    outcome.operations *= batch;
    outcome.settle = Some(settle(&engine)?);
    outcome.peak_memory_bytes = peak_memory_bytes()?;
    outcome.directory_bytes = directory_bytes(&job.database())?;
    outcome.user_bytes = outcome.operations * scene.entry_bytes();
    outcome.live_bytes = outcome.user_bytes;
    let mut model = Model::empty(scene.entries);
    for (thread, done) in done.iter().enumerate() {
        for number in 0..done.operations * batch {
            let rank = order.rank(number * step.threads as u64 + thread as u64);
            model.set(rank, Kind::Loaded, Some(0));
        }
    }
    outcome.checked = check::everything(&engine, &scene, &model)?;
    let is_buffered = step.settings.durability == Durability::Buffered;
    if outcome.operations < scene.entries && step.threads == 1 && is_buffered {
        write_rest(&engine, &scene, &order, outcome.operations)?;
        settle(&engine)?;
    }
    engine.close()?;
    Ok(vec![outcome])
}

/// How the threads of a fill share the work.
struct Filling<'a> {
    scene: &'a Scene,
    order: &'a Order,
    threads: u64,
    batch: u64,
}

impl Filling<'_> {
    fn one_by_one<E: Engine>(
        &self,
        engine: &E,
        time: Duration,
        thread: u64,
    ) -> Result<Done<Batch>> {
        let operations = (self.scene.entries - thread).div_ceil(self.threads);
        repeat(Limits { operations, time }, Timing::Each, Batch::new(), |entry, number| {
            let rank = self.order.rank(number * self.threads + thread);
            compose(entry, self.scene, std::iter::once(rank));
            engine.put(&entry[0].0, &entry[0].1)
        })
    }

    fn in_batches<E: Engine>(&self, engine: &E, time: Duration) -> Result<Done<Batch>> {
        let limits = Limits { operations: self.scene.entries / self.batch, time };
        repeat(limits, Timing::Each, Batch::new(), |entries, number| {
            let places = number * self.batch..(number + 1) * self.batch;
            compose(entries, self.scene, places.map(|place| self.order.rank(place)));
            engine.write(entries)
        })
    }
}

/// Loads everything in random order, in batches, settles and closes.
pub(crate) fn load<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let scene = job.scene();
    let engine: E = job.open()?;
    write_rest(&engine, &scene, &Order::new(scene.entries, true), 0)?;
    settle(&engine)?;
    check::everything(&engine, &scene, &Model::loaded(scene.entries))?;
    engine.close()?;
    Ok(Vec::new())
}

/// Reads right behind a fill, with the engine in the state that the fill has left it in.
pub(crate) fn read_after_load<E: Engine>(job: &Job) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let order = Order::new(scene.entries, true);
    let engine: E = job.open()?;
    let limits = Limits { operations: scene.entries, time: Duration::from_secs(60) };
    let done = repeat(limits, Timing::Sampled, Vec::new(), |value, number| {
        let rank = order.rank(number);
        scene.values.fill(value, rank, Kind::Loaded, 0);
        engine.put(&scene.keys.key(rank, Kind::Loaded), value)
    })?;
    write_rest(&engine, &scene, &order, done.operations)?;
    let reads = Reads { scene: &scene, is_present: true };
    let seeks = Seeks { scene: &scene, entries: 10 };
    let outcomes = vec![
        reads.run(&engine, &format!("readrandom{}", step.row), 1, step.time())?,
        seeks.run(&engine, &format!("seek10{}", step.row), 1, step.time())?,
        pass(&engine, &scene, &format!("readseq{}", step.row), step.time())?,
    ];
    engine.close()?;
    Ok(outcomes)
}
