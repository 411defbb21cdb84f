//! The open: from a directory to a database at work.
//!
//! 1. Look. What is not ours, damaged, locked or newer is refused, and nothing was touched.
//! 2. Lock, and look again under the lock.
//! 3. CURRENT, manifest, and every table that it names is there with the right size.
//! 4. The log is replayed into memtables, and these become tables, synced (see [`recover`]).
//! 5. An empty segment and a new manifest with everything in it; then CURRENT names it.
//!    *Power before this: the old manifest still tells the old story, and the log is untouched.* A
//!    failure up to here takes back what steps 4 and 5 have written.
//! 6. Workers start, and only now is removed what is ours and no longer named.
//!
//! [`recover`]: crate::db::recover

use crate::db::db::Db;
use crate::db::directory::{self, Found, Listing};
use crate::db::engine::{Crew, Engine, Writer};
use crate::db::grounds::{Grounds, load_state, lock, no_database};
use crate::db::options::Options;
use crate::db::recover::{self, Recovered};
use crate::error::{Error, ErrorKind, Result};
use crate::format::filename::FileName;
use crate::fs::{FileLock, LockKind};
use crate::maintenance::cleanup;
use crate::maintenance::compactor::Compactor;
use crate::maintenance::desk::Desk;
use crate::maintenance::flusher::Flusher;
use crate::maintenance::reserve::{self, Housekeeper};
use crate::maintenance::stepper::SeededStepper;
use crate::maintenance::threads::Threads;
use crate::manifest::{ManifestWriter, State, point_current};
use crate::memtable::Memtable;
use crate::state::health::Duty;
use crate::state::reserve::Reserve;
use crate::state::settings::Background;
use crate::state::signals::Stepper;
use crate::state::store::Store;
use crate::state::trash::Freed;
use crate::state::view::Parts;
use crate::state::worker::Worker;
use crate::sync::Arc;
use crate::version::Version;
use crate::wal::{Prepared, Recovery, SegmentWriter, prepare};
use crate::write::commit::Committer;
use crate::write::line::Line;
use crate::write::log_keeper::LogKeeper;
use std::path::Path;

impl Db {
    /// Opens the database in `directory`, and creates it if there is none, with default options.
    ///
    /// # Errors
    /// See [`Options::open`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Db> {
        Options::new().open(directory)
    }
}

impl Options {
    /// Opens the database in `directory`, and creates it if there is none.
    ///
    /// The directory is looked at before anything is changed: what is not a Siltstone database, or is
    /// damaged, locked or of a newer format, is left as it was.
    ///
    /// # Errors
    /// `Locked` if another handle or process has it open, `Corruption` if it is damaged, `Unsupported`
    /// if its format is newer, `Invalid` if the path is something else, `Io` or `DiskFull` from the
    /// operating system.
    pub fn open(&self, directory: impl AsRef<Path>) -> Result<Db> {
        open(self, directory.as_ref())
    }
}

fn open(options: &Options, path: &Path) -> Result<Db> {
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
    let mode = options.recovery_mode();
    let mut reserve_bytes = listing.len_of(FileName::Reserve).unwrap_or(0);
    let mut life = new_life(&grounds, &state, &listing, mode);
    if reserve_bytes > 0 && life.as_ref().is_err_and(|error| error.kind() == ErrorKind::DiskFull) {
        cleanup::remove(&**fs, &grounds.directory, FileName::Reserve)?;
        reserve_bytes = 0;
        life = new_life(&grounds, &state, &listing, mode);
    }
    start(grounds, life?, (&listing, reserve_bytes), lock)
}

/// What an open has written before there is a store.
struct NewLife {
    recovered: Recovered,
    prepared: Prepared,
    segment: u64,
    manifest: ManifestWriter,
}

/// Steps 4 and 5 of the caption.
fn new_life(
    grounds: &Grounds,
    state: &State,
    listing: &Listing,
    mode: Recovery,
) -> Result<NewLife> {
    let write = || {
        let mut recovered = recover::recover(grounds, state.clone(), listing, mode)?;
        let Recovered { state, next_file, .. } = &mut recovered;
        let (prepared, segment, manifest) = begin(grounds, state, next_file)?;
        Ok(NewLife { recovered, prepared, segment, manifest })
    };
    write().inspect_err(|error| take_back(grounds, listing, error))
}

