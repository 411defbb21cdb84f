//! How far the background is behind, kept where a commit can look without taking the view.
//!
//! Relaxed everywhere: a stale figure makes one write a little faster or slower, nothing else.

use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Rates are assumed to be this, in bytes a second, until one was measured.
const FIRST_RATE: u64 = 100 << 20;

/// The figures, each updated by whoever changes it.
#[derive(Debug)]
pub(crate) struct Gauges {
    /// Sealed memtables.
    sealed: AtomicUsize,
    /// Sorted runs in L0.
    runs: AtomicUsize,
    flush_rate: Rate,
    compaction_rate: Rate,
    /// Segments with smaller numbers are not needed, and the manifest says so for good.
    log_floor: AtomicU64,
}

/// Bytes a second, smoothed; 0 until it was measured.
#[derive(Debug, Default)]
pub(crate) struct Rate(AtomicU64);

impl Gauges {
    pub(crate) fn new() -> Gauges {
        let (sealed, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let log_floor = AtomicU64::new(0);
        let (flush_rate, compaction_rate) = (Rate::default(), Rate::default());
        Gauges { sealed, runs, flush_rate, compaction_rate, log_floor }
    }

    /// Notes the shape of the view that was just swapped in.
    pub(crate) fn note_shape(&self, sealed: usize, runs: usize) {
        self.sealed.store(sealed, Ordering::Relaxed);
        self.runs.store(runs, Ordering::Relaxed);
    }

    pub(crate) fn sealed(&self) -> usize {
        self.sealed.load(Ordering::Relaxed)
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// Notes that no segment below this number is needed: a settled record of the manifest says so.
    pub(crate) fn note_log_floor(&self, segment: u64) {
        self.log_floor.fetch_max(segment, Ordering::Relaxed);
    }

    pub(crate) fn log_floor(&self) -> u64 {
        self.log_floor.load(Ordering::Relaxed)
    }

    pub(crate) fn flush_rate(&self) -> &Rate {
        &self.flush_rate
    }

    pub(crate) fn compaction_rate(&self) -> &Rate {
        &self.compaction_rate
    }
}

impl Rate {
    /// Bytes a second.
    pub(crate) fn get(&self) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => FIRST_RATE,
            rate => rate,
        }
    }

    /// Takes a finished job into account: the first one alone, then a quarter of the new figure and three of
    /// the old.
    pub(crate) fn note(&self, bytes: u64, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let measured = bytes.saturating_mul(1_000_000) / micros;
        let rate = match self.0.load(Ordering::Relaxed) {
            0 => measured,
            before => (before / 4) * 3 + measured / 4,
        };
        self.0.store(rate.max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::state::gauges::{FIRST_RATE, Gauges};
    use std::time::Duration;

    #[test]
    fn a_rate_moves_towards_what_is_measured() {
        let gauges = Gauges::new();
        assert_eq!(gauges.flush_rate().get(), FIRST_RATE);
        gauges.flush_rate().note(5000, Duration::from_millis(1));
        assert_eq!(
            gauges.flush_rate().get(),
            5_000_000,
            "nothing of what was only assumed is left"
        );
        for _ in 0..50 {
            gauges.flush_rate().note(1000, Duration::from_millis(1));
        }
        assert!((990_000..=1_000_100).contains(&gauges.flush_rate().get()));
    }
}
