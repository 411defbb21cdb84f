//! Doors into the engine for fuzzers and long tests. Not part of the API: it may change at any time.
//!
//! Compiled only in tests, and under `--cfg fuzzing` or `--cfg siltstone_testing`. `bodies` has what
//! a fuzz target does; `corpus` runs all of them over the seeds in `fuzz/corpus`.

mod bodies;
#[cfg(test)]
mod corpus;

pub use crate::testing::bodies::{
    Body, TARGETS, filename, ops, range_tombstone, record, table_facts,
};
