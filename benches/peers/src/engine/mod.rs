//! The engines behind one small trait.
//!
//! Work is generic over it, so that no engine pays for a virtual call an entry. Each read sees the
//! newest state: engines with transactions begin one for each get and each scan, as a program does
//! that serves requests.

pub(crate) mod counted;
pub(crate) mod fjall;
pub(crate) mod lmdb;
pub(crate) mod redb;
pub(crate) mod rocksdb;
pub(crate) mod settings;
pub(crate) mod siltstone;

use crate::data::keys::Key;
use crate::engine::settings::Settings;
use std::path::Path;

/// Any engine's error.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// The result of what may fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Entries that are written as one batch.
pub(crate) type Batch = Vec<(Key, Vec<u8>)>;

/// What to scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Where to begin; `None` is the first key, or the last one in reverse.
    pub(crate) from: Option<Key>,
    pub(crate) is_reverse: bool,
    /// Most entries to visit.
    pub(crate) limit: usize,
}

/// An ordered key-value store.
pub(crate) trait Engine: Sized + Sync {
    /// Opens the database in `directory`, which exists, and makes one if there is none.
    fn open(directory: &Path, settings: &Settings) -> Result<Self>;

    /// Writes one entry, as durably as the settings say.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes many as one.
    fn write(&self, batch: &Batch) -> Result<()>;

    /// Removes one entry, as durably as the settings say.
    fn delete(&self, key: &[u8]) -> Result<()>;

    /// Lets `read` see the value, without a copy if the engine can do so.
    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>>;

    /// Visits entries in order, on a fresh iterator.
    fn scan(&self, scan: Scan, visit: impl FnMut(&[u8], &[u8])) -> Result<()>;

    /// Makes the memtable a table, if the engine has one, and returns when that is done.
    fn flush(&self) -> Result<()>;

    /// Whether the engine knows of a flush or a compaction that runs or is due.
    fn is_busy(&self) -> Result<bool>;

    /// Closes the database cleanly.
    fn close(self) -> Result<()>;
}

/// Everything that is measured on one engine, whichever it is.
pub(crate) trait Task {
    type Output;

    fn run<E: Engine>(&self) -> Result<Self::Output>;
}

/// Name, crate in the lock file, and runner of each engine.
pub(crate) const NAMES: [&str; 5] = ["siltstone", "rocksdb", "fjall", "redb", "lmdb"];

/// Runs `task` on the engine with this name.
pub(crate) fn with<T: Task>(engine: &str, task: &T) -> Result<T::Output> {
    match engine {
        "siltstone" => task.run::<siltstone::Siltstone>(),
        "rocksdb" => task.run::<rocksdb::RocksDb>(),
        "fjall" => task.run::<fjall::Fjall>(),
        "redb" => task.run::<redb::Redb>(),
        "lmdb" => task.run::<lmdb::Lmdb>(),
        other => Err(format!("there is no engine {other}; there are {}", NAMES.join(", ")).into()),
    }
}

/// The options of each engine in one sentence, for the head of a report.
pub(crate) fn options(engine: &str) -> &'static str {
    match engine {
        "siltstone" => siltstone::OPTIONS,
        "rocksdb" => rocksdb::OPTIONS,
        "fjall" => fjall::OPTIONS,
        "redb" => redb::OPTIONS,
        _ => lmdb::OPTIONS,
    }
}
