//! Answers reads: what a user sees at one moment, out of entries, versions and tombstones.
//!
//! `scan` walks the live keys of a range in both directions; `shade` keeps, while it walks, the
//! range tombstone that lies over it.

mod scan;
mod shade;

pub(crate) use crate::read::scan::{Bounds, Scan};

#[cfg(test)]
mod scan_tests;
