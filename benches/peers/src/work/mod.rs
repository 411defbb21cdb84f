//! The kinds of work that are measured, each checked against the model after its clock has stopped.

pub(crate) mod change;
pub(crate) mod check;
mod dispatch;
pub(crate) mod fill;
pub(crate) mod job;
pub(crate) mod mixed;
#[cfg(test)]
mod proof;
pub(crate) mod read;
pub(crate) mod reopen;
pub(crate) mod scan;
pub(crate) mod tombstones;
pub(crate) mod ycsb;
