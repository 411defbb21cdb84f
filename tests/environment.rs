//! The world around a database: paths, other processes, other people's files, limits; on the real
//! file system.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test that fails panics, in its helpers too, and tells its figures, and sets up what a user may"
)]

#[path = "environment/limits.rs"]
mod limits;
#[path = "environment/place.rs"]
mod place;

use crate::place::{picture, place};
use siltstone::{Db, ErrorKind, Options, Reason};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Names the directory that a child process is to open.
const CHILD: &str = "SILTSTONE_TEST_CHILD";

fn put_and_close(path: impl AsRef<Path>) {
    let db = Db::open(path).unwrap();
    db.put("k", "v").unwrap();
    db.close().unwrap();
}

fn assert_holds(path: impl AsRef<Path>) {
    let db = Db::open(path).unwrap();
    assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    db.close().unwrap();
}

#[test]
fn a_file_is_not_a_database() {
    let (_place, path) = place();
    std::fs::write(&path, "precious").unwrap();
    for outcome in [Db::open(&path), Options::new().open_read_only(&path)] {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, &Reason::NotADatabase));
        assert_eq!(error.file(), Some(&*path));
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let below = Db::open(path.join("data")).unwrap_err();
    assert!(matches!(below.kind(), ErrorKind::Io | ErrorKind::Invalid), "{below:?}");
}

#[test]
fn missing_parents_are_created_but_only_for_a_writer_that_may() {
    let (place, path) = place();
    let deep = path.join("a/b/c");
    let refused = [
        Options::new().create_if_missing(false).open(&deep).unwrap_err(),
        Options::new().open_read_only(&deep).unwrap_err(),
    ];
    assert!(refused.iter().all(|error| *error.reason() == Reason::NotADatabase), "{refused:?}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was created");
    put_and_close(&deep);
    assert_holds(&deep);
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let (_place, path) = place();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("letter.txt"), "dear").unwrap();
    let before = picture(&path);
    let error = Db::open(&path).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, &Reason::NotADatabase));
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(picture(&path), before);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let (_place, path) = place();
    put_and_close(&path);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o555)).unwrap();
    let binds = std::fs::write(path.join("probe"), "").is_err();
    if binds {
        let before = picture(&path);
        let error = Db::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        assert_eq!(picture(&path), before);
        let db = Options::new().open_read_only(&path).unwrap();
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    } else {
        println!("skipped: permissions do not bind this user");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_holds(&path);
}

#[test]
fn one_process_opens_a_database_once() {
    let (_place, path) = place();
    let db = Db::open(&path).unwrap();
    db.put("k", "v").unwrap();
    let error = Db::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    assert_eq!(Options::new().open_read_only(&path).unwrap_err().kind(), ErrorKind::Locked);
    let clone = db.clone();
    drop(db);
    assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::Locked, "a clone holds it open");
    drop(clone);
    assert_holds(&path);
}

/// Does nothing, unless this process is the child of the test below.
#[test]
fn child_that_holds_a_database_open() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let db = Db::open(path).unwrap();
    db.put("k", "v").unwrap();
    println!("\nopen");
    std::io::stdout().flush().unwrap();
    // Until the parent lets go or dies.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    // Like a process that is killed: nothing is closed.
    std::process::abort();
}

fn child(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_holds_a_database_open", "--nocapture"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "open"), "the child opens the database");
    child
}

#[test]
fn two_processes_do_not_share_a_database_and_death_gives_it_free() {
    let (_place, path) = place();
    let mut child = child(&path);
    let before = picture(&path);
    assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(Options::new().open_read_only(&path).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(picture(&path), before, "whoever comes second touches nothing");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_holds(&path);
}

/// A child of a fork has a copy of the handle and none of the threads behind it.
#[test]
fn the_child_of_a_fork_is_refused_and_the_parent_unharmed() {
    let (_place, path) = place();
    let db = Db::open(&path).unwrap();
    db.put("k", "parent").unwrap();
    let child = match fork::fork_process().unwrap() {
        fork::ProcessFork::Parent(child) => child,
        fork::ProcessFork::Child => {
            let refused = |error: siltstone::Error| error.kind() == ErrorKind::Invalid;
            let is_refused = db.put("k", "child").is_err_and(refused);
            let is_told = db.flush().is_err_and(refused);
            // No destructor runs here, and no test goes on.
            std::process::exit(if is_refused && is_told { 0 } else { 1 });
        }
    };
    let ended = fork::wait_event(child).unwrap();
    assert!(matches!(ended, fork::ChildEvent::Exited { code: 0, .. }), "{ended:?}");
    db.put("k2", "parent").unwrap();
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"parent"[..]));
    assert!(db.contains("k2").unwrap());
}

