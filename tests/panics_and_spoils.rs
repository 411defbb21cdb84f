//! Two rare moments in a commit: the segment is spoiled by another commit, or the thread panics, after
//! the record was appended and before it is in the memtable.
//!
//! Goal: what is acknowledged can be read, and nobody waits behind a commit that never ends. Method: a
//! file system that tells when a record was logged, and panics there when it is told to.

#![expect(clippy::disallowed_methods, reason = "a panic needs a thread of its own")]

use siltstone::fs::{
    Append, DirEntry, Event, Fault, FaultFileSystem, FileKind, FileLock, FileSystem, LockKind,
    Operation, ReadAt, SimulatedFileSystem, Trigger,
};
use siltstone::{Durability, ErrorKind, Options};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tells which record was logged last, and panics at one of them.
#[derive(Clone, Debug)]
struct Witness {
    inner: FaultFileSystem,
    logged: Arc<AtomicU64>,
    panic_at: Arc<AtomicU64>,
}

impl Witness {
    fn new() -> Witness {
        let inner = FaultFileSystem::new(SimulatedFileSystem::new());
        Witness { inner, logged: Arc::default(), panic_at: Arc::default() }
    }

    fn logged(&self) -> u64 {
        self.logged.load(Ordering::SeqCst)
    }
}

impl FileSystem for Witness {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(directory)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        self.inner.create_new(path, kind)
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        self.inner.open(path, kind)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.inner.sync_dir(directory)
    }

    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        self.inner.lock(path, how)
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
        if let Event::Logged { seqno, .. } = event {
            self.logged.store(seqno, Ordering::SeqCst);
            assert_ne!(self.panic_at.load(Ordering::SeqCst), seqno, "on purpose");
        }
        self.inner.observe(event);
    }
}

#[test]
fn a_commit_on_its_way_survives_a_segment_that_another_one_spoiled() {
    let world = Witness::new();
    let options = Options::new().file_system(world.clone()).durability(Durability::Buffered);
    let db = options.open("data").unwrap();
    // Large, so that it takes a while to get into the memtable.
    let value = vec![1; 24 << 20];
    for round in 0..8 {
        // A fresh memtable: it looks empty until the large value is in it.
        db.flush().unwrap();
        let (before, key) = (world.logged(), format!("big{round}"));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| db.put(&key, &value));
            while world.logged() == before {
                std::hint::spin_loop();
            }
            let append = Trigger::on(Operation::Append).kind(FileKind::Wal);
            world.inner.set(append, Fault::NoSpace);
            assert_eq!(db.put("x", "1").unwrap_err().kind(), ErrorKind::DiskFull);
            world.inner.clear();
            db.put("y", "1").unwrap();
            writer.join().unwrap().unwrap();
        });
        assert!(db.get(&key).unwrap().is_some(), "{key} was acknowledged and is gone");
    }
}

#[test]
fn a_panic_in_a_commit_poisons_and_nobody_waits_behind_it() {
    let world = Witness::new();
    let db = Options::new().file_system(world.clone()).open("data").unwrap();
    db.put("a", "1").unwrap();
    world.panic_at.store(2, Ordering::SeqCst);
    let other = db.clone();
    assert!(std::thread::spawn(move || other.put("b", "2")).join().is_err());
    assert_eq!(db.put("c", "3").unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Poisoned);
    assert!(db.get("a").unwrap().is_some() && db.get("b").unwrap().is_none(), "reads go on");
    assert!(db.close().is_err(), "and the close says so");
}
