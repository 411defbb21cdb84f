//! A step: one engine, one kind of work, one process.

use crate::data::model::Scene;
use crate::data::workload::Workload;
use crate::engine::settings::Settings;
use crate::engine::{Engine, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kinds of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// An empty database is filled, in order or not, in batches of so many.
    Fill {
        is_random: bool,
        batch: u64,
    },
    /// Fills without a measurement, as a beginning for other steps; settles and closes.
    Load,
    /// Fills in random order, and reads while the engine still has everything to do.
    ReadAfterLoad,
    /// Gets of keys that are there, or are not.
    Get {
        is_present: bool,
    },
    /// Scans of everything.
    ScanAll {
        is_reverse: bool,
    },
    /// Seeks, and so many entries from there.
    Seek {
        entries: usize,
    },
    /// One reader beside one writer, at full speed or at so many writes a second.
    ReadWhileWriting {
        writes_per_second: Option<u64>,
    },
    /// Random entries are written again.
    Overwrite,
    /// Half of the entries are deleted in random order.
    Delete,
    /// Scans over ranges full of tombstones, before and after settling.
    Tombstones,
    Ycsb(Workload),
    /// Opens after a clean close.
    Reopen,
    /// Fills a log and dies.
    Die,
    /// Opens after that.
    ReopenAfterDeath,
}

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) row: String,
    pub(crate) work: Work,
    pub(crate) threads: usize,
    pub(crate) entries: u64,
    pub(crate) value_bytes: usize,
    pub(crate) settings: Settings,
    /// Time after which the work ends, done or not.
    pub(crate) seconds: f64,
}

impl Step {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// A step and where its database is.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) step: Step,
    /// Holds the database and what is known about it.
    pub(crate) place: PathBuf,
}

impl Job {
    pub(crate) fn database(&self) -> PathBuf {
        self.place.join("database")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.place.join("events.json")
    }

    pub(crate) fn scene(&self) -> Scene {
        Scene::new(self.step.entries, self.step.value_bytes)
    }

    pub(crate) fn open<E: Engine>(&self) -> Result<E> {
        let database = self.database();
        fs::create_dir_all(&database)?;
        E::open(&database, &self.step.settings)
    }
}

/// Whether the place of a job holds a database.
pub(crate) fn has_database(place: &Path) -> bool {
    place.join("database").is_dir()
}
