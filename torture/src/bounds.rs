//! How long a suite may run, from which seed, on how many threads.

#![expect(clippy::disallowed_types, reason = "a run by hand is bounded by the time on the wall")]

use std::time::{Duration, Instant};

/// Much longer than any case takes, on a machine that is busy with other work too.
const HANG: Duration = Duration::from_secs(60);

const VIOLATIONS_MAX: u64 = 20;

/// The bounds of one run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// No case begins after this much time.
    pub time: Duration,
    /// Cases that are drawn by chance are drawn from this.
    pub seed: u64,
    /// The first cases, which are left out: a run may go on where another ended.
    pub skip: u64,
    /// Threads that run cases side by side.
    pub threads: usize,
    /// A case that takes longer hangs.
    pub hang: Duration,
    /// Violations after which a run is stopped: what follows is most likely the same again.
    pub violations_max: u64,
    began: Instant,
}

impl Bounds {
    /// Bounds whose time begins now.
    #[must_use]
    pub fn new(time: Duration, seed: u64, threads: usize) -> Bounds {
        Bounds {
            time,
            seed,
            skip: 0,
            threads: threads.max(1),
            hang: HANG,
            violations_max: VIOLATIONS_MAX,
            began: Instant::now(),
        }
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether no further case should begin.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.elapsed() >= self.time
    }

    /// The same run, of which only `part` of the time is given away: for a suite of several chapters.
    #[must_use]
    pub fn part(&self, part: f64) -> Bounds {
        let time = self.time.mul_f64(part.clamp(0.0, 1.0));
        Bounds { time, began: Instant::now(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use crate::bounds::Bounds;
    use std::time::Duration;

    #[test]
    fn no_time_is_over_at_once_and_much_time_is_not() {
        assert!(Bounds::new(Duration::ZERO, 0, 1).is_over());
        let hour = Bounds::new(Duration::from_secs(3600), 0, 0);
        assert!(!hour.is_over() && !hour.part(0.5).is_over() && hour.part(0.0).is_over());
        assert_eq!(hour.threads, 1, "somebody has to do it");
    }
}
