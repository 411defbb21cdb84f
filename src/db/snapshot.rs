//! The snapshot: one moment of the database, readable for as long as it is held.

use crate::db::bounds::{HalfOpen, KeyRange};
use crate::db::cursor::Cursor;
use crate::db::iter::Iter;
use crate::db::keyspace::Keyspace;
use crate::error::Result;
use crate::format::key::with_user_key;
use crate::read::get;
use crate::slice::Slice;
use crate::state::snapshots::HeldMoment;
use crate::sync::Arc;

/// One moment of the database: later writes do not show.
///
/// A snapshot costs nothing to take. As long as it is held, compaction keeps every version that it
/// needs, so a long-lived one costs disk space. It is cheap to clone and keeps the database open.
///
/// ```
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// db.put("a", "1")?;
/// let before = db.snapshot();
/// db.put("a", "2")?;
/// assert_eq!(before.get("a")?.as_deref(), Some(&b"1"[..]));
/// assert_eq!(before.range(..).count(), 1);
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    keyspace: Keyspace,
    held: Arc<HeldMoment>,
}

impl Snapshot {
    pub(crate) fn new(keyspace: Keyspace) -> Snapshot {
        let store = &keyspace.engine().store;
        let held = Arc::new(store.snapshots.hold(&store.sequence));
        Snapshot { keyspace, held }
    }

    /// The same moment of another keyspace, also of one that was dropped since.
    ///
    /// # Errors
    /// `Invalid` if the handle is of another database, or of an earlier opening of this one.
    pub fn keyspace(&self, keyspace: &Keyspace) -> Result<Snapshot> {
        self.keyspace.engine().check_own(keyspace.cell())?;
        Ok(Snapshot { keyspace: keyspace.clone(), held: Arc::clone(&self.held) })
    }

    /// The value that a key had.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Closed`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let moment = self.keyspace.at(self.held.seqno())?;
        let get = |key: &[u8]| get::get(&moment.view, key, moment.seqno);
        with_user_key(self.keyspace.cell().id, key.as_ref(), get)
    }

    /// Whether a key had a value.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// All entries of that moment, in the order of their keys.
    pub fn iter(&self) -> Iter {
        self.range(..)
    }

    /// The entries of that moment whose keys are in a range; see [`Keyspace::range`].
    pub fn range(&self, range: impl KeyRange) -> Iter {
        Iter::new(&self.keyspace, self.keyspace.at(self.held.seqno()), &HalfOpen::of(&range))
    }

    /// The entries of that moment whose keys begin with `prefix`.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        let range = HalfOpen::prefix(prefix.as_ref());
        Iter::new(&self.keyspace, self.keyspace.at(self.held.seqno()), &range)
    }

    /// A cursor over a range of that moment; see [`Keyspace::cursor`].
    pub fn cursor(&self, range: impl KeyRange) -> Cursor {
        Cursor::new(&self.keyspace, self.keyspace.at(self.held.seqno()), &HalfOpen::of(&range))
    }
}
