//! What loom runs: every order of two or three threads on one of the smallest parts.
//!
//! A load then sees each older value that it may see under the memory model of C++: a missing `Acquire` turns
//! a scenario red on any machine. `state::loom_tests` and `memtable::loom_tests` have them.
//!
//! Loom (0.7) does not know all of the model: no store comes before an earlier load of its thread. And if one
//! thread stores what it has loaded before, it does not try to put loads by others in between. So threads that
//! only read are started last: their loads see the older values all the same.
//!
//! What it does not see are plain bytes, like those of a record, and what is std's: `Arc`, whose counts are
//! not checked here, `OnceLock`, which no scenario may meet at, and `thread`, but for `spawn`.

#[cfg(test)]
pub(crate) use loom::thread::spawn;

/// What a thread has for itself; loom's own macro does not know of a `const` start.
macro_rules! kept_by_thread {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const { $start:expr };) => {
        ::loom::thread_local! { $(#[$attribute])* static $name: $type = $start; }
    };
}
pub(crate) use kept_by_thread as thread_local;

/// Runs `scenario` in every way there is, and prints how many there were.
#[cfg(test)]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
pub(crate) fn explore_all(name: &str, scenario: impl Fn() + Send + Sync + 'static) {
    use std::sync::atomic::{AtomicU64, Ordering};
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&executions);
    let mut every_way = loom::model::Builder::new();
    // Of one execution: no more than a scenario needs, but it says so if a thread runs for ever.
    every_way.max_branches = 100_000;
    every_way.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        scenario();
    });
    println!("{name} executions={}", executions.load(Ordering::Relaxed));
}
