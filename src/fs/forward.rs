//! A shared file system is a file system: so a wrapper can take any.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fs::{Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt};
use crate::sync::Arc;

impl<T: FileSystem + ?Sized> FileSystem for Arc<T> {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        (**self).create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        (**self).list(directory)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        (**self).create_new(path, kind)
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        (**self).open(path, kind)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        (**self).sync_dir(directory)
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        (**self).lock(path, how)
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        (**self).free_space(directory)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        (**self).absolute(path)
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }

    fn unix_time(&self) -> Duration {
        (**self).unix_time()
    }

    fn random(&self) -> u64 {
        (**self).random()
    }

    fn sleep(&self, duration: Duration) {
        (**self).sleep(duration);
    }

    fn observe(&self, event: Event) {
        (**self).observe(event);
    }
}
