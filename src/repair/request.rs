//! The request for a repair, and its course.

use crate::cache::{Budget, Cache};
use crate::db::Options;
use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::format::table_facts::TableFacts;
use crate::fs::{FileKind, FileSystem, LockKind, OsFileSystem};
use crate::inspect::{
    Listener, Progress, Reader, Survey, VerifyReport, lock_to_read, verify_and_survey, verify_files,
};
use crate::manifest::{Edit, KeyspaceFacts, ManifestWriter, State, point_current};
use crate::repair::doubts::{Census, doubts};
use crate::repair::merge::merge;
use crate::repair::report::RepairReport;
use crate::repair::salvage::Salvage;
use crate::sync::Arc;
use crate::table::examine::{Subject, examine};
use crate::table::{Compression, TableContext, TableOptions};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Blocks of the new tables that are kept in memory.
const CACHE_BYTES: usize = 32 << 20;

/// The level of the new tables.
const LAST_LEVEL: u8 = 6;

/// Makes a new database of what can be read of a damaged one. The damaged one is left as it is.
///
/// ```
/// use siltstone::{Options, Repair, fs::SimulatedFileSystem};
///
/// let disk = SimulatedFileSystem::new();
/// let db = Options::new().file_system(disk.clone()).open("data")?;
/// db.put("btc", "4411.99")?;
/// db.close()?;
/// disk.corrupt("data/CURRENT", |bytes| bytes.clear());
///
/// let report = Repair::new().file_system(disk.clone()).run("data", "repaired")?;
/// println!("{report}");
/// let db = Options::new().file_system(disk).open("repaired")?;
/// assert_eq!(db.get("btc")?.as_deref(), Some(&b"4411.99"[..]));
/// # Ok::<(), siltstone::Error>(())
/// ```
#[must_use = "it does nothing before it is run"]
pub struct Repair {
    fs: Arc<dyn FileSystem>,
    compression: Compression,
    bytes_per_second: u64,
    listener: Option<Listener>,
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repair").field("bytes_per_second", &self.bytes_per_second).finish()
    }
}

impl Default for Repair {
    fn default() -> Repair {
        Repair::new()
    }
}

impl Repair {
    /// As fast as the disk goes, and silently.
    pub fn new() -> Repair {
        let fs = Arc::new(OsFileSystem::new());
        Repair { fs, compression: Compression::default(), bytes_per_second: 0, listener: None }
    }

    /// Works on this file system instead of that of the operating system.
    pub fn file_system(self, fs: impl FileSystem) -> Repair {
        Repair { fs: Arc::new(fs), ..self }
    }

    /// Compresses the new tables like this; zstd at level 1 if nothing is said.
    pub fn compression(self, compression: Compression) -> Repair {
        Repair { compression, ..self }
    }

    /// Reads no more than this many bytes a second; 0 means no limit.
    pub fn bytes_per_second(self, bytes_per_second: u64) -> Repair {
        Repair { bytes_per_second, ..self }
    }

    /// Calls `listener` with every step of the first half, in which the old files are looked at. The
    /// second, in which the new ones are written, takes about as long.
    pub fn on_progress(self, listener: impl FnMut(Progress) + Send + 'static) -> Repair {
        Repair { listener: Some(Box::new(listener)), ..self }
    }

    /// Makes a new database in `new`, which must be missing or empty, from the one in `old`. A shared lock
    /// keeps writers out of the old one meanwhile; no byte of it is changed.
    ///
    /// It takes room for the new database, and for a copy of the damaged tables and of the log. If it is
    /// interrupted, what it leaves is no database: delete it and begin again.
    ///
    /// # Errors
    /// Damage is in the report and no error. `Invalid` if there is no database in `old`, or something in
    /// `new`; `Locked` if somebody has either open; and what the operating system reports.
    pub fn run(self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<RepairReport> {
        let Repair { fs, compression, bytes_per_second, listener } = self;
        let absolute = |path: &Path| {
            fs.absolute(path).map_err(|error| Error::io("find the directory", path, error))
        };
        let (old, new) = (absolute(old.as_ref())?, absolute(new.as_ref())?);
        let reader = Arc::new(Reader::new(Arc::clone(&fs), bytes_per_second, listener));
        let _lock = lock_to_read(&*reader, &old)?;
        check_new(&*fs, &old, &new)?;
        let (found, survey) = verify_and_survey(&reader, &old)?;
        let created = fs.create_dir_all(&new);
        created.map_err(|error| Error::io("create the directory", &new, error))?;
        let lock = fs.lock(&FileName::Lock.in_directory(&new), LockKind::Exclusive);
        let lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::locked(&new, "somebody works in this directory"),
            _ => Error::io("lock the new database", &new, error),
        })?;
        let options = TableOptions { compression, ..TableOptions::default() };
        let work = Work { fs: Arc::clone(&fs), reader, old, new: new.clone(), options };
        let report = work.rebuild(found, &survey)?;
        drop(lock);
        // An open and a close remove what only the repair needed, and verification has the last word.
        Options::new().shared_file_system(Arc::clone(&fs)).open(&new)?.close()?;
        verify_files(&fs, &new)?.into_result()?;
        Ok(report)
    }
}

