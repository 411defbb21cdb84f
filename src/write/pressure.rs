//! How much to slow a writer: a pure function of how far the background has fallen behind.
//!
//! There are two backlogs: memtables that wait for the flusher, and L0 runs that wait for the
//! compactor. Below a soft limit each costs nothing. From there to the hard limit the delay of a
//! write rises smoothly until the writer is as slow as the flusher works, and slower than the compactor.
//! At the hard limit the writer waits for the background, but the rise makes that rare. Delays are
//! microseconds for a write of a hundred bytes; there are no jumps.

use std::time::Duration;

/// How far the background is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Backlog {
    /// Sealed memtables, plus the part of the active one that is filled (0 to 1).
    pub(crate) memtables: f64,
    /// Sealed memtables at which writers stop.
    pub(crate) memtables_max: f64,
    /// Bytes a second that the flusher gets done.
    pub(crate) flush_rate: f64,
    /// Sorted runs in L0.
    pub(crate) runs: f64,
    /// Runs at which slowing begins, and at which it is full.
    pub(crate) runs_soft: f64,
    pub(crate) runs_hard: f64,
    /// Bytes a second that merges of L0 read, those of the level below too.
    pub(crate) compaction_rate: f64,
}

/// Why writers are slowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stall {
    /// They are not.
    #[default]
    None,
    /// The flusher is behind: memtables wait to become tables.
    Flush,
    /// Compaction is behind: too many sorted runs in level 0.
    Compaction,
    /// There is no log segment to write to yet.
    Segment,
}

/// Writers are slowed to this part of the compactor's rate at most.
const LEFT_MIN: f64 = 0.01;

/// Share of the way from the soft to the hard limit, 0 to 1.
fn share(value: f64, soft: f64, hard: f64) -> f64 {
    ((value - soft) / (hard - soft).max(f64::EPSILON)).clamp(0.0, 1.0)
}

/// The delay of a write of `bytes`, and what causes it.
pub(crate) fn delay(backlog: &Backlog, bytes: usize) -> (Duration, Stall) {
    // One sealed memtable beside a filling one is how it should be: slowing begins when the active
    // one is half full and another still waits.
    let flush = share(backlog.memtables, 1.5, backlog.memtables_max);
    let compaction = share(backlog.runs, backlog.runs_soft, backlog.runs_hard);
    let flush_nanos = nanos(flush, bytes, backlog.flush_rate);
    // The runs of level 0 leave all at once, when a merge that may take seconds is done: at the rate of the
    // compactor alone they would reach the limit before that. What is left until there is shared out.
    let left = (1.0 - compaction).max(LEFT_MIN);
    let compaction_nanos = nanos(compaction, bytes, backlog.compaction_rate) / left;
    let (nanos, stall) = if flush_nanos >= compaction_nanos {
        (flush_nanos, Stall::Flush)
    } else {
        (compaction_nanos, Stall::Compaction)
    };
    if nanos < 1.0 {
        return (Duration::ZERO, Stall::None);
    }
    (Duration::from_nanos(whole_nanos(nanos)), stall)
}

/// Time that `bytes` take at the background's rate, weighted by the square of the share: gentle at
/// first, the full rate at the hard limit.
fn nanos(share: f64, bytes: usize, rate: f64) -> f64 {
    share * share * (bytes as f64) * 1e9 / rate.max(1e6)
}

fn whole_nanos(nanos: f64) -> u64 {
    // At most a second, whatever the figures say.
    nanos.min(1e9) as u64
}

#[cfg(test)]
mod tests {
    use crate::write::pressure::{Backlog, Stall, delay};
    use std::time::Duration;

    const CALM: Backlog = Backlog {
        memtables: 0.9,
        memtables_max: 3.0,
        flush_rate: 100e6,
        runs: 3.0,
        runs_soft: 12.0,
        runs_hard: 24.0,
        compaction_rate: 50e6,
    };

    #[test]
    fn a_writer_that_the_background_follows_is_not_slowed() {
        assert_eq!(delay(&CALM, 1 << 20), (Duration::ZERO, Stall::None));
    }

    #[test]
    fn the_delay_rises_without_jumps_up_to_the_rate_of_the_background() {
        let mut last = Duration::ZERO;
        for step in 0..=300 {
            let memtables = f64::from(step) / 100.0;
            let (now, _) = delay(&Backlog { memtables, ..CALM }, 100_000);
            assert!(now >= last && now - last < Duration::from_micros(20), "at {memtables}");
            last = now;
        }
        assert_eq!(last, Duration::from_millis(1), "100 kB at 100 MB/s");
    }

    /// Level 0 empties when a merge is done, and not before.
    #[test]
    fn a_writer_does_not_reach_the_limit_while_one_merge_of_all_runs_goes_on() {
        const RUN_BYTES: usize = 22_000_000;
        const WRITE_BYTES: usize = 100_000;
        let (mut written, mut seconds, mut longest) = (0_usize, 0.0, Duration::ZERO);
        while seconds < 8.0 {
            let runs = 12.0 + (written / RUN_BYTES) as f64;
            assert!(runs < 24.0, "it would stop after {seconds} s");
            let (delay, _) = delay(&Backlog { runs, ..CALM }, WRITE_BYTES);
            seconds += 1e-3 + delay.as_secs_f64();
            (written, longest) = (written + WRITE_BYTES, longest.max(delay));
        }
        assert!(longest < Duration::from_millis(50), "{longest:?} for 100 kB");
    }

    #[test]
    fn the_larger_backlog_is_the_reason() {
        let (_, stall) = delay(&Backlog { runs: 20.0, ..CALM }, 1000);
        assert_eq!(stall, Stall::Compaction);
        let (_, stall) = delay(&Backlog { runs: 13.0, memtables: 2.9, ..CALM }, 1000);
        assert_eq!(stall, Stall::Flush);
    }

    #[test]
    fn a_delay_is_bounded() {
        let stuck = Backlog { flush_rate: 0.0, memtables: 9.0, ..CALM };
        assert_eq!(delay(&stuck, usize::MAX).0, Duration::from_secs(1));
    }
}
