//! Room that is kept for a full disk: how much of it, and whether it was given up.
//!
//! Deletes and compactions are what gives room back, and both need some first: a delete has to be
//! logged, a memtable becomes a table before its log goes, a compaction writes its tables before it
//! frees the old ones. So a file of nothing holds some room (`RESERVE`). When background work meets a
//! full disk, the file goes, and from then on the reserve is *low*: only batches that delete are
//! taken, since anything else would use up what was kept for them, and a compaction leaves the log its
//! part. When there is room again the file is made again, and all writes go on.
//!
//! This is the bookkeeping. `maintenance::reserve` makes the file and removes it; a commit asks, and
//! waits for its answer.

use crate::error::{Error, ErrorKind};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A disk has plenty of room if so many times the reserve is free.
const PLENTY: u64 = 4;

/// The reserve of one open database.
#[derive(Debug)]
pub(crate) struct Reserve {
    /// Most bytes that it takes; 0 if there is to be none.
    bytes_max: u64,
    /// With less it is worth nothing.
    bytes_min: u64,
    wanted_bytes: AtomicU64,
    is_low: AtomicBool,
    /// Whether it is worth trying to make it, or to make it larger.
    is_asked: AtomicBool,
    times_given_up: AtomicU64,
    /// How many hurries there had been when the last attempt to make the file began.
    tried: AtomicU64,
    holding: Mutex<Holding>,
}

/// What there is of it. The lock is held while the file is made or removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// Bytes that the file holds; 0 if there is none.
    pub(crate) bytes: u64,
    /// With less it would not have been of use at the last attempt to make it.
    pub(crate) needed: u64,
}

impl Reserve {
    /// `held_bytes` were found at the open.
    pub(crate) fn new(bytes_max: u64, bytes_min: u64, held_bytes: u64) -> Reserve {
        let bytes_min = bytes_min.min(bytes_max);
        Reserve {
            bytes_max,
            bytes_min,
            wanted_bytes: AtomicU64::new(bytes_min),
            is_low: AtomicBool::new(false),
            is_asked: AtomicBool::new(held_bytes < bytes_min),
            times_given_up: AtomicU64::new(0),
            tried: AtomicU64::new(0),
            holding: Mutex::new(Holding { bytes: held_bytes, needed: bytes_min }),
        }
    }

    /// How many bytes it should have.
    pub(crate) fn wanted_bytes(&self) -> u64 {
        self.wanted_bytes.load(Ordering::Relaxed)
    }

    /// Wants at least this many bytes from now on, as far as the options allow. Returns whether that is
    /// more than before.
    pub(crate) fn want(&self, bytes: u64) -> bool {
        let bytes = bytes.min(self.bytes_max);
        let is_more = self.wanted_bytes.fetch_max(bytes, Ordering::Relaxed) < bytes;
        if is_more {
            self.ask();
        }
        is_more
    }

    /// Wants this many bytes and no more from now on, if that is less than half as much as before. Returns
    /// whether it is.
    pub(crate) fn lower(&self, bytes: u64) -> bool {
        let bytes = bytes.clamp(self.bytes_min, self.bytes_max);
        let is_less = bytes < self.wanted_bytes() / 2;
        if is_less {
            self.wanted_bytes.store(bytes, Ordering::Relaxed);
            self.ask();
        }
        is_less
    }

    /// Which size to make the file now, if another one than it has: as wanted, but at most half of the
    /// room that there is. It is made smaller only where there is plenty of room to have it again. If there is
    /// none, it is made with what is needed or not at all: a smaller one would let writes use up the room
    /// that has to serve them.
    pub(crate) fn next_bytes(&self, holding: Holding, free_bytes: u64) -> Option<u64> {
        let wanted = self.wanted_bytes();
        let bytes = wanted.min(free_bytes.saturating_add(holding.bytes) / 2);
        let is_enough = match holding.bytes {
            0 => bytes >= holding.needed.min(wanted),
            held if wanted < held / 2 => free_bytes >= held.saturating_mul(PLENTY),
            held => bytes > held,
        };
        (is_enough && bytes > 0).then_some(bytes)
    }

    /// Whether it was given up, so that only batches that delete may be committed.
    pub(crate) fn is_low(&self) -> bool {
        // Relaxed: a commit beside the very moment may go either way.
        self.is_low.load(Ordering::Relaxed)
    }

    pub(crate) fn set_low(&self, is_low: bool) {
        self.is_low.store(is_low && self.bytes_max > 0, Ordering::Relaxed);
    }

