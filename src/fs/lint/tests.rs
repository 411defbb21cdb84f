//! Tests of the watching file system: for every rule a legal sequence that passes, and one breach
//! that is named.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::fs::lint::file_system::LintFileSystem;
use crate::fs::{
    Append, Event, Fault, FaultFileSystem, FileKind, FileLock, FileSystem, LockKind, Operation,
    SimulatedFileSystem, Trigger,
};

struct Database {
    fs: LintFileSystem,
    _lock: Box<dyn FileLock>,
}

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn open(inner: impl FileSystem) -> Database {
    let fs = LintFileSystem::recording(inner);
    fs.create_dir_all(path("/db")).unwrap();
    let lock = fs.lock(path("/db/LOCK"), LockKind::Exclusive).unwrap();
    Database { fs, _lock: lock }
}

impl Database {
    fn new() -> Database {
        open(SimulatedFileSystem::new())
    }

    fn create(&self, name: &str, kind: FileKind) -> Box<dyn Append> {
        self.fs.create_new(&path("/db").join(name), kind).unwrap()
    }

    fn sync_dir(&self) {
        self.fs.sync_dir(path("/db")).unwrap();
    }

    fn remove(&self, name: &str) {
        self.fs.remove(&path("/db").join(name)).unwrap();
    }

    // A durable file.
    fn put(&self, name: &str, kind: FileKind) -> Box<dyn Append> {
        let mut file = self.create(name, kind);
        write(&mut file);
        self.sync_dir();
        file
    }

    // A manifest that says these things first, and is pointed to.
    fn manifest(&self, number: u64, events: &[Event]) -> Box<dyn Append> {
        let name = format!("MANIFEST-{number:06}");
        let mut manifest = self.create(&name, FileKind::Manifest);
        self.edit(&mut manifest, events);
        self.sync_dir();
        self.point(number, &name, true);
        manifest
    }

    fn edit(&self, manifest: &mut Box<dyn Append>, events: &[Event]) {
        events.iter().for_each(|event| self.fs.observe(event.clone()));
        write(manifest);
    }

    fn point(&self, number: u64, target: &str, synced: bool) {
        let temp = format!("CURRENT-{number:06}.tmp");
        let mut current = self.create(&temp, FileKind::Current);
        current.append(format!("{target} 0123\n").as_bytes()).unwrap();
        if synced {
            current.syncer().sync().unwrap();
        }
        let (from, to) = (path("/db").join(temp), path("/db/CURRENT"));
        self.fs.rename(&from, to).unwrap();
        self.sync_dir();
    }

    fn log(&self, wal: &mut Box<dyn Append>, segment: u64, seqno: u64) {
        wal.append(b"record").unwrap();
        let end = wal.len();
        self.fs.observe(Event::Logged { segment, seqno, end });
    }

    fn acknowledge(&self, seqno: u64, synced: bool) {
        self.fs.observe(Event::Acknowledged { seqno, synced });
    }

    fn assert_clean(&self) {
        assert_eq!(self.fs.violations(), Vec::<String>::new());
    }

    fn assert_breach(&self, rule: &str, file: &str) {
        let violations = self.fs.violations();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].starts_with(rule), "{violations:?}");
        assert!(violations[0].contains(file), "{violations:?}");
    }
}

fn write(file: &mut Box<dyn Append>) {
    file.append(b"record").unwrap();
    file.syncer().sync().unwrap();
}

fn added(table: u64) -> Event {
    Event::TableAdded { table }
}

fn removed(table: u64) -> Event {
    Event::TableRemoved { table }
}

fn floor(segment: u64) -> Event {
    Event::WalFloor { segment }
}

#[test]
fn r1_current_comes_from_a_synced_file_and_names_a_durable_manifest() {
    let db = Database::new();
    drop(db.manifest(1, &[]));
    drop(db.manifest(2, &[]));
    db.assert_clean();

    let db = Database::new();
    drop(db.put("MANIFEST-000001", FileKind::Manifest));
    db.point(1, "MANIFEST-000001", false);
    db.assert_breach("R1", "CURRENT-000001.tmp");

    let db = Database::new();
    let mut manifest = db.create("MANIFEST-000001", FileKind::Manifest);
    write(&mut manifest);
    db.point(1, "MANIFEST-000001", true);
    db.assert_breach("R1", "MANIFEST-000001");
}

