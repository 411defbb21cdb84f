//! The real file system, counting what Siltstone appends.
//!
//! Siltstone copies a part of its log into mapped files, which the operating system does not count among
//! the bytes of writes. Everything that it hands over, one way or the other, is an append to a file.

use crate::measure::process::note_handed_over;
use siltstone::fs::{
    Append, DirEntry, FileKind, FileLock, FileSystem, LockKind, OsFileSystem, ReadAt, Syncer,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Counted(OsFileSystem);

impl Counted {
    pub(crate) fn new() -> Counted {
        note_handed_over(0);
        Counted(OsFileSystem::new())
    }
}

struct CountedAppend(Box<dyn Append>);

impl Append for CountedAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        note_handed_over(bytes.len() as u64);
        self.0.append(bytes)
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        self.0.syncer()
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl FileSystem for Counted {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(directory)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(CountedAppend(self.0.create_new(path, kind)?)))
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        self.0.open(path, kind)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_dir(directory)
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        self.0.lock(path, how)
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        self.0.free_space(directory)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.absolute(path)
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn unix_time(&self) -> Duration {
        self.0.unix_time()
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
}
