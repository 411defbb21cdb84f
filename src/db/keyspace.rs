//! The keyspace: an ordered map of its own inside the database, and the methods that `Db` shares.

use crate::db::batch::Batch;
use crate::db::bounds::{HalfOpen, KeyRange};
use crate::db::cursor::Cursor;
use crate::db::engine::Engine;
use crate::db::iter::Iter;
use crate::error::Result;
use crate::format::key::{Seqno, user_key};
use crate::read::get;
use crate::slice::Slice;
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::state::view::View;
use crate::sync::Arc;
use crate::write::commit::keyspace_gone;

/// An ordered map of its own inside a database, with the same methods as [`Db`](crate::Db).
///
/// Keyspaces cost nothing while they are idle, and a [`Batch`] can write to several at once.
/// A handle is cheap to clone and keeps the database open.
///
/// ```
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// let trades = db.keyspace("trades")?;
/// trades.put("btc/1", "4411.99")?;
/// assert!(db.get("btc/1")?.is_none());
/// assert_eq!(trades.get("btc/1")?.as_deref(), Some(&b"4411.99"[..]));
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keyspace {
    engine: Arc<Engine>,
    cell: Arc<KeyspaceCell>,
}

/// One moment of the tree, pinned for a read.
pub(crate) struct Moment {
    pub(crate) view: Arc<View>,
    pub(crate) seqno: Seqno,
}

impl Keyspace {
    pub(crate) fn new(engine: Arc<Engine>, cell: Arc<KeyspaceCell>) -> Keyspace {
        Keyspace { engine, cell }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn cell(&self) -> &Arc<KeyspaceCell> {
        &self.cell
    }

    /// The name it was created with; empty for the default keyspace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// Sets a key to a value, with the database's durability.
    ///
    /// # Errors
    /// `Invalid` if the key or value is too large; `DiskFull`, `CommitUncertain`, `Poisoned`, `Closed`.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let mut batch = Batch::new();
        batch.put_in(self, key, value);
        self.commit(batch)
    }

    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Closed`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let Moment { view, seqno } = self.now()?;
        get::get(&view, &user_key(self.cell.id, key.as_ref()), seqno)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Keyspace::get).
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// Removes a key. It is no error if there is none.
    ///
    /// # Errors
    /// As [`put`](Keyspace::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete_in(self, key);
        self.commit(batch)
    }

    /// Removes every key in a range, at the cost of one small write.
    ///
    /// # Errors
    /// As [`put`](Keyspace::put).
    pub fn delete_range(&self, range: impl KeyRange) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete_range_in(self, range);
        self.commit(batch)
    }

    /// Removes every key that begins with `prefix`, at the cost of one small write.
    ///
    /// # Errors
    /// As [`put`](Keyspace::put).
    pub fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<()> {
        self.delete_half_open(&HalfOpen::prefix(prefix.as_ref()))
    }

    /// Removes every key of this keyspace, at the cost of one small write.
    ///
    /// # Errors
    /// As [`put`](Keyspace::put).
    pub fn clear(&self) -> Result<()> {
        self.delete_half_open(&HalfOpen::of(&..))
    }

    fn delete_half_open(&self, range: &HalfOpen) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete_half_open(&self.cell, range);
        self.commit(batch)
    }

    /// All entries, in the order of their keys. See [`range`](Keyspace::range).
    pub fn iter(&self) -> Iter {
        self.range(..)
    }

    /// The entries whose keys are in a range, in the order of their keys, forwards and backwards.
    ///
    /// The iterator sees the moment of this call, owns what it needs, and may go to another thread.
    /// It keeps the database open and its memtables and tables alive: drop it when done. An error is
    /// an item, and from then on the only one.
    pub fn range(&self, range: impl KeyRange) -> Iter {
        Iter::new(self, self.now(), &HalfOpen::of(&range))
    }

    /// The entries whose keys begin with `prefix`, exactly. See [`range`](Keyspace::range).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        Iter::new(self, self.now(), &HalfOpen::prefix(prefix.as_ref()))
    }

    /// A cursor over a range: the fastest way to read many entries, without a copy of any.
    pub fn cursor(&self, range: impl KeyRange) -> Cursor {
        Cursor::new(self, self.now(), &HalfOpen::of(&range))
    }

    /// The entry with the smallest key.
    ///
    /// # Errors
    /// As [`get`](Keyspace::get).
    pub fn first(&self) -> Result<Option<(Slice, Slice)>> {
        self.iter().next().transpose()
    }

    /// The entry with the largest key.
    ///
    /// # Errors
    /// As [`get`](Keyspace::get).
    pub fn last(&self) -> Result<Option<(Slice, Slice)>> {
        self.iter().next_back().transpose()
    }

    /// The present moment of the tree.
    pub(crate) fn now(&self) -> Result<Moment> {
        self.check_read()?;
        if self.cell.is_gone() {
            return Err(keyspace_gone(&self.cell.name));
        }
        let store = &self.engine.store;
        let (view, seqno) = store.view.read_at(&store.sequence);
        Ok(Moment { view, seqno })
    }

    /// An earlier moment: a snapshot keeps what it needs alive.
    pub(crate) fn at(&self, seqno: Seqno) -> Result<Moment> {
        self.check_read()?;
        Ok(Moment { view: self.engine.store.view.load(), seqno })
    }

    fn check_read(&self) -> Result<()> {
        self.engine.store.health.check_read()
    }

    fn commit(&self, batch: Batch) -> Result<()> {
        if self.cell.is_gone() {
            return Err(keyspace_gone(&self.cell.name));
        }
        self.engine.write(batch, self.durability())
    }

    pub(crate) fn durability(&self) -> Durability {
        self.engine.store.settings.durability
    }
}
