//! Makes the reserve, gives it up when the disk is full, and makes it again.
//!
//! Nobody reads the file, so it is not synced: if a power cut takes it, the next open makes another
//! one. It takes half of the free room at most, so that there is room for the writes that it lets in.

use crate::error::{Error, ErrorKind, Result};
use crate::format::filename::FileName;
use crate::fs::FileKind;
use crate::maintenance::cleanup;
use crate::maintenance::cleanup::Cleanup;
use crate::seeded::{Bug, is_seeded};
use crate::state::health::Duty;
use crate::state::reserve::Holding;
use crate::state::store::Store;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;
use std::io;
use std::time::Duration;

/// What the file begins with, for people, and so that it is not taken for an empty segment if somebody
/// renames it.
const CAPTION: &[u8] = b"Room that is kept for a full disk. Nobody reads it.\n";

/// How long work on a full disk waits before it is refused: a thread that holds an old version for a
/// moment, or a program that is just being started, keeps files that nobody needs.
const PATIENCE_PAUSES: u32 = 20;
const PATIENCE_PAUSE: Duration = Duration::from_millis(10);

/// The cleanup, and the reserve when there is nothing to clean.
pub(crate) struct Housekeeper {
    store: Arc<Store>,
    cleanup: Cleanup,
}

impl Housekeeper {
    pub(crate) fn new(store: Arc<Store>) -> Housekeeper {
        Housekeeper { cleanup: Cleanup::new(Arc::clone(&store)), store }
    }
}

impl Worker for Housekeeper {
    fn duty(&self) -> Duty {
        self.cleanup.duty()
    }

    fn step(&mut self) -> Result<Step> {
        let cleaned = self.cleanup.step()?;
        if cleaned != Step::Idle {
            // Perhaps there is room now for what could not be held before.
            self.store.reserve.ask_for_missing();
            return Ok(cleaned);
        }
        Ok(if keep(&self.store)? { Step::Finished } else { Step::Idle })
    }
}

/// What it takes to turn the log into tables: room for the largest memtable as a table, for another
/// segment, and for another manifest.
fn needed_by_log(store: &Store) -> u64 {
    let view = store.view.load();
    let largest = view.memtables().map(|memtable| memtable.size_bytes() as u64).max().unwrap_or(0);
    store.settings.reserve_bytes(largest, 0)
}

/// If somebody asked for it: makes the file as large as it should be and can be. Returns whether
/// anything was tried. If there is none after that, the reserve is low.
///
/// # Errors
/// Whatever the operating system reports, a full disk apart.
pub(crate) fn keep(store: &Arc<Store>) -> Result<bool> {
    let reserve = &store.reserve;
    if !reserve.take_asked() {
        return Ok(false);
    }
    // After the question was taken, so that whoever asked before is answered by this attempt.
    let began = store.signals.hurries();
    let mut holding = reserve.holding().lock();
    let mut next = next_bytes(store, &mut holding);
    if matches!(next, Ok(None)) && reserve.is_low() {
        drop(holding);
        let has_room = outwait_holder(store);
        holding = reserve.holding().lock();
        if has_room {
            next = next_bytes(store, &mut holding);
        }
    }
    let made = next.and_then(|bytes| match bytes {
        Some(bytes) => make(store, &mut holding, bytes),
        None => Ok(()),
    });
    match made {
        Ok(()) => reserve.set_low(holding.bytes == 0),
        // Not for lack of room: it is tried again, and writes need not wait for it.
        Err(_) => reserve.ask(),
    }
    drop(holding);
    reserve.note_attempt(began);
    store.signals.ring();
    made.map(|()| true)
}

/// How large to make the file now, if another size than it has.
fn next_bytes(store: &Store, holding: &mut Holding) -> Result<Option<u64>> {
    holding.needed = needed_by_log(store);
    Ok(store.reserve.next_bytes(*holding, free_bytes(store)?))
}

/// Bytes that the disk has left.
fn free_bytes(store: &Store) -> Result<u64> {
    let free = store.fs.free_space(&store.directory);
    free.map_err(|error| Error::io("ask for the free space of", &store.directory, error))
}

