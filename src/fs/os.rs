//! The real operating system: the only file that touches `std::fs`.
//!
//! Appends are `pwrite` at a length that the handle keeps itself, so that room reserved behind it
//! does not move the end; those of a log that nobody syncs are copies into windows (`window`) instead.
//! On Linux a sync is `fdatasync`; elsewhere it is the strongest that the standard library has. Locks
//! are `flock`: they belong to the open file, so they also exclude a second opener inside this
//! process, and they die with it.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the one file that reaches the real file system, clock and threads"
)]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::fs::birthplace::Birthplace;
use crate::fs::window::Windows;
use crate::fs::{Append, DirEntry, FileKind, FileLock, FileSystem, LockKind, ReadAt, Syncer};
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The real file system.
///
/// ```
/// use std::path::Path;
/// use siltstone::fs::{FileSystem, OsFileSystem};
///
/// let fs = OsFileSystem::new();
/// assert!(fs.absolute(Path::new("data"))?.is_absolute());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OsFileSystem {
    started: Instant,
}

impl OsFileSystem {
    /// The file system of this machine.
    #[must_use]
    pub fn new() -> OsFileSystem {
        OsFileSystem { started: Instant::now() }
    }
}

impl Default for OsFileSystem {
    fn default() -> OsFileSystem {
        OsFileSystem::new()
    }
}

