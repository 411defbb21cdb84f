//! Many sorted sources as one: what a scan and a compaction read from.
//!
//! `run` walks the tables of one sorted run as if they were one; `merging` merges runs and memtables,
//! which stand in a `line`; `cover` answers which range tombstone lies over a key. The sources of a merge
//! and of a cover are numbered alike: the number is the rank, and 0 is the newest.
//!
//! The invariant that all of them lean on: for any one user key, everything in a source is newer
//! than everything in a source of a higher rank, range tombstones included.

mod cover;
mod cursor;
mod line;
mod merging;
mod run;
mod source;

#[cfg(test)]
mod merging_tests;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use crate::merge::cover::{Cover, CoverSource};
pub(crate) use crate::merge::cursor::{Cursor, RunTable};
pub(crate) use crate::merge::merging::{MergingCursor, Stride};
pub(crate) use crate::merge::run::RunCursor;
pub(crate) use crate::merge::source::Source;