#[test]
fn r2_a_manifest_names_durable_tables_only() {
    let db = Database::new();
    let mut manifest = db.manifest(1, &[]);
    drop(db.put("000002.sst", FileKind::Table));
    db.edit(&mut manifest, &[added(2)]);
    // One that was there before the watch began.
    db.edit(&mut manifest, &[added(77)]);
    db.assert_clean();

    let mut table = db.create("000003.sst", FileKind::Table);
    write(&mut table);
    db.edit(&mut manifest, &[added(3)]);
    db.assert_breach("R2", "000003.sst");

    let db = Database::new();
    let mut table = db.put("000003.sst", FileKind::Table);
    table.append(b"more").unwrap();
    db.fs.observe(added(3));
    db.assert_breach("R2", "000003.sst");
}

#[test]
fn r3_a_segment_goes_only_when_a_settled_floor_lies_above_it() {
    let db = Database::new();
    drop(db.put("000005.wal", FileKind::Wal));
    drop(db.put("000007.wal", FileKind::Wal));
    let mut manifest = db.manifest(6, &[floor(5)]);
    db.edit(&mut manifest, &[floor(7)]);
    db.edit(&mut manifest, &[]);
    db.remove("000005.wal");
    db.assert_clean();
    db.remove("000007.wal");
    db.assert_breach("R3", "000007.wal");

    // The record with the floor is the last one.
    let db = Database::new();
    drop(db.put("000005.wal", FileKind::Wal));
    let mut manifest = db.manifest(6, &[floor(5)]);
    db.edit(&mut manifest, &[floor(7)]);
    db.remove("000005.wal");
    db.assert_breach("R3", "000005.wal");

    // The record after it is not synced.
    let db = Database::new();
    drop(db.put("000005.wal", FileKind::Wal));
    let mut manifest = db.manifest(6, &[floor(5)]);
    db.edit(&mut manifest, &[floor(7)]);
    manifest.append(b"unsynced").unwrap();
    db.remove("000005.wal");
    db.assert_breach("R3", "000005.wal");
}

#[test]
fn r3_a_snapshot_that_current_names_is_settled_and_empty_segments_are_free() {
    let db = Database::new();
    drop(db.put("000005.wal", FileKind::Wal));
    drop(db.create("000009.wal", FileKind::Wal));
    drop(db.manifest(6, &[floor(7)]));
    db.remove("000005.wal");
    db.remove("000009.wal");
    db.assert_clean();
}

#[test]
fn r3_a_table_goes_only_when_it_is_settled_that_it_is_not_live() {
    let db = Database::new();
    for name in ["000001.sst", "000002.sst", "000003.sst"] {
        drop(db.put(name, FileKind::Table));
    }
    let mut manifest = db.manifest(4, &[added(1), added(2)]);
    // Never named.
    db.remove("000003.sst");
    db.edit(&mut manifest, &[removed(1)]);
    db.edit(&mut manifest, &[removed(2)]);
    db.remove("000001.sst");
    db.assert_clean();
    db.remove("000002.sst");
    db.assert_breach("R3", "000002.sst");
}

#[test]
fn r3_holds_for_files_that_were_there_before() {
    let disk = SimulatedFileSystem::new();
    disk.create_dir_all(path("/db")).unwrap();
    for name in ["/db/000001.sst", "/db/000002.sst", "/db/MANIFEST-000003"] {
        disk.write_raw(name, *b"old");
    }
    let db = open(disk.clone());
    drop(db.manifest(4, &[added(1)]));
    db.remove("000002.sst");
    db.remove("MANIFEST-000003");
    db.assert_clean();
    db.remove("000001.sst");
    db.assert_breach("R3", "000001.sst");

    disk.write_raw("/db/MANIFEST-000005", *b"old");
    let db = {
        drop(db);
        open(disk)
    };
    drop(db.fs.open(path("/db/MANIFEST-000005"), FileKind::Manifest));
    db.remove("MANIFEST-000005");
    db.assert_breach("R3", "MANIFEST-000005");
}

#[test]
fn r3_the_manifest_that_current_names_stays() {
    let db = Database::new();
    drop(db.manifest(1, &[]));
    drop(db.manifest(2, &[]));
    db.remove("MANIFEST-000001");
    db.assert_clean();
    db.remove("MANIFEST-000002");
    db.assert_breach("R3", "MANIFEST-000002");
}

#[test]
fn r4_a_file_whose_sync_failed_is_only_dropped() {
    for call in ["nothing", "appended", "extended", "synced"] {
        let faults = FaultFileSystem::new(SimulatedFileSystem::new());
        let db = open(faults.clone());
        let mut file = db.create("000001.wal", FileKind::Wal);
        file.append(b"record").unwrap();
        faults.set(Trigger::on(Operation::Sync), Fault::Io);
        file.syncer().sync().unwrap_err();
        match call {
            "appended" => file.append(b"more").unwrap(),
            "extended" => file.reserve(100).unwrap(),
            "synced" => file.syncer().sync().unwrap(),
            _ => {}
        }
        drop(file);
        match call {
            "nothing" => db.assert_clean(),
            _ => db.assert_breach("R4", call),
        }
    }
}

