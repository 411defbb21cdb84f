//! [`FaultFileSystem`]: counts the calls of another file system, and makes some of them fail.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fs::fault::plan::{Call, Fault, Operation, Plan, Trigger};
use crate::fs::{
    Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt, Syncer,
};
use crate::sync::{Arc, Mutex};

/// A file system that fails on demand. It wraps another one, and does what that does until a fault
/// is set. Clones share everything.
///
/// A sync that is made to fail is not run; a [`SimulatedFileSystem`](crate::fs::SimulatedFileSystem)
/// below then loses the unsynced bytes at its next power cut.
///
/// ```
/// use std::path::Path;
/// use siltstone::fs::{
///     Fault, FaultFileSystem, FileKind, FileSystem, Operation, SimulatedFileSystem, Trigger,
/// };
///
/// let fs = FaultFileSystem::new(SimulatedFileSystem::new());
/// let mut file = fs.create_new(Path::new("/a"), FileKind::Wal)?;
/// fs.set(Trigger::on(Operation::Sync).kind(FileKind::Wal), Fault::Io);
/// assert!(file.syncer().sync().is_err());
/// assert_eq!((fs.calls(), fs.hits().len()), (2, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultFileSystem {
    inner: Arc<dyn FileSystem>,
    plan: Arc<Mutex<Plan>>,
}

impl FaultFileSystem {
    /// Wraps a file system.
    #[must_use]
    pub fn new(inner: impl FileSystem) -> FaultFileSystem {
        FaultFileSystem { inner: Arc::new(inner), plan: Arc::default() }
    }

    /// From now on fails the calls that `trigger` chooses, and no others.
    pub fn set(&self, trigger: Trigger, fault: Fault) {
        let mut plan = self.plan.lock();
        plan.clear();
        plan.add(trigger, fault);
    }

    /// Fails the calls that `trigger` chooses, too. Where two faults meet the older one wins.
    pub fn add(&self, trigger: Trigger, fault: Fault) {
        self.plan.lock().add(trigger, fault);
    }

    /// From now on everything works again.
    pub fn clear(&self) {
        self.plan.lock().clear();
    }

    /// How many calls were made in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.plan.lock().calls
    }

    /// The calls that were made to fail, in order.
    #[must_use]
    pub fn hits(&self) -> Vec<Call> {
        self.plan.lock().hits.clone()
    }

    fn run<T>(
        &self,
        operation: Operation,
        kind: Option<FileKind>,
        path: &Path,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let fault = self.plan.lock().call(operation, kind, path);
        match fault {
            None => work(),
            Some(fault) => {
                if fault == Fault::Late {
                    work()?;
                }
                Err(fault.error(operation))
            }
        }
    }

    fn file(&self, path: &Path, kind: FileKind) -> File {
        File { fs: self.clone(), path: path.to_path_buf(), kind }
    }
}

impl FileSystem for FaultFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.run(Operation::CreateDirAll, None, path, || self.inner.create_dir_all(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.run(Operation::List, None, directory, || self.inner.list(directory))
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        self.plan.lock().learn(path, kind);
        self.run(Operation::CreateNew, Some(kind), path, || {
            Ok(Box::new(FaultAppend {
                inner: self.inner.create_new(path, kind)?,
                file: self.file(path, kind),
            }) as Box<dyn Append>)
        })
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        self.plan.lock().learn(path, kind);
        self.run(Operation::Open, Some(kind), path, || {
            Ok(Arc::new(FaultRead {
                inner: self.inner.open(path, kind)?,
                file: self.file(path, kind),
            }) as Arc<dyn ReadAt>)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let kind = {
            let mut plan = self.plan.lock();
            let kind = plan.kind_of(from);
            plan.learn(to, kind);
            kind
        };
        self.run(Operation::Rename, Some(kind), to, || self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let kind = self.plan.lock().kind_of(path);
        self.run(Operation::Remove, Some(kind), path, || self.inner.remove(path))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.run(Operation::SyncDir, None, directory, || self.inner.sync_dir(directory))
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        self.run(Operation::Lock, Some(FileKind::Lock), path, || self.inner.lock(path, how))
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        self.run(Operation::FreeSpace, None, directory, || self.inner.free_space(directory))
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
        self.inner.observe(event);
    }
}

#[derive(Clone, Debug)]
struct File {
    fs: FaultFileSystem,
    path: PathBuf,
    kind: FileKind,
}

impl File {
    fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut plan = self.fs.plan.lock();
        plan.call(operation, Some(self.kind), &self.path)
    }
}

struct FaultAppend {
    inner: Box<dyn Append>,
    file: File,
}

impl Append for FaultAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(fault) = self.file.fault(Operation::Append) else {
            return self.inner.append(bytes);
        };
        let written = match fault {
            Fault::ShortWrite => bytes.len() / 2,
            Fault::Late => bytes.len(),
            _ => 0,
        };
        if written > 0 {
            self.inner.append(&bytes[..written])?;
        }
        Err(fault.error(Operation::Append))
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        Arc::new(FaultSyncer { inner: self.inner.syncer(), file: self.file.clone() })
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        match self.file.fault(Operation::Reserve) {
            None => self.inner.reserve(bytes),
            Some(fault) => {
                if fault == Fault::Late {
                    self.inner.reserve(bytes)?;
                }
                Err(fault.error(Operation::Reserve))
            }
        }
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

struct FaultSyncer {
    inner: Arc<dyn Syncer>,
    file: File,
}

impl Syncer for FaultSyncer {
    fn sync(&self) -> io::Result<()> {
        match self.file.fault(Operation::Sync) {
            None => self.inner.sync(),
            Some(fault) => {
                if fault == Fault::Late {
                    self.inner.sync()?;
                } else {
                    self.inner.pretend_failed();
                }
                Err(fault.error(Operation::Sync))
            }
        }
    }

    fn pretend_failed(&self) {
        self.inner.pretend_failed();
    }
}

#[derive(Debug)]
struct FaultRead {
    inner: Arc<dyn ReadAt>,
    file: File,
}

impl ReadAt for FaultRead {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(fault) = self.file.fault(Operation::Read) else {
            return self.inner.read_exact_at(buffer, offset);
        };
        let filled = match fault {
            Fault::ShortRead => buffer.len() / 2,
            Fault::Late => buffer.len(),
            _ => 0,
        };
        if filled > 0 {
            self.inner.read_exact_at(&mut buffer[..filled], offset)?;
        }
        Err(fault.error(Operation::Read))
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}
