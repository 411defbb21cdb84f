//! Siltstone: an embedded, ordered, durable key-value store.
#![expect(dead_code, unused_imports, reason = "the house is being built from the ground up")]

mod cache;
mod compaction;
mod db;
pub mod error;
mod format;
pub mod fs;
mod inspect;
mod journal;
mod maintenance;
mod manifest;
mod memtable;
mod merge;
mod read;
mod slice;
mod state;
mod sync;
mod table;
#[cfg(any(test, fuzzing, siltstone_testing))]
#[doc(hidden)]
pub mod testing;
mod version;
mod wal;
mod write;

/// The examples of the README are compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
