//! The suites `model` and `meta`: cases drawn from numbers.

use crate::bounds::Bounds;
use crate::crew;
use crate::model::coverage::Coverage;
use crate::model::histories;
use crate::model::long::{self, live};
use crate::model::ops::{Case, Op, any_case, any_setup};
use crate::model::run::run;
use crate::model::wide;
use crate::outcome::Outcome;
use crate::random::Random;
use crate::seeds;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use siltstone::fs::CrashProfile;

/// What the cases of one hand came to.
#[derive(Default)]
struct Sum {
    coverage: Coverage,
    operations: u64,
    long_lives: u64,
    histories: u64,
    wide_trees: u64,
}

/// One in so many cases has threads in the background; the others are driven step by step.
const THREADED_EVERY: u64 = 3;

/// One in so many cases is a long life: it takes about as long as all others together.
const LONG_EVERY: u64 = 64;

/// One in so many is a history, or a wide tree.
const HISTORY_EVERY: u64 = 32;
const WIDE_EVERY: u64 = 256;

fn runner(seed: u64) -> TestRunner {
    let mut random = Random::new(seed);
    let bytes: Vec<u8> = (0..4).flat_map(|_| random.next().to_le_bytes()).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn case_of(seed: u64, with_threads: bool) -> Case {
    let tree = any_case(with_threads).new_tree(&mut runner(seed));
    tree.expect("nothing is filtered out").current()
}

fn seed_of(bounds: &Bounds, number: u64) -> u64 {
    bounds.seed.wrapping_mul(1 << 32).wrapping_add(number)
}

/// Operations against `BTreeMap`.
pub(crate) fn model(bounds: &Bounds) -> Outcome {
    const NAME: &str = "model";
    let kept = seeds::saved(NAME);
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| {
        let seed = kept.get(number as usize).copied().unwrap_or_else(|| seed_of(bounds, number));
        if seed % LONG_EVERY == 1 {
            sum.long_lives += 1;
            return live(seed, &sum.coverage);
        }
        if seed % HISTORY_EVERY == 2 {
            sum.histories += 1;
            return histories::tell(seed, &sum.coverage);
        }
        if seed % WIDE_EVERY == 3 {
            sum.wide_trees += 1;
            return wide::grow(seed, &sum.coverage);
        }
        let case = case_of(seed, seed.is_multiple_of(THREADED_EVERY));
        sum.operations += case.ops.len() as u64;
        run(&case, &sum.coverage);
    });
    let (mut outcome, coverage) = (Outcome::new(), Coverage::default());
    haul.sums.iter().for_each(|sum| coverage.absorb(&sum.coverage));
    let long_lives: u64 = haul.sums.iter().map(|sum| sum.long_lives).sum();
    let histories: u64 = haul.sums.iter().map(|sum| sum.histories).sum();
    let wide_trees: u64 = haul.sums.iter().map(|sum| sum.wide_trees).sum();
    outcome
        .figure("cases", haul.cases)
        .figure("operations", haul.sums.iter().map(|sum| sum.operations).sum::<u64>())
        .figure("long_lives", long_lives)
        .figure("long_operations", long_lives * long::OPERATIONS)
        .figure("histories", histories)
        .figure("wide_trees", wide_trees)
        .figure("flushes", coverage.flushes.get())
        .figure("compactions", coverage.compactions.get())
        .figure("levels", coverage.levels.get())
        .figure("power_cuts", coverage.crashes.get());
    if haul.cases > 300 && haul.failures.is_empty() {
        outcome
            .require(long_lives > 0, "no life was long")
            .require(histories > 0, "no history was told")
            .require(wide_trees > 0, "no tree was wide");
        outcome.absorb(crew::judge(|| coverage.assert_complete()).err());
    }
    for (number, what) in &haul.failures {
        let seed = kept.get(*number as usize).copied().unwrap_or_else(|| seed_of(bounds, *number));
        outcome.violation(format!("seed {seed}: {what}"));
        outcome.absorb(seeds::save(NAME, seed, what).err());
    }
    outcome
}

/// Everything but power cuts, whose outcome the options may decide.
fn without_power_cuts(case: Case) -> Case {
    let ops = case.ops.into_iter().map(|op| match op {
        Op::Crash(_, seed) => Op::Crash(CrashProfile::Kill, seed),
        other => other,
    });
    Case { ops: ops.collect(), ..case }
}

/// The same operations under other options give the same answers; one seed gives one disk.
pub(crate) fn meta(bounds: &Bounds) -> Outcome {
    let haul = crew::run(bounds, u64::MAX, |number, operations: &mut u64| {
        let seed = seed_of(bounds, number);
        let case = without_power_cuts(case_of(seed, false));
        *operations += case.ops.len() as u64;
        let coverage = Coverage::default();
        let (answers, disk) = run(&case, &coverage);
        let (again, same) = run(&case, &coverage);
        assert!(answers == again, "one seed, other answers");
        assert_eq!(disk.fingerprint(), same.fingerprint(), "one seed, another disk");
        let mut runner = runner(!seed);
        for with_threads in [false, true] {
            let setup = any_setup(with_threads).new_tree(&mut runner);
            let setup = setup.expect("nothing is filtered out").current();
            let other = Case { setups: vec![setup], ops: case.ops.clone() };
            assert!(run(&other, &coverage).0 == answers, "other options, other answers");
        }
    });
    let mut outcome = Outcome::new();
    outcome
        .figure("cases", haul.cases)
        .figure("operations", haul.sums.iter().sum::<u64>())
        .figure("runs", haul.cases * 4);
    for (number, what) in haul.failures {
        outcome.violation(format!("seed {}: {what}", seed_of(bounds, number)));
    }
    outcome
}
