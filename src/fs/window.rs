//! Windows into a file that is being appended to: an append is a copy into memory, and no system call.
//!
//! A window maps a piece of the file for writing, shared. What is copied into it is in the page cache
//! at once: reads see it, a sync of the file writes it, and it stays when the process dies, exactly as
//! after a `write`. A window ends where the room ends that was reserved for the file, so a copy needs no
//! room that is not there already.
//!
//! Invariants: (1) an append is copied whole or not at all; (2) its first eight bytes are copied last, in
//! one store, so what a process leaves that dies in the middle begins with zeros, and cannot be taken
//! for a whole append of which a little was lost later.
//!
//! What lies ahead is written with zeros first, a piece at once: a `write` of many pages takes them in large
//! units, and a copy then finds its pages ready, where each of them would else be a fault that makes one page.
//!
//! Windows are for appends that nobody syncs. A sync makes their pages read-only again, and the next
//! copy into each of them a fault; so after a sync, appends are written for a while ([`QUIET_BYTES`]).
//!
//! The file must not be made shorter while it is open: touching a page that is gone kills the process.
//! Nothing here shortens a file, and nobody else writes to the directory of a database.

#![expect(unsafe_code, reason = "memory that is mapped is reached by address")]

use crate::sync::atomic::{AtomicBool, Ordering, fence};
use rustix::mm::{MapFlags, ProtFlags};
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// Length of a window, and a divisor of where it begins: a multiple of every size of pages. A longer
/// one takes longer to unmap, which an append has to wait for.
const WINDOW_BYTES: u64 = 1 << 20;

/// What is longer than this is written: it is no more than one call for many pages anyway.
const COPY_BYTES_MAX: usize = 64 << 10;

/// Zeros are written up to the next multiple of the first of these, and before an append of more than
/// [`LONG_BYTES`] up to the next multiple of the second. More at once costs less for a page, but that one
/// append waits for all of it.
const AHEAD_BYTES: usize = 32 << 10;
const AHEAD_OF_LONG_BYTES: usize = 128 << 10;
const LONG_BYTES: usize = 2 << 10;

static ZEROS: [u8; AHEAD_OF_LONG_BYTES] = [0; AHEAD_OF_LONG_BYTES];

/// Bytes that are written after a sync, or at the beginning, before there is a window again.
const QUIET_BYTES: u64 = 128 << 10;

/// The windows of one file, one after the other.
#[derive(Debug)]
pub(crate) struct Windows {
    current: Option<Window>,
    /// Where the reserved room ends, if it is known to be there for certain.
    room_end: u64,
    /// Up to here appends are written.
    quiet_until: u64,
    /// Up to here pages are ready to be copied into.
    ready_until: u64,
}

impl Windows {
    /// None yet, and no room.
    pub(crate) fn new() -> Windows {
        Windows { current: None, room_end: 0, quiet_until: QUIET_BYTES, ready_until: 0 }
    }

    /// The file has room up to `end`: no page before that is missing.
    pub(crate) fn note_room(&mut self, end: u64) {
        self.room_end = end;
    }

    /// Copies `bytes` to `offset` in the file. Returns whether it did; if not, they are to be written.
    /// `was_synced` is set by whoever syncs the file.
    pub(crate) fn copy(
        &mut self,
        file: impl AsFd,
        bytes: &[u8],
        offset: u64,
        was_synced: &AtomicBool,
    ) -> bool {
        // Relaxed: it only chooses the way.
        if was_synced.load(Ordering::Relaxed) {
            was_synced.store(false, Ordering::Relaxed);
            self.current = None;
            self.quiet_until = offset + QUIET_BYTES;
        }
        if offset < self.quiet_until || bytes.len() > COPY_BYTES_MAX {
            return false;
        }
        if !self.current.as_ref().is_some_and(|window| window.holds(offset)) {
            self.current = None;
            self.current = Window::open(&file, offset, self.room_end);
        }
        if self.current.is_none() || !self.make_ready(file, bytes.len(), offset) {
            return false;
        }
        self.current.as_mut().is_some_and(|window| window.copy(bytes, offset))
    }

