//! Runs numbered cases on several threads until time or numbers run out, and turns panics into
//! violations: a case is a function that panics when a promise is broken.

use crate::bounds::Bounds;
use crate::watchdog::Watchdog;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

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

/// What a case was at, told behind its panic; see [`note`].
#[derive(Debug)]
pub struct Note(String);

/// Says what the case is at until the note is dropped. If it panics meanwhile, its failure says so.
pub fn note(what: String) -> Note {
    Note(what)
}

impl Drop for Note {
    fn drop(&mut self) {
        if thread::panicking() {
            LAST_NOTES.with_borrow_mut(|notes| notes.push(std::mem::take(&mut self.0)));
        }
    }
}

/// How the words of a panic begin that a suite makes in a thread of the engine.
pub const ON_PURPOSE: &str = "on purpose";

thread_local! {
    /// The notes that were dropped by a panic, innermost first.
    static LAST_NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
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
            let is_wanted = words(info.payload()).starts_with(ON_PURPOSE);
            if !(IS_CASE.get() || is_wanted) || std::env::var_os("RUST_BACKTRACE").is_some() {
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
    let notes = LAST_NOTES.take();
    judged.map_err(|panic| notes.into_iter().fold(words(&*panic), |all, note| all + "; " + &note))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Runs `case(number, sum)` for the numbers below `count`, from the first one that `bounds` do not skip, each
/// once, on the threads of `bounds`, until all are done, or time is over, or too many have failed.
pub fn run<T: Default + Send>(
    bounds: &Bounds,
    count: u64,
    case: impl Fn(u64, &mut T) + Sync,
) -> Haul<T> {
    let (next, failed, stop) =
        (AtomicU64::new(bounds.skip), AtomicU64::new(0), AtomicBool::new(false));
    let watchdog = Watchdog::new(bounds);
    let work = |hand: usize| {
        let (mut sum, mut failures, mut cases) = (T::default(), Vec::new(), 0);
        while !stop.load(Ordering::Relaxed) && !bounds.is_over() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            cases += 1;
            watchdog.note(hand, number);
            if let Err(what) = judge(|| case(number, &mut sum)) {
                failures.push((number, what));
                let is_enough = failed.fetch_add(1, Ordering::Relaxed) + 1 >= bounds.violations_max;
                stop.fetch_or(is_enough, Ordering::Relaxed);
            }
        }
        watchdog.leave(hand);
        (sum, failures, cases)
    };
    let mut haul = Haul { sums: Vec::new(), cases: 0, failures: Vec::new() };
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watchdog.watch());
        let work = &work;
        let hands: Vec<_> =
            (0..bounds.threads).map(|hand| scope.spawn(move || work(hand))).collect();
        for hand in hands {
            let Ok((sum, failures, cases)) = hand.join() else {
                unreachable!("cases are caught, and the crew itself does not panic")
            };
            haul.sums.push(sum);
            haul.failures.extend(failures);
            haul.cases += cases;
        }
        watcher.thread().unpark();
    });
    haul.failures.sort();
    haul
}

#[cfg(test)]
mod tests {
    use crate::bounds::Bounds;
    use crate::crew::{judge, note, run};
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
    fn a_failure_says_what_the_case_was_at() {
        let judged = judge(|| {
            let _outer = note("at the end".to_owned());
            drop(note("in the middle".to_owned()));
            panic!("it broke");
        });
        assert_eq!(judged, Err::<(), _>("it broke; at the end".to_owned()));
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
