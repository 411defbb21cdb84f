//! The suite `race`: real threads write, read, flush and compact one database, case after case.
//!
//! Readers of every kind check at every moment what must hold at every moment: batches are whole, time
//! goes forward, all ways of reading agree (`load`). Which thread runs when is the machine's choice, so
//! a failure may need several runs to come back.

mod load;

use crate::bounds::Bounds;
use crate::crew;
use crate::outcome::Outcome;
use crate::race::load::{Counts, case};

/// Rounds of a writer in one case: several memtables, and a second or less.
const ROUNDS: u64 = 400;

/// Runs the suite. Its cases have threads of their own, so they run one after the other.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut bounds = *bounds;
    bounds.threads = 1;
    let haul = crew::run(&bounds, u64::MAX, |_, sum: &mut Counts| {
        let counts = case(ROUNDS);
        sum.reads += counts.reads;
        sum.flushes += counts.flushes;
        sum.compactions += counts.compactions;
    });
    let mut outcome = Outcome::new();
    for sum in &haul.sums {
        outcome
            .figure("cases", haul.cases)
            .figure("reads", sum.reads)
            .figure("flushes", sum.flushes)
            .figure("compactions", sum.compactions);
        if haul.cases > 3 && haul.failures.is_empty() {
            outcome
                .require(sum.reads > 0, "nobody read")
                .require(sum.flushes > haul.cases, "memtables did not become tables")
                .require(sum.compactions > 0, "no tables were merged");
        }
    }
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    outcome
}