    /// Writes zeros until there is a page for each of `len` bytes at `offset`. Returns whether there is.
    ///
    /// Requires: nothing was appended at or behind `offset`.
    fn make_ready(&mut self, file: impl AsFd, len: usize, offset: u64) -> bool {
        let unit = if len > LONG_BYTES { AHEAD_OF_LONG_BYTES } else { AHEAD_BYTES };
        while self.ready_until < offset + len as u64 {
            let start = self.ready_until.max(offset);
            let end = (start - start % unit as u64 + unit as u64).min(self.room_end);
            let zeros = ZEROS.get(..(end.saturating_sub(start)) as usize).unwrap_or_default();
            match rustix::io::pwrite(&file, zeros, start) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(written) if written > 0 => self.ready_until = start + written as u64,
                // The append will be written, and find out what is wrong.
                _ => return false,
            }
        }
        true
    }
}

/// A piece of a file in memory.
#[derive(Debug)]
struct Window {
    start: NonNull<u8>,
    len: usize,
    /// Where it begins in the file.
    from: u64,
}

// SAFETY: the mapping belongs to the process and not to a thread, and the window is its only owner.
unsafe impl Send for Window {}

impl Window {
    /// The window that `offset` lies in, if it lies before `room_end` and the operating system allows it.
    fn open(file: impl AsFd, offset: u64, room_end: u64) -> Option<Window> {
        let from = offset - offset % WINDOW_BYTES;
        if offset >= room_end {
            return None;
        }
        let len = usize::try_from(WINDOW_BYTES.min(room_end - from)).ok()?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the address is left to the kernel, so nothing that is mapped already is touched.
        let mapped = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, file, from)
        };
        let start = NonNull::new(mapped.ok()?.cast())?;
        Some(Window { start, len, from })
    }

    fn holds(&self, offset: u64) -> bool {
        self.from <= offset && offset < self.from + self.len as u64
    }

    /// Copies `bytes` if they fit, the first eight last. Requires: the window holds `offset`.
    fn copy(&mut self, bytes: &[u8], offset: u64) -> bool {
        assert!(self.holds(offset), "an append goes through its own window");
        let Ok(at) = usize::try_from(offset - self.from) else { return false };
        let Some((first, others)) = bytes.split_first_chunk::<8>() else { return false };
        if bytes.len() > self.len - at {
            return false;
        }
        // SAFETY: `at` is inside of the mapping, which is one piece of memory.
        let head = unsafe { self.start.add(at) };
        // SAFETY: eight bytes fit behind `head`, so this is inside of the mapping or right behind it.
        let tail = unsafe { head.add(first.len()) };
        // SAFETY: all of `bytes` fits behind `head`. The memory is writable, and reached by nobody else: no
        // reference to it exists, and the source is no part of it.
        unsafe { std::ptr::copy_nonoverlapping(others.as_ptr(), tail.as_ptr(), others.len()) };
        fence(Ordering::Release);
        // SAFETY: as above. Bytes have no alignment; eight of known number are one store.
        unsafe { head.cast::<[u8; 8]>().write(*first) };
        true
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and nothing refers to it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "a mapping can be given back");
    }
}

#[cfg(test)]
mod tests {
    use crate::fs::window::{COPY_BYTES_MAX, QUIET_BYTES, WINDOW_BYTES, Windows};
    use crate::sync::atomic::{AtomicBool, Ordering};
    use std::os::fd::AsFd;

    const ROOM: u64 = 3 * WINDOW_BYTES + 5000;

    /// A file of zeros without a name, and windows into it.
    fn windows() -> (impl AsFd, Windows, AtomicBool) {
        let file = tempfile::tempfile().unwrap();
        rustix::fs::ftruncate(&file, ROOM).unwrap();
        let mut windows = Windows::new();
        windows.note_room(ROOM);
        (file, windows, AtomicBool::new(false))
    }

