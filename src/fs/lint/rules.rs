//! The rules of order. Each looks at the book before a call goes through, and answers with what
//! is wrong, or `None`.
//!
//! * R1: `CURRENT` is renamed from a durable file that names a durable manifest.
//! * R2: a manifest names a table only when its bytes and its name are durable.
//! * R3: a file is removed only when the durable manifest has settled that nobody needs it: a log
//!   segment below the floor, a table that is not live, a manifest that `CURRENT` does not name. A
//!   fact is settled when it was there before `CURRENT` named the manifest, or when a synced record
//!   follows it: the last record of a manifest looks like a torn tail.
//! * R4: a file whose sync failed is only dropped.
//! * R5: an acknowledgement was logged before; one that promises to survive a power cut was synced.
//! * R6: nothing is written in a directory before its lock is held, or after it was released.
//! * R7: who holds a shared lock changes nothing.
//! * R8: a removed file has no reader.

use std::path::Path;

use crate::fs::lint::book::{Book, Fact, File, number_in};
use crate::fs::{Event, FileKind};

/// What is wrong.
pub(crate) type Breach = Option<String>;

fn breach(rule: &str, path: &Path, what: &str) -> Breach {
    Some(format!("{rule}: {}: {what}", path.display()))
}

/// R6 and R7: before something changes at `path`.
pub(crate) fn write(book: &Book, path: &Path, what: &str) -> Breach {
    let locks = book.locks_over(path);
    if locks.exclusive > 0 {
        None
    } else if locks.shared > 0 {
        let what = format!("{what} under a shared lock, which only reads");
        breach("R7", path, &what)
    } else {
        breach("R6", path, &format!("{what} without holding the lock"))
    }
}

/// R4: before a file is appended to or synced.
pub(crate) fn use_after_failed_sync(file: &File, what: &str) -> Breach {
    if file.sync_failed {
        let what = format!("{what} after a sync of it failed");
        return breach("R4", &file.path, &what);
    }
    None
}

/// R1: before a rename.
pub(crate) fn rename(book: &Book, from: &Path) -> Breach {
    let id = *book.names.get(from.as_os_str())?;
    let file = &book.files[id];
    if file.kind != FileKind::Current || !file.created {
        return None;
    }
    if file.sync_failed || file.len == 0 || file.synced < file.len {
        let what = format!("becomes CURRENT with {} of {} bytes synced", file.synced, file.len);
        return breach("R1", from, &what);
    }
    let manifest = &book.files[book.manifest_named_by(id)?];
    if manifest.created && !manifest.is_durable() {
        let what = format!("names {}, which is not durable", manifest.path.display());
        return breach("R1", from, &what);
    }
    None
}

/// R3 and R8: before a file is removed.
pub(crate) fn remove(book: &Book, path: &Path) -> Breach {
    let Some(id) = book.names.get(path.as_os_str()) else {
        return remove_unknown(book, path);
    };
    let file = &book.files[*id];
    if file.readers > 0 {
        let what = format!("removed under {} readers", file.readers);
        return breach("R8", path, &what);
    }
    match file.kind {
        FileKind::Wal => remove_segment(book, file),
        FileKind::Table => remove_table(book, file),
        FileKind::Manifest => remove_manifest(book, file),
        _ => None,
    }
}

fn remove_segment(book: &Book, file: &File) -> Breach {
    // One that never held a record is needed by nobody.
    if file.created && file.len == 0 {
        return None;
    }
    let floors = book.current_facts().filter_map(|(fact, settled)| {
        let Fact::Floor(floor) = fact else {
            return None;
        };
        settled.then_some(floor)
    });
    let floor = floors.max();
    if file.number < floor {
        return None;
    }
    let what = match floor {
        Some(floor) => format!("removed, but the settled floor of the log is {floor}"),
        None => "removed, but no durable manifest settles a floor of the log".to_owned(),
    };
    breach("R3", &file.path, &what)
}

const LIVE: &str = "removed, but the durable manifest has not settled that it is not live";

fn is_live(book: &Book, table: u64) -> bool {
    let mut live = false;
    for (fact, settled) in book.current_facts() {
        match fact {
            Fact::Added(it) if it == table => live = true,
            Fact::Removed(it) if it == table && settled => live = false,
            _ => {}
        }
    }
    live
}

// A file that was there before and was never opened. No two files have the same number.
fn remove_unknown(book: &Book, path: &Path) -> Breach {
    if number_in(path).is_some_and(|number| is_live(book, number)) {
        return breach("R3", path, LIVE);
    }
    None
}

fn remove_table(book: &Book, file: &File) -> Breach {
    if file.number.is_some_and(|number| is_live(book, number)) {
        return breach("R3", &file.path, LIVE);
    }
    no_manifest_yet(book, file)
}

fn remove_manifest(book: &Book, file: &File) -> Breach {
    if book.current.map(|id| &book.files[id].path) == Some(&file.path) {
        return breach("R3", &file.path, "removed, but CURRENT names it");
    }
    no_manifest_yet(book, file)
}

fn no_manifest_yet(book: &Book, file: &File) -> Breach {
    if !file.created && book.current.is_none() {
        let what = "removed before a manifest of this opening was durable";
        return breach("R3", &file.path, what);
    }
    None
}

/// R2 and R5: when the engine says what it did or is about to do.
pub(crate) fn event(book: &Book, event: &Event) -> Breach {
    match *event {
        Event::TableAdded { table } => {
            let file = book.numbered(FileKind::Table, table)?;
            if file.created && !file.is_durable() {
                let what = format!(
                    "named by a manifest with {} of {} bytes synced and its name {}",
                    file.synced,
                    file.len,
                    if file.named { "durable" } else { "not durable" },
                );
                return breach("R2", &file.path, &what);
            }
            None
        }
        Event::Acknowledged { seqno, synced } => {
            if seqno > book.last_logged {
                return Some(format!(
                    "R5: {seqno} is acknowledged, but the log ends with {}",
                    book.last_logged
                ));
            }
            let unsynced = book.logged.iter().find(|it| it.seqno <= seqno);
            match unsynced {
                Some(it) if synced => Some(format!(
                    "R5: {seqno} is acknowledged as synced, but segment {} is not synced up to {}",
                    it.segment, it.end
                )),
                _ => None,
            }
        }
        _ => None,
    }
}
