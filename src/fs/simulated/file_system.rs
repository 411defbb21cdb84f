//! [`SimulatedFileSystem`]: the face of the simulation.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::fs::name::resolve;
use crate::fs::simulated::content::usize_of;
use crate::fs::simulated::crash::{CrashProfile, Random, crash};
use crate::fs::simulated::disk::Disk;
use crate::fs::simulated::handle::{Handle, SimulatedAppend, SimulatedLock, SimulatedRead};
use crate::fs::simulated::history::{Acknowledged, Moment};
use crate::fs::simulated::names::Entry;
use crate::fs::simulated::state::{State, named};
use crate::fs::{Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt};
use crate::sync::{Arc, Mutex, MutexGuard};

/// A file system in memory, for tests: it never touches the real disk, it is deterministic, and
/// it can lose power at any moment of its past.
///
/// Clones are the same disk. Every change is remembered, so that after a run the state that a crash
/// would have left at any point can be asked for and opened:
///
/// ```
/// use siltstone::fs::{CrashProfile, SimulatedFileSystem};
/// use siltstone::Options;
///
/// let fs = SimulatedFileSystem::new();
/// let db = Options::new().file_system(fs.clone()).open("data")?;
/// db.put("k", "v")?;
/// for moment in 0..=fs.history_len() {
///     let after = fs.crash_at(moment, CrashProfile::StrictPosix, 1);
///     let found = Options::new().file_system(after).open("data")?.get("k")?;
///     if fs.acknowledged_at(moment).synced > 0 {
///         assert_eq!(found.as_deref(), Some(&b"v"[..]));
///     }
/// }
/// # Ok::<(), siltstone::Error>(())
/// ```
///
/// Paths are resolved against `/`, which exists. Time stands still unless somebody sleeps or
/// [`advance`](Self::advance)s it.
#[derive(Clone)]
pub struct SimulatedFileSystem {
    shared: Arc<Mutex<State>>,
}

impl SimulatedFileSystem {
    /// An empty disk.
    #[must_use]
    pub fn new() -> SimulatedFileSystem {
        SimulatedFileSystem::with_seed(0)
    }

    /// An empty disk whose random numbers begin elsewhere.
    #[must_use]
    pub fn with_seed(seed: u64) -> SimulatedFileSystem {
        SimulatedFileSystem::on(Disk::new(), seed)
    }

    fn on(disk: Disk, seed: u64) -> SimulatedFileSystem {
        SimulatedFileSystem { shared: Arc::new(Mutex::new(State::new(disk, Random(seed)))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// How many moments the history has: one for each change of the disk, and one for each
    /// acknowledgement that was observed.
    #[must_use]
    pub fn history_len(&self) -> usize {
        self.state().history().len()
    }

    /// What happened between moment `index` and the next, in words.
    ///
    /// # Panics
    /// If the history is not that long.
    #[must_use]
    pub fn describe(&self, index: usize) -> String {
        self.state().history().describe(index)
    }

    /// Forgets the history: it begins again with the disk as it is. With `record` off there is
    /// none from now on, which saves memory where only the present counts.
    pub fn restart_history(&self, record: bool) {
        self.state().restart_history(record);
    }

    /// What a crash after the first `index` moments leaves: another disk, with a history of its
    /// own, which can crash again. Nobody holds a lock on it. Equal arguments give equal disks.
    ///
    /// # Panics
    /// If the history is not that long, or is not recorded.
    #[must_use]
    pub fn crash_at(&self, index: usize, profile: CrashProfile, seed: u64) -> SimulatedFileSystem {
        let mut state = self.state();
        let disk = state.history().disk_at(index);
        SimulatedFileSystem::after(&state, crash(&disk, profile, Random(seed)), seed)
    }

    /// What a crash now leaves.
    #[must_use]
    pub fn crash(&self, profile: CrashProfile, seed: u64) -> SimulatedFileSystem {
        let mut state = self.state();
        let disk = state.present_disk();
        SimulatedFileSystem::after(&state, crash(&disk, profile, Random(seed)), seed)
    }

    fn after(state: &State, disk: Disk, seed: u64) -> SimulatedFileSystem {
        let after = SimulatedFileSystem::on(disk, state.random.clone().next() ^ seed);
        {
            let mut new = after.state();
            new.capacity = state.capacity;
            new.clock = state.clock;
            new.unix_start = state.unix_start;
        }
        after
    }

    /// Another disk that is as this one is now; what is not durable here is not durable there.
    #[must_use]
    pub fn copy(&self) -> SimulatedFileSystem {
        self.crash(CrashProfile::Kill, 0)
    }

    /// What had been acknowledged before moment `index` of this history. It is learnt from
    /// [`Event::Acknowledged`].
    ///
    /// # Panics
    /// If the history is not that long, or is not recorded.
    #[must_use]
    pub fn acknowledged_at(&self, index: usize) -> Acknowledged {
        self.state().history().acknowledged_at(index)
    }

    /// A hash of all names and bytes as they can be read now. Two disks that a power cut left have
    /// the same one if nobody can tell them apart.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let state = self.state();
        let mut hasher = Xxh3::new();
        for (path, node) in named(state.disk()) {
            let name = path.as_os_str().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update(&[u8::from(node.is_some())]);
            if let Some(node) = node {
                let mut content = node.content.clone();
                content.trim_zeros();
                hasher.update(&content.size().to_le_bytes());
                hasher.update(&content.end().to_le_bytes());
                content.pieces().for_each(|piece| hasher.update(piece));
            }
        }
        hasher.digest()
    }

    /// Limits the bytes of all files together, reserved room included; `None` lifts the limit.
    /// An append at the limit writes what fits, and fails.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Moves the clocks on.
    pub fn advance(&self, duration: Duration) {
        self.state().clock += duration;
    }

    /// Sets the wall clock, forwards or backwards.
    pub fn set_unix_time(&self, time: Duration) {
        let mut state = self.state();
        // What the clock has run since the start does not count.
        state.unix_start = time.saturating_sub(state.clock);
    }

    /// The bytes of a file, or `None` if there is no such file. Reserved room is among them.
    #[must_use]
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.find(&resolve(path.as_ref())).ok()?;
        let content = &state.node(node).content;
        Some(content.bytes(0..content.size()))
    }

    /// The names in a directory, in order; empty if there is no such directory.
    #[must_use]
    pub fn names(&self, directory: impl AsRef<Path>) -> Vec<OsString> {
        let mut entries = self.list(directory.as_ref()).unwrap_or_default();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Puts a file there, or other bytes into a file, behind the back of whoever uses it. The
    /// bytes are durable at once.
    ///
    /// # Panics
    /// If the directory is missing, or the path is one.
    pub fn write_raw(&self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let path = resolve(path.as_ref());
        let written = self.state().doctor(&path, bytes.into());
        assert!(written.is_ok(), "{}: {written:?}", path.display());
    }

    /// Changes the bytes of a file behind the back of whoever uses it.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn corrupt(&self, path: impl AsRef<Path>, damage: impl FnOnce(&mut Vec<u8>)) {
        let path = path.as_ref();
        let mut bytes =
            self.read(path).unwrap_or_else(|| panic!("{}: no such file", path.display()));
        damage(&mut bytes);
        self.write_raw(path, bytes);
    }

    /// Cuts a file behind the back of whoever uses it.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn truncate_raw(&self, path: impl AsRef<Path>, len: u64) {
        self.corrupt(path, |bytes| bytes.truncate(usize_of(len)));
    }
}

