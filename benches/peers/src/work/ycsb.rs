//! The six core workloads of YCSB, done to an engine.
//!
//! The list of operations is made before the clock starts.

use crate::data::keys::Kind;
use crate::data::model::{Event, Model, Scene, events, note};
use crate::data::values::fingerprint;
use crate::data::workload::{Operation, Operations, Workload};
use crate::engine::{Engine, Result, Scan};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, directory_bytes, peak_memory_bytes};
use crate::measure::settle::settle;
use crate::measure::threads::{Limits, Timing, repeat};
use crate::work::check::{self, Fold, same};
use crate::work::job::Job;
use crate::work::read::warm_at_random;

/// E does so much less than the others, because an operation of it does so much more.
const SCANS_FEWER: u64 = 10;

#[derive(Default)]
struct Read {
    fold: Fold,
    value: Vec<u8>,
    writes: u64,
}

/// The step.
pub(crate) fn ycsb<E: Engine>(job: &Job, workload: Workload) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let mut model = Model::of(scene.entries, &events(&job.events())?);
    let fewer = if workload == Workload::E { SCANS_FEWER } else { 1 };
    let count = scene.entries / fewer;
    let operations = Operations::new(workload, scene.entries, model.items, count);
    let engine: E = job.open()?;
    warm_at_random(&engine, &scene)?;
    let meter = Meter::start()?;
    let limits = Limits { operations: count, time: step.time() };
    let done = repeat(limits, Timing::Each, Read::default(), |read, number| {
        operate(&engine, &scene, &operations, number, read)
    })?;
    let mut outcome = Outcome::new(&step.row, meter.spent()?, std::slice::from_ref(&done));
    if done.operations < count {
        return Err(format!("only {} of {count} operations in time", done.operations).into());
    }
    outcome.settle = Some(settle(&engine)?);
    outcome.peak_memory_bytes = peak_memory_bytes()?;
    outcome.directory_bytes = directory_bytes(&job.database())?;
    outcome.user_bytes = done.carried.writes * scene.entry_bytes();
    note(&job.events(), Event::Ycsb { workload, operations: count })?;
    let expected = follow(&operations, count, &scene, &mut model);
    same(&step.row, done.carried.fold, expected)?;
    outcome.live_bytes = model.entries() * scene.entry_bytes();
    let everything = check::everything(&engine, &scene, &model)?;
    outcome.checked = format!("{} values read and folded; {everything}", expected.count);
    engine.close()?;
    Ok(vec![outcome])
}

fn operate<E: Engine>(
    engine: &E,
    scene: &Scene,
    operations: &Operations,
    number: u64,
    read: &mut Read,
) -> Result<()> {
    let key = |item| {
        let (rank, kind) = operations.place(item);
        scene.keys.key(rank, kind)
    };
    match operations.operation(number) {
        Operation::Read(item) | Operation::ReadModifyWrite(item) => {
            if let Some(fingerprint) = engine.get(&key(item), fingerprint)? {
                read.fold.value(fingerprint);
            }
        }
        Operation::Scan(item, entries) => {
            let from = Some(key(item));
            let scan = Scan { from, is_reverse: false, limit: entries as usize };
            engine.scan(scan, |key, value| read.fold.entry(key, value))?;
        }
        Operation::Update(_) | Operation::Insert(_) => {}
    }
    if let Some(write) = operations.write(number) {
        scene.values.fill(&mut read.value, write.rank, write.kind, write.version);
        engine.put(&scene.keys.key(write.rank, write.kind), &read.value)?;
        read.writes += 1;
    }
    Ok(())
}

/// Does to the model what the list does to a database, and returns what its reads find.
fn follow(operations: &Operations, count: u64, scene: &Scene, model: &mut Model) -> Fold {
    let mut fold = Fold::default();
    for number in 0..count {
        match operations.operation(number) {
            Operation::Read(item) | Operation::ReadModifyWrite(item) => {
                let (rank, kind) = operations.place(item);
                if let Some(version) = model.get(rank, kind) {
                    fold.value(scene.values.fingerprint(rank, kind, version));
                }
            }
            Operation::Scan(item, entries) => {
                let (rank, kind) = operations.place(item);
                let before = usize::from(kind == Kind::Inserted);
                let found = model.from(rank).skip(before).take(entries as usize);
                found.for_each(|(rank, kind, version)| fold.expect(scene, rank, kind, version));
            }
            Operation::Update(_) | Operation::Insert(_) => {}
        }
        operations.write(number).into_iter().for_each(|write| model.write(write));
    }
    fold
}
