//! Reads a journal file in large pieces and hands out slices of them.
//!
//! A slice that is longer than a piece is read as one; it is never longer than the file, so a
//! wrong length can cost no more memory than the file has bytes. An I/O error is an error and
//! never an end: only the length of the file ends it.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Result};
use crate::format::codec::usize_to_u64;
use crate::fs::ReadAt;
use crate::seeded::{Bug, is_seeded};
use std::path::Path;

/// How many bytes are compared with zeros at once: reserved room is long.
const ZEROS_BYTES: usize = 64;

/// How much is read at a time.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// A walk over one file with a piece of it in memory.
pub(crate) struct Pieces<'a> {
    file: &'a dyn ReadAt,
    path: &'a Path,
    /// The file counts as ending here.
    len: u64,

    /// The bytes of the file from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl<'a> Pieces<'a> {
    /// Reads `file` up to `limit`, or to its end if that comes first.
    pub(crate) fn new(file: &'a dyn ReadAt, path: &'a Path, limit: u64) -> Pieces<'a> {
        Pieces { file, path, len: file.len().min(limit), buffer: Vec::new(), start: 0 }
    }

    /// Where the file ends.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The `len` bytes at `offset`; `None` if the file ends before them.
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> Result<Option<&[u8]>> {
        Ok(self.get_more(offset, len)?.and_then(|bytes| bytes.get(..len)))
    }

    /// At least the `len` bytes at `offset`, and what else is in memory behind them.
    pub(crate) fn get_more(&mut self, offset: u64, len: usize) -> Result<Option<&[u8]>> {
        let is_inside = offset.checked_add(usize_to_u64(len)).is_some_and(|end| end <= self.len);
        if !is_inside {
            return Ok(None);
        }
        if self.buffered(offset).len() < len {
            match self.fill(offset, len) {
                Err(_) if is_seeded(Bug::IoErrorAsEof) => return Ok(None),
                filled => filled?,
            }
        }
        Ok(Some(self.buffered(offset)))
    }

    fn buffered(&self, offset: u64) -> &[u8] {
        let skip = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.buffer.get(skip..)).unwrap_or_default()
    }

    /// Requires: `offset + len` is inside the file.
    fn fill(&mut self, offset: u64, len: usize) -> Result<()> {
        let left = usize::try_from(self.len - offset).unwrap_or(usize::MAX);
        let wanted = len.max(PIECE_BYTES.min(left));
        // A half-filled buffer must not be taken for bytes of the file when the read fails.
        self.buffer.clear();
        if self.buffer.capacity() > 4 * PIECE_BYTES.max(wanted) {
            self.buffer = Vec::new();
        }
        self.buffer.resize(wanted, 0);
        if let Err(source) = self.file.read_exact_at(&mut self.buffer, offset) {
            self.buffer.clear();
            return Err(Error::io_at("read the file", self.path, offset, source));
        }
        self.start = offset;
        Ok(())
    }

    /// End of the last byte at or behind `offset` that is not zero; `None` if there is none.
    pub(crate) fn written_end(&mut self, offset: u64) -> Result<Option<u64>> {
        let (mut position, mut written_end) = (offset, None);
        while position < self.len {
            let Some(bytes) = self.get_more(position, 1)? else { break };
            let written = written_len(bytes);
            if written > 0 {
                written_end = Some(position + usize_to_u64(written));
            }
            position += usize_to_u64(bytes.len());
        }
        Ok(written_end)
    }
}

/// Length of these bytes without the zeros at their end.
fn written_len(bytes: &[u8]) -> usize {
    let mut left = bytes;
    while let Some((rest, last)) = left.split_last_chunk::<ZEROS_BYTES>() {
        if *last != [0; ZEROS_BYTES] {
            break;
        }
        left = rest;
    }
    left.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use crate::format::codec::usize_to_u64;
    use crate::fs::ReadAt;
    use crate::journal::pieces::{PIECE_BYTES, Pieces};
    use std::io;
    use std::path::Path;

    /// A long file of ones.
    #[derive(Debug)]
    struct Ones;

    impl ReadAt for Ones {
        fn read_exact_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<()> {
            buffer.fill(1);
            Ok(())
        }

        fn len(&self) -> u64 {
            usize_to_u64(64 * PIECE_BYTES)
        }
    }

    #[test]
    fn the_memory_for_a_large_slice_is_let_go_and_that_for_a_piece_is_not() {
        let mut pieces = Pieces::new(&Ones, Path::new("ones"), u64::MAX);
        let mut capacity_after = |offset: usize, len: usize| {
            assert_eq!(pieces.get(usize_to_u64(offset), len).unwrap().map(<[u8]>::len), Some(len));
            pieces.buffer.capacity()
        };
        assert_eq!(capacity_after(0, 10), PIECE_BYTES, "a piece is read, however small the slice");
        let large = 9 * PIECE_BYTES;
        assert!(capacity_after(PIECE_BYTES, large) >= large);
        assert_eq!(capacity_after(20 * PIECE_BYTES, 10), PIECE_BYTES);
        // Slices that are only a little larger are read into what is there.
        let larger = capacity_after(30 * PIECE_BYTES, 3 * PIECE_BYTES);
        assert_eq!(capacity_after(40 * PIECE_BYTES, 10), larger);
    }
}
