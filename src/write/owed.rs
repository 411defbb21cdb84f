//! The delay that writers owe because the background is behind.
//!
//! Delays are microseconds, and a call that sleeps is worth it only for more; so they are added up until
//! somebody sleeps for all of them. A sleep on a busy machine can take milliseconds more than was asked for.
//! That is credit: the next delays are taken from it, so that writers are slowed by what they owe and not by
//! how often they sleep.

use crate::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Less is not slept.
const SLEEP_NANOS_MIN: i64 = 50_000;

/// Credit beyond this is lost: it would let writers run away from the background later on.
const CREDIT_NANOS_MAX: i64 = 10_000_000;

/// What all writers of a database owe together. Relaxed: it is a sum, and orders nothing.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// Negative if there is credit.
    owed_nanos: AtomicI64,
}

impl Owed {
    /// Adds a delay. Returns what the caller shall sleep for everybody, if it is enough.
    pub(crate) fn add(&self, delay: Duration) -> Option<Duration> {
        let delay = nanos(delay);
        let owed = self.owed_nanos.fetch_add(delay, Ordering::Relaxed).saturating_add(delay);
        if owed < SLEEP_NANOS_MIN {
            return None;
        }
        // Another thread may find the same debt in between: then both sleep for it, and the sum has it as
        // credit.
        self.owed_nanos.fetch_sub(owed, Ordering::Relaxed);
        u64::try_from(owed).ok().map(Duration::from_nanos)
    }

    /// Notes that a sleep of this length took so long.
    pub(crate) fn note_slept(&self, asked: Duration, slept: Duration) {
        let credit = nanos(slept.saturating_sub(asked));
        let before = self.owed_nanos.fetch_sub(credit, Ordering::Relaxed);
        let beyond = -CREDIT_NANOS_MAX - before.saturating_sub(credit);
        if beyond > 0 {
            self.owed_nanos.fetch_add(beyond, Ordering::Relaxed);
        }
    }
}

/// At most an hour, so that sums of many stay sums.
fn nanos(duration: Duration) -> i64 {
    const HOUR: Duration = Duration::from_secs(3600);
    i64::try_from(duration.min(HOUR).as_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::write::owed::{CREDIT_NANOS_MAX, Owed};
    use std::time::Duration;

    const MICRO: Duration = Duration::from_micros(1);

    #[test]
    fn small_delays_are_slept_together() {
        let owed = Owed::default();
        for _ in 0..49 {
            assert_eq!(owed.add(MICRO), None);
        }
        assert_eq!(owed.add(MICRO), Some(50 * MICRO));
        assert_eq!(owed.add(MICRO), None, "all of it was taken");
        assert_eq!(owed.add(99 * MICRO), Some(100 * MICRO));
    }

    #[test]
    fn a_sleep_that_took_longer_pays_for_the_next_delays() {
        let owed = Owed::default();
        let asked = owed.add(100 * MICRO).unwrap();
        owed.note_slept(asked, 350 * MICRO);
        assert_eq!(owed.add(200 * MICRO), None);
        assert_eq!(owed.add(100 * MICRO), Some(50 * MICRO));
        owed.note_slept(50 * MICRO, 10 * MICRO);
        assert_eq!(owed.add(60 * MICRO), Some(60 * MICRO), "a short sleep is not made up for");
    }

    #[test]
    fn credit_is_bounded() {
        let owed = Owed::default();
        let credit = Duration::from_nanos(CREDIT_NANOS_MAX.unsigned_abs());
        for _ in 0..3 {
            owed.note_slept(MICRO, Duration::from_secs(5));
        }
        assert_eq!(owed.add(credit), None);
        assert_eq!(owed.add(50 * MICRO), Some(50 * MICRO));
    }
}
