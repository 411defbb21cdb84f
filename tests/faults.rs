//! Every call to the file system fails, in every way: nothing hangs, panics, lies or gets lost.
//!
//! A scripted workload runs once for each call that it makes and each [`Fault`], with only that call
//! failing and with all calls from there on failing. The workload goes on, whatever it is told. Then
//! the fault goes away, and the database must work again (or say that it needs a reopen), and hold
//! every acknowledged write and no refused one: in place, after a death of the process, and after a
//! clean close. One thread and a seed drive the background, so a case that fails can be run again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that fails panics, in its helpers too, and tells its figures; the watchdog watches a real thread"
)]

#[path = "faults/full.rs"]
mod full;
#[path = "faults/world.rs"]
mod world;

use crate::world::{Op, Step, World, Write, contents};
use siltstone::fs::{Fault, Operation, Trigger};
use siltstone::{Background, Durability, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

/// Every how many-th call fails. 1 by hand for all of them.
const STRIDE: usize = 4;

/// Longer than any run takes.
const WATCHDOG: Duration = Duration::from_secs(60);

fn write(number: usize, space: &'static str, durability: Durability) -> Step {
    let key = |n: usize| format!("k{:03}", (n * 37) % 60);
    let value = vec![b'a' + (number % 26) as u8; 10 + (number * 97) % 400];
    let mut ops = vec![Op::Put(space, key(number), value.clone())];
    match number % 7 {
        0 => ops.push(Op::Delete(space, key(number + 1))),
        3 => ops.push(Op::DeleteRange(space, "k010".into(), format!("k{:03}", 12 + number % 9))),
        5 => ops.extend((1..4).map(|n| Op::Put("", key(number * 3 + n), value.clone()))),
        _ => {}
    }
    Step::Write(Write { number, ops, durability })
}

/// Synced and buffered writes with rotations, a flush, a compaction, and a reopen.
fn writes() -> Vec<Step> {
    let mut steps = Vec::new();
    for number in 0..36 {
        let is_synced = number % 3 == 0;
        let durability = if is_synced { Durability::Sync } else { Durability::Buffered };
        steps.push(write(number, "", durability));
        match number {
            7 => steps.push(Step::Snapshot),
            9 | 20 | 30 => steps.push(Step::Read),
            12 => steps.push(Step::Flush),
            16 => steps.push(Step::Background(30)),
            22 => steps.push(Step::Sync),
            26 => steps.push(Step::Reopen),
            _ => {}
        }
    }
    steps.extend([Step::Compact, Step::Read, Step::Background(20)]);
    steps
}

/// Keyspaces come, are written to together, and go.
fn keyspaces() -> Vec<Step> {
    let mut steps = vec![Step::Create("a"), Step::Create("b")];
    for number in 0..12 {
        steps.push(write(number, if number % 2 == 0 { "a" } else { "b" }, Durability::Sync));
    }
    steps.extend([Step::Read, Step::Drop("a"), Step::Read, Step::Flush]);
    steps.extend((12..18).map(|number| write(number, "b", Durability::Buffered)));
    steps.extend([Step::Reopen, Step::Read, Step::Create("c")]);
    steps.extend((18..22).map(|number| write(number, "c", Durability::Sync)));
    steps.extend([Step::Compact, Step::Read, Step::Drop("b"), Step::Background(10), Step::Read]);
    steps
}

/// Opens with a log to replay, a clean one, and one behind compactions.
fn reopens() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..4 {
        steps.extend((0..5).map(|n| write(round * 5 + n, "", Durability::Sync)));
        if round % 2 == 1 {
            steps.push(Step::Compact);
        }
        steps.extend([Step::Reopen, Step::Read]);
    }
    steps
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: u64,
    errors: u64,
    poisoned: u64,
    hit: Option<Operation>,
}

