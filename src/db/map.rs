//! What one can do with a keyspace; `Db` does the same with the default one.

use crate::db::batch::Batch;
use crate::db::bounds::{HalfOpen, KeyRange};
use crate::db::cursor::Cursor;
use crate::db::iter::Iter;
use crate::db::keyspace::Keyspace;
use crate::error::Result;
use crate::format::key::with_user_key;
use crate::read::get;
use crate::slice::Slice;
use crate::write::commit::keyspace_gone;

impl Keyspace {
    /// Sets a key to a value, with the database's durability.
    ///
    /// # Errors
    /// `Invalid` if the key or value is too large, or the keyspace was dropped; `DiskFull`: nothing was
    /// written; `CommitUncertain`, `Poisoned`, `Closed`.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let mut batch = Batch::new();
        batch.put_in(self, key, value);
        self.commit(batch)
    }

    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Invalid` if the keyspace was dropped; `Closed`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let (view, seqno) = self.glance()?;
        with_user_key(self.cell().id, key.as_ref(), |key| get::get(&view, key, seqno))
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
        batch.delete_half_open(self.cell(), range);
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

    fn commit(&self, batch: Batch) -> Result<()> {
        if self.cell().is_gone() {
            return Err(keyspace_gone(&self.cell().name));
        }
        batch.commit(self.engine(), self.durability())
    }
}