    /// How often it was given up. Who meets a full disk and finds it gone since the work began tries again,
    /// as if the room were its own doing.
    pub(crate) fn times_given_up(&self) -> u64 {
        self.times_given_up.load(Ordering::Acquire)
    }

    /// Notes that its room is free now.
    pub(crate) fn note_given_up(&self) {
        self.times_given_up.fetch_add(1, Ordering::Release);
    }

    /// Says that it may be worth trying to make it (again, or larger).
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    /// Asks if it has less than it should.
    pub(crate) fn ask_for_missing(&self) {
        if self.holding.lock().bytes < self.wanted_bytes() {
            self.ask();
        }
    }

    /// Takes the question, if there is one.
    pub(crate) fn take_asked(&self) -> bool {
        self.is_asked.swap(false, Ordering::AcqRel)
    }

    /// Whether the outcome of an attempt to make the file is known that began since the ticket was drawn.
    pub(crate) fn was_tried_since(&self, ticket: u64) -> bool {
        self.tried.load(Ordering::Acquire) >= ticket
    }

    /// Notes that the outcome is known of an attempt that began after so many hurries.
    pub(crate) fn note_attempt(&self, began: u64) {
        self.tried.fetch_max(began, Ordering::AcqRel);
    }

    /// What there is of it, to look at or to change.
    pub(crate) fn holding(&self) -> &Mutex<Holding> {
        &self.holding
    }

    /// Least bytes that it is worth making with.
    pub(crate) fn bytes_min(&self) -> u64 {
        self.bytes_min
    }

    /// What a commit gets that has to wait for room.
    pub(crate) fn refusal(&self) -> Error {
        let bytes = self.holding.lock().needed.min(self.wanted_bytes()) * 2;
        let what = format!(
            "the disk is full, and the room that was kept aside serves deletes and compactions now: \
             delete something, or make {bytes} bytes free; writes then go on by themselves"
        );
        Error::plain(ErrorKind::DiskFull, what)
    }
}

#[cfg(test)]
mod tests {
    use crate::state::reserve::{Holding, Reserve};

    #[test]
    fn more_is_wanted_up_to_the_limit_and_asked_for_once() {
        let reserve = Reserve::new(100, 10, 0);
        assert!(reserve.take_asked() && !reserve.take_asked());
        assert!(reserve.want(50) && reserve.take_asked());
        assert!(!reserve.want(40) && !reserve.take_asked());
        assert!(reserve.want(1000));
        assert_eq!(reserve.wanted_bytes(), 100);
        assert!(!reserve.want(2000));
    }

    #[test]
    fn much_less_is_taken_back_where_there_is_plenty_of_room() {
        let reserve = Reserve::new(100, 10, 100);
        reserve.want(100);
        assert!(reserve.take_asked() && !reserve.lower(50) && !reserve.take_asked());
        assert!(reserve.lower(40) && reserve.take_asked());
        let next = |free| reserve.next_bytes(*reserve.holding().lock(), free);
        assert_eq!((next(0), next(399), next(400)), (None, None, Some(40)));
        assert!(reserve.lower(1) && reserve.wanted_bytes() == 10, "what is of use, at least");
        assert!(reserve.want(30), "and what is needed later is more again");
    }

    #[test]
    fn where_none_is_wanted_nothing_is_asked_for_and_nothing_is_low() {
        let none = Reserve::new(0, 10, 0);
        none.set_low(true);
        assert!(!none.take_asked() && !none.is_low() && !none.want(50));
        assert_eq!(none.next_bytes(*none.holding().lock(), 1000), None);
        assert!(!Reserve::new(100, 10, 10).take_asked(), "enough is there");
    }

    #[test]
    fn it_takes_half_of_the_room_at_most_and_comes_back_with_what_is_needed_at_least() {
        let reserve = Reserve::new(100, 10, 0);
        let next = |free| reserve.next_bytes(*reserve.holding().lock(), free);
        assert_eq!((next(19), next(20), next(500)), (None, Some(10), Some(10)));
        reserve.want(100);
        assert_eq!((next(20), next(120), next(500)), (Some(10), Some(60), Some(100)));
        reserve.holding().lock().bytes = 60;
        assert_eq!((next(60), next(62), next(500)), (None, Some(61), Some(100)));
        *reserve.holding().lock() = Holding { bytes: 0, needed: 60 };
        assert_eq!((next(119), next(120), next(140)), (None, Some(60), Some(70)));
        reserve.holding().lock().needed = 1000;
        assert_eq!((next(199), next(200)), (None, Some(100)));
    }
}
