//! The ground that a database is opened on: lock, manifest, and what is there before the store is.
//!
//! Shared by the open for writing and the open to read only. Nothing here changes the directory,
//! except that an exclusive lock creates the lock file.

use crate::cache::{Budget, Cache};
use crate::db::directory::Listing;
use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::fs::birthplace::Birthplace;
use crate::fs::{FileLock, FileSystem, LockKind};
use crate::manifest::{ManifestWriter, State, load, read_current};
use crate::state::counters::Counters;
use crate::state::gauges::Gauges;
use crate::state::health::Health;
use crate::state::keyspaces::{KeyspaceCell, Keyspaces};
use crate::state::ledger::Ledger;
use crate::state::reserve::Reserve;
use crate::state::sequence::Sequence;
use crate::state::settings::Settings;
use crate::state::signals::Signals;
use crate::state::snapshots::Snapshots;
use crate::state::store::Store;
use crate::state::toll::Toll;
use crate::state::trash::Trash;
use crate::state::view::Parts;
use crate::state::view_cell::ViewCell;
use crate::sync::Arc;
use crate::sync::StaticU64;
use crate::sync::atomic::Ordering;
use crate::table::TableContext;
use std::io;
use std::path::{Path, PathBuf};

/// The error of a directory without a database, when none is to be created.
pub(crate) fn no_database(directory: &Path) -> Error {
    let what = "there is no database here";
    Error::invalid_path(directory, Reason::NotADatabase, what)
}

/// Takes the lock of a directory.
pub(crate) fn lock(
    fs: &dyn FileSystem,
    directory: &Path,
    how: LockKind,
) -> Result<Box<dyn FileLock>> {
    let path = FileName::Lock.in_directory(directory);
    fs.lock(&path, how).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            let what =
                "the database is open already, in this process or another one; close it there";
            Error::locked(&path, what)
        }
        _ => Error::io("lock the database", &path, error),
    })
}

/// What the manifest says, checked against the directory.
pub(crate) fn load_state(
    fs: &dyn FileSystem,
    directory: &Path,
    listing: &Listing,
) -> Result<State> {
    let Some(manifest) = read_current(fs, directory)? else { return Err(no_database(directory)) };
    let state = load(fs, directory, manifest)?.state;
    for (_, facts) in state.tables().iter() {
        let name = FileName::Table(facts.id);
        match listing.len_of(name) {
            Some(len) if len == facts.size_bytes => {}
            found => {
                let found = found.map_or("is missing".to_owned(), |len| format!("has {len}"));
                let what = format!(
                    "the manifest knows this table with {} bytes; it {found}",
                    facts.size_bytes
                );
                return Err(Error::corruption(&name.in_directory(directory), 0, what));
            }
        }
    }
    Ok(state)
}

/// How many stores this process has made.
static OPENINGS: StaticU64 = StaticU64::new(0);

/// What is needed before there is a store: where the database lives and what it may use.
pub(crate) struct Grounds {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
    pub(crate) database: u64,
    pub(crate) settings: Settings,
    pub(crate) budget: Arc<Budget>,
    pub(crate) context: Arc<TableContext>,
}

impl Grounds {
    pub(crate) fn new(
        fs: &Arc<dyn FileSystem>,
        directory: PathBuf,
        database: u64,
        settings: Settings,
    ) -> Grounds {
        let budget = Budget::new(settings.memory_bytes);
        let cache = Cache::new(Arc::clone(&budget));
        let context = TableContext::new(Arc::clone(fs), directory.clone(), database, cache);
        Grounds { fs: Arc::clone(fs), directory, database, settings, budget, context }
    }

    /// Everything that threads share. `parts` is the first view.
    pub(crate) fn store(
        self,
        state: State,
        manifest: Option<ManifestWriter>,
        parts: Parts,
        reserve: Reserve,
    ) -> Arc<Store> {
        let health = Arc::new(Health::default());
        // Relaxed: it only has to be another number each time.
        let opening = OPENINGS.fetch_add(1, Ordering::Relaxed);
        let cells = state.keyspaces().by_name().iter();
        let cells = cells.map(|(name, &id)| KeyspaceCell::new(id, name, opening));
        let (keyspaces, last_seqno) = (Keyspaces::new(cells), state.last_seqno());
        let gauges = Gauges::new();
        gauges.note_shape(parts.sealed.len(), parts.version.level(0).len());
        let place = (Arc::clone(&self.fs), self.directory.clone());
        let ledger = Ledger::new(place, Arc::clone(&health), (state, manifest));
        let store = Arc::new(Store {
            fs: self.fs,
            directory: self.directory,
            database: self.database,
            opening,
            settings: self.settings,
            context: self.context,
            budget: self.budget,
            birthplace: Birthplace::here(),
            view: ViewCell::new(parts),
            sequence: Sequence::new(last_seqno),
            snapshots: Arc::new(Snapshots::default()),
            health,
            signals: Signals::default(),
            ledger,
            keyspaces,
            counters: Counters::default(),
            gauges,
            trash: Trash::default(),
            reserve,
            toll: Toll::default(),
        });
        let listener = Arc::downgrade(&store);
        store.context.on_release(move || {
            if let Some(store) = listener.upgrade() {
                store.signals.ring();
            }
        });
        store
    }
}
