//! [`LintFileSystem`]: tells the book what happens, and complains.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fs::lint::book::{Book, FileId};
use crate::fs::lint::rules::{self, Breach};
use crate::fs::{
    Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt, Syncer,
};
use crate::sync::{Arc, Mutex, thread};

/// A file system that watches the order of calls and panics when data could be lost by it. It wraps
/// another one. Clones share what they saw. It watches one database at a time.
///
/// The rules are: R1 `CURRENT` comes from a synced file and names a durable manifest; R2 a manifest
/// names durable tables only; R3 a file is removed only when the durable manifest has settled that
/// nobody needs it; R4 a file whose sync failed is only dropped; R5 what is acknowledged was logged,
/// and synced if that was promised; R6 nothing is written without the lock; R7 nothing is written
/// under a shared lock; R8 a removed file has no reader.
///
/// ```should_panic
/// use std::path::Path;
/// use siltstone::fs::{FileKind, FileSystem, LintFileSystem, SimulatedFileSystem};
///
/// let fs = LintFileSystem::new(SimulatedFileSystem::new());
/// // R6: there was no lock.
/// let file = fs.create_new(Path::new("/000001.wal"), FileKind::Wal);
/// ```
#[derive(Clone, Debug)]
pub struct LintFileSystem {
    inner: Arc<dyn FileSystem>,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Watch {
    book: Mutex<Book>,
    panics: bool,
}

impl Watch {
    fn complain(&self, breach: Breach) {
        let Some(breach) = breach else { return };
        self.book.lock().violations.push(breach.clone());
        assert!(!self.panics, "{breach}");
    }

    // Looks at the book, and complains when it is closed again.
    fn check(&self, rule: impl FnOnce(&Book) -> Breach) {
        let breach = rule(&self.book.lock());
        self.complain(breach);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The engine may have caught the first panic, in a background thread above all.
        let violations = std::mem::take(&mut self.book.lock().violations);
        let panics = self.panics && !thread::panicking();
        assert!(!panics || violations.is_empty(), "{}", violations.join("\n"));
    }
}

impl LintFileSystem {
    /// Watches a file system, and panics at the first breach of a rule; once more when the last
    /// clone is dropped, in case somebody caught the first panic.
    #[must_use]
    pub fn new(inner: impl FileSystem) -> LintFileSystem {
        LintFileSystem::watching(inner, true)
    }

    /// Watches a file system, and only writes the breaches down.
    #[must_use]
    pub fn recording(inner: impl FileSystem) -> LintFileSystem {
        LintFileSystem::watching(inner, false)
    }

    fn watching(inner: impl FileSystem, panics: bool) -> LintFileSystem {
        LintFileSystem {
            inner: Arc::new(inner),
            watch: Arc::new(Watch { book: Mutex::default(), panics }),
        }
    }

    /// Every breach so far: the rule, the file and what is wrong.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.watch.book.lock().violations.clone()
    }

    fn note<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.watch.book.lock())
    }

    // Paths are compared, so each needs one form.
    fn path(&self, path: &Path) -> PathBuf {
        self.inner.absolute(path).unwrap_or_else(|_| path.to_path_buf())
    }

    fn file(&self, id: FileId) -> File {
        File { watch: Arc::clone(&self.watch), id }
    }
}

