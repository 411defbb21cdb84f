//! Runs an operation on some threads until its work or its time is over, and measures it.
//!
//! Writes are timed each, with one look at the clock an operation: the end of one is the beginning of
//! the next. Reads can take less time than a look at the clock, so only every 16th of them is timed,
//! and the clock is asked for the end only then.

use crate::engine::Result;
use crate::measure::latency::Latencies;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const SAMPLED_READS: u64 = 16;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: u64,
    pub(crate) time: Duration,
}

/// Which operations are timed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    Each,
    Sampled,
}

/// What one thread did.
#[derive(Debug)]
pub(crate) struct Done<T> {
    pub(crate) operations: u64,
    pub(crate) latencies: Latencies,
    /// What the operation carried along.
    pub(crate) carried: T,
}

/// Calls `operation(&mut carried, number)` for number 0, 1, ... within the limits.
pub(crate) fn repeat<T>(
    limits: Limits,
    timing: Timing,
    mut carried: T,
    mut operation: impl FnMut(&mut T, u64) -> Result<()>,
) -> Result<Done<T>> {
    let mut latencies = Latencies::new();
    let begin = Instant::now();
    let mut before = begin;
    let mut number = 0;
    while number < limits.operations {
        let is_timed = timing == Timing::Each || number % SAMPLED_READS == 0;
        if is_timed && timing == Timing::Sampled {
            before = Instant::now();
        }
        operation(&mut carried, number)?;
        number += 1;
        if is_timed {
            let now = Instant::now();
            latencies.record(now - before);
            before = now;
            if now - begin >= limits.time {
                break;
            }
        }
    }
    Ok(Done { operations: number, latencies, carried })
}

/// Runs `work(thread number)` on as many threads at once; one of them is this thread.
pub(crate) fn together<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let start = Barrier::new(threads);
    let run = |thread| {
        start.wait();
        work(thread)
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let mut results = vec![run(0)?];
        for other in others {
            results.push(other.join().map_err(|_| "a thread of the step panicked")??);
        }
        Ok(results)
    })
}
