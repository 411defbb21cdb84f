//! Every suite with small bounds: what a run by hand does for minutes or hours, done for seconds.

#![expect(clippy::print_stdout, reason = "the line of figures is what a test has to say")]

use std::time::Duration;
use torture::bounds::Bounds;
use torture::suites::SUITES;

/// Runs a suite for some seconds.
fn run(name: &str, seconds: u64) {
    let suite = SUITES.iter().find(|suite| suite.name == name).expect("a suite of this name");
    let bounds = Bounds::new(Duration::from_secs(seconds), 1, 2);
    let outcome = (suite.run)(&bounds);
    println!("{}", outcome.line(name, bounds.elapsed().as_secs_f64()));
    assert!(outcome.violation_count() == 0, "{}", outcome.violations().join("\n"));
}

#[test]
fn no_crash_loses_what_was_promised() {
    run("crash", 8);
}

#[test]
fn no_failing_call_loses_a_write_or_shows_a_refused_one() {
    run("fault", 8);
}

#[test]
fn a_full_disk_refuses_writes_and_recovers() {
    run("enospc", 5);
}

#[test]
fn no_damage_is_silent() {
    run("damage", 8);
}

#[test]
fn no_failed_sync_loses_what_was_promised_or_is_tried_again() {
    run("fsyncgate", 4);
}

#[test]
fn every_answer_is_that_of_a_map() {
    run("model", 8);
}

#[test]
fn every_story_of_faults_and_crashes_ends_in_a_state_that_was_there() {
    run("sim", 8);
}

#[test]
fn options_and_seeds_change_no_answer() {
    run("meta", 4);
}

#[test]
fn threads_see_whole_batches_in_order() {
    run("race", 5);
}

#[test]
fn a_panic_in_the_background_is_heard_by_everybody() {
    run("panic", 4);
}

/// In a process of its own, which is the one that is run again to be killed.
#[test]
fn no_kill_loses_an_acknowledged_write() {
    run_the_tool("kill", "8");
}

/// In a process of its own, which is the one that is run again to be watched.
#[test]
fn no_crash_of_a_real_process_loses_what_was_promised() {
    run_the_tool("blackbox", "8");
}

fn run_the_tool(name: &str, seconds: &str) {
    let torture = std::process::Command::new(env!("CARGO_BIN_EXE_torture"))
        .args([name, "--seconds", seconds])
        .output()
        .expect("the tool runs");
    println!("{}", String::from_utf8_lossy(&torture.stdout));
    assert!(torture.status.success(), "{}", String::from_utf8_lossy(&torture.stderr));
}
