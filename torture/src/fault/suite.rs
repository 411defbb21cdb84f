//! The suite `fault`: every call of three workloads, every kind of fault, once and for good; then the
//! same with a second fault behind the first.

use crate::bounds::Bounds;
use crate::crew;
use crate::fault::play::{Strike, Tally, play};
use crate::fault::workloads::{keyspaces, reopens, writes};
use crate::fault::world::{Step, World};
use crate::outcome::Outcome;
use siltstone::Background;
use siltstone::fs::{Fault, Operation};
use std::collections::BTreeMap;

/// The background of every run.
const STEPPED: Background = Background::Stepped { seed: 11 };

/// What the runs of one hand came to.
#[derive(Default)]
struct Sum {
    tally: Tally,
    hits: BTreeMap<Operation, u64>,
}

/// A script, and how many calls it makes when none of them fails.
struct Workload {
    name: &'static str,
    steps: Vec<Step>,
    calls: u64,
}

impl Workload {
    fn new(name: &'static str, steps: Vec<Step>) -> Workload {
        let mut world = World::new(STEPPED);
        steps.iter().for_each(|step| world.step(step));
        assert_eq!(world.errors, 0, "nothing fails by itself");
        let calls = world.faults.calls();
        Workload { name, steps, calls }
    }

    /// Runs with one fault.
    fn runs(&self) -> u64 {
        self.calls * Fault::ALL.len() as u64 * 2
    }
}

/// Runs the suite. A case that fails names its workload, call and fault.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let workloads = [
        Workload::new("writes", writes()),
        Workload::new("keyspaces", keyspaces()),
        Workload::new("reopens", reopens()),
    ];
    let singles: u64 = workloads.iter().map(Workload::runs).sum();
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| {
        let (workload, strikes) = case(&workloads, singles, number);
        let tally = play(&workload.steps, STEPPED, &strikes);
        sum.tally.add(&tally);
        if let Some(operation) = tally.hit {
            *sum.hits.entry(operation).or_default() += 1;
        }
    });
    let mut outcome = Outcome::new();
    for (number, what) in &haul.failures {
        let (workload, strikes) = case(&workloads, singles, *number);
        outcome.violation(format!("{}, {strikes:?}: {what}", workload.name));
    }
    let (mut tally, mut hits) = (Tally::default(), BTreeMap::new());
    for sum in haul.sums {
        tally.add(&sum.tally);
        for (operation, count) in sum.hits {
            *hits.entry(operation).or_insert(0) += count;
        }
    }
    outcome
        .figure("runs", haul.cases)
        .figure("singles", singles)
        .figure("pairs", haul.cases.saturating_sub(singles))
        .figure("errors", tally.errors)
        .figure("poisoned", tally.poisoned)
        .figure("kinds_of_calls_hit", hits.len());
    if haul.cases > 1_000 {
        outcome
            .require(tally.errors > haul.cases, "faults did not reach the caller")
            .require(tally.poisoned > 0, "no failed sync poisoned a database")
            .require(hits.len() >= 9, "some kinds of calls never failed");
    }
    outcome
}

/// What case `number` is. All single faults come first, in an order without a pattern.
fn case(workloads: &[Workload; 3], singles: u64, number: u64) -> (&Workload, Vec<Strike>) {
    let single = |index: u64| {
        let mut index = index % singles;
        for workload in workloads {
            if index < workload.runs() {
                let (nth, rest) = (index / 14, index % 14);
                let fault = Fault::ALL[(rest / 2) as usize];
                return (workload, Strike { nth, fault, sticky: rest % 2 == 1 });
            }
            index -= workload.runs();
        }
        unreachable!("an index below the sum of all runs is in one of them")
    };
    // A prime that divides none of the sums: each index once.
    const STEP: u64 = 1_000_003;
    let (workload, first) = single(number.wrapping_mul(STEP) % singles);
    if number < singles {
        return (workload, vec![first]);
    }
    let (_, second) = single(number.wrapping_mul(7_368_787) / singles);
    // The second one comes some calls behind the first.
    let second = Strike { nth: first.nth + 1 + second.nth % 40, ..second };
    (workload, vec![Strike { sticky: false, ..first }, second])
}
