//! Whether this is still the process that something was made in, without asking the operating system.
//!
//! A child of a fork has copies of everything and none of the threads behind it, so a database must not be
//! used there. To ask for the number of the process is a system call, and every write has to know. So
//! there is a page of memory that the kernel wipes in the children of a fork; where it does not do that
//! (Linux does since 4.14), the number is asked for.

#![expect(
    unsafe_code,
    reason = "a page with a property of its own is mapped, and reached by address"
)]

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ptr::NonNull;

/// A process, known from inside.
#[derive(Debug)]
pub(crate) struct Birthplace {
    process: u32,
    page: Option<Page>,
}

impl Birthplace {
    /// This process.
    pub(crate) fn here() -> Birthplace {
        Birthplace { process: std::process::id(), page: Page::new() }
    }

    /// Whether this is the process in which [`here`](Birthplace::here) was called.
    pub(crate) fn is_here(&self) -> bool {
        match &self.page {
            Some(page) => page.is_untouched(),
            None => std::process::id() == self.process,
        }
    }
}

/// A page that begins with a one, and with a zero in a child of a fork.
#[derive(Debug)]
struct Page(NonNull<u8>);

/// The least that can be mapped; the kernel takes as many bytes as a page has.
const PAGE_BYTES: usize = 1;

// SAFETY: the page belongs to the process and not to a thread, and this is its only owner.
unsafe impl Send for Page {}
// SAFETY: after it was made it is only read.
unsafe impl Sync for Page {}

impl Page {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn new() -> Option<Page> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the address is left to the kernel, so nothing that is mapped already is touched.
        let mapped = unsafe {
            let (nowhere, flags) = (std::ptr::null_mut(), MapFlags::PRIVATE);
            rustix::mm::mmap_anonymous(nowhere, PAGE_BYTES, protection, flags)
        };
        let page = Page(NonNull::new(mapped.ok()?.cast())?);
        // SAFETY: the page is mapped; in this process the advice changes none of its bytes.
        let advised = unsafe {
            rustix::mm::madvise(page.0.as_ptr().cast(), PAGE_BYTES, Advice::LinuxWipeOnFork)
        };
        advised.ok()?;
        // SAFETY: the page is mapped for writing, and nobody else knows it yet.
        unsafe { page.0.write(1) };
        Some(page)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn new() -> Option<Page> {
        None
    }

    fn is_untouched(&self) -> bool {
        // SAFETY: the page is mapped as long as `self` lives. Volatile: the kernel changes it.
        unsafe { self.0.read_volatile() == 1 }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the page was mapped with this length, and nothing refers to it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), PAGE_BYTES) };
        debug_assert!(unmapped.is_ok(), "a mapping can be given back");
    }
}
