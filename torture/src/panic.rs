//! The suite `panic`: a background thread panics at some call, and everybody hears of it in a second.
//!
//! A file system that panics in the middle of the `nth` call of a thread of the engine; writers that
//! write until they are refused. Each must come back with an error, in time; reads go on; and after a
//! reopen every acknowledged write is there.

#![expect(clippy::disallowed_types, reason = "a second is a second on the wall")]

use crate::bounds::Bounds;
use crate::crew::{self, ON_PURPOSE};
use crate::outcome::Outcome;
use siltstone::fs::{
    Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt, SimulatedFileSystem,
};
use siltstone::{Compression, Db, Durability, ErrorKind, Options};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long nobody may wait behind a panic.
const PATIENCE: Duration = Duration::from_secs(1);

/// More than that and the panic is taken for one that never came.
const WRITES_MAX: u64 = 20_000;

const WRITERS: u64 = 2;

/// Panics at one call of a background thread.
#[derive(Clone, Debug)]
struct Trap {
    inner: SimulatedFileSystem,
    calls: Arc<AtomicU64>,
    at: u64,
    sprung: Arc<AtomicBool>,
}

impl Trap {
    fn step_on(&self) {
        let is_background = thread::current().name().is_some_and(|it| it.starts_with("siltstone-"));
        if is_background && self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            self.sprung.store(true, Ordering::SeqCst);
            panic!("{ON_PURPOSE}, at call {}", self.at);
        }
    }
}

impl FileSystem for Trap {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(directory)
    }

    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        self.step_on();
        self.inner.create_new(path, kind)
    }

    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        self.step_on();
        self.inner.open(path, kind)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step_on();
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step_on();
        self.inner.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.step_on();
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
        self.step_on();
        self.inner.observe(event);
    }
}

fn options(fs: impl FileSystem) -> Options {
    Options::new()
        .file_system(fs)
        .memory(1 << 20)
        .memtable_bytes(8 << 10)
        .block_bytes(512)
        .table_bytes(8 << 10)
        .compression(Compression::None)
        .durability(Durability::Buffered)
}

/// Writes until that is refused. Returns how many writes were acknowledged, and how long the refused one
/// took.
fn write(db: &Db, writer: u64) -> (u64, Duration) {
    for number in 0..WRITES_MAX {
        let began = Instant::now();
        if let Err(error) = db.put(format!("{writer}/{number:06}"), [7; 100]) {
            assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
            return (number, began.elapsed());
        }
    }
    (WRITES_MAX, Duration::ZERO)
}

/// What the cases came to: those in which the panic came, and the longest wait in milliseconds.
#[derive(Default)]
struct Sum {
    sprung: u64,
    longest_ms: u64,
}

fn case(at: u64, sum: &mut Sum) {
    let disk = SimulatedFileSystem::new();
    disk.restart_history(false);
    let trap = Trap { inner: disk.clone(), calls: Arc::default(), at, sprung: Arc::default() };
    let db = options(trap.clone()).open("data").unwrap();
    let written: Vec<(u64, Duration)> = thread::scope(|scope| {
        let writer = |writer| {
            let db = &db;
            scope.spawn(move || write(db, writer))
        };
        let writers: Vec<_> = (0..WRITERS).map(writer).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    if !trap.sprung.load(Ordering::SeqCst) {
        return;
    }
    sum.sprung += 1;
    for (_, waited) in &written {
        assert!(*waited < PATIENCE, "a writer waited {waited:?} behind a panic");
        sum.longest_ms = sum.longest_ms.max(waited.as_millis() as u64);
    }
    let began = Instant::now();
    assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Poisoned);
    assert!(began.elapsed() < PATIENCE, "a flush waited {:?}", began.elapsed());
    assert!(db.health().is_err(), "the health says so");
    assert!(db.get("0/000000").unwrap().is_some() || written[0].0 == 0, "reads go on");
    drop(db);
    let db = options(disk).open("data").unwrap();
    for (writer, (count, _)) in written.iter().enumerate() {
        let found = db.prefix(format!("{writer}/")).filter(Result::is_ok).count() as u64;
        assert!(found >= *count, "{found} of {count} acknowledged writes are left");
    }
}

/// Runs the suite.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| case(number * 7 % 211, sum));
    let mut outcome = Outcome::new();
    let sprung: u64 = haul.sums.iter().map(|sum| sum.sprung).sum();
    let longest_ms = haul.sums.iter().map(|sum| sum.longest_ms).max().unwrap_or_default();
    outcome
        .figure("cases", haul.cases)
        .figure("panics", sprung)
        .figure("longest_wait_ms", longest_ms);
    if haul.cases > 3 {
        outcome.require(sprung > 0, "nothing panicked");
    }
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    outcome
}
