//! The open: from a directory to a database at work.
//!
//! 1. Look. What is not ours, damaged, locked or newer is refused, and nothing was touched.
//! 2. Lock, and look again under the lock.
//! 3. CURRENT, manifest, and every table that it names is there with the right size.
//! 4. The log is replayed into memtables, and these become tables, synced (see [`recover`]).
//! 5. An empty segment and a new manifest with everything in it; then CURRENT names it.
//!    *Power before this: the old manifest still tells the old story, and the log is untouched.*
//! 6. Workers start, and only now is removed what is ours and no longer named.
//!
//! [`recover`]: crate::db::recover

use crate::cache::{Budget, Cache};
use crate::db::db::Db;
use crate::db::directory::{self, Found, Listing};
use crate::db::engine::{Crew, Engine, Writer};
use crate::db::options::Options;
use crate::db::recover::{self, Recovered};
use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::fs::{FileLock, FileSystem, LockKind};
use crate::maintenance::cleanup::{self, Cleanup};
use crate::maintenance::compactor::Compactor;
use crate::maintenance::desk::Desk;
use crate::maintenance::flusher::Flusher;
use crate::maintenance::log_keeper::LogKeeper;
use crate::maintenance::stepper::SeededStepper;
use crate::maintenance::threads::Threads;
use crate::maintenance::worker::Worker;
use crate::manifest::{ManifestWriter, State, load, point_current, read_current};
use crate::memtable::Memtable;
use crate::state::counters::Counters;
use crate::state::gauges::Gauges;
use crate::state::health::Health;
use crate::state::keyspaces::{KeyspaceCell, Keyspaces};
use crate::state::ledger::Ledger;
use crate::state::sequence::Sequence;
use crate::state::settings::{Background, Settings};
use crate::state::signals::{Signals, Stepper};
use crate::state::snapshots::Snapshots;
use crate::state::store::Store;
use crate::state::trash::Trash;
use crate::state::view::{Parts, ViewCell};
use crate::sync::Arc;
use crate::table::TableContext;
use crate::version::Version;
use crate::wal::{Prepared, SegmentWriter, prepare};
use crate::write::commit::Committer;
use crate::write::line::Line;
use std::io;
use std::path::{Path, PathBuf};

/// Room for the first segment of a handle: most handles write little.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;

/// Opens a database for writing.
pub(crate) fn open(options: &Options, path: &Path) -> Result<Db> {
    let settings = options.settings()?;
    let fs = options.fs();
    let directory = directory::absolute(&**fs, path)?;
    match directory::look(&**fs, &directory)? {
        Found::Database => {}
        Found::Missing | Found::Empty if options.creates() => {
            directory::make_durable(&**fs, &directory)?;
        }
        Found::Missing | Found::Empty => return Err(no_database(&directory)),
    }
    let lock = lock(&**fs, &directory, LockKind::Exclusive)?;
    let listing = Listing::read(&**fs, &directory)?;
    let state = match directory::look(&**fs, &directory)? {
        Found::Database => load_state(&**fs, &directory, &listing)?,
        _ => State::new(fs.random()),
    };
    let grounds = Grounds::new(fs, directory, state.database(), settings);
    let recovered = recover::recover(&grounds, state, &listing, options.recovery_mode())?;
    start(grounds, recovered, lock)
}

/// The error of a directory without a database, when none is to be created.
pub(crate) fn no_database(directory: &Path) -> Error {
    let what = "there is no database here; open it with `create_if_missing` to create one";
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
    ) -> Arc<Store> {
        let health = Arc::new(Health::default());
        let cells = state.keyspaces().by_name().iter();
        let cells = cells.map(|(name, &id)| KeyspaceCell::new(id, name, self.database));
        let (keyspaces, last_seqno) = (Keyspaces::new(cells), state.last_seqno());
        let gauges = Gauges::new();
        gauges.note_shape(parts.sealed.len(), parts.version.level(0).len());
        let place = (Arc::clone(&self.fs), self.directory.clone());
        let ledger = Ledger::new(place, Arc::clone(&health), (state, manifest));
        Arc::new(Store {
            fs: self.fs,
            directory: self.directory,
            database: self.database,
            settings: self.settings,
            context: self.context,
            budget: self.budget,
            process: std::process::id(),
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
        })
    }
}

