//! What flush and compaction leave when a call fails, and other single moments on real tables.

use crate::compaction::flush::Flushed;
use crate::compaction::job::Outcome;
use crate::compaction::model::{Engine, finish, key, small_policy};
use crate::compaction::plan::{Action, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy};
use crate::compaction::retention::SEQNO_SETTLED;
use crate::compaction::sieve::Progress;
use crate::error::Result;
use crate::format::key::Kind;
use crate::fs::{Fault, FaultFileSystem, SimulatedFileSystem, Trigger};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::table::Handle;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Four runs of level 0 with everything in them, above a filled last level.
fn loaded(fs: FaultFileSystem) -> (Engine, Plan) {
    let policy = Policy { base_bytes: 1_000_000, level0_patience: 4, ..small_policy() };
    let mut engine = Engine::new(Arc::new(fs), policy);
    for round in 0..8_u8 {
        for number in 0..30 {
            let kind = if number % 5 == round { Kind::Delete } else { Kind::Put };
            engine.put(number * 4 + round, kind);
        }
        engine.delete_range(round * 10, round * 10 + 7);
        engine.flush();
        if round == 3 {
            let plan = engine.pick().unwrap();
            engine.run(plan);
        }
    }
    let plan = engine.pick().unwrap();
    assert_eq!((plan.action, plan.inputs.len()), (Action::Merge, 2), "{plan}");
    (engine, plan)
}

/// Forgets what is open and cached, so that every job reads the files.
fn reopen(engine: &mut Engine) {
    let context = Arc::clone(&engine.context);
    for handle in engine.levels.iter_mut().flatten() {
        *handle = Handle::new(&context, (**handle.facts()).clone());
    }
}

fn names(fs: &SimulatedFileSystem) -> BTreeSet<OsString> {
    fs.names("data").into_iter().collect()
}

fn name_of(engine: &Engine, id: u64) -> OsString {
    engine.context.path(id).file_name().unwrap().to_owned()
}

#[test]
fn a_compaction_that_fails_at_any_call_installs_nothing_and_lists_what_it_left() {
    let disk = SimulatedFileSystem::new();
    let faults = FaultFileSystem::new(disk.clone());
    let (mut engine, plan) = loaded(faults.clone());
    let mut runs = 0;
    for fault in Fault::ALL {
        for nth in 0.. {
            reopen(&mut engine);
            let (before, hits) = (names(&disk), faults.hits().len());
            faults.set(Trigger::any().nth(nth), fault);
            let mut job = engine.job(plan.clone());
            let result = finish(&mut job);
            faults.clear();
            if faults.hits().len() == hits {
                result.expect("without a fault it succeeds");
                assert_eq!(job.abandoned(), [0_u64; 0]);
                break;
            }
            let error = result.expect_err("a fault is never passed over");
            assert_eq!(job.step().unwrap_err().to_string(), error.to_string());
            let left = job.abandoned().into_iter().map(|id| name_of(&engine, id)).collect();
            let new: BTreeSet<_> = names(&disk).difference(&before).cloned().collect();
            assert!(new.is_subset(&left), "{fault:?} at {nth}: {new:?}, but it says {left:?}");
            runs += 1;
        }
        engine.check();
    }
    assert!(runs > 100, "only {runs} calls failed");
    engine.run(plan);
    engine.check();
}

fn flush_once(engine: &Engine) -> (Result<Flushed>, Vec<u64>) {
    let mut job = engine.flush_job();
    loop {
        match job.step() {
            Ok(Progress::More) => {}
            Ok(Progress::Done(flushed)) => return (Ok(flushed), job.abandoned()),
            Err(error) => return (Err(error), job.abandoned()),
        }
    }
}

#[test]
fn a_flush_that_fails_at_any_call_can_be_repeated_under_a_new_number() {
    let faults = FaultFileSystem::new(SimulatedFileSystem::new());
    let mut engine = Engine::new(Arc::new(faults.clone()), small_policy());
    for number in 0..200 {
        engine.put(number, Kind::Put);
    }
    engine.delete_range(10, 20);
    for fault in Fault::ALL {
        for nth in 0.. {
            let hits = faults.hits().len();
            faults.set(Trigger::any().nth(nth), fault);
            let (result, left) = flush_once(&engine);
            faults.clear();
            if faults.hits().len() == hits {
                let facts = result.unwrap().table.unwrap();
                assert_eq!((facts.entries, facts.range_deletes), (190, 1));
                assert_eq!(left, [0_u64; 0]);
                break;
            }
            assert!(result.is_err(), "{fault:?} at {nth}");
            assert_eq!(left, [engine.next_file.load(Ordering::Relaxed) - 1]);
        }
    }
    engine.flush();
    engine.check();
}

#[test]
fn a_flush_writes_only_what_a_reader_can_see() {
    let mut engine = Engine::new(Arc::new(SimulatedFileSystem::new()), small_policy());
    assert_eq!(flush_once(&engine).0.unwrap().table, None, "nothing was written");
    engine.put(1, Kind::Put);
    engine.put(2, Kind::Put);
    engine.snapshots.push(engine.seqno);
    engine.put(1, Kind::Put);
    engine.put(1, Kind::Delete);
    engine.put(3, Kind::Put);
    engine.delete_range(3, 5);
    let flushed = flush_once(&engine).0.unwrap();
    assert_eq!((flushed.entries_in, flushed.entries_dropped), (5, 2));
    let facts = flushed.table.unwrap();
    assert_eq!((facts.entries, facts.deletes, facts.range_deletes), (3, 1, 1));
    assert_eq!((facts.smallest, facts.largest), (key(1), key(5)));
    engine.flush();
    engine.check();
}

