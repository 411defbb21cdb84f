//! A chunk of memory that is handed out in pieces, by any number of threads and without a lock.
//!
//! Chunks of [`HUGE_BYTES`] are mapped, and the operating system is asked to back each with one huge page:
//! one fault where there would be 512, and fewer misses when records are looked up. It may refuse, or do it
//! for a part; that is slower and not wrong. Other chunks come from the allocator.
//!
//! Invariants: (1) no byte is in two pieces; (2) a chunk neither moves nor shrinks until it is dropped.
#![expect(unsafe_code, reason = "the memory of a chunk is shared, and reached by address")]

use crate::sync::atomic::{AtomicUsize, Ordering};
use std::ptr::NonNull;

/// Bytes of a huge page, where there are any; a size like another where there are none.
pub(crate) const HUGE_BYTES: usize = 2 << 20;

/// See the module's caption.
pub(crate) struct Chunk {
    start: NonNull<u8>,
    capacity: usize,
    is_mapped: bool,
    /// Bytes handed out; beyond the capacity once the chunk is full.
    used: AtomicUsize,
}

// SAFETY: the chunk is the only owner of its memory, which belongs to no thread.
unsafe impl Send for Chunk {}
// SAFETY: through a shared chunk, pieces are cut by an atomic, so threads never share a piece.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// A chunk of so many bytes, which may be anything.
    pub(crate) fn allocate(capacity: usize) -> Chunk {
        #[cfg(test)]
        tests::note_allocated(capacity);
        let mapped = if capacity == HUGE_BYTES { map_huge() } else { None };
        let is_mapped = mapped.is_some();
        let start = mapped.unwrap_or_else(|| {
            let bytes = Box::into_raw(Box::<[u8]>::new_uninit_slice(capacity));
            // SAFETY: a box points to something.
            unsafe { NonNull::new_unchecked(bytes.cast()) }
        });
        Chunk { start, capacity, is_mapped, used: AtomicUsize::new(0) }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Cuts a piece; `None` if there is no room. Relaxed: whoever is told of a piece is told by a
    /// pointer that was published after the bytes were written.
    pub(crate) fn cut(&self, len: usize) -> Option<*mut u8> {
        // The sum cannot wrap: a thread adds once to a full chunk, then waits for a fresh one.
        let start = self.used.fetch_add(len, Ordering::Relaxed);
        if start + len > self.capacity {
            return None;
        }
        // SAFETY: the piece lies inside the chunk.
        Some(unsafe { self.start.add(start) }.as_ptr())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        #[cfg(test)]
        tests::note_freed(self.capacity);
        if self.is_mapped {
            unmap_huge(self.start);
            return;
        }
        let bytes = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.capacity);
        // SAFETY: made by `Box::into_raw` in `allocate` with this length, and the chunk is its only owner.
        // Bytes that were never written are freed as what they are: memory.
        drop(unsafe { Box::from_raw(bytes as *mut [std::mem::MaybeUninit<u8>]) });
    }
}

/// Memory of [`HUGE_BYTES`]; `None` where there is nothing like it, or no memory.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn map_huge() -> Option<NonNull<u8>> {
    use rustix::mm::{Advice, MapFlags, ProtFlags};
    let (nowhere, protection) = (std::ptr::null_mut(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: the address is left to the kernel, so nothing that is mapped already is touched.
    let mapped =
        unsafe { rustix::mm::mmap_anonymous(nowhere, HUGE_BYTES, protection, MapFlags::PRIVATE) };
    let start = NonNull::new(mapped.ok()?)?;
    // SAFETY: this is the memory that was just mapped; the advice changes nothing that can be read.
    let advised = unsafe { rustix::mm::madvise(start.as_ptr(), HUGE_BYTES, Advice::LinuxHugepage) };
    // A kernel without huge pages refuses, and gives small ones.
    advised.unwrap_or_default();
    Some(start.cast())
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn unmap_huge(start: NonNull<u8>) {
    // SAFETY: made by `map_huge`, and nobody knows the address any more.
    let unmapped = unsafe { rustix::mm::munmap(start.as_ptr().cast(), HUGE_BYTES) };
    debug_assert!(unmapped.is_ok(), "a mapping can be given back");
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
fn map_huge() -> Option<NonNull<u8>> {
    None
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
fn unmap_huge(_start: NonNull<u8>) {
    unreachable!("nothing is mapped here");
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::memtable::chunk::{Chunk, HUGE_BYTES};
    use std::cell::Cell;

    thread_local! {
        static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn note_allocated(bytes: usize) {
        LIVE_BYTES.set(LIVE_BYTES.get() + bytes);
    }

    pub(crate) fn note_freed(bytes: usize) {
        LIVE_BYTES.set(LIVE_BYTES.get().wrapping_sub(bytes));
    }

    /// Bytes in chunks that were allocated and not freed, if all of it happened on this thread.
    pub(crate) fn live_bytes() -> usize {
        LIVE_BYTES.get()
    }

    #[test]
    fn pieces_lie_side_by_side_until_there_is_no_room() {
        for capacity in [100, HUGE_BYTES] {
            let chunk = Chunk::allocate(capacity);
            let first = chunk.cut(40).unwrap();
            let second = chunk.cut(capacity - 40).unwrap();
            assert_eq!(second.addr() - first.addr(), 40);
            for (piece, len) in [(first, 40), (second, capacity - 40)] {
                // SAFETY: both pieces were cut off, with these lengths.
                unsafe { piece.write_bytes(7, len) };
            }
            assert!(chunk.cut(1).is_none());
        }
    }
}
