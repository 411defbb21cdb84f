//! The ledger: the manifest being written, and the state that its edits add up to.
//!
//! Invariants: (1) the state is what a replay of the durable records gives: an edit is applied only
//! after its sync returned; (2) after a failed append nothing more goes into that manifest: the next
//! edit begins a new one with the whole state; (3) a failed sync, or a switch of CURRENT
//! that may or may not have happened, poisons: nobody knows which story the disk tells.
//!
//! The mutex is held across the sync of an edit. Commits never take it.

use crate::error::{Error, ErrorKind, Reason, Result};
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use crate::manifest::{Edit, ManifestWriter, State, point_current};
use crate::state::health::Health;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use std::path::PathBuf;

/// Writes the manifest.
#[derive(Debug)]
pub(crate) struct Ledger {
    fs: Arc<dyn FileSystem>,
    directory: PathBuf,
    health: Arc<Health>,
    /// The next number of the common sequence. Numbers are drawn without the lock; an edit states
    /// the value it saw, and an open looks at the directory too.
    next_file: Arc<AtomicU64>,
    book: Mutex<Book>,
}

/// The state and its writer, under one lock.
#[derive(Debug)]
pub(crate) struct Book {
    state: State,
    /// None in a database that is open to read only.
    writer: Option<ManifestWriter>,
    /// Set when the writer refused an append: it must be replaced first.
    spoiled: bool,
    /// Manifests that CURRENT no longer names, and what only they may name.
    retired: Vec<FileName>,
    /// Files of edits that could not be written.
    doubtful: Vec<FileName>,
    /// Synced records written since the open, over all manifests.
    records: u64,
}

impl Ledger {
    pub(crate) fn new(
        place: (Arc<dyn FileSystem>, PathBuf),
        health: Arc<Health>,
        (state, writer): (State, Option<ManifestWriter>),
    ) -> Ledger {
        let next_file = Arc::new(AtomicU64::new(state.next_file()));
        let book = Book {
            state,
            writer,
            spoiled: false,
            retired: Vec::new(),
            doubtful: Vec::new(),
            records: 1,
        };
        Ledger { fs: place.0, directory: place.1, health, next_file, book: Mutex::new(book) }
    }

    /// Draws a number for a new file. No number is ever drawn twice.
    pub(crate) fn draw_file(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// The counter behind `draw_file`, for jobs that draw while they run.
    pub(crate) fn next_file(&self) -> &Arc<AtomicU64> {
        &self.next_file
    }

    /// Looks at the state.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.book.lock().state)
    }

    /// The state, and the manifest that holds it: its number, and its length up to the last edit. Room
    /// lies behind that, into which the next edits go. `None` if it is not written here.
    pub(crate) fn picture(&self) -> (State, Option<(u64, u64)>) {
        let book = self.book.lock();
        let manifest = book.writer.as_ref().map(|writer| (writer.id(), writer.bytes()));
        (book.state.clone(), manifest)
    }

    /// Writes an edit made from the current state, durably, then runs `after` while the order of
    /// edits is still held: whatever follows from the edit is seen in the same order.
    ///
    /// # Errors
    /// If the edit is impossible or could not be written, nothing has changed. If it is unknown
    /// whether it was written, the database is poisoned.
    pub(crate) fn record<T>(
        &self,
        make: impl FnOnce(&State) -> Result<Edit>,
        after: impl FnOnce(&Edit, &State) -> Result<T>,
    ) -> Result<T> {
        let mut book = self.book.lock();
        self.health.check_background()?;
        if book.state.clean_close().is_some() {
            // Whoever comes behind the last edit was under way when the close began.
            return Err(Error::closed());
        }
        if book.writer.is_none() {
            return Err(read_only());
        }
        let mut edit = make(&book.state)?;
        edit.next_file = Some(self.next_file.load(Ordering::Relaxed));
        let mut next = book.state.clone();
        next.apply(&edit).map_err(|what| Error::plain(ErrorKind::Invalid, what))?;
        let wants_rotation = book.writer.as_ref().is_some_and(ManifestWriter::wants_rotation);
        if book.spoiled || wants_rotation {
            self.rotate(&mut book)?;
            edit.next_file = Some(self.next_file.load(Ordering::Relaxed));
        }
        let Some(writer) = &mut book.writer else { return Err(read_only()) };
        if let Err(error) = writer.append(&edit) {
            if !writer.has_failed() {
                // There was no room for it, and nothing was written.
                return Err(error);
            }
            book.spoiled = true;
            // The bytes of the edit may stand in this manifest, so what it names must stay until
            // CURRENT names another one.
            let is_new = |id: &u64| book.state.tables().get(*id).is_none();
            let tables = edit.added.iter().map(|(_, facts)| facts.id).filter(is_new);
            let segments = edit.segments.iter().map(|&id| FileName::Wal(id));
            let doubtful: Vec<FileName> = tables.map(FileName::Table).chain(segments).collect();
            book.doubtful.extend(doubtful);
            let is_uncertain = error.kind() == ErrorKind::CommitUncertain;
            return Err(if is_uncertain { self.health.poison(&error) } else { error });
        }
        book.state = next;
        book.records += 1;
        // The edit is the truth now. If what should follow from it is impossible, nobody may go on.
        after(&edit, &book.state).map_err(|error| self.health.poison(&error))
    }

    /// How many synced records there are. What an edit freed may be deleted once this has risen
    /// beyond its value right after the edit: the last record of a manifest looks like a torn tail.
    pub(crate) fn records(&self) -> u64 {
        self.book.lock().records
    }

    /// Puts one more synced record behind the last edit, if none is there.
    pub(crate) fn settle(&self) -> Result<()> {
        let mut book = self.book.lock();
        self.health.check_background()?;
        if book.spoiled {
            return self.rotate(&mut book);
        }
        let Some(writer) = &mut book.writer else { return Err(read_only()) };
        let settled = writer.settle();
        if settled.is_ok() {
            book.records += 1;
        }
        settled.map_err(|error| {
            book.spoiled = true;
            let is_uncertain = error.kind() == ErrorKind::CommitUncertain;
            if is_uncertain { self.health.poison(&error) } else { error }
        })
    }

    /// Takes the names of files that may be deleted.
    pub(crate) fn take_retired(&self) -> Vec<FileName> {
        std::mem::take(&mut self.book.lock().retired)
    }

    /// Begins a new manifest with the whole state. Until CURRENT names it, it is garbage.
    fn rotate(&self, book: &mut Book) -> Result<()> {
        let id = self.draw_file();
        let mut state = book.state.clone();
        let next_file = Some(self.next_file.load(Ordering::Relaxed));
        let numbered = state.apply(&Edit { next_file, ..Edit::default() });
        numbered.map_err(|what| Error::plain(ErrorKind::Invalid, what))?;
        let writer = ManifestWriter::create(&self.fs, &self.directory, id, &state)?;
        if let Err(error) = point_current(&*self.fs, &self.directory, id) {
            // Any other error leaves the old CURRENT, and the new manifest as garbage.
            let is_uncertain = error.kind() == ErrorKind::CommitUncertain;
            return Err(if is_uncertain { self.health.poison(&error) } else { error });
        }
        let last = book.writer.replace(writer);
        book.retired.extend(last.map(|last| FileName::Manifest(last.id())));
        let doubtful = std::mem::take(&mut book.doubtful);
        book.retired.extend(doubtful);
        book.state = state;
        book.spoiled = false;
        book.records += 1;
        Ok(())
    }
}

fn read_only() -> Error {
    Error::invalid(Reason::ReadOnly, "the database is open to read only")
}
