//! Doors into the engine for fuzzers and micro benchmarks. Not part of the API: it may change at any
//! time.
//!
//! Compiled only in tests, under `--cfg fuzzing`, and with the feature `testing`. `targets` lists
//! what a fuzz target does: `bodies` and `headers` have the small decoders, `tables`, `journals`,
//! `database` and `directory` the larger ones, `repair` the trick that takes a fuzzer past the checksums. `corpus` runs all of them
//! over the seeds in `fuzz/corpus`, which `seeds` makes. `micro` has what `benches/micro` times.

mod bodies;
#[cfg(test)]
mod corpus;
mod database;
mod directory;
mod headers;
#[cfg(all(test, shuttle))]
mod interleavings;
mod journals;
pub mod micro;
#[cfg(test)]
mod random;
mod repair;
#[cfg(test)]
mod seeds;
mod tables;
mod targets;

pub use crate::testing::bodies::{filename, ops, range_tombstone, record, table_facts};
pub use crate::testing::database::database;
pub use crate::testing::directory::db_dir;
pub use crate::testing::headers::{header, index_filter};
pub use crate::testing::journals::{manifest, manifest_edit, wal_record};
pub use crate::testing::tables::{block, table};
pub use crate::testing::targets::{Body, TARGETS};