impl FileSystem for OsFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        for ancestor in path.ancestors().filter(|it| !it.as_os_str().is_empty()) {
            match fs::metadata(ancestor) {
                Ok(found) if found.is_dir() => break,
                Ok(_) => return Err(ErrorKind::NotADirectory.into()),
                Err(error) if error.kind() == ErrorKind::NotFound => missing.push(ancestor),
                Err(error) => return Err(error),
            }
        }
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
                other => other?,
            }
            match directory.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent)?,
                _ => self.sync_dir(Path::new("."))?,
            }
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let facts = match entry.metadata() {
                // Removed since the directory was read.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other?,
            };
            let is_dir = facts.is_dir();
            entries.push(DirEntry {
                name: entry.file_name(),
                is_dir,
                len: if is_dir { 0 } else { facts.len() },
            });
        }
        Ok(entries)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let windows = (kind == FileKind::Wal && keeps_room(&file)).then(Windows::new);
        let (file, was_synced) = (Arc::new(file), Arc::new(AtomicBool::new(false)));
        Ok(Box::new(OsAppend { file, was_synced, windows, len: 0, reserved: 0 }))
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        let file = File::open(path)?;
        let facts = file.metadata()?;
        if facts.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if kind == FileKind::Table {
            expect_random_reads(&file);
        }
        Ok(Arc::new(OsRead { file, len: facts.len() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let directory = File::open(directory)?;
        if is_seeded(Bug::OsDirSyncIsNothing) {
            return Ok(());
        }
        directory.sync_all()
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        let taken = match how {
            LockKind::Exclusive => {
                let file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(path)?;
                match is_seeded(Bug::WriterSharesLock) {
                    true => file.try_lock_shared().map(|()| file),
                    false => file.try_lock().map(|()| file),
                }
            }
            LockKind::Shared => {
                let file = File::open(path)?;
                file.try_lock_shared().map(|()| file)
            }
        };
        match taken {
            Ok(file) => Ok(Box::new(OsLock { file, birthplace: Birthplace::here() })),
            Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(directory)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(path)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn unix_time(&self) -> Duration {
        // A clock before 1970 is a clock that was never set.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        // The hasher's keys come from the operating system's source of randomness.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u128(self.unix_time().as_nanos());
        hasher.finish()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn expect_random_reads(file: &File) {
    // Advice: where it is refused, reads are slower and not wrong.
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random).unwrap_or_default();
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn expect_random_reads(_file: &File) {}

/// Takes room for a file. Returns whether it is there now; where it cannot be taken, appends extend the
/// file, as ever.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve_room(file: &File, bytes: u64) -> io::Result<bool> {
    use rustix::io::Errno;
    loop {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reserve_room(_file: &File, _bytes: u64) -> io::Result<bool> {
    Ok(false)
}

/// Whether room that was reserved on this file system is there whatever happens, so that a page of it
/// can always be written. Where files are written elsewhere than they lie (a snapshot of btrfs), or are
/// not here at all, that is not so.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keeps_room(file: &File) -> bool {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const TMPFS: u64 = 0x0102_1994;
    // The width of the field differs from machine to machine.
    let is_of = |facts: rustix::fs::StatFs| [EXT4, XFS, TMPFS].contains(&(facts.f_type as u64));
    rustix::fs::fstatfs(file).is_ok_and(is_of)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keeps_room(_file: &File) -> bool {
    false
}

struct OsAppend {
    file: Arc<File>,
    // Set by a sync, taken back by the next append.
    was_synced: Arc<AtomicBool>,
    // Where appends may be copies.
    windows: Option<Windows>,
    // Bytes appended; the file itself may be longer by what was reserved.
    len: u64,
    reserved: u64,
}

impl Append for OsAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_copied = self
            .windows
            .as_mut()
            .is_some_and(|windows| windows.copy(&*self.file, bytes, self.len, &self.was_synced));
        if !is_copied {
            // `write_all_at` goes on after a short write and after EINTR.
            self.file.write_all_at(bytes, self.len)?;
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        let (file, was_synced) = (Arc::clone(&self.file), Arc::clone(&self.was_synced));
        Arc::new(OsSyncer { file, was_synced })
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.len.max(self.reserved) {
            let is_there = reserve_room(&self.file, bytes)?;
            self.reserved = bytes;
            if let Some(windows) = self.windows.as_mut().filter(|_| is_there) {
                windows.note_room(bytes);
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

struct OsSyncer {
    file: Arc<File>,
    was_synced: Arc<AtomicBool>,
}

impl Syncer for OsSyncer {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn sync(&self) -> io::Result<()> {
        if is_seeded(Bug::OsSyncIsNothing) {
            return Ok(());
        }
        self.was_synced.store(true, Ordering::Relaxed);
        self.file.sync_data()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn sync(&self) -> io::Result<()> {
        self.was_synced.store(true, Ordering::Relaxed);
        self.file.sync_all()
    }
}

#[derive(Debug)]
struct OsRead {
    file: File,
    len: u64,
}

impl ReadAt for OsRead {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        self.len
    }
}

struct OsLock {
    file: File,
    birthplace: Birthplace,
}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing the file would release the lock only once no child of a fork has it open either. A child
        // itself must not release what its parent holds.
        if self.is_ours() {
            self.file.unlock().unwrap_or_default();
        }
    }
}

impl FileLock for OsLock {
    fn is_ours(&self) -> bool {
        self.birthplace.is_here()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use crate::fs::os::OsFileSystem;
    use crate::fs::{FileKind, FileSystem, LockKind};

    fn directory() -> (OsFileSystem, tempfile::TempDir) {
        (OsFileSystem::new(), tempfile::tempdir().unwrap())
    }

    #[test]
    fn appends_land_at_the_logical_end_although_room_was_reserved() {
        let (fs, temp) = directory();
        let path = temp.path().join("a");
        let mut file = fs.create_new(&path, FileKind::Wal).unwrap();
        file.append(b"one").unwrap();
        file.reserve(4096).unwrap();
        file.append(b"two").unwrap();
        file.syncer().sync().unwrap();
        assert_eq!(file.len(), 6);
        let read = fs.open(&path, FileKind::Table).unwrap();
        let mut bytes = vec![1; usize::try_from(read.len()).unwrap()];
        read.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[..6], b"onetwo");
        assert!(bytes[6..].iter().all(|&byte| byte == 0));
        let error = read.read_exact_at(&mut [0; 2], read.len() - 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn appends_through_windows_and_others_are_one_file() {
        let (fs, temp) = directory();
        let path = temp.path().join("a");
        let mut file = fs.create_new(&path, FileKind::Wal).unwrap();
        let (mut written, mut state) = (Vec::new(), 1_u64);
        while written.len() < 6 << 20 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let len = match state >> 60 {
                0 => (state >> 32) as usize % 40_000,
                _ => (state >> 32) as usize % 400,
            };
            if state >> 40 & 0x3fff == 0 {
                file.syncer().sync().unwrap();
            }
            if state >> 20 & 0x1ff == 0 {
                file.reserve(file.len() + (state >> 44)).unwrap();
            }
            let bytes: Vec<u8> = (0..len).map(|at| (at as u64 ^ state) as u8).collect();
            file.append(&bytes).unwrap();
            written.extend_from_slice(&bytes);
            assert_eq!(file.len(), written.len() as u64);
        }
        let read = fs.open(&path, FileKind::Wal).unwrap();
        let mut bytes = vec![1; usize::try_from(read.len()).unwrap()];
        read.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..written.len()] == written);
        assert!(bytes[written.len()..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_file_is_never_created_twice() {
        let (fs, temp) = directory();
        let path = temp.path().join("a");
        drop(fs.create_new(&path, FileKind::Table).unwrap());
        let again = fs.create_new(&path, FileKind::Table).err().unwrap();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn an_exclusive_lock_excludes_everyone_in_this_process_too() {
        let (fs, temp) = directory();
        let path = temp.path().join("LOCK");
        let missing = fs.lock(&path, LockKind::Shared).err().unwrap();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(fs.list(temp.path()).unwrap().is_empty());
        let held = fs.lock(&path, LockKind::Exclusive).unwrap();
        assert!(held.is_ours());
        for how in [LockKind::Exclusive, LockKind::Shared] {
            let refused = OsFileSystem::new().lock(&path, how).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        }
        drop(held);
        let first = fs.lock(&path, LockKind::Shared).unwrap();
        let second = fs.lock(&path, LockKind::Shared).unwrap();
        let refused = fs.lock(&path, LockKind::Exclusive).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        drop((first, second));
        drop(fs.lock(&path, LockKind::Exclusive).unwrap());
    }

    #[test]
    fn directories_are_made_listed_and_synced() {
        let (fs, temp) = directory();
        let deep = temp.path().join("a/b/c");
        fs.create_dir_all(&deep).unwrap();
        fs.create_dir_all(&deep).unwrap();
        let mut file = fs.create_new(&deep.join("x"), FileKind::Other).unwrap();
        file.append(b"12345").unwrap();
        fs.rename(&deep.join("x"), &deep.join("y")).unwrap();
        fs.sync_dir(&deep).unwrap();
        let entries = fs.list(&deep).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].name, "y");
        assert_eq!((entries[0].is_dir, entries[0].len), (false, 5));
        assert!(fs.list(temp.path()).unwrap()[0].is_dir);
        assert_eq!(
            fs.create_dir_all(&deep.join("y/z")).unwrap_err().kind(),
            ErrorKind::NotADirectory
        );
        assert_eq!(fs.open(&deep, FileKind::Table).unwrap_err().kind(), ErrorKind::IsADirectory);
        fs.remove(&deep.join("y")).unwrap();
        assert_eq!(fs.remove(&deep.join("y")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(fs.free_space(&deep).unwrap() > 0);
        assert_ne!(fs.random(), fs.random());
        assert!(fs.unix_time() > Duration::from_secs(1_600_000_000));
    }
}
