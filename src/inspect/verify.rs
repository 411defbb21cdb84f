//! Verification: every byte of every file that makes up the database.
//!
//! Of a directory: CURRENT, the manifest, every table and every segment of the log. If the manifest
//! cannot say which tables and segments count, all of them do, and all manifests. Files that a whole
//! manifest does not name are listed and left alone: a crash may have left them half-written. What
//! LOCK and RESERVE hold means nothing, nor do bytes behind the end of a journal that another file
//! states: changing them is no damage.
//!
//! Of a live database ([`Live`]): the tables of one view, which the caller holds; the log and
//! the manifest up to where they were written at one moment.

use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::format::table_facts::TableFacts;
use crate::fs::{FileLock, FileSystem, LockKind, OsFileSystem};
use crate::inspect::directory::Contents;
use crate::inspect::keys::Names;
use crate::inspect::log::{LogKnown, log};
use crate::inspect::manifests::{current, manifest};
use crate::inspect::reader::{Listener, Progress, Reader};
use crate::inspect::report::VerifyReport;
use crate::inspect::tables::{Known, table};
use crate::manifest::State;
use crate::sync::Arc;
use crate::wal::KnownEnd;
use std::io;
use std::path::Path;

/// Verifies a database that is not open for writing, whole or damaged. Nothing is written.
///
/// ```
/// use siltstone::{Options, Verify, fs::SimulatedFileSystem};
///
/// let disk = SimulatedFileSystem::new();
/// let db = Options::new().file_system(disk.clone()).open("data")?;
/// db.put("btc", "4411.99")?;
/// db.close()?;
///
/// let report = Verify::new().file_system(disk).bytes_per_second(50 << 20).run("data")?;
/// assert!(report.is_clean());
/// println!("{report}");
/// # Ok::<(), siltstone::Error>(())
/// ```
#[must_use = "it does nothing before it is run"]
pub struct Verify {
    fs: Arc<dyn FileSystem>,
    bytes_per_second: u64,
    listener: Option<Listener>,
}

impl std::fmt::Debug for Verify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verify").field("bytes_per_second", &self.bytes_per_second).finish()
    }
}

impl Default for Verify {
    fn default() -> Verify {
        Verify::new()
    }
}

impl Verify {
    /// As fast as the disk goes, and silently.
    pub fn new() -> Verify {
        Verify { fs: Arc::new(OsFileSystem::new()), bytes_per_second: 0, listener: None }
    }

    /// Reads from this file system instead of that of the operating system.
    pub fn file_system(self, fs: impl FileSystem) -> Verify {
        Verify { fs: Arc::new(fs), ..self }
    }

    /// Reads no more than this many bytes a second; 0 means no limit.
    pub fn bytes_per_second(self, bytes_per_second: u64) -> Verify {
        Verify { bytes_per_second, ..self }
    }

    /// Calls `listener` with every step.
    pub fn on_progress(self, listener: impl FnMut(Progress) + Send + 'static) -> Verify {
        Verify { listener: Some(Box::new(listener)), ..self }
    }

    /// Verifies the database in `directory`. A shared lock keeps writers out meanwhile; a directory
    /// that cannot be written to will do.
    ///
    /// # Errors
    /// Damage is in the report and no error. `Locked` if somebody has the database open for writing,
    /// `Invalid` if there is none, and what the operating system reports about the directory itself.
    pub fn run(self, directory: impl AsRef<Path>) -> Result<VerifyReport> {
        let reader = Reader::new(Arc::clone(&self.fs), self.bytes_per_second, self.listener);
        let directory = directory.as_ref();
        let absolute = reader.absolute(directory);
        let directory =
            absolute.map_err(|error| Error::io("find the directory", directory, error))?;
        let _lock = lock_to_read(&reader, &directory)?;
        verify_directory(&reader, &directory)
    }
}