#[test]
fn r5_what_is_acknowledged_was_logged_and_synced_if_promised() {
    let db = Database::new();
    let mut first = db.put("000001.wal", FileKind::Wal);
    db.log(&mut first, 1, 10);
    db.acknowledge(10, false);
    let mut second = db.put("000002.wal", FileKind::Wal);
    db.log(&mut second, 2, 12);
    first.syncer().sync().unwrap();
    second.syncer().sync().unwrap();
    db.acknowledge(12, true);
    db.log(&mut second, 2, 13);
    db.acknowledge(12, true);
    db.assert_clean();
    db.acknowledge(13, true);
    db.assert_breach("R5", "segment 2");

    // The segment before it was not synced.
    let db = Database::new();
    let mut first = db.put("000001.wal", FileKind::Wal);
    db.log(&mut first, 1, 10);
    let mut second = db.put("000002.wal", FileKind::Wal);
    db.log(&mut second, 2, 12);
    second.syncer().sync().unwrap();
    db.acknowledge(12, true);
    db.assert_breach("R5", "segment 1");
}

#[test]
fn r5_a_synced_segment_without_a_durable_name_promises_nothing() {
    let db = Database::new();
    let mut wal = db.create("000001.wal", FileKind::Wal);
    db.log(&mut wal, 1, 1);
    wal.syncer().sync().unwrap();
    db.acknowledge(1, true);
    db.assert_breach("R5", "segment 1");

    let db = Database::new();
    db.acknowledge(1, false);
    db.assert_breach("R5", "the log ends with 0");
}

#[test]
fn r5_what_a_durable_floor_left_behind_needs_no_log() {
    let db = Database::new();
    let mut wal = db.put("000001.wal", FileKind::Wal);
    db.log(&mut wal, 1, 10);
    let mut manifest = db.manifest(3, &[]);
    db.edit(&mut manifest, &[floor(2)]);
    db.acknowledge(10, true);
    db.assert_clean();
}

#[test]
fn r6_nothing_is_written_without_the_lock() {
    let db = Database::new();
    let mut file = db.put("000001.wal", FileKind::Wal);
    db.fs.create_dir_all(path("/db/lost")).unwrap();
    drop(db.create("lost/x", FileKind::Other));
    db.assert_clean();
    let Database { fs, _lock: lock } = db;
    drop(lock);
    file.append(b"late").unwrap();
    let violations = fs.violations();
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("R6: /db/000001.wal: appended to"));
}

#[test]
fn r7_a_shared_lock_only_reads() {
    let disk = SimulatedFileSystem::new();
    disk.create_dir_all(path("/db")).unwrap();
    disk.write_raw("/db/LOCK", *b"");
    disk.write_raw("/db/a", *b"bytes");
    let fs = LintFileSystem::recording(disk);
    let _lock = fs.lock(path("/db/LOCK"), LockKind::Shared).unwrap();
    let read = fs.open(path("/db/a"), FileKind::Table).unwrap();
    read.read_exact_at(&mut [0; 5], 0).unwrap();
    fs.list(path("/db")).unwrap();
    assert!(fs.violations().is_empty());
    fs.create_dir_all(path("/db/lost")).unwrap();
    fs.rename(path("/db/a"), path("/db/b")).unwrap();
    drop(fs.create_new(path("/db/c"), FileKind::Table).unwrap());
    fs.remove(path("/db/c")).unwrap();
    let violations = fs.violations();
    assert_eq!(violations.len(), 4, "{violations:?}");
    assert!(violations.iter().all(|it| it.starts_with("R7: /db/")));
}

#[test]
fn r8_a_removed_file_has_no_reader() {
    let db = Database::new();
    drop(db.put("000001.sst", FileKind::Table));
    drop(db.put("000002.sst", FileKind::Table));
    let open = |name| db.fs.open(path(name), FileKind::Table).unwrap();
    drop(open("/db/000001.sst"));
    db.remove("000001.sst");
    db.assert_clean();
    let _reader = open("/db/000002.sst");
    db.remove("000002.sst");
    db.assert_breach("R8", "000002.sst");
}

#[test]
fn a_breach_panics_at_once_and_again_at_the_end_if_it_was_caught() {
    let fs = LintFileSystem::new(SimulatedFileSystem::new());
    let create = || fs.create_new(path("/a"), FileKind::Wal).map(drop);
    catch_unwind(AssertUnwindSafe(create)).unwrap_err();
    let last = catch_unwind(AssertUnwindSafe(|| drop(fs))).unwrap_err();
    let message = last.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("R6: /a"), "{message}");
}
