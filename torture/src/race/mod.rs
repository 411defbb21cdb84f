//! The suite `race`: real threads write, read, flush and compact one database, case after case.
//!
//! Readers of every kind check at every moment what must hold at every moment: batches are whole, time
//! goes forward, all ways of reading agree (`load`). Which thread runs when is the machine's choice, so
//! a failure may need several runs to come back. Between these cases come short bursts, after which nobody
//! may be left asleep (`burst`).

mod burst;
mod load;

use crate::bounds::Bounds;
use crate::crew;
use crate::outcome::Outcome;
use crate::race::burst::burst;
use crate::race::load::{Counts, case};
use std::time::Duration;

/// Rounds of a writer in one case: several memtables, and a second or less.
const ROUNDS: u64 = 400;

/// Bursts of one case, and how many cases there are for one of these.
const BURSTS: u64 = 8;
const BURSTS_EVERY: u64 = 4;

/// Longer than any case takes, by far; in a build that is not optimised, beside other tests, too.
const HANG: Duration = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 8 });

/// What the cases came to.
#[derive(Default)]
struct Sum {
    counts: Counts,
    bursts: u64,
}

/// Runs the suite. Its cases have threads of their own, so they run one after the other.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut bounds = *bounds;
    bounds.threads = 1;
    bounds.hang = bounds.hang.min(HANG);
    let haul = crew::run(&bounds, u64::MAX, |number, sum: &mut Sum| {
        if number % BURSTS_EVERY == 1 {
            for burst_number in number * BURSTS..(number + 1) * BURSTS {
                let directory = tempfile::tempdir().expect("a directory");
                burst(directory.path(), burst_number);
                sum.bursts += 1;
            }
            return;
        }
        let counts = case(ROUNDS);
        sum.counts.reads += counts.reads;
        sum.counts.flushes += counts.flushes;
        sum.counts.compactions += counts.compactions;
    });
    let mut outcome = Outcome::new();
    for Sum { counts: sum, bursts } in &haul.sums {
        outcome
            .figure("cases", haul.cases)
            .figure("bursts", *bursts)
            .figure("reads", sum.reads)
            .figure("flushes", sum.flushes)
            .figure("compactions", sum.compactions);
        if haul.cases > 7 && haul.failures.is_empty() {
            outcome
                .require(sum.reads > 0, "nobody read")
                .require(sum.flushes > haul.cases / 2, "memtables did not become tables")
                .require(sum.compactions > 0, "no tables were merged");
        }
    }
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    outcome
}
