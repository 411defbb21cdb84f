//! The six core workloads of YCSB.
//!
//! | | reads | writes | keys |
//! |---|---|---|---|
//! | A | 50 % | 50 % updates | Zipf |
//! | B | 95 % | 5 % updates | Zipf |
//! | C | 100 % | | Zipf |
//! | D | 95 % | 5 % inserts | the latest are the most popular |
//! | E | 95 % scans of 1 to 100 entries | 5 % inserts | Zipf |
//! | F | 50 % | 50 % read, modify, write | Zipf |
//!
//! An item's number says how popular it is; a permutation gives its rank among the keys. The list of
//! operations is made before the clock starts. Each operation number is also the version that its
//! write leaves, so the same list, replayed on the model, says what every read must have found.

use crate::data::choice::{Chance, Zipf, permutation};
use crate::data::keys::{Key, Kind};
use crate::data::model::{Event, Model, Scene, events, note};
use crate::data::values::fingerprint;
use crate::engine::{Engine, Result, Scan};
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, directory_bytes, peak_memory_bytes};
use crate::measure::settle::settle;
use crate::measure::threads::{Limits, Timing, repeat};
use crate::work::check::{self, Fold, same};
use crate::work::job::Job;
use crate::work::read::warm_at_random;
use serde::{Deserialize, Serialize};

const ITEM_SEED: u64 = 500;
const SCAN_ENTRIES_MAX: u64 = 100;
/// E does so much less than the others, because an operation of it does so much more.
const SCANS_FEWER: u64 = 10;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Workload {
    A,
    B,
    C,
    D,
    E,
    F,
}

impl Workload {
    /// Of a hundred operations, those that only read.
    fn reads(self) -> u64 {
        match self {
            Workload::A | Workload::F => 50,
            Workload::B | Workload::D | Workload::E => 95,
            Workload::C => 100,
        }
    }

    fn read(self, item: u64, chance: &mut Chance) -> Operation {
        match self {
            Workload::E => Operation::Scan(item, 1 + chance.below(SCAN_ENTRIES_MAX) as u32),
            _ => Operation::Read(item),
        }
    }

    fn write(self, item: u64, items: u64) -> Operation {
        match self {
            Workload::D | Workload::E => Operation::Insert(items),
            Workload::F => Operation::ReadModifyWrite(item),
            _ => Operation::Update(item),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read(u64),
    Update(u64),
    Insert(u64),
    Scan(u64, u32),
    ReadModifyWrite(u64),
}

/// A list of operations over items.
pub(crate) struct Operations {
    list: Vec<Operation>,
    ranks: Vec<u32>,
}

impl Operations {
    /// The list for a database of `items` items, of which `entries` were loaded.
    pub(crate) fn new(workload: Workload, entries: u64, items: u64, count: u64) -> Operations {
        let mut chance = Chance::new(workload as u64);
        let (mut items, mut zipf) = (items, Zipf::new(items));
        let mut list = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let popular = zipf.next(&mut chance);
            let item = if workload == Workload::D { items - 1 - popular } else { popular };
            let is_read = chance.below(100) < workload.reads();
            // Each loaded key has room for one that is inserted behind it.
            let operation = if is_read || items == 2 * entries {
                workload.read(item, &mut chance)
            } else {
                workload.write(item, items)
            };
            if matches!(operation, Operation::Insert(_)) {
                items += 1;
                zipf.grow();
            }
            list.push(operation);
        }
        Operations { list, ranks: permutation(entries, ITEM_SEED) }
    }

    fn place(&self, item: u64) -> (u64, Kind) {
        let entries = self.ranks.len() as u64;
        let kind = if item < entries { Kind::Loaded } else { Kind::Inserted };
        (u64::from(self.ranks[(item % entries) as usize]), kind)
    }

    fn key(&self, scene: &Scene, item: u64) -> Key {
        let (rank, kind) = self.place(item);
        scene.keys.key(rank, kind)
    }

    /// Does to the model what the list does to a database. With a scene, returns what its reads find.
    pub(crate) fn replay(&self, model: &mut Model, scene: Option<&Scene>) -> Fold {
        let mut fold = Fold::default();
        for (number, operation) in self.list.iter().enumerate() {
            match *operation {
                Operation::Read(item) | Operation::ReadModifyWrite(item) => {
                    let (rank, kind) = self.place(item);
                    if let (Some(scene), Some(version)) = (scene, model.get(rank, kind)) {
                        fold.value(scene.values.fingerprint(rank, kind, version));
                    }
                }
                Operation::Scan(item, entries) => {
                    let (rank, kind) = self.place(item);
                    if let Some(scene) = scene {
                        let before = usize::from(kind == Kind::Inserted);
                        let found = model.from(rank).skip(before).take(entries as usize);
                        found.for_each(|(rank, kind, version)| {
                            fold.expect(scene, rank, kind, version);
                        });
                    }
                }
                Operation::Update(_) | Operation::Insert(_) => {}
            }
            if let Operation::Update(item) | Operation::ReadModifyWrite(item) = *operation {
                let (rank, kind) = self.place(item);
                model.set(rank, kind, Some(version(number as u64)));
            }
            if let Operation::Insert(item) = *operation {
                let (rank, kind) = self.place(item);
                model.set(rank, kind, Some(version(number as u64)));
                model.items += 1;
            }
        }
        fold
    }

    fn run<E: Engine>(
        &self,
        engine: &E,
        scene: &Scene,
        read: &mut Read,
        number: u64,
    ) -> Result<()> {
        let operation = self.list[number as usize];
        match operation {
            Operation::Read(item) | Operation::ReadModifyWrite(item) => {
                if let Some(fingerprint) = engine.get(&self.key(scene, item), fingerprint)? {
                    read.fold.value(fingerprint);
                }
            }
            Operation::Scan(item, entries) => {
                let from = Some(self.key(scene, item));
                let scan = Scan { from, is_reverse: false, limit: entries as usize };
                engine.scan(scan, |key, value| read.fold.entry(key, value))?;
            }
            Operation::Update(_) | Operation::Insert(_) => {}
        }
        if let Operation::Update(item)
        | Operation::Insert(item)
        | Operation::ReadModifyWrite(item) = operation
        {
            let (rank, kind) = self.place(item);
            scene.values.fill(&mut read.value, rank, kind, version(number));
            engine.put(&scene.keys.key(rank, kind), &read.value)?;
            read.writes += 1;
        }
        Ok(())
    }
}

fn version(number: u64) -> u8 {
    (number % 250) as u8 + 1
}

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
        operations.run(&engine, &scene, read, number)
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
    let expected = operations.replay(&mut model, Some(&scene));
    same(&step.row, done.carried.fold, expected)?;
    outcome.live_bytes = model.entries() * scene.entry_bytes();
    let everything = check::everything(&engine, &scene, &model)?;
    outcome.checked = format!("{} values read and folded; {everything}", expected.count);
    engine.close()?;
    Ok(vec![outcome])
}
