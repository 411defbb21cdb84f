//! What can be merged: anything that walks entries in both directions, and tables that open late.
//!
//! Dispatch is static: a merging cursor is made for one type of source.

use crate::error::Result;
use crate::format::key::{Kind, Seqno};
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::memtable::MemtableCursor;
use crate::slice::Slice;
use crate::sync::Arc;
use crate::table::reader::Fill;
use crate::table::{Handle, TableCursor};
use std::ops::Bound;

/// Walks entries in the order of internal keys: user key ascending, then seqno descending.
///
/// A fresh cursor is not valid, nor is one that ran off either end or met an error; a seek revives
/// it. `next`, `prev` and the four accessors require that it is valid.
pub(crate) trait Cursor {
    /// To the first entry at or behind (`user_key`, `seqno`).
    fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()>;
    /// To the last entry strictly before (`user_key`, `seqno`).
    fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()>;
    fn seek_first(&mut self) -> Result<()>;
    fn seek_last(&mut self) -> Result<()>;
    fn next(&mut self) -> Result<()>;
    fn prev(&mut self) -> Result<()>;
    fn is_valid(&self) -> bool;
    fn key(&self) -> &[u8];
    fn seqno(&self) -> Seqno;
    fn kind(&self) -> Kind;
    fn value(&self) -> &[u8];
    /// The value as a slice of its own, without a copy if the bytes have an owner to share.
    fn value_slice(&self) -> Slice {
        Slice::from(self.value())
    }
    /// Whether it is known that the next entry of this cursor, in either direction, has another user
    /// key. `false` promises nothing.
    fn has_unique_keys(&self) -> bool;
    /// Whether it is known without a look that the entry is a put that a reader at `seqno` sees. `false`
    /// promises nothing.
    #[inline]
    fn is_plain_at(&self, _seqno: Seqno) -> bool {
        false
    }
    /// How many of the next entries are known, without a look at each, to be plain at `seqno`, the only
    /// ones of their keys and before `end`. Fewer than there are, or none, is an answer too. Requires: the
    /// entry at hand is plain at `seqno`.
    #[inline]
    fn plain_ahead(&self, _seqno: Seqno, _end: Option<&[u8]>) -> usize {
        0
    }
    /// The mirror: how many of the entries before are so, and not before `start`.
    #[inline]
    fn plain_behind(&self, _seqno: Seqno, _start: Bound<&[u8]>) -> usize {
        0
    }
    /// Steps to the next entry. Requires: `plain_ahead` has counted it.
    fn next_plain(&mut self) {
        unreachable!("a cursor that counts no entries ahead is not led to them")
    }
    /// Steps to the entry before. Requires: `plain_behind` has counted it.
    fn prev_plain(&mut self) {
        unreachable!("a cursor that counts no entries behind is not led to them")
    }
}

/// A table of a run. Its facts are at hand; the table itself is opened when it is needed.
pub(crate) trait RunTable {
    type Cursor: Cursor;

    fn facts(&self) -> &TableFacts;
    /// Opens the table if it is not open yet. `fill` says what becomes of the blocks it reads.
    fn open_cursor(&self, fill: Fill) -> Result<Self::Cursor>;
    /// Opens the table if it is not open yet.
    fn open_range_tombstones(&self) -> Result<Arc<Fragments>>;
}

/// Lets a type with methods of these names stand where a [`Cursor`] is asked for.
macro_rules! is_a_cursor {
    ($own:ident $({ $($more:tt)* })?) => {
        impl Cursor for $own {
            #[inline]
            fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
                <$own>::seek(self, user_key, seqno)
            }
            #[inline]
            fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
                <$own>::seek_back(self, user_key, seqno)
            }
            #[inline]
            fn seek_first(&mut self) -> Result<()> {
                <$own>::seek_first(self)
            }
            #[inline]
            fn seek_last(&mut self) -> Result<()> {
                <$own>::seek_last(self)
            }
            #[inline]
            fn next(&mut self) -> Result<()> {
                <$own>::next(self)
            }
            #[inline]
            fn prev(&mut self) -> Result<()> {
                <$own>::prev(self)
            }
            #[inline]
            fn is_valid(&self) -> bool {
                <$own>::is_valid(self)
            }
            #[inline]
            fn key(&self) -> &[u8] {
                <$own>::key(self)
            }
            #[inline]
            fn seqno(&self) -> Seqno {
                <$own>::seqno(self)
            }
            #[inline]
            fn kind(&self) -> Kind {
                <$own>::kind(self)
            }
            #[inline]
            fn value(&self) -> &[u8] {
                <$own>::value(self)
            }
            #[inline]
            fn has_unique_keys(&self) -> bool {
                <$own>::has_unique_keys(self)
            }
            $($($more)*)?
        }
    };
}

is_a_cursor!(MemtableCursor);
is_a_cursor!(TableCursor {
    #[inline]
    fn value_slice(&self) -> Slice {
        TableCursor::value_slice(self)
    }
    #[inline]
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        TableCursor::is_plain_at(self, seqno)
    }
    #[inline]
    fn plain_ahead(&self, _seqno: Seqno, end: Option<&[u8]>) -> usize {
        TableCursor::plain_ahead(self, end)
    }
    #[inline]
    fn plain_behind(&self, _seqno: Seqno, start: Bound<&[u8]>) -> usize {
        TableCursor::plain_behind(self, start)
    }
    #[inline]
    fn next_plain(&mut self) {
        TableCursor::next_plain(self);
    }
    #[inline]
    fn prev_plain(&mut self) {
        TableCursor::prev_plain(self);
    }
});

impl RunTable for Handle {
    type Cursor = TableCursor;

    fn facts(&self) -> &TableFacts {
        Handle::facts(self)
    }

    fn open_cursor(&self, fill: Fill) -> Result<TableCursor> {
        Ok(self.table()?.cursor_filling(fill))
    }

    fn open_range_tombstones(&self) -> Result<Arc<Fragments>> {
        Ok(Arc::clone(self.table()?.range_tombstones()))
    }
}
