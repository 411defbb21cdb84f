//! The door: a handle of an open database.

use crate::db::batch::Batch;
use crate::db::bounds::{HalfOpen, KeyRange};
use crate::db::cursor::Cursor;
use crate::db::engine::{Crew, Engine};
use crate::db::iter::Iter;
use crate::db::keyspace::Keyspace;
use crate::db::snapshot::Snapshot;
use crate::db::stats::{self, Stats};
use crate::error::{Error, Result};
use crate::format::key::DEFAULT_KEYSPACE;
use crate::slice::Slice;
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::state::signals::Stepper;
use crate::sync::Arc;
use crate::wal::RecoveryReport;

/// An open database: an ordered map from bytes to bytes that survives.
///
/// A handle is cheap to clone and can be used from any number of threads. The database closes when
/// the last handle (or keyspace, snapshot, iterator) is dropped, or on [`close`](Db::close).
///
/// Keys have 1 to 65,000 bytes; values and batches up to 64 MiB, or a quarter of the memory budget
/// if that is more. Keys sort as bytes do.
///
/// ```
/// use siltstone::{Db, Options, fs::SimulatedFileSystem};
///
/// // `Db::open("data")` for a real directory.
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// db.put("btc", "4411.99")?;
/// assert_eq!(db.get("btc")?.as_deref(), Some(&b"4411.99"[..]));
/// db.delete("btc")?;
/// assert!(!db.contains("btc")?);
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Db {
    /// The default keyspace: what has no name goes there.
    root: Keyspace,
}

impl Db {
    pub(crate) fn new(engine: Arc<Engine>) -> Db {
        let cell = KeyspaceCell::new(DEFAULT_KEYSPACE, "", engine.store.opening);
        Db { root: Keyspace::new(engine, cell) }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.root.engine()
    }