/// The new directory must hold nothing, and not lie in the old one.
fn check_new(fs: &dyn FileSystem, old: &Path, new: &Path) -> Result<()> {
    if new.starts_with(old) {
        let what = "the new database must not lie in the directory of the old one";
        return Err(Error::invalid_path(new, Reason::NotADatabase, what));
    }
    match fs.list(new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("list the directory", new, error)),
        Ok(entries) if entries.is_empty() => Ok(()),
        Ok(_) => {
            let what = "there is something in the directory of the new database: name another one";
            Err(Error::invalid_path(new, Reason::NotADatabase, what))
        }
    }
}

struct Work {
    fs: Arc<dyn FileSystem>,
    reader: Arc<Reader>,
    old: PathBuf,
    new: PathBuf,
    options: TableOptions,
}

impl Work {
    fn rebuild(&self, found: VerifyReport, survey: &Survey) -> Result<RepairReport> {
        let cache = Cache::new(Budget::new(CACHE_BYTES));
        let context = |fs: Arc<dyn FileSystem>, directory: &Path, database| {
            TableContext::new(fs, directory.to_owned(), database, Arc::clone(&cache))
        };
        let reader: Arc<dyn FileSystem> = Arc::clone(&self.reader) as Arc<dyn FileSystem>;
        let new = context(Arc::clone(&self.fs), &self.new, self.fs.random());
        let mut salvage = Salvage {
            fs: Arc::clone(&reader),
            old: context(reader, &self.old, survey.database.unwrap_or_default()),
            new: Arc::clone(&new),
            survey,
            found: &found,
            options: self.options.clone(),
            next_file: 1,
            runs: Vec::new(),
            last_seqno: survey.state.as_ref().map_or(0, State::last_seqno),
            dropped: BTreeSet::new(),
        };
        salvage.collect()?;
        let Salvage { runs, mut next_file, last_seqno, dropped, .. } = salvage;
        let tables = merge(&new, &self.options, runs, &mut next_file)?;
        let mut doubts = doubts(&found, !survey.is_whole);
        let census = self.count(&new, &tables, Census::new(&doubts))?;
        for (doubt, entries) in doubts.iter_mut().zip(&census.found) {
            doubt.entries = *entries;
        }
        let (keyspaces, named) = keyspaces(survey.state.as_ref(), &census, &dropped);
        let next_keyspace = keyspaces.iter().map(|facts| facts.id + 1).max().unwrap_or(1);
        let known = survey.state.as_ref().map_or(1, |state| state.keyspaces().next());
        let manifest = next_file;
        let edit = Edit {
            added: tables.into_iter().map(|facts| (LAST_LEVEL, facts)).collect(),
            next_file: Some(manifest + 1),
            last_seqno: Some(last_seqno),
            keyspaces_created: keyspaces,
            next_keyspace: Some(next_keyspace.max(known)),
            ..Edit::default()
        };
        self.publish(new.database, manifest, &edit)?;
        let (entries, doubtful_entries) = (census.entries, census.doubtful);
        Ok(RepairReport { doubts, found, entries, doubtful_entries, named })
    }

    /// Reads the new tables again, every byte.
    fn count(
        &self,
        context: &Arc<TableContext>,
        tables: &[TableFacts],
        mut census: Census,
    ) -> Result<Census> {
        for facts in tables {
            let path = context.path(facts.id);
            let file = self.fs.open(&path, FileKind::Table);
            let file = file.map_err(|error| Error::io("open the new table", &path, error))?;
            let (id, database) = (facts.id, Some(context.database));
            let subject = Subject { file, path: &path, id, database, facts: Some(facts) };
            examine(&subject, &mut census);
            if let Some(flaw) = census.flaw {
                return Err(Error::corruption(&path, flaw.offset, flaw.what));
            }
        }
        Ok(census)
    }

    /// From here on there is a database.
    fn publish(&self, database: u64, manifest: u64, edit: &Edit) -> Result<()> {
        let mut state = State::new(database);
        let applied = state.apply(edit);
        applied.map_err(|what| Error::corruption(&self.new, 0, what))?;
        let sync = self.fs.sync_dir(&self.new);
        sync.map_err(|error| Error::io("sync the directory", &self.new, error))?;
        ManifestWriter::create(&self.fs, &self.new, manifest, &state)?;
        point_current(&*self.fs, &self.new, manifest)
    }
}

/// The keyspaces of the new database, by id, and the names that were made up.
fn keyspaces(
    state: Option<&State>,
    census: &Census,
    dropped: &BTreeSet<u32>,
) -> (Vec<KeyspaceFacts>, Vec<String>) {
    let known = state.map(|state| state.keyspaces().facts()).unwrap_or_default();
    let stays = |facts: &KeyspaceFacts| {
        !dropped.contains(&facts.id) || census.keyspaces.contains(&facts.id)
    };
    let mut all: Vec<KeyspaceFacts> = known.into_iter().filter(stays).collect();
    let mut made_up = Vec::new();
    for &id in census.keyspaces.iter().filter(|&&id| id > 0) {
        if all.iter().any(|facts| facts.id == id) {
            continue;
        }
        let mut name = format!("recovered-{id}");
        while all.iter().any(|facts| facts.name == name) {
            name.push('-');
        }
        made_up.push(name.clone());
        all.push(KeyspaceFacts { id, name });
    }
    all.sort_by_key(|facts| facts.id);
    (all, made_up)
}
