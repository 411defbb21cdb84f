//! The fuzz body for a database directory: a whole small database whose files are damaged.
//!
//! The bytes are a choice and edits of six bytes: which file, how, where (u16), and with what (u16).
//! The first byte says which directory (bit 0: closed, or killed with a log to replay) and whether
//! the checksums of what was edited are made right (bit 1). Damage that a checksum sees must be an
//! error with a file, or leave a state that was there; with the checksums made right a directory
//! may say anything, but it must say it without a panic, and its errors still name a file.

use crate::db::{Db, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::format::filename::FileName;
use crate::format::record::HEADER_BYTES;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::state::settings::Background;
use crate::table::FilterKind;
use crate::testing::repair;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

const DIRECTORY: &str = "/data";
const EDITS_MAX: usize = 16;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A database on a disk, and every state that it had; the last is what it holds.
#[derive(Clone)]
struct Subject {
    files: Vec<(String, Vec<u8>)>,
    database: u64,
    states: Vec<Map>,
}

fn subject(closed: bool) -> Subject {
    thread_local! {
        // Killed and closed, made once: the damage is what a fuzzer has to spend its time on.
        static SUBJECTS: [Subject; 2] = [Subject::new(false), Subject::new(true)];
    }
    SUBJECTS.with(|both| both[usize::from(closed)].clone())
}

fn options(fs: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(fs.clone())
        .memory(1 << 20)
        .memtable_bytes(64 << 10)
        .block_bytes(256)
        .table_bytes(2 << 10)
        .filter(FilterKind::Blocked { bits_per_key: 10 })
        .background(Background::Stepped { seed: 1 })
}

impl Subject {
    fn new(closed: bool) -> Subject {
        let fs = SimulatedFileSystem::with_seed(1);
        fs.restart_history(false);
        let db = options(&fs).open(DIRECTORY).expect("an empty disk");
        let mut states = vec![Map::new()];
        for number in 0..60_u32 {
            let (key, value) = (format!("key/{:02}", number % 40), format!("{number}").repeat(3));
            let mut next = states.last().cloned().unwrap_or_default();
            match number % 9 {
                8 => {
                    db.delete_range(key.as_str().."key/1").expect("a healthy disk");
                    next.retain(|own, _| !(key.as_bytes()..b"key/1").contains(&&own[..]));
                }
                7 => {
                    db.delete(&key).expect("a healthy disk");
                    next.remove(key.as_bytes());
                }
                _ => {
                    db.put(&key, &value).expect("a healthy disk");
                    next.insert(key.into_bytes(), value.into_bytes());
                }
            }
            states.push(next);
            match number {
                20 | 50 => db.flush().expect("a healthy disk"),
                35 => db.compact(..).expect("a healthy disk"),
                _ => {}
            }
        }
        if closed {
            db.close().expect("a healthy disk");
        }
        let disk = fs.copy();
        let trim = |(name, mut bytes): (String, Vec<u8>)| {
            // Room that a segment reserved is zeros, and little of it says as much as all of it.
            if name.ends_with(".wal") {
                bytes.truncate(written(&bytes) + 64);
            }
            (name, bytes)
        };
        let files: Vec<_> = files_of(&disk).into_iter().map(trim).collect();
        let segment = files.iter().find(|(name, _)| name.ends_with(".wal"));
        let opening = segment.and_then(|(_, bytes)| bytes.get(HEADER_BYTES + 16..));
        let database =
            opening.and_then(|rest| rest.first_chunk()).map(|raw| u64::from_le_bytes(*raw));
        let database = database.expect("a database has a segment");
        Subject { files, database, states }
    }
}

/// Damages a database and opens it. Accepted if it opens and can be read.
#[must_use]
pub fn db_dir(bytes: &[u8]) -> bool {
    let Some((&choice, edits)) = bytes.split_first() else { return false };
    let untouched = subject(choice & 1 != 0);
    let mut subject = untouched.clone();
    for edit in edits.as_chunks::<6>().0.iter().take(EDITS_MAX) {
        apply(&mut subject.files, edit);
    }
    let is_repaired = choice & 2 != 0;
    if is_repaired {
        for (name, bytes) in &mut subject.files {
            match FileName::parse(OsStr::new(name)) {
                Some(FileName::Table(id)) => repair::table(bytes, subject.database, id),
                Some(FileName::Wal(id) | FileName::Manifest(id)) => {
                    repair::journal(bytes, subject.database, id);
                }
                _ => {}
            }
        }
    }
    judge(&subject, &untouched, is_repaired)
}

fn apply(files: &mut Vec<(String, Vec<u8>)>, edit: &[u8; 6]) {
    let [which, how, ..] = *edit;
    let at = usize::from(u16::from_le_bytes([edit[2], edit[3]]));
    let with = usize::from(u16::from_le_bytes([edit[4], edit[5]]));
    if files.is_empty() {
        return;
    }
    let index = usize::from(which) % files.len();
    let other = with % files.len();
    let bytes = &mut files[index].1;
    match how % 8 {
        0 | 1 if at < bytes.len() => bytes[at] ^= edit[4],
        2 if at + 1 < bytes.len() => bytes[at..at + 2].copy_from_slice(&edit[4..]),
        3 => bytes.truncate(at),
        4 if at < bytes.len() => {
            let end = (at + with).min(bytes.len());
            bytes[at..end].fill(0);
        }
        5 => {
            let copy = files[other].1.clone();
            files[index].1 = copy;
        }
        6 => drop(files.remove(index)),
        7 => bytes.extend(std::iter::repeat_n(edit[4], usize::from(edit[5]))),
        _ => {}
    }
}

fn judge(subject: &Subject, untouched: &Subject, is_repaired: bool) -> bool {
    let fs = SimulatedFileSystem::with_seed(2);
    fs.restart_history(false);
    fs.create_dir_all(Path::new(DIRECTORY)).expect("an empty disk");
    for (name, bytes) in &subject.files {
        fs.write_raw(format!("{DIRECTORY}/{name}"), bytes.clone());
    }
    let before = files_of(&fs);
    let db = match options(&fs).create_if_missing(false).open(DIRECTORY) {
        Ok(db) => db,
        Err(error) => {
            check(&error);
            let after = files_of(&fs);
            // Taking a lock file away again would be a race with whoever opened it meanwhile.
            let after: Vec<_> =
                after.into_iter().filter(|file| !is_new_lock(file, &before)).collect();
            let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
            let changed: Vec<_> = changed.iter().map(|(name, _)| name).collect();
            assert!(after == before, "an open that is refused changed {changed:?}: {error}");
            return false;
        }
    };
    let found = contents(&db);
    let is_accepted = match found {
        Ok(found) if is_repaired => {
            if db.verify().is_ok_and(|report| report.is_clean()) {
                for (key, value) in &found {
                    let got = db.get(key).expect("a table that was proven");
                    assert_eq!(got.as_deref(), Some(&value[..]), "a get finds what a scan finds");
                }
            }
            true
        }
        Ok(found) => {
            assert!(subject.states.contains(&found), "a state that never was: {found:?}");
            let is_last = subject.states.last() == Some(&found);
            assert!(
                is_last || is_tail_lost(&db, &subject.files, untouched),
                "older than its files: {found:?}"
            );
            true
        }
        Err(error) => {
            check(&error);
            false
        }
    };
    drop(db.close());
    is_accepted
}

fn is_new_lock(file: &(String, Vec<u8>), before: &[(String, Vec<u8>)]) -> bool {
    let is_new = before.iter().all(|(name, _)| *name != file.0);
    is_new && file.1.is_empty() && file.0 == FileName::Lock.to_string()
}

/// Names and contents, in the order of names.
fn files_of(fs: &SimulatedFileSystem) -> Vec<(String, Vec<u8>)> {
    let names = fs.names(DIRECTORY).into_iter().filter_map(|name| name.into_string().ok());
    let read = |name: String| {
        let bytes = fs.read(format!("{DIRECTORY}/{name}"))?;
        Some((name, bytes))
    };
    names.filter_map(read).collect()
}

/// Length of a file without the zeros at its end.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Whether the loss of the last writes is told, or cannot be: a segment that ends behind a whole
/// record, in a log that was not closed, looks like one whose next records never came.
fn is_tail_lost(db: &Db, files: &[(String, Vec<u8>)], untouched: &Subject) -> bool {
    let mut segments = untouched.files.iter().filter(|(name, _)| name.ends_with(".wal"));
    let is_cut = segments.any(|(name, before)| {
        let after = files.iter().find(|(own, _)| own == name).map_or(&b""[..], |(_, bytes)| bytes);
        let after = &after[..written(after)];
        after.len() < written(before) && before.starts_with(after)
    });
    !db.recovery_report().is_clean() || is_cut
}

fn check(error: &Error) {
    assert!(error.file().is_some(), "an error names a file: {error}");
    let is_told =
        matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported | ErrorKind::Invalid);
    assert!(is_told, "damage is no other error: {error:?}");
}

/// Everything in the default keyspace, which must be the same both ways.
fn contents(db: &Db) -> Result<Map> {
    let owned = |entry: Result<_>| {
        entry.map(|(key, value): (crate::slice::Slice, crate::slice::Slice)| {
            (key.to_vec(), value.to_vec())
        })
    };
    let forward = db.iter().map(owned).collect::<Result<Vec<_>>>()?;
    db.iter().rev().map(owned).collect::<Result<Vec<_>>>()?;
    Ok(forward.into_iter().collect())
}
