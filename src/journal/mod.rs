//! Append and replay of records: WAL and manifest both stand on this.
//!
//! [`JournalWriter`] appends, [`replay`] (or [`Records`], step by step) reads back. The hard part
//! is the end: a file that was being written when the power went ends torn, a file that rots looks
//! much the same, and the first must open while the second must not. `damage` tells them apart.

mod damage;
mod examine;
mod marker;
mod pieces;
mod repair;
mod replay;
mod source;
mod writer;

#[cfg(test)]
mod examine_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torn_tests;
#[cfg(test)]
mod writer_tests;

pub(crate) use crate::journal::examine::{Met, examine_records};
pub(crate) use crate::journal::replay::{Diagnosis, End, Record, Records, replay};
pub(crate) use crate::journal::source::Source;
pub(crate) use crate::journal::writer::{Draft, JournalWriter};
