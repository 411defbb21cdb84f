//! The write-ahead log: a row of segments, one memtable each.
//!
//! A segment is a journal file `NNNNNN.wal` of about 64 MiB. [`prepare`] makes the next one ready
//! and empty; [`SegmentWriter`] begins it at the switch and appends batches; [`replay`] gives back
//! every batch after a crash, and decides what a torn or missing end means for what follows it.
//!
//! What the room above promises (replay relies on it): a segment is named in a durable manifest
//! record before anything is appended to it; and before bytes of a segment are called durable
//! (`synced_upto`, an acknowledged `Sync`), the segments before it are durable as a whole.

mod examine;
mod lost;
mod recover;
mod report;
mod room;
mod row;
pub(crate) mod segment;
mod survey;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use crate::wal::examine::{SegmentBegin, SegmentFile, begin, examine};
pub(crate) use crate::wal::lost::keep_torn;
pub(crate) use crate::wal::recover::{KnownEnd, Replay, ReplayedBatch, replay};
pub use crate::wal::report::{Recovery, RecoveryReport, TornTail};
pub(crate) use crate::wal::room::Room;
pub(crate) use crate::wal::writer::{BatchDraft, Prepared, SegmentWriter, prepare};
