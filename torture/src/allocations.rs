//! The allocator of this tool: the system's, which also remembers how much was asked for at once.
//!
//! A length that was read from a damaged file and believed shows as one huge allocation, long before
//! memory runs out. What is counted is what Rust asks for on this thread; memory that C code (zstd)
//! takes for itself is not.

#![expect(unsafe_code, reason = "there is no other way to stand in front of the allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

struct Watched;

thread_local! {
    /// The most that this thread asked for at once since it was last set to 0.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// What `work` returns, and the most bytes that this thread asked for at once meanwhile.
pub fn largest_while<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LARGEST.replace(0);
    let done = work();
    (done, LARGEST.replace(before))
}

fn note(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
}

// SAFETY: every call is passed on to the system's allocator as it is; the note beside it touches a cell
// of this thread that needs no allocation and has no destructor.
unsafe impl GlobalAlloc for Watched {
    // SAFETY: the contract is that of the system's allocator, to which it is passed on.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the contract is that of the system's allocator, to which it is passed on.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: the contract is that of the system's allocator, to which it is passed on.
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        // SAFETY: the caller keeps the contract, which is the same; `memory` is the system's.
        unsafe { System.realloc(memory, layout, bytes) }
    }

    // SAFETY: the contract is that of the system's allocator, to which it is passed on.
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same; `memory` is the system's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use crate::allocations::largest_while;

    #[test]
    fn the_largest_piece_is_seen_whichever_way_it_is_asked_for() {
        let (kept, largest) = largest_while(|| vec![0_u8; 1 << 20]);
        assert!((1 << 20..2 << 20).contains(&largest), "{largest}");
        let mut grown = Vec::<u8>::with_capacity(16);
        let ((), largest) = largest_while(|| grown.reserve_exact(3 << 20));
        assert!((3 << 20..4 << 20).contains(&largest), "{largest}");
        let ((), inside) = largest_while(|| drop(vec![1_u8; 100]));
        assert!((100..10_000).contains(&inside), "what was before does not count: {inside}");
        drop((kept, grown));
    }
}