/// Whoever starts other programs forks: for a moment, or for long, a child has every file open.
#[test]
fn a_child_of_a_fork_does_not_keep_a_closed_database_locked() {
    let (_place, path) = place();
    let db = Db::open(&path).unwrap();
    let (mut until_closed, closed) = std::io::pipe().unwrap();
    let child = match fork::fork_process().unwrap() {
        fork::ProcessFork::Parent(child) => child,
        fork::ProcessFork::Child => {
            let heard = std::io::Read::read(&mut until_closed, &mut [0]).is_ok();
            std::process::exit(if heard { 0 } else { 1 });
        }
    };
    db.close().unwrap();
    let reopened = Db::open(&path).map(|db| db.put("k", "v"));
    (&closed).write_all(b"!").unwrap();
    let ended = fork::wait_event(child).unwrap();
    assert!(matches!(ended, fork::ChildEvent::Exited { code: 0, .. }), "{ended:?}");
    reopened.unwrap().unwrap();
}

#[test]
fn a_read_only_open_reads_everything_and_writes_nothing() {
    let (_place, path) = place();
    put_and_close(&path);
    let mut child = child(&path);
    drop(child.stdin.take());
    child.wait().unwrap();

    // There is a log to replay now.
    let before = picture(&path);
    let readers: Vec<_> = (0..2).map(|_| Options::new().open_read_only(&path).unwrap()).collect();
    for db in &readers {
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(db.iter().count(), 1);
        db.verify().unwrap().into_result().unwrap();
        for refused in [db.put("a", "b"), db.flush(), db.compact(..), db.sync()] {
            assert_eq!(*refused.unwrap_err().reason(), Reason::ReadOnly);
        }
        assert_eq!(*db.keyspace("new").unwrap_err().reason(), Reason::ReadOnly);
    }
    assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::Locked, "readers keep writers out");
    readers.iter().for_each(|db| db.close().unwrap());
    drop(readers);
    assert_eq!(picture(&path), before);
    assert_holds(&path);
}

#[test]
fn any_path_will_do() {
    let (place, _) = place();
    for name in [&b"not \xff\xfe utf-8"[..], b"with spaces and 'quotes'", "h\u{e9}llo".as_bytes()] {
        let path = place.path().join(OsStr::from_bytes(name));
        put_and_close(&path);
        assert_holds(&path);
    }
}

#[test]
fn a_relative_path_stays_the_same_when_the_working_directory_changes() {
    let (place, _) = place();
    let elsewhere = tempfile::tempdir().unwrap();
    // No other test of this binary uses a relative path.
    std::env::set_current_dir(place.path()).unwrap();
    let options = Options::new().memtable_bytes(4 << 10);
    let db = options.open("data").unwrap();
    std::env::set_current_dir(elsewhere.path()).unwrap();
    for number in 0..100 {
        db.put(format!("k{number}"), vec![1; 500]).unwrap();
    }
    db.compact(..).unwrap();
    db.put("k", "v").unwrap();
    db.close().unwrap();
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_holds(place.path().join("data"));
}

#[test]
fn a_directory_may_move_between_two_opens() {
    let (place, path) = place();
    put_and_close(&path);
    let moved = place.path().join("moved/here");
    std::fs::create_dir(place.path().join("moved")).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    assert_holds(&moved);
    assert!(!path.exists());
}

/// Rewrites the version in the first record of a manifest, as docs/FORMAT.md says.
fn set_version(manifest: &Path, version: u32) {
    const HEADER: usize = 32;
    let mut bytes = std::fs::read(manifest).unwrap();
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let payload = HEADER..HEADER + word(&bytes, 4) as usize;
    bytes[HEADER + 8..HEADER + 12].copy_from_slice(&version.to_le_bytes());
    let payload_crc = crc32fast::hash(&bytes[payload]);
    bytes[8..12].copy_from_slice(&payload_crc.to_le_bytes());
    // Database and file stand behind the version; offset and chain are 0 for the first record.
    let seed = [&bytes[HEADER + 12..HEADER + 28], &[0; 12], &bytes[4..HEADER]].concat();
    let header_crc = crc32fast::hash(&seed);
    bytes[..4].copy_from_slice(&header_crc.to_le_bytes());
    std::fs::write(manifest, bytes).unwrap();
}

#[test]
fn a_newer_format_is_unsupported_and_nothing_is_changed() {
    let (_place, path) = place();
    put_and_close(&path);
    let is_manifest = |path: &&std::path::PathBuf| path.to_string_lossy().contains("MANIFEST-");
    let manifest = picture(&path).keys().find(is_manifest).unwrap().clone();
    // The way to do it is right: the present version opens.
    set_version(&manifest, 1);
    assert_holds(&path);
    let manifest = picture(&path).keys().find(is_manifest).unwrap().clone();
    set_version(&manifest, 2);
    let before = picture(&path);
    for outcome in [Db::open(&path), Options::new().open_read_only(&path)] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert_eq!(*error.reason(), Reason::NewerFormat { found: 2, max: 1 });
        assert_eq!(error.file(), Some(&*manifest));
    }
    assert_eq!(picture(&path), before);
}
