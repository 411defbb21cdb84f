//! The memory budget that everyone charges, and the block cache that lives on what is left of it.
//!
//! Start with `budget`: who may use how much. `slots` is the cache: an array of slots for each
//! table, one slot a block, and one clock hand over all of them.

pub(crate) mod budget;
pub(crate) mod slots;

pub(crate) use crate::cache::budget::{Budget, Part};
pub(crate) use crate::cache::slots::Cache;
