//! Runs numbered cases on several threads until time or numbers run out, and turns panics into
//! violations: a case is a function that panics when a promise is broken.

use crate::bounds::Bounds;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Violations after which a run is stopped: what follows is most likely the same again.
const VIOLATIONS_MAX: u64 = 20;

/// What the crew brought home.
#[derive(Debug)]
pub struct Haul<T> {
    /// One sum of each thread.
    pub sums: Vec<T>,
    /// Cases that were run.
    pub cases: u64,
    /// Number of the case and what it said, for each case that failed, in order of numbers.
    pub failures: Vec<(u64, String)>,
}

thread_local! {
    /// Whether a panic of this thread is a finding, which is told later and in other words.
    static IS_CASE: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of cases off the terminal. Panics elsewhere, background threads of a database that
/// a case made among them, are still told.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CASE.get() || std::env::var_os("RUST_BACKTRACE").is_some() {
                told(info);
            }
        }));
    });
}

/// Runs a case; the words of its panic if it has one.
pub fn judge<T>(case: impl FnOnce() -> T) -> Result<T, String> {
    hush();
    let was_case = IS_CASE.replace(true);
    let judged = catch_unwind(AssertUnwindSafe(case));
    IS_CASE.set(was_case);
    judged.map_err(|panic| words(&*panic))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Runs `case(number, sum)` for the numbers from 0 below `count`, each once, on the threads of
/// `bounds`, until all are done, or time is over, or too many have failed.
pub fn run<T: Default + Send>(
    bounds: &Bounds,
    count: u64,
    case: impl Fn(u64, &mut T) + Sync,
) -> Haul<T> {
    let (next, failed, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let (mut sum, mut failures, mut cases) = (T::default(), Vec::new(), 0);
        while !stop.load(Ordering::Relaxed) && !bounds.is_over() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            cases += 1;
            if let Err(what) = judge(|| case(number, &mut sum)) {
                failures.push((number, what));
                let is_enough = failed.fetch_add(1, Ordering::Relaxed) + 1 >= VIOLATIONS_MAX;
                stop.fetch_or(is_enough, Ordering::Relaxed);
            }
        }
        (sum, failures, cases)
    };
    let mut haul = Haul { sums: Vec::new(), cases: 0, failures: Vec::new() };
    thread::scope(|scope| {
        let hands: Vec<_> = (0..bounds.threads).map(|_| scope.spawn(work)).collect();
        for hand in hands {
            let Ok((sum, failures, cases)) = hand.join() else {
                unreachable!("cases are caught, and the crew itself does not panic")
            };
            haul.sums.push(sum);
            haul.failures.extend(failures);
            haul.cases += cases;
        }
    });
    haul.failures.sort();
    haul
}

#[cfg(test)]
mod tests {
    use crate::bounds::Bounds;
    use crate::crew::run;
    use std::time::Duration;

    #[test]
    fn each_number_is_one_case_and_a_panic_is_a_failure_in_words() {
        let bounds = Bounds::new(Duration::from_secs(60), 0, 2);
        let haul = run(&bounds, 100, |number, sum: &mut u64| {
            assert!(number != 17 && number != 40, "case {number} is broken");
            *sum += number;
        });
        assert_eq!(haul.cases, 100);
        assert_eq!(haul.sums.iter().sum::<u64>(), (0..100).sum::<u64>() - 57);
        let words = |number: u64| (number, format!("case {number} is broken"));
        assert_eq!(haul.failures, [words(17), words(40)]);
    }

    #[test]
    fn no_case_begins_when_time_is_over_or_too_many_have_failed() {
        let none = run(&Bounds::new(Duration::ZERO, 0, 2), 100, |_, _: &mut ()| {});
        assert_eq!(none.cases, 0);
        let bounds = Bounds::new(Duration::from_secs(60), 0, 1);
        let broken = run(&bounds, 1_000, |_, _: &mut ()| panic!("always"));
        assert_eq!(broken.cases, 20);
    }
}
