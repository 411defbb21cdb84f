//! The whole database against plain maps: random operations, random options, every answer compared.
//!
//! A case is a list of operations and the options of its openings (`ops`, `keys`); it runs on a
//! simulated disk under a file system that watches the order of calls (`run`, `reads` with what is
//! `held` open, `life`), with memtables, blocks and tables so small that a few hundred keys fill several
//! levels, and is held against maps that remember every moment (`world`). What the cases reached is
//! counted, and must be enough (`coverage`). Between them come long lives of single operations on larger
//! trees (`long`), a few keys with hundreds of versions each (`histories`), and tables of thousands of blocks
//! (`wide`); what these must find is in `expect`.

mod coverage;
mod expect;
mod held;
mod histories;
mod keys;
mod life;
mod long;
mod ops;
mod reads;
mod run;
mod suite;
#[cfg(test)]
mod tests;
mod wide;
mod world;

pub(crate) use crate::model::suite::{meta, model};
