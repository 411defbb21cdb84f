//! Answers reads: what a user sees at one moment, out of entries, versions and tombstones.
//!
//! `get` finds one key. `sources` opens a scan over a view, `scan` walks the live keys of its range in
//! both directions, and `shade` keeps, while it walks, the range tombstone that lies over it.

pub(crate) mod get;
mod scan;
mod shade;
pub(crate) mod sources;

#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod turn_tests;
