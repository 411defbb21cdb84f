//! What shuttle runs: many interleavings of a scenario, and a value that is set once in all of them.

use shuttle::sync as checked;
#[cfg(test)]
use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};

/// A value that is set once. While std's own initialises a value the others block for real, which
/// would hang the model checker; so they wait here at a lock that it knows.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    setting: checked::Mutex<()>,
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> OnceLock<T> {
        OnceLock { value: std::sync::OnceLock::new(), setting: checked::Mutex::new(()) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let _setting = self.setting.lock();
        self.value.set(value)
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if self.value.get().is_none() {
            let _setting = self.setting.lock();
            if self.value.get().is_none() {
                let made = make();
                return self.value.get_or_init(|| made);
            }
        }
        self.value.get().expect("it was just set")
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

/// Runs `scenario` under many schedules, half of them random and half by PCT with depth 3, and prints
/// how many. `SILTSTONE_SCHEDULES` takes the place of `schedules`.
#[cfg(test)]
pub(crate) fn explore(name: &str, schedules: usize, scenario: fn()) {
    let schedules = asked_for(schedules);
    run(RandomScheduler::new(schedules / 2), scenario);
    run(PctScheduler::new(3, schedules - schedules / 2), scenario);
    tell(name, schedules);
}

/// The same for a scenario with threads that look again and again: PCT would let one of them run for
/// ever, so all schedules are random. A hundredth of what was asked for.
#[cfg(test)]
pub(crate) fn explore_fairly(name: &str, schedules: usize, scenario: fn()) {
    let schedules = asked_for(schedules * 100) / 100;
    run(RandomScheduler::new(schedules), scenario);
    tell(name, schedules);
}

#[cfg(test)]
fn asked_for(schedules: usize) -> usize {
    let asked = std::env::var("SILTSTONE_SCHEDULES").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(schedules)
}

#[cfg(test)]
fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    let mut config = Config::new();
    // A leaf that is split is built on the stack.
    config.stack_size = 512 << 10;
    Runner::new(scheduler, config).run(scenario);
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "the figures of a long run are what it is for")]
fn tell(name: &str, schedules: usize) {
    println!("{name} schedules={schedules}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::{Arc, Condvar, Mutex, OnceLock, thread};

    #[test]
    fn shuttle_a_waiter_is_woken_whatever_the_order() {
        shuttle::check_random(
            || {
                let shared = Arc::new((Mutex::new(0), Condvar::new()));
                let there = Arc::clone(&shared);
                let other = thread::spawn(move || {
                    *there.0.lock() += 1;
                    there.1.notify_all();
                });
                let mut count = shared.0.lock();
                while *count == 0 {
                    shared.1.wait(&mut count);
                }
                drop(count);
                other.join().unwrap();
            },
            500,
        );
    }

    #[test]
    fn shuttle_a_wait_with_a_limit_lets_the_others_run() {
        shuttle::check_random(
            || {
                let shared = Arc::new((Mutex::new(false), Condvar::new()));
                let there = Arc::clone(&shared);
                let other = thread::spawn(move || *there.0.lock() = true);
                let mut done = shared.0.lock();
                while !*done {
                    let ended = shared.1.wait_for(&mut done, Duration::from_millis(1));
                    assert!(ended.timed_out());
                }
                drop(done);
                other.join().unwrap();
            },
            500,
        );
    }

    #[test]
    fn shuttle_a_value_is_made_once_even_if_making_it_yields() {
        shuttle::check_random(
            || {
                let shared = Arc::new((OnceLock::new(), AtomicUsize::new(0)));
                let make = |shared: &(OnceLock<usize>, AtomicUsize)| {
                    let made = || shared.1.fetch_add(1, Ordering::SeqCst) + 1;
                    *shared.0.get_or_init(made)
                };
                let there = Arc::clone(&shared);
                let other = thread::spawn(move || make(&there));
                assert_eq!(make(&shared), 1);
                assert_eq!(other.join().unwrap(), 1);
            },
            500,
        );
    }
}
