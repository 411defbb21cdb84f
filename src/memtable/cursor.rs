//! Walks the entries of a memtable; owns a share of it, so it can outlive every other handle.
//!
//! Invariant: `position` points into the index of `memtable`, and is gone before it.
#![expect(unsafe_code, reason = "a cursor borrows from the memtable that it owns a share of")]

use crate::error::Result;
use crate::format::key::{Kind, Seqno};
use crate::memtable::index::{Index, Position};
use crate::memtable::memtable::Memtable;
use crate::sync::Arc;

/// A cursor over one memtable. Fresh and after either end it is not valid; a seek revives it.
pub(crate) struct MemtableCursor {
    /// Stands first: fields are dropped in order, so the position goes before the memtable.
    position: Option<Position<'static>>,
    memtable: Arc<Memtable>,
}

// SAFETY: the index is `Sync`, so its positions may be used from any thread; the one thing inside
// a position that is not `Sync` by its type is the guard without epochs, a constant without state.
unsafe impl Send for MemtableCursor {}

impl Memtable {
    /// A cursor over the entries that keeps the memtable alive. It sees what is inserted while it
    /// walks, wherever that lies ahead of it: readers filter by seqno.
    pub(crate) fn cursor(self: &Arc<Memtable>) -> MemtableCursor {
        MemtableCursor::new(self)
    }
}

/// All cursors have these methods; this one never fails.
impl MemtableCursor {
    fn new(memtable: &Arc<Memtable>) -> MemtableCursor {
        MemtableCursor { position: None, memtable: Arc::clone(memtable) }
    }

    fn index(&self) -> &'static Index {
        // SAFETY: the memtable does not move inside its `Arc`, and this cursor keeps it alive. The
        // lifetime ends up in `position` only: what leaves the cursor is bound to a borrow of it.
        unsafe { &*std::ptr::from_ref(self.memtable.index()) }
    }

    fn entry(&self) -> &Position<'static> {
        match &self.position {
            Some(position) => position,
            None => panic!("a memtable cursor was read where it is not valid"),
        }
    }

    pub(crate) fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.position = self.index().seek(user_key, seqno);
        Ok(())
    }

    pub(crate) fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        self.position = self.index().seek_back(user_key, seqno);
        Ok(())
    }

    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.position = self.index().first();
        Ok(())
    }

    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.position = self.index().last();
        Ok(())
    }

    /// Requires: `is_valid()`.
    pub(crate) fn next(&mut self) -> Result<()> {
        self.position = self.entry().next();
        Ok(())
    }

    /// Requires: `is_valid()`.
    pub(crate) fn prev(&mut self) -> Result<()> {
        self.position = self.entry().prev();
        Ok(())
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.position.is_some()
    }

    /// Requires: `is_valid()`, as the three below.
    pub(crate) fn key(&self) -> &[u8] {
        self.entry().user_key()
    }

    pub(crate) fn seqno(&self) -> Seqno {
        self.entry().seqno()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.entry().kind()
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.entry().value()
    }

    /// A memtable has whatever versions were written.
    #[expect(clippy::unused_self, reason = "all cursors have this method")]
    pub(crate) fn has_unique_keys(&self) -> bool {
        false
    }
}