#[test]
fn a_memtable_of_range_tombstones_alone_becomes_a_table() {
    let mut engine = Engine::new(Arc::new(SimulatedFileSystem::new()), small_policy());
    engine.put(3, Kind::Put);
    engine.flush();
    engine.delete_range(2, 7);
    engine.flush();
    let facts = engine.levels[0][0].facts();
    assert_eq!((facts.entries, facts.range_deletes), (0, 1));
    assert_eq!((&facts.smallest, &facts.largest), (&key(2), &key(7)));
    assert!(facts.largest_exclusive);
    engine.check();
}

#[test]
fn a_job_that_is_given_up_lists_its_files() {
    let disk = SimulatedFileSystem::new();
    let (engine, plan) = loaded(FaultFileSystem::new(disk.clone()));
    let before = names(&disk);
    let mut job = engine.job(plan);
    while names(&disk).len() < before.len() + 2 {
        assert_eq!(job.step().unwrap(), Progress::More);
    }
    let left: BTreeSet<_> = job.abandoned().iter().map(|&id| name_of(&engine, id)).collect();
    assert_eq!(names(&disk).difference(&before).cloned().collect::<BTreeSet<_>>(), left);
    engine.check();
}

#[test]
fn the_last_level_forgets_when_its_entries_were_written() {
    let (mut engine, plan) = loaded(FaultFileSystem::new(SimulatedFileSystem::new()));
    let snapshot = engine.seqno;
    engine.put(0, Kind::Put);
    engine.snapshots.push(snapshot);
    assert_eq!(plan.to_level, LAST_LEVEL);
    let outcome = engine.run(plan);
    assert!(outcome.added.len() > 1, "small tables: {}", outcome.added.len());
    for (_, facts) in &outcome.added {
        assert_eq!((facts.min_seqno, facts.max_seqno), (SEQNO_SETTLED, SEQNO_SETTLED));
        assert_eq!((facts.deletes, facts.range_deletes), (0, 0));
    }
    let written: u64 = outcome.added.iter().map(|(_, facts)| facts.entries).sum();
    assert_eq!(written + outcome.entries_dropped, outcome.entries_in);
    engine.flush();
    engine.check();
}

#[test]
fn tables_under_a_range_tombstone_go_unread() {
    let faults = FaultFileSystem::new(SimulatedFileSystem::new());
    let (mut engine, plan) = loaded(faults.clone());
    engine.run(plan);
    let snapshot = engine.seqno;
    engine.snapshots.push(snapshot);
    engine.delete_range(0, 200);
    engine.flush();
    assert_eq!(engine.pick(), None, "the snapshot needs them");
    engine.check();
    engine.snapshots.clear();
    let plan = engine.pick().unwrap();
    assert_eq!((plan.action, plan.inputs.len()), (Action::Drop, 1), "{plan}");
    let calls = faults.calls();
    let outcome = engine.run(plan);
    assert_eq!((outcome.added.len(), faults.calls()), (0, calls));
    assert_eq!(engine.levels[LAST_LEVEL].len(), 0);
    engine.check();
}

#[test]
fn a_wide_range_tombstone_is_cut_where_it_would_burden_a_later_job() {
    let (mut engine, plan) = loaded(FaultFileSystem::new(SimulatedFileSystem::new()));
    engine.run(plan);
    engine.snapshots.push(engine.seqno);
    engine.delete_range(0, 200);
    engine.flush();
    engine.policy.base_bytes = 1;
    engine.policy.grandparent_bytes = 1_000;
    (engine.policy.level0_trigger, engine.policy.level0_patience) = (1, 1);
    let plan = engine.pick().unwrap();
    assert!(plan.to_level < LAST_LEVEL, "{plan}");
    let plan = Plan {
        action: Action::Merge,
        to_level: LAST_LEVEL - 1,
        grandparents: engine.shape().levels[LAST_LEVEL].clone(),
        ..plan
    };
    let Outcome { added, .. } = engine.run(plan);
    let last = engine.shape().levels[LAST_LEVEL].clone();
    assert!(last.len() > 2, "{} tables", last.len());
    assert_eq!(added.len(), last.len(), "each of them is more than a burden");
    for (_, facts) in &added {
        let burden: u64 =
            last.iter().filter(|table| table.overlaps(facts)).map(|table| table.size_bytes).sum();
        assert!(burden <= 2 * 2_500, "{burden} bytes below one table");
    }
    engine.check();
}

#[test]
fn levels_above_the_last_one_remember_when_their_entries_were_written() {
    let (mut engine, plan) = loaded(FaultFileSystem::new(SimulatedFileSystem::new()));
    engine.run(plan);
    engine.policy.base_bytes = 1;
    for _ in 0..4 {
        engine.put(200, Kind::Put);
        engine.flush();
    }
    let plan = engine.pick().unwrap();
    assert!(plan.to_level < LAST_LEVEL && plan.below.is_nowhere(), "{plan}");
    let outcome = engine.run(plan);
    assert_eq!(outcome.added[0].1.min_seqno, engine.seqno);
    engine.check();
}
