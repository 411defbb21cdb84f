//! What a database must hold: a version for each key that is there.
//!
//! A step replays on it what it did to the engine, after the clock has stopped. What the next process
//! has to know of it is a list of events, kept in a file beside the database.

use crate::data::choice::{Chance, permutation};
use crate::data::keys::{Key, Keys, Kind};
use crate::data::values::Values;
use crate::data::workload::{Operations, Workload, Write};
use crate::engine::Result;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

const ABSENT: u8 = u8::MAX;
const OVERWRITE_SEED: u64 = 3;
const DELETE_SEED: u64 = 4;

/// The version of overwritten values.
pub(crate) const OVERWRITTEN: u8 = 1;

/// The data set of a step: how its keys and values are made.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) entries: u64,
    pub(crate) keys: Keys,
    pub(crate) values: Values,
}

impl Scene {
    pub(crate) fn new(entries: u64, value_bytes: usize) -> Scene {
        Scene { entries, keys: Keys::new(entries), values: Values::new(value_bytes) }
    }

    /// Bytes of a key and its value.
    pub(crate) fn entry_bytes(&self) -> u64 {
        (size_of::<Key>() + self.values.len()) as u64
    }
}

/// What happened to a database that was loaded with everything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    Overwrote { operations: u64 },
    Deleted { operations: u64 },
    Ycsb { workload: Workload, operations: u64 },
}

/// The versions of all keys.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    loaded: Vec<u8>,
    inserted: Vec<u8>,
    /// Items that were ever inserted or loaded, for YCSB.
    pub(crate) items: u64,
}

impl Model {
    /// Nothing is there.
    pub(crate) fn empty(entries: u64) -> Model {
        let absent = vec![ABSENT; entries as usize];
        Model { loaded: absent.clone(), inserted: absent, items: 0 }
    }

    /// Every loaded key is there, with version 0.
    pub(crate) fn loaded(entries: u64) -> Model {
        let loaded = vec![0; entries as usize];
        Model { loaded, items: entries, ..Model::empty(entries) }
    }

    /// A loaded database with all that happened to it.
    pub(crate) fn of(entries: u64, events: &[Event]) -> Model {
        let mut model = Model::loaded(entries);
        for event in events {
            match *event {
                Event::Overwrote { operations } => {
                    for rank in overwritten(entries).take(operations as usize) {
                        model.set(rank, Kind::Loaded, Some(OVERWRITTEN));
                    }
                }
                Event::Deleted { operations } => {
                    for rank in deleted(entries).take(operations as usize) {
                        model.set(rank, Kind::Loaded, None);
                    }
                }
                Event::Ycsb { workload, operations } => {
                    let list = Operations::new(workload, entries, model.items, operations);
                    let writes = (0..operations).filter_map(|number| list.write(number));
                    writes.for_each(|write| model.write(write));
                }
            }
        }
        model
    }

    pub(crate) fn get(&self, rank: u64, kind: Kind) -> Option<u8> {
        let version = match kind {
            Kind::Loaded => self.loaded[rank as usize],
            Kind::Inserted => self.inserted[rank as usize],
            Kind::Missing => ABSENT,
        };
        (version != ABSENT).then_some(version)
    }

    /// Requires: `kind` is not `Missing`.
    pub(crate) fn set(&mut self, rank: u64, kind: Kind, version: Option<u8>) {
        let versions = if kind == Kind::Loaded { &mut self.loaded } else { &mut self.inserted };
        versions[rank as usize] = version.unwrap_or(ABSENT);
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.set(write.rank, write.kind, Some(write.version));
        self.items += u64::from(write.is_new);
    }

    pub(crate) fn entries(&self) -> u64 {
        let all = self.loaded.iter().chain(&self.inserted);
        all.filter(|&&version| version != ABSENT).count() as u64
    }

    /// What is there, in order, from the loaded key of `rank` on.
    pub(crate) fn from(&self, rank: u64) -> impl Iterator<Item = (u64, Kind, u8)> {
        let slots = (rank..self.loaded.len() as u64)
            .flat_map(|rank| [(rank, Kind::Loaded), (rank, Kind::Inserted)]);
        slots.filter_map(|(rank, kind)| Some((rank, kind, self.get(rank, kind)?)))
    }
}

/// The ranks that an overwriting step takes, with repetitions, without end.
pub(crate) fn overwritten(entries: u64) -> impl Iterator<Item = u64> {
    let mut chance = Chance::new(OVERWRITE_SEED);
    std::iter::repeat_with(move || chance.below(entries))
}

/// The ranks that a deleting step takes: each once.
pub(crate) fn deleted(entries: u64) -> impl Iterator<Item = u64> {
    permutation(entries, DELETE_SEED).into_iter().map(u64::from)
}

/// The events of the database beside this file.
pub(crate) fn events(path: &Path) -> Result<Vec<Event>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Notes one more.
pub(crate) fn note(path: &Path, event: Event) -> Result<()> {
    let mut all = events(path)?;
    all.push(event);
    Ok(fs::write(path, serde_json::to_vec(&all)?)?)
}