/// A shared lock; `None` if there is no lock file, and so nobody to fear.
pub(crate) fn lock_to_read(
    fs: &dyn FileSystem,
    directory: &Path,
) -> Result<Option<Box<dyn FileLock>>> {
    let path = FileName::Lock.in_directory(directory);
    match fs.lock(&path, LockKind::Shared) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            io::ErrorKind::WouldBlock => {
                let what = "the database is open for writing; close it there, or ask that process";
                Err(Error::locked(&path, what))
            }
            _ => Err(Error::io("lock the database", &path, error)),
        },
    }
}

/// Verifies the files of a directory that the caller holds a lock on.
pub(crate) fn verify_files(fs: &Arc<dyn FileSystem>, directory: &Path) -> Result<VerifyReport> {
    verify_directory(&Reader::new(Arc::clone(fs), 0, None), directory)
}

fn verify_directory(reader: &Reader, directory: &Path) -> Result<VerifyReport> {
    Ok(verify_and_survey(reader, directory)?.0)
}

/// What a directory holds, as far as it can be known.
pub(crate) struct Survey {
    pub(crate) contents: Contents,
    /// What the manifest says, up to its first damage.
    pub(crate) state: Option<State>,
    /// Whether the manifest is whole, so that what it does not name does not count.
    pub(crate) is_whole: bool,
    /// The database that the files belong to, if any of them could say it.
    pub(crate) database: Option<u64>,
}

/// Verifies the files of a directory that the caller holds a lock on, and says what there is.
pub(crate) fn verify_and_survey(
    reader: &Reader,
    directory: &Path,
) -> Result<(VerifyReport, Survey)> {
    let contents = Contents::read(reader, directory)?;
    if contents.files.keys().all(|name| matches!(name, FileName::Lock | FileName::Reserve)) {
        let what = "there is no database here";
        return Err(Error::invalid_path(directory, Reason::NotADatabase, what));
    }
    reader.expect(contents.files.values().sum());
    let mut report = VerifyReport::default();
    let named = current(reader, directory, &mut report);
    report.files += u64::from(contents.files.contains_key(&FileName::Current));
    report.bytes += contents.files.get(&FileName::Current).copied().unwrap_or(0);
    // A manifest that is the only one needs nobody to name it.
    let only = Some(contents.manifests()).filter(|all| all.clone().count() == 1);
    let named = named.or_else(|| only?.next());
    let read = named.map(|id| manifest(reader, directory, (id, u64::MAX), &mut report));
    let is_whole = read.as_ref().is_some_and(|read| read.gaps.is_empty() && read.state.is_some());
    let state = read.and_then(|read| read.state);
    let mut walk = Walk { reader, directory, contents: &contents, report };
    let (state, database) = match (state, named) {
        (Some(state), Some(manifest)) if is_whole => {
            walk.by_state(&state, manifest);
            let database = state.database();
            (Some(state), Some(database))
        }
        (state, named) => walk.everything(state, named),
    };
    let mut report = walk.report;
    for (name, len) in &contents.files {
        reader.finished(&name.in_directory(directory), *len);
    }
    report.strangers.clone_from(&contents.strangers);
    report.sort();
    Ok((report, Survey { contents, state, is_whole, database }))
}

struct Walk<'a> {
    reader: &'a Reader,
    directory: &'a Path,
    contents: &'a Contents,
    report: VerifyReport,
}

