//! The memory budget that everyone charges, and the block cache that lives on what is left of it.
//!
//! Start with `budget`: who may use how much. The cache is an array of `slots` for each table, one slot a
//! block, and one `clock` hand over all of them; `marks` say what of a block is read.

pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod marks;
pub(crate) mod slots;

pub(crate) use crate::cache::budget::{Budget, Part};
pub(crate) use crate::cache::clock::Cache;
