//! Opening to read only: not a byte is written, no thread is started.
//!
//! The log is replayed into memtables that stay in memory. A shared lock keeps writers out while it is
//! open; a directory without a lock file (a copy on a read-only medium, say) has no writer to fear.

use crate::db::db::Db;
use crate::db::directory::{self, Found, Listing};
use crate::db::engine::Engine;
use crate::db::grounds::{Grounds, load_state, lock, no_database};
use crate::db::options::Options;
use crate::db::recover::{LogInMemory, replay_log};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileLock, FileSystem, LockKind};
use crate::manifest::Edit;
use crate::memtable::Memtable;
use crate::state::reserve::Reserve;
use crate::state::view::{Parts, Sealed};
use crate::sync::Arc;
use crate::version::Version;
use std::io;
use std::path::Path;

impl Options {
    /// Opens the database in `directory` to read only: no byte is written, also not to the log.
    ///
    /// # Errors
    /// As [`open`](Options::open); `Locked` while a writer has it open; `Invalid` if there is none.
    pub fn open_read_only(&self, directory: impl AsRef<Path>) -> Result<Db> {
        open(self, directory.as_ref())
    }
}

fn open(options: &Options, path: &Path) -> Result<Db> {
    let settings = options.settings()?;
    let fs = options.fs();
    let directory = directory::absolute(&**fs, path)?;
    if !matches!(directory::look(&**fs, &directory)?, Found::Database) {
        return Err(no_database(&directory));
    }
    let lock = shared_lock(&**fs, &directory)?;
    let listing = Listing::read(&**fs, &directory)?;
    let mut state = load_state(&**fs, &directory, &listing)?;
    let grounds = Grounds::new(fs, directory, state.database(), settings);

    let mut log = LogInMemory::new(&grounds);
    let mode = options.recovery_mode();
    let report = replay_log(&grounds, &state, &listing, mode, &mut |batch| log.apply(batch))?;
    let edit = Edit {
        last_seqno: Some(state.last_seqno().max(report.last_seqno)),
        keyspaces_dropped: log.dropped_but_named(&state),
        opened: true,
        ..Edit::default()
    };
    state.apply(&edit).map_err(|what| Error::plain(ErrorKind::Corruption, what))?;

    let version = Arc::new(Version::from_state(&grounds.context, &state));
    let sealed = log.into_oldest_first().rev().map(|memtable| {
        let last_seqno = memtable.max_seqno().unwrap_or(0);
        Sealed { memtable, last_seqno }
    });
    let sealed = sealed.collect();
    // It stays empty: nobody writes.
    let active = Arc::new(Memtable::new(0));
    let parts = Parts { active, sealed, version };
    let store = grounds.store(state, None, parts, Reserve::new(0, 0, 0));
    Ok(Db::new(Arc::new(Engine::new(store, report, None, lock))))
}

/// Stands for the lock of a directory that has no lock file.
struct NoWriterToFear;

impl FileLock for NoWriterToFear {}

fn shared_lock(fs: &dyn FileSystem, directory: &Path) -> Result<Box<dyn FileLock>> {
    match lock(fs, directory, LockKind::Shared) {
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => {
            Ok(Box::new(NoWriterToFear))
        }
        outcome => outcome,
    }
}