/// Steps 5 and 6 of the caption.
fn start(grounds: Grounds, recovered: Recovered, lock: Box<dyn FileLock>) -> Result<Db> {
    let Recovered { mut state, mut next_file, report } = recovered;
    let (fs, directory) = (Arc::clone(&grounds.fs), grounds.directory.clone());
    let mut draw = || {
        next_file += 1;
        next_file - 1
    };
    let (segment, manifest) = (draw(), draw());
    let reserve = grounds.settings.segment_bytes.min(FIRST_SEGMENT_BYTES);
    let prepared = prepare(&*fs, &directory, segment, reserve)?;
    recover::begin_life(&mut state, segment, next_file)?;
    let writer = ManifestWriter::create(&fs, &directory, manifest, &state)?;
    point_current(&*fs, &directory, manifest)?;

    let needed = needed_files(&state, manifest);
    let version = Arc::new(Version::from_state(&grounds.context, &state));
    let memtable = Arc::new(Memtable::new(segment));
    let active = Arc::clone(&memtable);
    let next_seqno = state.last_seqno() + 1;
    let store = grounds.store(state, Some(writer), Parts { active, sealed: Vec::new(), version });
    let line = line(&store, prepared, memtable, next_seqno)?;
    let committer = Arc::new(Committer::new(Arc::clone(&store), line));
    let desk = Arc::new(Desk::default());
    // The manifest's last record looks like a torn tail: only behind another one may files go.
    store.ledger.settle()?;
    if let Err(error) = cleanup::sweep(&*fs, &directory, &needed) {
        // Harmless: the next open sweeps again. But whoever asks for the health should hear of it.
        store.health.note_background(crate::state::health::Duty::Cleanup, Err(error));
    }
    let crew = crew(&store, &committer, &desk)?;
    let writer = Writer { committer, desk, crew };
    Ok(Db::new(Arc::new(Engine::new(store, report, Some(writer), lock))))
}

fn line(
    store: &Store,
    prepared: Prepared,
    memtable: Arc<Memtable>,
    next_seqno: u64,
) -> Result<Line> {
    let writer = SegmentWriter::begin(prepared, store.database, next_seqno - 1, None)?;
    Ok(Line::new(writer, memtable, next_seqno))
}

/// Which files the new manifest needs, so that the sweep leaves them.
fn needed_files(state: &State, manifest: u64) -> impl Fn(FileName) -> bool + use<> {
    let tables: std::collections::BTreeSet<u64> =
        state.tables().iter().map(|(_, facts)| facts.id).collect();
    let floor = state.wal_floor();
    move |name| match name {
        FileName::Table(id) => tables.contains(&id),
        FileName::Wal(id) => id >= floor,
        FileName::Manifest(id) => id == manifest,
        FileName::CurrentTemp(_) => false,
        FileName::Current | FileName::Lock | FileName::Reserve | FileName::LostDirectory => true,
    }
}

/// Starts the workers.
fn crew(store: &Arc<Store>, committer: &Arc<Committer>, desk: &Arc<Desk>) -> Result<Crew> {
    let compactor =
        || -> Box<dyn Worker> { Box::new(Compactor::new(Arc::clone(store), Arc::clone(desk))) };
    let keeper = LogKeeper::new(Arc::clone(store), Arc::clone(committer));
    let mut workers: Vec<(&'static str, Box<dyn Worker>)> = vec![
        ("siltstone-flush", Box::new(Flusher::new(Arc::clone(store)))),
        ("siltstone-log", Box::new(keeper)),
        ("siltstone-clean", Box::new(Cleanup::new(Arc::clone(store)))),
    ];
    match store.settings.background {
        Background::Threads => {
            let compactors = 0..store.settings.compactors;
            workers.extend(compactors.map(|_| ("siltstone-merge", compactor())));
            Ok(Crew::Threads(Threads::start(store, workers)?))
        }
        Background::Stepped { seed } => {
            workers.push(("siltstone-merge", compactor()));
            let workers = workers.into_iter().map(|(_, worker)| worker).collect();
            let stepper = Arc::new(SeededStepper::new(store, seed, workers));
            let driver: Arc<dyn Stepper> = Arc::clone(&stepper) as Arc<dyn Stepper>;
            store.signals.drive_by(driver);
            Ok(Crew::Stepped(stepper))
        }
    }
}