    fn read(file: impl AsFd, len: usize, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; len];
        assert_eq!(rustix::io::pread(file, &mut bytes, offset).unwrap(), len);
        bytes
    }

    #[test]
    fn what_is_copied_is_read_at_once_from_the_file() {
        let (file, mut windows, was_synced) = windows();
        for (len, offset) in [(8, QUIET_BYTES), (9, 200_001), (COPY_BYTES_MAX, 5 << 18)] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251 + 1) as u8).collect();
            assert!(windows.copy(&file, &bytes, offset, &was_synced));
            let mut expected = vec![0];
            expected.extend_from_slice(&bytes);
            expected.push(0);
            assert_eq!(read(&file, len + 2, offset - 1), expected, "{len} bytes at {offset}");
        }
    }

    #[test]
    fn an_append_is_copied_whole_or_not_at_all() {
        let (file, mut windows, was_synced) = windows();
        let bytes = [7; 100];
        for (len, offset, expected) in [
            (100, WINDOW_BYTES - 100, true),
            (100, WINDOW_BYTES - 99, false),
            (100, WINDOW_BYTES, true),
            (100, ROOM - 100, true),
            (100, ROOM - 99, false),
            (100, ROOM, false),
            (100, ROOM + 1, false),
            (8, 2 * WINDOW_BYTES, true),
            (7, 2 * WINDOW_BYTES, false),
            (0, 2 * WINDOW_BYTES, false),
        ] {
            let copied = windows.copy(&file, &bytes[..len], offset, &was_synced);
            assert_eq!(copied, expected, "{len} bytes at {offset} of {ROOM}");
        }
        assert!(!windows.copy(&file, &[1; COPY_BYTES_MAX + 1], QUIET_BYTES, &was_synced));
        assert_eq!(read(&file, 99, WINDOW_BYTES - 99), [7; 99], "of the first one");
        assert_eq!(read(&file, 100, ROOM - 100), [7; 100]);
    }

    /// Zeros that are written ahead must touch nothing that was appended, and make no file longer.
    #[test]
    fn what_lies_ahead_is_made_ready_and_what_lies_behind_stays() {
        let (file, mut windows, was_synced) = windows();
        let mut expected = vec![0; ROOM as usize];
        let (mut offset, mut copies, mut writes) = (0, 0, 0);
        for round in 1_usize.. {
            let len = [50, 3000, 20_000, COPY_BYTES_MAX + 1, 9, 700][round % 6] + round % 5;
            if offset + len > expected.len() {
                break;
            }
            let bytes = vec![(round % 255 + 1) as u8; len];
            if windows.copy(&file, &bytes, offset as u64, &was_synced) {
                copies += 1;
            } else {
                assert_eq!(rustix::io::pwrite(&file, &bytes, offset as u64).unwrap(), len);
                writes += 1;
            }
            expected[offset..offset + len].fill(bytes[0]);
            offset += len;
            assert!(windows.ready_until <= ROOM);
        }
        assert!(copies > 100 && writes > 30, "{copies} {writes}");
        assert_eq!(read(&file, expected.len(), 0), expected);
        assert!(windows.copy(&file, &vec![9; expected.len() - offset], offset as u64, &was_synced));
        assert_eq!(
            rustix::fs::fstat(&file).unwrap().st_size,
            ROOM as i64,
            "no longer than its room"
        );
    }

    #[test]
    fn appends_are_written_at_the_beginning_and_after_a_sync() {
        let (file, mut windows, was_synced) = windows();
        let mut copy = |offset| windows.copy(&file, &[1; 10], offset, &was_synced);
        assert!(!copy(0) && !copy(QUIET_BYTES - 1) && copy(QUIET_BYTES));
        was_synced.store(true, Ordering::Relaxed);
        assert!(!copy(500_000) && !copy(500_000 + QUIET_BYTES - 1));
        assert!(copy(500_000 + QUIET_BYTES) && copy(600_000 + QUIET_BYTES));
    }

    #[test]
    fn a_file_that_cannot_be_mapped_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        let file = rustix::fs::open(directory.path(), flags, rustix::fs::Mode::empty()).unwrap();
        let mut windows = Windows::new();
        windows.note_room(ROOM);
        assert!(!windows.copy(&file, &[1; 10], QUIET_BYTES, &AtomicBool::new(false)));
    }
}
