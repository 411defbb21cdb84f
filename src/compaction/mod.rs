//! What moves down the tree, and what may go on the way.
//!
//! Two decisions are pure functions: [`picker`] says which tables to merge next, [`retention`]
//! says which entries may go. [`flush`] and [`job`] carry them out, a bounded step at a time, and
//! leave nothing but new files: making them part of the database is up to their caller.
//!
//! Invariants that every plan keeps:
//! 1. A table that a running job reads is not picked again.
//! 2. No two jobs write overlapping spans of one level, not even into a gap between tables.
//! 3. Of two versions of a user key, and of a version and a range tombstone over it, the newer one
//!    never comes to lie below the older one: all runs of level 0 go down together, nothing goes
//!    down past a table that it overlaps, and level 0 goes to no level below one that has tables.
//! 4. "Nothing older lies below" counts every table outside the job that can be older: those of
//!    deeper levels, and older runs of level 0.

pub(crate) mod below;
pub(crate) mod cuts;
pub(crate) mod debt;
pub(crate) mod flush;
pub(crate) mod hints;
pub(crate) mod job;
pub(crate) mod manual;
pub(crate) mod output;
pub(crate) mod picker;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod retention;
pub(crate) mod sieve;
pub(crate) mod span;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod model;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod settling;