impl Default for SimulatedFileSystem {
    fn default() -> SimulatedFileSystem {
        SimulatedFileSystem::new()
    }
}

impl fmt::Debug for SimulatedFileSystem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("SimulatedFileSystem")
    }
}

// Byte by byte, as names are ordered: a stranger's `/db-old` may stand between `/db` and `/db/CURRENT`.
fn has_prefix(path: &Path, prefix: &Path) -> bool {
    let prefix = prefix.as_os_str().as_encoded_bytes();
    path.as_os_str().as_encoded_bytes().starts_with(prefix)
}

impl FileSystem for SimulatedFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.state().make_directories(&resolve(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        let directory = resolve(directory);
        let state = self.state();
        state.check_directory(&directory)?;
        let names = state.disk().names.now();
        let below = names
            .range::<OsStr, _>((Bound::Excluded(directory.as_os_str()), Bound::Unbounded))
            .take_while(|(path, _)| has_prefix(path, &directory));
        let inside = below.filter(|(name, _)| name.is_in(&directory));
        let entries = inside.map(|(path, entry)| DirEntry {
            name: path.file_name().unwrap_or_default().to_os_string(),
            is_dir: *entry == Entry::Directory,
            len: match entry {
                Entry::Directory => 0,
                Entry::File(node) => state.node(*node).content.size(),
            },
        });
        Ok(entries.collect())
    }

    fn create_new(&self, path: &Path, _kind: FileKind) -> io::Result<Box<dyn Append>> {
        let mut state = self.state();
        let node = state.create(&resolve(path))?;
        let handle = Handle::open(&self.shared, &mut state, node);
        Ok(Box::new(SimulatedAppend::new(handle)))
    }

    fn open(&self, path: &Path, _kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        let mut state = self.state();
        let node = state.find(&resolve(path))?;
        let len = state.node(node).content.size();
        let handle = Handle::open(&self.shared, &mut state, node);
        Ok(Arc::new(SimulatedRead::new(handle, len)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().rename(&resolve(from), &resolve(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().remove(&resolve(path))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.state().sync_directory(&resolve(directory))
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        let node = self.state().lock(&resolve(path), how)?;
        let lock = SimulatedLock::new(Arc::clone(&self.shared), node);
        Ok(Box::new(lock))
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        let state = self.state();
        state.check_directory(&resolve(directory))?;
        Ok(state.free_space())
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(resolve(path).into_owned())
    }

    fn monotonic(&self) -> Duration {
        self.state().clock
    }

    fn unix_time(&self) -> Duration {
        let state = self.state();
        state.unix_start + state.clock
    }

    fn random(&self) -> u64 {
        self.state().random.next()
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }

    fn observe(&self, event: Event) {
        if matches!(event, Event::Acknowledged { .. }) {
            self.state().remember(Moment::Observed(event));
        }
    }
}
