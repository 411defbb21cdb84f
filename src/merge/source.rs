//! What a merging cursor merges in a database: memtables, and runs of tables.

use crate::error::Result;
use crate::format::key::{Kind, Seqno};
use crate::memtable::MemtableCursor;
use crate::merge::cursor::{Cursor, RunTable};
use crate::merge::run::RunCursor;
use crate::slice::Slice;
use crate::table::Handle;
use std::ops::Bound;

/// One sorted source of a scan or a compaction.
pub(crate) enum Source<T: RunTable = Handle> {
    Memtable(MemtableCursor),
    Run(RunCursor<T>),
}

/// Calls the same method of whichever cursor is inside.
macro_rules! of_either {
    ($source:expr, $cursor:ident => $call:expr) => {
        match $source {
            Source::Memtable($cursor) => $call,
            Source::Run($cursor) => $call,
        }
    };
}

impl<T: RunTable> Cursor for Source<T> {
    fn seek(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        of_either!(self, cursor => cursor.seek(user_key, seqno))
    }

    fn seek_back(&mut self, user_key: &[u8], seqno: Seqno) -> Result<()> {
        of_either!(self, cursor => cursor.seek_back(user_key, seqno))
    }

    fn seek_first(&mut self) -> Result<()> {
        of_either!(self, cursor => cursor.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        of_either!(self, cursor => cursor.seek_last())
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        of_either!(self, cursor => cursor.next())
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        of_either!(self, cursor => cursor.prev())
    }

    #[inline]
    fn is_valid(&self) -> bool {
        of_either!(self, cursor => cursor.is_valid())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        of_either!(self, cursor => cursor.key())
    }

    #[inline]
    fn seqno(&self) -> Seqno {
        of_either!(self, cursor => cursor.seqno())
    }

    #[inline]
    fn kind(&self) -> Kind {
        of_either!(self, cursor => cursor.kind())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        of_either!(self, cursor => cursor.value())
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        of_either!(self, cursor => cursor.value_slice())
    }

    #[inline]
    fn is_plain_at(&self, seqno: Seqno) -> bool {
        of_either!(self, cursor => cursor.is_plain_at(seqno))
    }

    #[inline]
    fn plain_ahead(&self, seqno: Seqno, end: Option<&[u8]>) -> usize {
        of_either!(self, cursor => cursor.plain_ahead(seqno, end))
    }

    #[inline]
    fn plain_behind(&self, seqno: Seqno, start: Bound<&[u8]>) -> usize {
        of_either!(self, cursor => cursor.plain_behind(seqno, start))
    }

    #[inline]
    fn next_plain(&mut self) {
        of_either!(self, cursor => cursor.next_plain())
    }

    #[inline]
    fn prev_plain(&mut self) {
        of_either!(self, cursor => cursor.prev_plain())
    }

    #[inline]
    fn has_unique_keys(&self) -> bool {
        of_either!(self, cursor => cursor.has_unique_keys())
    }
}
