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
pub(crate) struct Debt {
    /// Negative if there is credit.
    owed_nanos: AtomicI64,
}

impl Debt {
    /// Adds a delay. Returns what the caller shall sleep for everybody, if it is enough.
    pub(crate) fn add(&self, delay: Duration) -> Option<Duration> {
        let delay = nanos(delay);
        let owed = self.owed_nanos.fetch_add(delay, Ordering::Relaxed).saturating_add(delay);
        if owed < SLEEP_NANOS_MIN {
            return None;
        }
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
    use crate::write::debt::{CREDIT_NANOS_MAX, Debt};
    use std::time::Duration;

    const MICRO: Duration = Duration::from_micros(1);

    #[test]
    fn small_delays_are_slept_together() {
        let debt = Debt::default();
        for _ in 0..49 {
            assert_eq!(debt.add(MICRO), None);
        }
        assert_eq!(debt.add(MICRO), Some(50 * MICRO));
        assert_eq!(debt.add(MICRO), None, "all of it was taken");
        assert_eq!(debt.add(99 * MICRO), Some(100 * MICRO));
    }

    #[test]
    fn a_sleep_that_took_longer_pays_for_the_next_delays() {
        let debt = Debt::default();
        let asked = debt.add(100 * MICRO).unwrap();
        debt.note_slept(asked, 350 * MICRO);
        assert_eq!(debt.add(200 * MICRO), None);
        assert_eq!(debt.add(100 * MICRO), Some(50 * MICRO));
        debt.note_slept(50 * MICRO, 10 * MICRO);
        assert_eq!(debt.add(60 * MICRO), Some(60 * MICRO), "a short sleep is no debt");
    }

    #[test]
    fn credit_is_bounded() {
        let debt = Debt::default();
        let credit = Duration::from_nanos(CREDIT_NANOS_MAX.unsigned_abs());
        for _ in 0..3 {
            debt.note_slept(MICRO, Duration::from_secs(5));
        }
        assert_eq!(debt.add(credit), None);
        assert_eq!(debt.add(50 * MICRO), Some(50 * MICRO));
    }
}
