//! Waiting for something to happen: one bell for all background events.
//!
//! Whoever changes something that another thread may wait for (a memtable was sealed, a flush was
//! installed, a segment is ready, the database was poisoned) rings. Whoever waits names a
//! condition, which is looked at after every ring. Events are rare (a few a second), so one bell
//! is enough, and a forgotten wake-up cannot hide in a maze of condition variables.
//!
//! In stepped mode there are no background threads: a waiter runs background steps itself until its
//! condition holds. So the same engine is driven by threads in production and by a seed in tests.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, OnceLock};
use std::fmt::Debug;
use std::time::Duration;

/// Runs background work a step at a time, when no threads do.
pub(crate) trait Stepper: Send + Sync + Debug {
    /// Runs one step of some job. Returns whether anything was done.
    fn step(&self) -> bool;
}

/// The bell.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    rings: Mutex<u64>,
    rung: Condvar,
    /// How often somebody began to wait for background work.
    hurries: AtomicU64,
    /// Set once, before any waiter, when no background threads run.
    stepper: OnceLock<Arc<dyn Stepper>>,
}

impl Signals {
    /// Uses `stepper` instead of waiting for threads.
    pub(crate) fn drive_by(&self, stepper: Arc<dyn Stepper>) {
        // A second call would be a mistake of the builder; the first one stays.
        drop(self.stepper.set(stepper));
    }

    /// The driver of background work, when no threads do it.
    pub(crate) fn stepper(&self) -> Option<&Arc<dyn Stepper>> {
        self.stepper.get()
    }

    /// Tells everyone to look again.
    pub(crate) fn ring(&self) {
        *self.rings.lock() += 1;
        self.rung.notify_all();
    }

    /// Rings, and lets workers that rest after a failure try again at once: somebody waits for them.
    /// Returns a ticket: what began when there were at least so many [`hurries`](Signals::hurries)
    /// began after this call.
    pub(crate) fn hurry(&self) -> u64 {
        let ticket = self.hurries.fetch_add(1, Ordering::Relaxed) + 1;
        // The mutex of the bell orders this before whoever wakes.
        self.ring();
        ticket
    }

    /// How often [`hurry`](Signals::hurry) was called.
    pub(crate) fn hurries(&self) -> u64 {
        self.hurries.load(Ordering::Relaxed)
    }

    /// Rings if there is something to tell.
    pub(crate) fn ring_if(&self, news: bool) {
        if news {
            self.ring();
        }
    }

    /// How often the bell rang. Take it before looking at a condition, then [`Signals::sleep`].
    pub(crate) fn count(&self) -> u64 {
        *self.rings.lock()
    }

    /// Sleeps until the bell rings again after `count`, or `at_most` passes. Returns whether it rang.
    pub(crate) fn sleep(&self, count: u64, at_most: Option<Duration>) -> bool {
        let mut rings = self.rings.lock();
        while *rings == count {
            match at_most {
                None => self.rung.wait(&mut rings),
                Some(limit) => {
                    if self.rung.wait_for(&mut rings, limit).timed_out() {
                        return *rings != count;
                    }
                }
            }
        }
        true
    }

    /// Waits until `condition` gives a value. Must not be called with a lock held.
    pub(crate) fn wait_until<T>(&self, mut condition: impl FnMut() -> Option<T>) -> T {
        loop {
            let count = self.count();
            if let Some(value) = condition() {
                return value;
            }
            match self.stepper() {
                None => drop(self.sleep(count, None)),
                Some(stepper) => {
                    let progressed = stepper.step();
                    let waits_for_ever = !progressed && self.count() == count;
                    assert!(!waits_for_ever, "nothing is left to do, yet the condition is false");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::state::signals::Signals;
    use crate::sync::atomic::{AtomicBool, Ordering};
    use crate::sync::thread;
    use std::time::Duration;

    #[test]
    fn a_ring_before_the_sleep_is_not_lost() {
        let signals = Signals::default();
        let count = signals.count();
        signals.ring();
        assert!(signals.sleep(count, None));
        assert!(!signals.sleep(signals.count(), Some(Duration::from_millis(1))));
    }

    #[test]
    fn a_waiter_wakes_when_its_condition_holds() {
        let (signals, ready) = (Signals::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                signals.ring();
                ready.store(true, Ordering::SeqCst);
                signals.ring();
            });
            signals.wait_until(|| ready.load(Ordering::SeqCst).then_some(()));
        });
    }
}
