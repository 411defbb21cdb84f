//! Holds the bytes of keys and values: takes copies from many threads, frees them all at once.
//!
//! A piece is cut from the current chunk by moving its end forward, without a lock. Chunks double
//! from 16 KiB to 2 MiB, so that an idle memtable is small; a large piece gets a chunk of its own.
//!
//! Invariants: (1) bytes in a chunk are written once, by the caller that cut them off, before
//! anyone else can know their address; (2) a chunk neither moves nor shrinks, and is freed only
//! with the arena. So whatever `store` returns is valid as long as the arena is borrowed.
#![expect(unsafe_code, reason = "shared chunks are filled through pointers, piece by piece")]

use crate::memtable::chunk::{Chunk, HUGE_BYTES};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, Ordering};
use std::ptr;
use std::slice;

const CHUNK_BYTES_MIN: usize = 16 << 10;
const CHUNK_BYTES_MAX: usize = HUGE_BYTES;

/// A larger piece gets a chunk of its own, so that at most an eighth of a chunk is left over.
const SHARED_PIECE_BYTES_MAX: usize = CHUNK_BYTES_MAX / 8;

/// See the module's caption.
pub(crate) struct Arena {
    /// The chunk that pieces are cut from; null before the first piece. A thread that loads it
    /// (Acquire) sees the chunk as it was made (Release in `grow`).
    current: AtomicPtr<Chunk>,
    /// Every chunk, for `drop`; held while a chunk is added.
    chunks: Mutex<Vec<*mut Chunk>>,
}

// SAFETY: the pointers are owned by the arena and go with it to any thread.
unsafe impl Send for Arena {}
// SAFETY: through a shared arena threads only cut disjoint pieces (an atomic) and read chunks that
// are never changed otherwise (invariants 1 and 2).
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) fn new() -> Arena {
        Arena { current: AtomicPtr::new(ptr::null_mut()), chunks: Mutex::new(Vec::new()) }
    }

    /// Copies `parts`, one behind the other, and returns the copy.
    pub(crate) fn store<const N: usize>(&self, parts: [&[u8]; N]) -> &[u8] {
        let len = parts.iter().map(|part| part.len()).sum();
        let start = self.cut(len);
        let mut at = start;
        for part in parts {
            // SAFETY: `cut` gave `len` bytes from `start` on to this call alone, and the parts
            // together have `len` bytes.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), at, part.len()) };
            // SAFETY: `at` stays inside the piece, or one past its end after the last part.
            at = unsafe { at.add(part.len()) };
        }
        // SAFETY: the `len` bytes were just written, nobody writes them again (invariant 1), and
        // they live as long as the borrow of the arena (invariant 2).
        unsafe { slice::from_raw_parts(start, len) }
    }

    /// Sets `len` bytes apart for the caller.
    fn cut(&self, len: usize) -> *mut u8 {
        if len > SHARED_PIECE_BYTES_MAX {
            return self.add_chunk(len);
        }
        loop {
            let full = self.current.load(Ordering::Acquire);
            // SAFETY: null, or a chunk of this arena, which lives as long as the arena.
            if let Some(start) = unsafe { full.as_ref() }.and_then(|chunk| chunk.cut(len)) {
                return start;
            }
            self.grow(full, len);
        }
    }

    /// Puts a fresh chunk in the place of the `full` one, unless another thread did so already.
    fn grow(&self, full: *mut Chunk, len: usize) {
        let mut chunks = self.chunks.lock();
        if self.current.load(Ordering::Relaxed) != full {
            return;
        }
        // SAFETY: as in `cut`.
        let last = unsafe { full.as_ref() }.map_or(0, Chunk::capacity);
        let capacity = (last * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX).max(len);
        let fresh = Box::into_raw(Box::new(Chunk::allocate(capacity)));
        chunks.push(fresh);
        self.current.store(fresh, Ordering::Release);
    }

    /// Adds a chunk that is one piece.
    fn add_chunk(&self, len: usize) -> *mut u8 {
        let chunk = Box::new(Chunk::allocate(len));
        let Some(start) = chunk.cut(len) else {
            unreachable!("a chunk has the size it was made with")
        };
        self.chunks.lock().push(Box::into_raw(chunk));
        start
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for &chunk in self.chunks.lock().iter() {
            // SAFETY: made by `Box::into_raw`, listed once, and nobody borrows the arena now.
            drop(unsafe { Box::from_raw(chunk) });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::memtable::arena::{Arena, CHUNK_BYTES_MAX, SHARED_PIECE_BYTES_MAX};
    use crate::memtable::chunk::tests::live_bytes;
    use crate::sync::thread;

    #[test]
    fn pieces_keep_their_bytes_while_the_arena_grows() {
        let arena = Arena::new();
        let sizes = [0, 1, 7, 100, 4096, SHARED_PIECE_BYTES_MAX, SHARED_PIECE_BYTES_MAX + 1];
        let pieces: Vec<_> = (0..if cfg!(miri) { 14 } else { 200_usize })
            .map(|i| (i, arena.store([&vec![i as u8; sizes[i % sizes.len()]], b"-", &[i as u8]])))
            .collect();
        for (i, piece) in pieces {
            let len = sizes[i % sizes.len()];
            assert_eq!(piece.len(), len + 2);
            assert!(piece[..len].iter().all(|&byte| byte == i as u8));
            assert_eq!(piece[len..], [b'-', i as u8]);
        }
    }

    #[test]
    fn dropping_the_arena_frees_every_chunk() {
        let before = live_bytes();
        let arena = Arena::new();
        for len in [10, 5 * CHUNK_BYTES_MAX, 100_000, 100_000, 100_000] {
            arena.store([&vec![1; len]]);
        }
        assert!(live_bytes() - before > 5 * CHUNK_BYTES_MAX + 300_000);
        drop(arena);
        assert_eq!(live_bytes(), before);
    }

    #[test]
    fn pieces_of_different_threads_do_not_overlap() {
        const PIECES: usize = if cfg!(miri) { 150 } else { 3000 };
        let arena = Arena::new();
        thread::scope(|scope| {
            for own in 0..4_u8 {
                let arena = &arena;
                scope.spawn(move || {
                    let pieces: Vec<_> =
                        (0..PIECES).map(|i| arena.store([&vec![own; i % 90]])).collect();
                    assert!(pieces.iter().all(|piece| piece.iter().all(|&byte| byte == own)));
                });
            }
        });
    }
}
