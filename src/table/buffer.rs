//! Memory for the bytes of a block on their way from the file to a parsed block.
//!
//! A block that is not in the cache is read, checked, parsed into memory of its own, and its raw bytes are
//! done with: so each thread keeps two such buffers, one for what is stored and one for what is
//! decompressed, instead of asking for fresh and zeroed memory at every read.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use std::cell::RefCell;
use std::io;

/// Larger buffers are given back: blocks are rarely so large, and threads may be many.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Buffers that one read has at the same time.
const KEPT: usize = 2;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer, which goes back to the thread that drops it.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// A buffer with room for `len` bytes. What is in it is left over from another use.
    ///
    /// # Errors
    /// `OutOfMemory`: it is an error like others, and not the end.
    pub(crate) fn with_room_for(len: usize) -> io::Result<Buffer> {
        // A destructor that reads while its thread ends finds no place any more.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut bytes = spare.ok().flatten().unwrap_or_default();
        let missing = len.saturating_sub(bytes.len());
        let reserved = bytes.try_reserve_exact(missing);
        reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Buffer(bytes))
    }

    /// The first `len` bytes, whatever they are; the caller writes over them.
    pub(crate) fn first_mut(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        self.0.get_mut(..len).unwrap_or_default()
    }

    /// All of it, for who writes from the start and sets the length.
    pub(crate) fn as_vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        let keep = |spare: &RefCell<Vec<Vec<u8>>>| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT && bytes.capacity() <= KEPT_BYTES_MAX {
                spare.push(bytes);
            }
        };
        // Without a place it is freed.
        SPARE.try_with(keep).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use crate::table::buffer::{Buffer, KEPT_BYTES_MAX};

    #[test]
    fn a_thread_uses_its_buffers_again_unless_they_are_large() {
        let mut buffer = Buffer::with_room_for(100).unwrap();
        buffer.first_mut(100).fill(7);
        let at = buffer.bytes().as_ptr();
        drop(buffer);
        let mut again = Buffer::with_room_for(50).unwrap();
        assert_eq!((again.bytes().as_ptr(), again.first_mut(50).len()), (at, 50));
        let other = Buffer::with_room_for(50).unwrap();
        assert_ne!(other.bytes().as_ptr(), at, "the first one is in use");
        drop(other);
        let mut large = Buffer::with_room_for(KEPT_BYTES_MAX * 2).unwrap();
        large.first_mut(KEPT_BYTES_MAX * 2).fill(1);
        drop((large, again));
        let both = [10, 10].map(|len| Buffer::with_room_for(len).unwrap());
        assert!(both.iter().all(|buffer| buffer.bytes().len() <= 100), "the large one is gone");
    }

    #[test]
    fn more_than_the_memory_is_an_error() {
        let error = Buffer::with_room_for(usize::MAX >> 1).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
    }
}