/// One run: a workload, the call from which a fault strikes, and how.
fn run(steps: &[Step], background: Background, strike: Option<(u64, Fault, bool)>) -> Tally {
    let mut world = World::new(background);
    if let Some((nth, fault, sticky)) = strike {
        world.fault = Some(fault);
        let trigger = Trigger::any().nth(nth);
        world.faults.set(if sticky { trigger.sticky() } else { trigger }, fault);
    }
    for step in steps {
        let had_errors = world.errors > 0;
        world.step(step);
        if !had_errors && world.errors > 0 {
            // The process dies of the first error.
            world.killed().check_reopened(true);
        }
    }
    let hits = world.faults.hits();
    world.faults.clear();
    let is_poisoned = world.db.as_ref().is_some_and(|db| {
        let refused = db.sync().is_err_and(|error| {
            matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::CommitUncertain)
        });
        if refused {
            // Reads go on; what they show is checked below by the world.
            contents(db).unwrap();
        }
        refused
    });
    world.killed().check_reopened(!hits.is_empty());
    world.step(&Step::Read);
    if let (Some(db), false) = (world.db.clone(), is_poisoned) {
        let Step::Write(healed) = write(999, "", Durability::Sync) else { unreachable!() };
        let errors = world.errors;
        world.step(&Step::Write(healed));
        assert_eq!(world.errors, errors, "writes go on by themselves when the fault is gone");
        db.flush().unwrap();
        db.compact(..).unwrap();
        db.wait_idle().unwrap();
        db.health().unwrap();
        db.verify().unwrap();
        world.step(&Step::Read);
        world.killed().check_reopened(true);
        db.close().unwrap();
    }
    world.db = None;
    world.check_reopened(!hits.is_empty());
    Tally {
        runs: 1,
        errors: world.errors as u64,
        poisoned: u64::from(is_poisoned),
        hit: hits.first().map(|call| call.operation),
    }
}

/// Runs `work` on a thread of its own; when it says nothing for too long, it hangs.
fn watch<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(&dyn Fn(String)) -> T + Send + 'static,
) -> T {
    let (to_watchdog, cases) = mpsc::channel();
    let worker = std::thread::spawn(move || work(&|case| to_watchdog.send(case).unwrap()));
    let mut last = String::new();
    loop {
        match cases.recv_timeout(WATCHDOG) {
            Ok(case) => last = case,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}, {last}: hangs"),
        }
    }
    worker.join().unwrap_or_else(|_| panic!("{name}, {last}: failed"))
}

/// Runs every case of a workload under the eyes of a watchdog.
fn run_all(name: &'static str, steps: Vec<Step>) {
    let stepped = Background::Stepped { seed: 11 };
    let calls = {
        let mut world = World::new(stepped);
        steps.iter().for_each(|step| world.step(step));
        assert_eq!(world.errors, 0);
        world.faults.calls()
    };
    let (sum, failures) = watch(name, move |note| {
        let (mut sum, mut failures) = (Tally::default(), Vec::new());
        for nth in (0..calls).step_by(STRIDE) {
            let mut operation = None;
            for (fault, sticky) in Fault::ALL.into_iter().flat_map(|it| [(it, false), (it, true)]) {
                // Two faults are `Io` under another name, but for one operation.
                let is_same_as_io = match fault {
                    Fault::ShortRead => operation != Some(Operation::Read),
                    Fault::ShortWrite => operation != Some(Operation::Append),
                    _ => false,
                };
                if is_same_as_io && !sticky {
                    continue;
                }
                let case = format!("call {nth}, {fault:?}, sticky {sticky}");
                note(case.clone());
                let strike = Some((nth, fault, sticky));
                match catch_unwind(AssertUnwindSafe(|| run(&steps, stepped, strike))) {
                    Ok(tally) => {
                        operation = operation.or(tally.hit);
                        sum.runs += tally.runs;
                        sum.errors += tally.errors;
                        sum.poisoned += tally.poisoned;
                    }
                    Err(_) => failures.push(format!("{case} ({operation:?})")),
                }
            }
        }
        (sum, failures)
    });
    println!(
        "{name}: {calls} calls, {} runs, {} errors, {} poisoned at the end, {} failures",
        sum.runs,
        sum.errors,
        sum.poisoned,
        failures.len()
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(sum.errors > sum.runs, "faults reach the caller");
}

/// With threads nobody can say which call fails; but whatever fails, the same must hold.
#[test]
fn with_threads_no_failing_call_loses_a_write_either() {
    let runs = (0..400).step_by(17).flat_map(|nth| {
        let faults = [Fault::Io, Fault::NoSpace, Fault::Late];
        faults.into_iter().flat_map(move |fault| [(nth, fault, false), (nth, fault, true)])
    });
    let cases: Vec<_> = runs.collect();
    watch("threads", move |note| {
        for strike in cases {
            note(format!("{strike:?}"));
            run(&writes(), Background::Threads, Some(strike));
        }
    });
}

#[test]
fn no_failing_call_loses_a_write_or_shows_a_refused_one() {
    run_all("writes", writes());
}

#[test]
fn no_failing_call_loses_a_keyspace_or_half_of_one() {
    run_all("keyspaces", keyspaces());
}

#[test]
fn no_failing_call_in_an_open_or_a_close_does_harm() {
    run_all("reopens", reopens());
}
