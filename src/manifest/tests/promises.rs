//! What the writer tells a watching file system, and what it answers when a sync fails.

use crate::error::ErrorKind;
use crate::fs::{
    Append, DirEntry, Event, FileKind, FileLock, FileSystem, LockKind, ReadAt, SimulatedFileSystem,
    Syncer,
};
use crate::manifest::current::point_current;
use crate::manifest::edit::Edit;
use crate::manifest::state::State;
use crate::manifest::tests::table;
use crate::manifest::writer::ManifestWriter;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Notes what is observed, in order with the appends; fails all syncs on demand.
#[derive(Clone, Debug, Default)]
struct Watch {
    disk: SimulatedFileSystem,
    seen: Arc<Mutex<Vec<String>>>,
    syncs_fail: Arc<AtomicBool>,
    directory_syncs_fail: Arc<AtomicBool>,
}

struct WatchedFile(Box<dyn Append>, Watch);

struct WatchedSyncer(Arc<dyn Syncer>, Watch);

impl Watch {
    fn note(&self, what: String) {
        self.seen.lock().push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock())
    }

    fn fail(&self, syncs_fail: bool) {
        self.syncs_fail.store(syncs_fail, Ordering::Relaxed);
    }
}

fn unless(fails: &AtomicBool) -> io::Result<()> {
    if fails.load(Ordering::Relaxed) { Err(io::Error::other("a bad disk")) } else { Ok(()) }
}

impl Append for WatchedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.note("append".to_owned());
        self.0.append(bytes)
    }
    fn syncer(&self) -> Arc<dyn Syncer> {
        Arc::new(WatchedSyncer(self.0.syncer(), self.1.clone()))
    }
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl Syncer for WatchedSyncer {
    fn sync(&self) -> io::Result<()> {
        self.1.note("sync".to_owned());
        unless(&self.1.syncs_fail)?;
        self.0.sync()
    }
}

impl FileSystem for Watch {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(directory)
    }
    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>> {
        let file = self.disk.create_new(path, kind)?;
        Ok(Box::new(WatchedFile(file, self.clone())))
    }
    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>> {
        self.disk.open(path, kind)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        unless(&self.directory_syncs_fail)?;
        self.disk.sync_dir(directory)
    }
    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>> {
        self.disk.lock(path, how)
    }
    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        self.disk.free_space(directory)
    }
    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.absolute(path)
    }
    fn monotonic(&self) -> Duration {
        self.disk.monotonic()
    }
    fn unix_time(&self) -> Duration {
        self.disk.unix_time()
    }
    fn random(&self) -> u64 {
        self.disk.random()
    }
    fn sleep(&self, duration: Duration) {
        self.disk.sleep(duration);
    }
    fn observe(&self, event: Event) {
        self.note(format!("{event:?}"));
    }
}

fn begin() -> (Watch, ManifestWriter) {
    let watch = Watch::default();
    let fs: Arc<dyn FileSystem> = Arc::new(watch.clone());
    let mut state = State::new(7);
    let edit = Edit {
        next_file: Some(9),
        last_seqno: Some(9),
        added: vec![(1, table(1, "a", "b", (1, 1))), (1, table(2, "c", "d", (1, 1)))],
        ..Edit::default()
    };
    state.apply(&edit).unwrap();
    let writer = ManifestWriter::create(&fs, Path::new("/"), 3, &state).unwrap();
    (watch, writer)
}

#[test]
fn promises_are_told_before_the_record_that_makes_them() {
    let (watch, mut writer) = begin();
    assert_eq!(
        watch.take(),
        [
            "append",
            "TableAdded { table: 1 }",
            "TableAdded { table: 2 }",
            "WalFloor { segment: 0 }",
            "append",
            "sync"
        ]
    );
    let edit = Edit {
        removed: vec![(1, 1), (1, 2)],
        added: vec![(2, table(2, "c", "d", (1, 1))), (2, table(4, "a", "b", (1, 1)))],
        wal_floor: Some(5),
        ..Edit::default()
    };
    writer.append(&edit).unwrap();
    assert_eq!(
        watch.take(),
        [
            "TableAdded { table: 2 }",
            "TableAdded { table: 4 }",
            "TableRemoved { table: 1 }",
            "WalFloor { segment: 5 }",
            "append",
            "sync"
        ]
    );
    writer.settle().unwrap();
    assert_eq!(watch.take(), ["append", "sync"]);
}

#[test]
fn a_failed_sync_leaves_an_edit_uncertain_and_is_never_retried() {
    let (watch, mut writer) = begin();
    watch.fail(true);
    let error = writer.append(&Edit::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitUncertain);
    assert_eq!(error.file(), Some(Path::new("/MANIFEST-000003")));
    watch.fail(false);
    watch.take();
    assert_eq!(writer.append(&Edit::default()).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(writer.settle().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(watch.take(), [""; 0], "the file is not touched again");
    assert_eq!((writer.synced_records(), writer.is_settled()), (2, false));
}

#[test]
fn a_failed_sync_of_a_marker_settles_nothing() {
    let (watch, mut writer) = begin();
    writer.append(&Edit::default()).unwrap();
    watch.fail(true);
    assert_eq!(writer.settle().unwrap_err().kind(), ErrorKind::CommitUncertain);
    assert!(!writer.is_settled());
}

#[test]
fn a_failed_sync_of_the_directory_leaves_current_uncertain() {
    let (watch, _) = begin();
    watch.fail(true);
    let error = point_current(&watch, Path::new("/"), 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "only the temporary file was touched");
    assert_eq!(watch.disk.read("/CURRENT"), None);
    watch.fail(false);
    watch.directory_syncs_fail.store(true, Ordering::Relaxed);
    let error = point_current(&watch, Path::new("/"), 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitUncertain);
}