fn make(store: &Store, holding: &mut Holding, bytes: u64) -> Result<()> {
    let remove = || cleanup::remove(&*store.fs, &store.directory, FileName::Reserve);
    // Files are not made longer later.
    if std::mem::take(&mut holding.bytes) > 0 {
        remove()?;
    }
    let path = FileName::Reserve.in_directory(&store.directory);
    let mut created = store.fs.create_new(&path, FileKind::Other);
    if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        // A crash, or an attempt that failed, left one that holds nothing.
        remove()?;
        created = store.fs.create_new(&path, FileKind::Other);
    }
    let made = created.and_then(|mut file| {
        file.append(CAPTION)?;
        file.reserve(bytes)
    });
    match made {
        Ok(()) => holding.bytes = bytes,
        // Somebody else took the room meanwhile.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            remove()?;
        }
        Err(error) => return Err(Error::io("make the reserve", &path, error)),
    }
    Ok(())
}

/// At a close: a log that holds nothing needs little room to become a table.
pub(crate) fn shrink(store: &Store) {
    let mut holding = store.reserve.holding().lock();
    if holding.bytes > store.reserve.bytes_min() {
        // It is a nicety: if it fails, the next open makes another one.
        drop(make(store, &mut holding, store.reserve.bytes_min()));
    }
}

/// On a full disk: gives the reserve up, and the files that wait to be deleted, or that somebody holds
/// for a moment. Returns whether there was anything, or somebody else has given the reserve up since it
/// had been so many `times`, so that it is worth trying again.
pub(crate) fn make_room(store: &Arc<Store>, times: u64) -> bool {
    give_up(store);
    let is_given_up = store.reserve.times_given_up() > times;
    let has_trash = !store.trash.is_empty_with(|| !store.context.has_released());
    // What cannot be removed now is tried again by the cleanup.
    (has_trash && cleanup::empty(store).is_ok()) || is_given_up || outwait_holder(store)
}

/// Waits for one of the tables that nobody needs and somebody still holds. Returns whether one went.
fn outwait_holder(store: &Arc<Store>) -> bool {
    let held = store.context.held();
    if held == 0 {
        return false;
    }
    for _ in 0..PATIENCE_PAUSES {
        store.fs.sleep(PATIENCE_PAUSE);
        if store.context.held() < held {
            return cleanup::empty(store).is_ok();
        }
    }
    false
}

fn give_up(store: &Store) {
    let mut holding = store.reserve.holding().lock();
    if holding.bytes == 0 || is_seeded(Bug::ReserveKept) {
        return;
    }
    // First, so that nothing but deletes gets into the room.
    store.reserve.set_low(true);
    if cleanup::remove(&*store.fs, &store.directory, FileName::Reserve).is_err() {
        // It is still there: nothing was gained, and nothing lost.
        store.reserve.set_low(false);
        return;
    }
    holding.bytes = 0;
    store.reserve.note_given_up();
}

/// Whether a compaction may go on. If the reserve is low, it must leave room for a manifest, without
/// which nothing can be deleted, and if nobody asked for it, all that the log needs.
///
/// # Errors
/// `DiskFull` if it may not.
pub(crate) fn check_compaction(store: &Arc<Store>, is_requested: bool) -> Result<()> {
    if !store.reserve.is_low() {
        return Ok(());
    }
    let needed = match is_requested {
        true => store.settings.segment_bytes_min(),
        false => needed_by_log(store),
    };
    for pause in (0..=PATIENCE_PAUSES).rev() {
        if free_bytes(store)? >= needed {
            return Ok(());
        }
        // What earlier jobs freed may still be there.
        drop(cleanup::empty(store));
        if pause > 0 {
            store.fs.sleep(PATIENCE_PAUSE);
        }
    }
    let what = format!(
        "the disk is full: tables cannot be merged and {needed} bytes be left for the log; \
         delete more and compact, or make room"
    );
    Err(Error::plain(ErrorKind::DiskFull, what))
}

/// Does it, and once more if it met a full disk and there was room to make.
///
/// # Errors
/// Those of `work`.
pub(crate) fn with_reserve<T>(
    store: &Arc<Store>,
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    let times = store.reserve.times_given_up();
    match work() {
        Err(error) if error.kind() == ErrorKind::DiskFull && make_room(store, times) => work(),
        outcome => outcome,
    }
}
