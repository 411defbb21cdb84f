//! Examines a table file: reads all of it, and tells of everything that is not as it should be.
//!
//! Nothing is needed but the file: not the manifest, not a table that can be opened. The footer leads
//! to the directory, the directory to the index, the index to the blocks; where one of them is damaged,
//! `places` looks for blocks by their headers, which carry a checksum of their own. One damaged block
//! does not hide the next: the walk goes on behind it.
//!
//! Checked are: that blocks fill the file without a gap; every checksum, and the crc over them in
//! the footer; the order of entries over the whole table; that each separator separates; the flags
//! of blocks; that the filter denies no key; and that counts, seqnos and bounds are what properties
//! and manifest say. Totals are compared only if everything could be read: one flaw is told once.

mod entries;
#[cfg(any(test, fuzzing, feature = "testing"))]
mod first;
mod flaw;
mod places;
mod scan;
mod walk;

pub(crate) use crate::table::examine::flaw::{Flaw, Span, Witness};
pub(crate) use crate::table::examine::walk::{Subject, examine};
