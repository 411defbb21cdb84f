//! The batch: operations that happen together or not at all.

use crate::db::bounds::{HalfOpen, KeyRange, check_key};
use crate::db::engine::Engine;
use crate::db::keyspace::Keyspace;
use crate::error::{Error, Reason, Result};
use crate::format::key::{DEFAULT_KEYSPACE, Kind};
use crate::format::limits::BATCH_OPS_MAX;
use crate::format::ops::{Op, OpsBuffer};
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::sync::Arc;

/// Operations that happen together or not at all, in one keyspace or across several.
///
/// Later operations win over earlier ones on the same key. A batch is encoded while it is filled;
/// [`Db::write`](crate::Db::write) takes it, and the limits (key length, batch size) are checked
/// there, before anything is written.
///
/// ```
/// use siltstone::{Batch, Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// let mut batch = Batch::new();
/// batch.put("a", "1").put("b", "2").delete("a");
/// db.write(batch)?;
/// assert!(db.get("a")?.is_none());
/// assert_eq!(db.get("b")?.as_deref(), Some(&b"2"[..]));
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    ops: OpsBuffer,
    /// The keyspaces written to, the default one apart.
    keyspaces: Vec<Arc<KeyspaceCell>>,
    /// Bytes of keys and values.
    user_bytes: u64,
    /// The first operation that broke a limit.
    invalid: Option<Error>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Batch {
        Batch { ops: OpsBuffer::new(), keyspaces: Vec::new(), user_bytes: 0, invalid: None }
    }

    /// Sets a key of the default keyspace.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Batch {
        self.push(Kind::Put, DEFAULT_KEYSPACE, key.as_ref(), value.as_ref())
    }

    /// Removes a key of the default keyspace. It is no error if there is none.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> &mut Batch {
        self.push(Kind::Delete, DEFAULT_KEYSPACE, key.as_ref(), &[])
    }

    /// Removes every key of the default keyspace in a range.
    pub fn delete_range(&mut self, range: impl KeyRange) -> &mut Batch {
        self.push_range(DEFAULT_KEYSPACE, &HalfOpen::of(&range));
        self
    }

    /// Sets a key of a keyspace.
    pub fn put_in(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Batch {
        let id = self.enter(keyspace.cell());
        self.push(Kind::Put, id, key.as_ref(), value.as_ref())
    }

    /// Removes a key of a keyspace. It is no error if there is none.
    pub fn delete_in(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Batch {
        let id = self.enter(keyspace.cell());
        self.push(Kind::Delete, id, key.as_ref(), &[])
    }

    /// Removes every key of a keyspace in a range.
    pub fn delete_range_in(&mut self, keyspace: &Keyspace, range: impl KeyRange) -> &mut Batch {
        self.delete_half_open(keyspace.cell(), &HalfOpen::of(&range));
        self
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.count()
    }

    /// Whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.count() == 0
    }

    /// Size in bytes, as the limit counts it.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.ops.payload().len()
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.keyspaces.clear();
        self.user_bytes = 0;
        self.invalid = None;
    }

    fn push(&mut self, kind: Kind, keyspace: u32, key: &[u8], value: &[u8]) -> &mut Batch {
        match check_key(key) {
            // What does not fit is not even encoded; the write will say why.
            Err(error) => drop(self.invalid.get_or_insert(error)),
            Ok(()) => {
                self.user_bytes += (key.len() + value.len()) as u64;
                self.ops.push(&Op { kind, keyspace, key, value });
            }
        }
        self
    }

    pub(crate) fn delete_half_open(&mut self, cell: &Arc<KeyspaceCell>, range: &HalfOpen) {
        let id = self.enter(cell);
        self.push_range(id, range);
    }

    fn push_range(&mut self, keyspace: u32, range: &HalfOpen) {
        if let Err(error) = range.check() {
            self.invalid.get_or_insert(error);
        } else if !range.is_empty() {
            let end = range.end.as_deref().unwrap_or_default();
            self.user_bytes += (range.start.len() + end.len()) as u64;
            self.ops.push(&Op { kind: Kind::RangeDelete, keyspace, key: &range.start, value: end });
        }
    }

    /// The one operation that ends a keyspace.
    pub(crate) fn drop_keyspace(&mut self, cell: &KeyspaceCell) {
        self.ops.push(&Op { kind: Kind::DropKeyspace, keyspace: cell.id, key: &[], value: &[] });
    }

    fn enter(&mut self, cell: &Arc<KeyspaceCell>) -> u32 {
        // Batches go to one or a few keyspaces, mostly to the last one again.
        if cell.id != DEFAULT_KEYSPACE
            && !self.keyspaces.iter().rev().any(|known| Arc::ptr_eq(known, cell))
        {
            self.keyspaces.push(Arc::clone(cell));
        }
        cell.id
    }

    /// Commits it, after every limit was checked.
    pub(crate) fn commit(mut self, engine: &Engine, durability: Durability) -> Result<()> {
        engine.writer()?;
        self.check(engine.store.settings.batch_bytes_max)?;
        engine.write(&mut self.ops, &self.keyspaces, durability)?;
        engine.store.counters.user_bytes.add(self.user_bytes);
        Ok(())
    }

    /// Checks every limit, before anything is written.
    fn check(&self, bytes_max: usize) -> Result<()> {
        if let Some(error) = &self.invalid {
            return Err(error.clone());
        }
        let len = self.size_bytes();
        if len > bytes_max {
            let what = format!(
                "a batch has at most {bytes_max} bytes here, this one has {len}; write it in parts, \
                 or give the database more memory"
            );
            return Err(Error::invalid(Reason::BatchTooLarge { len, max: bytes_max }, what));
        }
        if self.len() > BATCH_OPS_MAX {
            let (len, max) = (self.len(), BATCH_OPS_MAX);
            let what = format!("a batch has at most {max} operations, this one has {len}");
            return Err(Error::invalid(Reason::BatchTooLarge { len, max }, what));
        }
        Ok(())
    }
}
