//! Answers reads: what a user sees at one moment, out of entries, versions and tombstones.
//!
//! `get` finds one key. `sources` opens a scan over a view, `scan` walks the live keys of its range in
//! both directions; while it walks, `shade` keeps the range tombstone that lies over it, and `tally` counts
//! what it and gets lose because there are several runs.

pub(crate) mod get;
mod scan;
mod shade;
pub(crate) mod sources;
pub(crate) mod tally;

#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod turn_tests;
