//! The file system as an inspection sees it: it can read, at a rate, and it can do nothing else.
//!
//! Every call that would change anything is refused here, so no mistake above can write to a directory
//! that is being inspected. Progress counts each byte once, however often it is read.

use crate::fs::{Append, DirEntry, FileKind, FileLock, FileSystem, LockKind, ReadAt};
use crate::sync::{Arc, Mutex};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far an inspection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that were looked at.
    pub bytes_done: u64,
    /// Bytes that are to be looked at in all.
    pub bytes_all: u64,
}

/// Is told of every step.
pub(crate) type Listener = Box<dyn FnMut(Progress) + Send>;

/// Reads files of another file system.
pub(crate) struct Reader {
    inner: Arc<dyn FileSystem>,
    meter: Arc<Meter>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.inner).finish()
    }
}

impl Reader {
    /// `bytes_per_second`: 0 for as fast as it goes.
    pub(crate) fn new(
        inner: Arc<dyn FileSystem>,
        bytes_per_second: u64,
        listener: Option<Listener>,
    ) -> Reader {
        let count = Count {
            progress: Progress::default(),
            furthest: BTreeMap::new(),
            listener,
            read: 0,
            started: inner.monotonic(),
        };
        Reader { inner, meter: Arc::new(Meter { bytes_per_second, count: Mutex::new(count) }) }
    }

    /// Says how many bytes are to be looked at in all.
    pub(crate) fn expect(&self, bytes: u64) {
        self.meter.count.lock().progress.bytes_all = bytes;
    }

    /// A file was looked at, also those bytes of it that had not to be read.
    pub(crate) fn finished(&self, path: &Path, len: u64) {
        self.meter.advance(path, len);
    }
}

struct Meter {
    bytes_per_second: u64,
    count: Mutex<Count>,
}

struct Count {
    progress: Progress,
    /// Up to where each file was read.
    furthest: BTreeMap<PathBuf, u64>,
    listener: Option<Listener>,
    /// Bytes read, those read twice included: the rate is about these.
    read: u64,
    started: Duration,
}

impl Meter {
    fn advance(&self, path: &Path, upto: u64) {
        let mut count = self.count.lock();
        let furthest = count.furthest.entry(path.to_owned()).or_default();
        let new = upto.saturating_sub(*furthest);
        *furthest += new;
        let progress = &mut count.progress;
        progress.bytes_done = (progress.bytes_done + new).min(progress.bytes_all);
        let progress = *progress;
        if let Some(listener) = &mut count.listener {
            listener(progress);
        }
    }

    /// How long the reader has to rest to keep its rate, after so many more bytes.
    fn debt(&self, bytes: u64, now: Duration) -> Duration {
        let mut count = self.count.lock();
        count.read += bytes;
        if self.bytes_per_second == 0 {
            return Duration::ZERO;
        }
        let due = Duration::from_secs_f64(count.read as f64 / self.bytes_per_second as f64);
        (count.started + due).saturating_sub(now)
    }
}

/// A file that is read through the meter.
struct MeteredFile {
    inner: Arc<dyn ReadAt>,
    path: PathBuf,
    fs: Arc<dyn FileSystem>,
    meter: Arc<Meter>,
}

impl fmt::Debug for MeteredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MeteredFile").field(&self.inner).finish()
    }
}

impl ReadAt for MeteredFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.inner.read_exact_at(buffer, offset);
        let rest = self.meter.debt(buffer.len() as u64, self.fs.monotonic());
        if rest > Duration::ZERO {
            self.fs.sleep(rest);
        }
        self.meter.advance(&self.path, offset.saturating_add(buffer.len() as u64));
        read
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "an inspection writes nothing")
}

impl FileSystem for Reader {
    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(directory)
    }

    fn create_new(&self, _path: &Path, _kind: FileKind) -> io::Result<Box<dyn Append>> {
        Err(refused())
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        let inner = self.inner.open(path, kind)?;
        let (fs, meter) = (Arc::clone(&self.inner), Arc::clone(&self.meter));
        Ok(Arc::new(MeteredFile { inner, path: path.to_owned(), fs, meter }))
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn sync_dir(&self, _directory: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        match how {
            LockKind::Shared => self.inner.lock(path, how),
            LockKind::Exclusive => Err(refused()),
        }
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
}

#[cfg(test)]
mod tests {
    use crate::fs::{FileKind, FileSystem, LockKind, SimulatedFileSystem};
    use crate::inspect::reader::{Progress, Reader};
    use crate::sync::{Arc, Mutex};
    use std::path::Path;
    use std::time::Duration;

    fn reader(disk: &SimulatedFileSystem, rate: u64) -> (Reader, Arc<Mutex<Vec<Progress>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        let listener = Box::new(move |progress| ear.lock().push(progress));
        (Reader::new(Arc::new(disk.clone()), rate, Some(listener)), told)
    }

    #[test]
    fn reading_keeps_its_rate_by_the_clock_of_the_file_system() {
        let disk = SimulatedFileSystem::new();
        disk.write_raw("/file", [7; 1000]);
        let (reader, _) = reader(&disk, 100);
        let before = disk.monotonic();
        let file = reader.open(Path::new("/file"), FileKind::Other).unwrap();
        file.read_exact_at(&mut [0; 500], 0).unwrap();
        file.read_exact_at(&mut [0; 500], 500).unwrap();
        let took = disk.monotonic() - before;
        assert!((9_900..10_100).contains(&took.as_millis()), "{took:?}");
        assert!(took >= Duration::from_secs(9));
    }

    #[test]
    fn progress_counts_each_byte_once_and_ends_at_all() {
        let disk = SimulatedFileSystem::new();
        disk.write_raw("/file", [7; 1000]);
        let (reader, told) = reader(&disk, 0);
        reader.expect(1000);
        let file = reader.open(Path::new("/file"), FileKind::Other).unwrap();
        for (offset, len) in [(0, 100), (50, 50), (0, 100), (100, 300)] {
            file.read_exact_at(&mut vec![0; len], offset).unwrap();
        }
        reader.finished(Path::new("/file"), 1000);
        let done: Vec<u64> = told.lock().iter().map(|progress| progress.bytes_done).collect();
        assert_eq!(done, [100, 100, 100, 400, 1000]);
    }

    #[test]
    fn nothing_can_be_changed_through_it() {
        let disk = SimulatedFileSystem::new();
        disk.write_raw("/file", b"x");
        let (reader, _) = reader(&disk, 0);
        let path = Path::new("/file");
        assert!(reader.create_new(Path::new("/new"), FileKind::Other).is_err());
        assert!(reader.rename(path, Path::new("/other")).is_err());
        assert!(reader.remove(path).is_err() && reader.create_dir_all(path).is_err());
        assert!(reader.sync_dir(Path::new("/")).is_err());
        assert!(reader.lock(path, LockKind::Exclusive).is_err());
        assert_eq!(disk.names("/"), ["file"]);
    }
}