impl FileSystem for LintFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        // The lock lies inside, so the directory comes before it; a reader creates none.
        let absolute = self.path(path);
        self.watch.check(|book| {
            let locks = book.locks_over(&absolute);
            (locks.shared > 0).then(|| rules::write(book, &absolute, "directory created"))?
        });
        self.inner.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(directory)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        let absolute = self.path(path);
        self.watch.check(|book| rules::write(book, &absolute, "created"));
        let inner = self.inner.create_new(path, kind)?;
        let id = self.note(|book| book.created(&absolute, kind));
        Ok(Box::new(LintAppend { inner, file: self.file(id) }))
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        let inner = self.inner.open(path, kind)?;
        let absolute = self.path(path);
        let id = self.note(|book| {
            let id = book.known(&absolute, kind);
            book.files[id].readers += 1;
            id
        });
        Ok(Arc::new(LintRead { inner, file: self.file(id) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, target) = (self.path(from), self.path(to));
        self.watch.check(|book| rules::write(book, &target, "renamed"));
        self.watch.check(|book| rules::rename(book, &source));
        self.inner.rename(from, to)?;
        self.note(|book| book.renamed(&source, &target));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let absolute = self.path(path);
        self.watch.check(|book| rules::write(book, &absolute, "removed"));
        self.watch.check(|book| rules::remove(book, &absolute));
        self.inner.remove(path)?;
        self.note(|book| book.removed(&absolute));
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let absolute = self.path(directory);
        let names = self.note(|book| book.names_in(&absolute));
        self.inner.sync_dir(directory)?;
        self.note(|book| book.directory_synced(&names));
        Ok(())
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        let inner = self.inner.lock(path, how)?;
        let absolute = self.path(path);
        self.note(|book| book.locked(&absolute, how));
        Ok(Box::new(LintLock {
            inner: Some(inner),
            watch: Arc::clone(&self.watch),
            path: absolute,
            how,
        }))
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        self.inner.free_space(directory)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.absolute(path)
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn unix_time(&self) -> Duration {
        self.inner.unix_time()
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn observe(&self, event: Event) {
        self.watch.check(|book| rules::event(book, &event));
        self.note(|book| book.observed(&event));
        self.inner.observe(event);
    }
}

#[derive(Clone, Debug)]
struct File {
    watch: Arc<Watch>,
    id: FileId,
}

impl File {
    // R6, R7 and R4, before the file is written to.
    fn check_write(&self, what: &str) {
        self.watch.check(|book| {
            let file = &book.files[self.id];
            rules::write(book, &file.path, what)
                .or_else(|| rules::use_after_failed_sync(file, what))
        });
    }
}

struct LintAppend {
    inner: Box<dyn Append>,
    file: File,
}

impl Append for LintAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.check_write("appended to");
        let appended = self.inner.append(bytes);
        let mut book = self.file.watch.book.lock();
        match appended {
            Ok(()) => book.appended(self.file.id, bytes),
            Err(_) => book.append_failed(self.file.id),
        }
        appended
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        Arc::new(LintSyncer { inner: self.inner.syncer(), file: self.file.clone() })
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.file.check_write("extended");
        self.inner.reserve(bytes)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

struct LintSyncer {
    inner: Arc<dyn Syncer>,
    file: File,
}

impl Syncer for LintSyncer {
    fn sync(&self) -> io::Result<()> {
        let File { watch, id } = &self.file;
        watch.check(|book| rules::use_after_failed_sync(&book.files[*id], "synced"));
        let (len, records) = {
            let book = watch.book.lock();
            let file = &book.files[*id];
            (file.len, file.manifest.records)
        };
        let synced = self.inner.sync();
        let mut book = watch.book.lock();
        match synced {
            Ok(()) => book.synced(*id, len, records),
            Err(_) => book.files[*id].sync_failed = true,
        }
        synced
    }

    fn pretend_failed(&self) {
        self.file.watch.book.lock().files[self.file.id].sync_failed = true;
        self.inner.pretend_failed();
    }
}

#[derive(Debug)]
struct LintRead {
    inner: Arc<dyn ReadAt>,
    file: File,
}

impl ReadAt for LintRead {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

impl Drop for LintRead {
    fn drop(&mut self) {
        let mut book = self.file.watch.book.lock();
        book.files[self.file.id].readers -= 1;
    }
}

struct LintLock {
    inner: Option<Box<dyn FileLock>>,
    watch: Arc<Watch>,
    path: PathBuf,
    how: LockKind,
}

impl FileLock for LintLock {
    fn is_ours(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.is_ours())
    }
}

impl Drop for LintLock {
    fn drop(&mut self) {
        // In the book it is released first: the next holder may come at once.
        self.watch.book.lock().unlocked(&self.path, self.how);
        self.inner = None;
    }
}
