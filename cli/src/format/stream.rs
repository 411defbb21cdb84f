//! Entries on their way in and out: what every format reads and writes.

use crate::exit::Failure;
use std::io;

/// One key and value on the way in, and the line of the input where it begins.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) line: u64,
}

/// Why an input cannot be read further.
#[derive(Debug)]
pub(crate) enum Bad {
    /// The text is not of its format: where, and what to do.
    Text {
        line: u64,
        what: String,
    },
    Io(io::Error),
}

impl Bad {
    pub(crate) fn text(line: u64, what: impl Into<String>) -> Bad {
        Bad::Text { line, what: what.into() }
    }
}

/// Reads entries, one after the other.
pub(crate) trait Source {
    /// The next entry, into `entry`; `false` at the end.
    fn next(&mut self, entry: &mut Entry) -> Result<bool, Bad>;
}

/// Writes entries, one after the other.
pub(crate) trait Sink {
    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure>;

    /// Writes what is still held back. Requires: called once, at the end.
    fn finish(&mut self) -> Result<(), Failure>;
}