    /// Sets a key to a value. `Ok` means durable, as the options say; by default it survives power
    /// loss.
    ///
    /// # Errors
    /// `Invalid` if the key or value is too large; `DiskFull`: nothing was written, free some space;
    /// `CommitUncertain`: reopen and look; `Poisoned`, `Closed`.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.root.put(key, value)
    }

    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Closed`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        self.root.get(key)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.root.contains(key)
    }

    /// Removes a key. It is no error if there is none.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.root.delete(key)
    }

    /// Removes every key of the default keyspace in a range, at the cost of one small write.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn delete_range(&self, range: impl KeyRange) -> Result<()> {
        self.root.delete_range(range)
    }

    /// Removes every key of the default keyspace that begins with `prefix`, in one small write.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<()> {
        self.root.delete_prefix(prefix)
    }

    /// Removes every key of the default keyspace, at the cost of one small write.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn clear(&self) -> Result<()> {
        self.root.clear()
    }

    /// Writes a batch: all of it or nothing, whatever happens.
    ///
    /// # Errors
    /// As [`put`](Db::put); also if a keyspace of the batch is gone.
    pub fn write(&self, batch: Batch) -> Result<()> {
        batch.commit(self.engine(), self.root.durability())
    }

    /// Writes a batch with a durability of its own.
    ///
    /// # Errors
    /// As [`write`](Db::write).
    pub fn write_with(&self, batch: Batch, durability: Durability) -> Result<()> {
        batch.commit(self.engine(), durability)
    }

    /// All entries of the default keyspace in the order of their keys; see [`range`](Db::range).
    pub fn iter(&self) -> Iter {
        self.root.iter()
    }

    /// The entries whose keys are in a range, forwards and backwards; see [`Keyspace::range`].
    ///
    /// ```
    /// use siltstone::{Options, fs::SimulatedFileSystem};
    ///
    /// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
    /// db.put("a", "1")?;
    /// db.put("b", "2")?;
    /// for entry in db.range("a".."f").rev() {
    ///     let (key, value) = entry?;
    ///     println!("{key:?} = {value:?}");
    /// }
    /// # Ok::<(), siltstone::Error>(())
    /// ```
    pub fn range(&self, range: impl KeyRange) -> Iter {
        self.root.range(range)
    }

    /// The entries whose keys begin with `prefix`, exactly; see [`range`](Db::range).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.root.prefix(prefix)
    }

    /// A cursor over a range: the fastest way to read many entries, without a copy of any.
    #[must_use]
    pub fn cursor(&self, range: impl KeyRange) -> Cursor {
        self.root.cursor(range)
    }

    /// The entry with the smallest key.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    pub fn first(&self) -> Result<Option<(Slice, Slice)>> {
        self.root.first()
    }

    /// The entry with the largest key.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    pub fn last(&self) -> Result<Option<(Slice, Slice)>> {
        self.root.last()
    }

    /// The present moment, readable for as long as it is held. On a closed database its reads answer
    /// `Closed`.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.root.clone())
    }

    /// The keyspace of this name, created (durably) if there is none. Names have 1 to 255 bytes.
    ///
    /// # Errors
    /// `Invalid` if the name is empty or too long; as [`put`](Db::put) if it has to be created.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        let cell = self.engine().open_keyspace(name)?;
        Ok(Keyspace::new(Arc::clone(self.engine()), cell))
    }

    /// The names of all keyspaces, sorted; the default one has none.
    ///
    /// # Errors
    /// `Closed`.
    pub fn keyspaces(&self) -> Result<Vec<String>> {
        self.engine().store.health.check_read()?;
        Ok(self.engine().store.keyspaces.names())
    }

    /// Drops a keyspace with everything in it; its space comes back with the next compactions.
    /// Snapshots still read it; handles of it get an error. Returns whether there was one.
    ///
    /// # Errors
    /// As [`put`](Db::put). If it came when only the name was left to be forgotten, the keyspace is gone, and
    /// a call that goes well frees the name.
    pub fn drop_keyspace(&self, name: &str) -> Result<bool> {
        self.engine().drop_keyspace(name)
    }

    /// Makes every write so far durable, also the buffered ones.
    ///
    /// # Errors
    /// `CommitUncertain` if the sync failed; `Poisoned`, `Closed`.
    pub fn sync(&self) -> Result<()> {
        self.engine().writer()?.committer.sync()
    }

    /// Moves everything that was written so far from memory into tables.
    ///
    /// # Errors
    /// What stopped the flusher; `Poisoned`, `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.engine().flush()
    }

    /// Compacts a range of the default keyspace down to the last level: deleted and overwritten data
    /// gives its space back, except what a snapshot needs. Usually the background does enough.
    ///
    /// # Errors
    /// What stopped the compaction; `Poisoned`, `Closed`.
    pub fn compact(&self, range: impl KeyRange) -> Result<()> {
        let range = HalfOpen::of(&range);
        if range.start.is_empty() && range.end.is_none() {
            // The whole default keyspace: take the others along, so that dropped ones go too.
            return self.engine().compact(Vec::new(), None);
        }
        if range.is_empty() {
            return Ok(());
        }
        let (start, end) = range.in_keyspace(DEFAULT_KEYSPACE);
        self.engine().compact(start, Some(end))
    }

    /// Waits until nothing is left to flush, compact or delete. A compaction that only readers would gain by
    /// may begin later, when they have read enough.
    ///
    /// # Errors
    /// What stops the background; `Poisoned`, `Closed`.
    pub fn wait_idle(&self) -> Result<()> {
        self.engine().wait_idle()
    }

    /// Figures about the tree and what happened since the open.
    #[must_use]
    pub fn stats(&self) -> Stats {
        stats::collect(self.engine())
    }

    /// Whether writes are accepted.
    ///
    /// # Errors
    /// The first cause that stopped them, or what the background is trying to get over.
    pub fn health(&self) -> Result<()> {
        let store = &self.engine().store;
        let (health, reserve) = (&store.health, &store.reserve);
        health.check_write()?;
        if reserve.is_low() {
            return Err(reserve.refusal());
        }
        health.any_background_error(0).map_or(Ok(()), Err::<(), Error>)
    }

    /// What the open found in the log.
    #[must_use]
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.engine().report
    }

    /// Runs one step of background work, if the database was opened with
    /// [`Background::Stepped`](crate::Background). Returns whether there was anything to do.
    #[must_use]
    pub fn step(&self) -> bool {
        match &self.engine().writer {
            Some(writer) => match &writer.crew {
                Crew::Stepped(stepper) => stepper.step(),
                Crew::Threads(_) => false,
            },
            None => false,
        }
    }

    /// Closes the database: flushes, syncs, and waits for the background to end. Every later call on
    /// any handle, snapshot or iterator answers `Closed`. A second close does nothing.
    ///
    /// # Errors
    /// What went wrong on the way. The database is closed all the same, and what was acknowledged is in
    /// the log.
    pub fn close(&self) -> Result<()> {
        self.engine().close()
    }
}