/// After a failure: leaves the directory as it was found, unless CURRENT may name a new manifest.
fn take_back(grounds: &Grounds, listing: &Listing, error: &Error) {
    if error.kind() != ErrorKind::CommitUncertain {
        let was_there = |name| listing.len_of(name).is_some();
        cleanup::undo(&*grounds.fs, &grounds.directory, was_there);
    }
}

/// Step 6 of the caption. `found` is what the directory held, and what its reserve holds.
fn start(
    grounds: Grounds,
    life: NewLife,
    found: (&Listing, u64),
    lock: Box<dyn FileLock>,
) -> Result<Db> {
    let NewLife { recovered: Recovered { state, report, .. }, prepared, segment, manifest } = life;
    let (listing, reserve_bytes) = found;
    let needed = needed_files(&state, manifest.id());
    let version = Arc::new(Version::from_state(&grounds.context, &state));
    let memtable = grounds.settings.memtable(segment, &grounds.budget);
    let active = Arc::clone(&memtable);
    let next_seqno = state.last_seqno() + 1;
    let settings = &grounds.settings;
    let least = settings.reserve_bytes(settings.reserved_log_bytes_min(), 0);
    let most = settings.reserve_bytes_max;
    let reserve = Reserve::new(most, least, reserve_bytes);
    let parts = Parts { active, sealed: Vec::new(), version };
    let store = grounds.store(state, Some(manifest), parts, reserve);
    let line = line(&store, prepared, memtable, next_seqno)?;
    let committer = Arc::new(Committer::new(Arc::clone(&store), line));
    let desk = Arc::new(Desk::default());
    // The manifest's last record looks like a torn tail: only behind another one may files go.
    store.ledger.settle()?;
    let leftovers = listing.names().filter(|&name| !needed(name));
    store.trash.put(leftovers.map(|name| Freed { name, at_record: 0 }));
    if let Err(error) = cleanup::empty(&store).and_then(|()| reserve::keep(&store)) {
        // Harmless: the worker tries again. But whoever asks for the health should hear of it.
        store.health.note_failure(Duty::Cleanup, 0, error);
    }
    let crew = crew(&store, &committer, &desk)?;
    let writer = Writer { committer, desk, crew };
    Ok(Db::new(Arc::new(Engine::new(store, report, Some(writer), lock))))
}

/// The first segment and the first manifest of a new life, and CURRENT, which names it.
fn begin(
    grounds: &Grounds,
    state: &mut State,
    next_file: &mut u64,
) -> Result<(Prepared, u64, ManifestWriter)> {
    let (fs, directory) = (&grounds.fs, &grounds.directory);
    let (segment, manifest) = (*next_file, *next_file + 1);
    *next_file += 2;
    let prepared = prepare(&**fs, directory, segment, grounds.settings.segment_room(0))?;
    recover::begin_life(state, segment, *next_file)?;
    let writer = ManifestWriter::create(fs, directory, manifest, state)?;
    point_current(&**fs, directory, manifest)?;
    Ok((prepared, segment, writer))
}

fn line(
    store: &Store,
    prepared: Prepared,
    memtable: Arc<Memtable>,
    next_seqno: u64,
) -> Result<Line> {
    let writer = SegmentWriter::begin(prepared, store.database, next_seqno - 1, None)?;
    let mut line = Line::new(writer, memtable, next_seqno);
    line.reserve_until = store.settings.reserved_log_bytes_min();
    Ok(line)
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
        ("siltstone-clean", Box::new(Housekeeper::new(Arc::clone(store)))),
    ];
    let compactors = 0..store.settings.compactors;
    match store.settings.background {
        Background::Threads => {
            workers.extend(compactors.map(|_| ("siltstone-merge", compactor())));
            Ok(Crew::Threads(Threads::start(store, workers)?))
        }
        Background::Stepped { seed } => {
            workers.extend(compactors.map(|_| ("siltstone-merge", compactor())));
            let workers = workers.into_iter().map(|(_, worker)| worker).collect();
            let stepper = Arc::new(SeededStepper::new(store, seed, workers));
            let driver: Arc<dyn Stepper> = Arc::clone(&stepper) as Arc<dyn Stepper>;
            store.signals.drive_by(driver);
            Ok(Crew::Stepped(stepper))
        }
    }
}
