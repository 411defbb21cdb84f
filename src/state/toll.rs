//! The toll: what all readers have lost to the runs of level 0 since these were merged last.
//!
//! Who stands before the choice between paying a little again and again, and paying once for good, pays at
//! most twice what was needed if he changes over when both have become equal. So level 0 is merged for
//! the sake of readers when these have lost as much as the merge costs: never for a database that is only
//! written, soon for one that is scanned all the time. (Others call such a merge read-triggered.)

use crate::sync::atomic::{AtomicU64, Ordering};

/// So much more is news for the compactors: about 17 ms.
const NEWS_NANOS: u64 = 1 << 24;

/// How many runs a read looks into that a merge of level 0 would take away: all of level 0 but one, and that
/// one too if there is a level for it to become a part of.
pub(crate) fn extra_runs(level0: usize, has_lower: bool) -> usize {
    if level0 == 0 { 0 } else { level0 + usize::from(has_lower) - 1 }
}

/// Nanoseconds; an estimate. In a line of the cache of its own, since every reader may write to it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Toll(AtomicU64);

impl Toll {
    /// Adds what was lost. Returns whether it is time for a compactor to look. Relaxed: an estimate
    /// that is a little old is an estimate.
    pub(crate) fn add(&self, nanos: u64) -> bool {
        if nanos == 0 {
            return false;
        }
        let before = self.0.fetch_add(nanos, Ordering::Relaxed);
        before / NEWS_NANOS != before.wrapping_add(nanos) / NEWS_NANOS
    }

    pub(crate) fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The runs that it was paid for are being merged.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::state::toll::{NEWS_NANOS, Toll, extra_runs};

    #[test]
    fn one_run_is_none_too_many() {
        assert_eq!([0, 1, 5].map(|level0| extra_runs(level0, false)), [0, 0, 4]);
        assert_eq!([0, 1, 5].map(|level0| extra_runs(level0, true)), [0, 1, 5]);
    }

    #[test]
    fn it_adds_up_and_is_news_now_and_then() {
        let toll = Toll::default();
        assert!(!toll.add(0) && !toll.add(NEWS_NANOS - 1));
        assert!(toll.add(1) && !toll.add(1) && toll.add(5 * NEWS_NANOS));
        assert_eq!(toll.nanos(), 6 * NEWS_NANOS + 1);
        toll.forget();
        assert_eq!(toll.nanos(), 0);
    }
}