impl Walk<'_> {
    /// Looks at what the state names, and lists the rest.
    fn by_state(&mut self, state: &State, manifest: u64) {
        let names = names(state);
        let database = Some(state.database());
        for (_, facts) in state.tables().iter() {
            let known = Known { id: facts.id, database, facts: Some(facts) };
            table(self.reader, self.directory, &known, &names, &mut self.report);
            self.done(FileName::Table(facts.id));
        }
        let known = known_log(state, self.contents.segments().collect());
        log(self.reader, self.directory, &known, &mut self.report);
        let is_named = |name: &FileName| match *name {
            FileName::Table(id) => state.tables().get(id).is_some(),
            FileName::Wal(id) => id >= state.wal_floor(),
            FileName::Manifest(id) => id == manifest,
            FileName::CurrentTemp(_) => false,
            _ => true,
        };
        let leftovers = self.contents.files.keys().filter(|name| !is_named(name));
        self.report.leftovers = leftovers.map(|name| name.in_directory(self.directory)).collect();
    }

    /// Looks at every file by itself. Returns the best state that a manifest has, and the database.
    fn everything(
        &mut self,
        mut state: Option<State>,
        examined: Option<u64>,
    ) -> (Option<State>, Option<u64>) {
        for id in self.contents.manifests().rev().filter(|&id| Some(id) != examined) {
            let read = manifest(self.reader, self.directory, (id, u64::MAX), &mut self.report);
            state = state.or(read.state);
            self.done(FileName::Manifest(id));
        }
        let mut database = state.as_ref().map(State::database);
        for id in self.contents.tables() {
            let known = Known { id, database, facts: None };
            let names = state.as_ref().map_or_else(Names::default, names);
            let found = table(self.reader, self.directory, &known, &names, &mut self.report);
            database = database.or(found);
            self.done(FileName::Table(id));
        }
        let present: Vec<u64> = self.contents.segments().collect();
        let known = LogKnown { present, database: database.unwrap_or(0), ..LogKnown::default() };
        log(self.reader, self.directory, &known, &mut self.report);
        (state, database)
    }

    fn done(&self, name: FileName) {
        let len = self.contents.files.get(&name).copied().unwrap_or(0);
        self.reader.finished(&name.in_directory(self.directory), len);
    }
}

fn names(state: &State) -> Names {
    let named = state.keyspaces().by_name().iter();
    Names(named.map(|(name, &id)| (id, name.clone())).collect())
}

pub(crate) fn known_log(state: &State, present: Vec<u64>) -> LogKnown {
    let end = state.clean_close().map(|close| KnownEnd {
        segment: close.segment,
        length: close.length,
        chain: close.chain,
    });
    LogKnown {
        database: state.database(),
        floor: state.wal_floor(),
        named: Some(state.segments().iter().copied().collect()),
        present,
        end,
    }
}

/// A database at work, as it was at one moment.
pub(crate) struct Live<'a> {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) directory: &'a Path,
    /// The state of the manifest.
    pub(crate) state: State,
    /// The tables of a view that the caller holds.
    pub(crate) tables: Vec<Arc<TableFacts>>,
    /// The manifest that CURRENT names, and how long it was.
    pub(crate) manifest: (u64, u64),
    /// Where the log ended.
    pub(crate) end: KnownEnd,
}

/// Verifies the manifest and the log of a database at work.
pub(crate) fn verify_journals(live: &Live<'_>) -> VerifyReport {
    let reader = Reader::new(Arc::clone(&live.fs), 0, None);
    let (directory, state) = (live.directory, &live.state);
    let mut report = VerifyReport::default();
    current(&reader, directory, &mut report);
    manifest(&reader, directory, live.manifest, &mut report);
    let is_begun = |id: &u64| *id <= live.end.segment && *id >= state.wal_floor();
    let segments: Vec<u64> = state.segments().iter().copied().filter(is_begun).collect();
    let known = LogKnown {
        database: state.database(),
        floor: state.wal_floor(),
        named: Some(segments.clone()),
        present: segments,
        end: Some(live.end),
    };
    log(&reader, directory, &known, &mut report);
    report
}

/// Verifies the tables of a database at work, and adds what is found to a report.
pub(crate) fn verify_tables(live: &Live<'_>, report: &mut VerifyReport) {
    let reader = Reader::new(Arc::clone(&live.fs), 0, None);
    let names = names(&live.state);
    let database = Some(live.state.database());
    for facts in &live.tables {
        let known = Known { id: facts.id, database, facts: Some(facts) };
        table(&reader, live.directory, &known, &names, report);
    }
    report.sort();
}
