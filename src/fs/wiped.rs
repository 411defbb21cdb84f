//! A page of memory that the kernel wipes in the children of a fork.
#![expect(
    unsafe_code,
    reason = "a page with a property of its own is mapped, and reached by address"
)]

use crate::sync::atomic::AtomicU64;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// The kernel takes as many bytes as a page has.
const BYTES: usize = size_of::<AtomicU64>();

/// Maps such a page for as long as the process lives; `None` if the kernel has none. It holds zero.
pub(crate) fn map() -> Option<&'static AtomicU64> {
    let (nowhere, protection) = (std::ptr::null_mut(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: the address is left to the kernel, so nothing that is mapped already is touched.
    let mapped =
        unsafe { rustix::mm::mmap_anonymous(nowhere, BYTES, protection, MapFlags::PRIVATE) };
    let page = mapped.ok()?;
    // SAFETY: the page is mapped; in this process the advice changes none of its bytes.
    let advised = unsafe { rustix::mm::madvise(page, BYTES, Advice::LinuxWipeOnFork) };
    if advised.is_err() {
        // SAFETY: the page was mapped with this length, and nobody else knows it.
        let unmapped = unsafe { rustix::mm::munmap(page, BYTES) };
        debug_assert!(unmapped.is_ok(), "a mapping can be given back");
        return None;
    }
    // SAFETY: a page is aligned, holds zeros, is never unmapped, and is reached by this type alone.
    Some(unsafe { AtomicU64::from_ptr(page.cast()) })
}
