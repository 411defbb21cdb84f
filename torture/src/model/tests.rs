//! The same cases with a generator that shrinks what fails, and keeps it in `proptest-regressions/`.
//! `PROPTEST_CASES=5000 cargo test --release -p torture model::` looks longer.

use crate::model::coverage::Coverage;
use crate::model::ops::{Case, Op, any_case, any_setup};
use crate::model::run::run;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use siltstone::Background;

/// Cases of one test. They are few enough for every run of the tests.
const STEPPED_CASES: u32 = 400;
const THREADED_CASES: u32 = 200;
const METAMORPHIC_CASES: u32 = 24;

fn runner(cases: u32, regressions: &'static str) -> TestRunner {
    let from_environment = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config::default();
    TestRunner::new(Config {
        cases: if from_environment { config.cases } else { cases },
        max_shrink_iters: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..config
    })
}

fn check(cases: u32, with_threads: bool, regressions: &'static str) {
    let coverage = Coverage::default();
    let outcome = runner(cases, regressions).run(&any_case(with_threads), |case| {
        run(&case, &coverage);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    coverage.assert_complete();
}

#[test]
fn any_sequence_reads_like_a_map_when_the_background_is_stepped() {
    check(STEPPED_CASES, false, "../proptest-regressions/model-stepped.txt");
}

#[test]
fn any_sequence_reads_like_a_map_beside_background_threads() {
    check(THREADED_CASES, true, "../proptest-regressions/model-threaded.txt");
}

/// Everything but power cuts, whose outcome the options may decide.
fn without_power_cuts(case: Case) -> Case {
    let ops = case.ops.into_iter().map(|op| match op {
        Op::Crash(_, seed) => Op::Crash(siltstone::fs::CrashProfile::Kill, seed),
        other => other,
    });
    Case { ops: ops.collect(), ..case }
}

#[test]
fn options_and_seeds_change_no_answer() {
    let other_setups = (any_setup(false), any_setup(true));
    let cases = any_case(false).prop_map(without_power_cuts);
    let runner = &mut runner(METAMORPHIC_CASES, "../proptest-regressions/model-metamorphic.txt");
    let outcome = runner.run(&(cases, other_setups), |(case, (stepped, threaded))| {
        let coverage = Coverage::default();
        let (transcript, _) = run(&case, &coverage);
        for setup in [stepped, threaded] {
            let other = Case { setups: vec![setup], ops: case.ops.clone() };
            assert!(run(&other, &coverage).0 == transcript, "other options, other answers");
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn one_seed_is_one_sequence_of_calls() {
    let cases = any_case(false);
    let runner = &mut runner(METAMORPHIC_CASES, "../proptest-regressions/model-repeated.txt");
    let outcome = runner.run(&cases, |case| {
        assert!(matches!(case.setups[0].background, Background::Stepped { .. }));
        let coverage = Coverage::default();
        let (first, second) = (run(&case, &coverage), run(&case, &coverage));
        assert!(first.0 == second.0, "the same answers");
        assert_eq!(first.1.fingerprint(), second.1.fingerprint(), "the same disk, to the byte");
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
