//! Syncs and appends that fail, and a crash after that: what was acknowledged is there, what was
//! refused is not, and a failed sync is never tried again (the watching file system would panic).
//!
//! Every commit writes a key of its own, so what is found tells which commits are there.

use crate::bounds::Bounds;
use crate::crash::oracle::{Keys, shown};
use crate::crash::story::{HOME, options};
use crate::crew;
use crate::outcome::Outcome;
use siltstone::fs::{
    CrashProfile, Fault, FaultFileSystem, FileKind, LintFileSystem, Operation, SimulatedFileSystem,
    Trigger,
};
use siltstone::{Db, Durability, ErrorKind};

const COMMITS: u64 = 36;

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Synced,
    Buffered,
    Failed(ErrorKind),
}

struct Run {
    disk: SimulatedFileSystem,
    faults: FaultFileSystem,
    outcomes: Vec<Ending>,
    /// What the calls of `flush` answered.
    flushes: Vec<Option<ErrorKind>>,
    /// Commits before the last `sync` that went well: of these, what was refused stays away.
    settled: usize,
}

fn key(commit: usize) -> String {
    format!("k{commit:03}")
}

/// Commits of changing size, buffered and synced, with flushes between them, while calls fail. Looks
/// at what can be read after each.
fn run(seed: u64, trigger: Trigger, fault: Fault) -> Run {
    let disk = SimulatedFileSystem::with_seed(seed);
    let faults = FaultFileSystem::new(disk.clone());
    let db = options(LintFileSystem::new(faults.clone()), seed).open(HOME).unwrap();
    faults.set(trigger, fault);
    let mut run = Run { disk, faults, outcomes: Vec::new(), flushes: Vec::new(), settled: 0 };
    for commit in 0..COMMITS {
        let durability =
            if (commit + seed).is_multiple_of(3) { Durability::Sync } else { Durability::Buffered };
        let mut batch = siltstone::Batch::new();
        batch.put(key(commit as usize), vec![b'v'; 1 + (commit as usize * 389) % 1400]);
        run.outcomes.push(match (db.write_with(batch, durability), durability) {
            (Ok(()), Durability::Sync) => Ending::Synced,
            (Ok(()), Durability::Buffered) => Ending::Buffered,
            (Err(error), _) => Ending::Failed(error.kind()),
        });
        if commit % 12 == 11 {
            run.flushes.push(db.flush().err().map(|error| error.kind()));
        }
        let was_refused = matches!(run.outcomes.last(), Some(Ending::Failed(_)));
        if was_refused && (commit + seed).is_multiple_of(2) && db.sync().is_ok() {
            run.settled = run.outcomes.len();
            if commit % 4 < 2 {
                // Nothing follows that could say more.
                break;
            }
        }
        run.check_visible(&db);
    }
    // Not closed but killed: the handle is kept until the disk has been looked at.
    run.check_crashes(seed);
    drop(db);
    run
}

impl Run {
    /// Reads go on whatever happened, and show the acknowledged commits and no other.
    fn check_visible(&self, db: &Db) {
        for (commit, outcome) in self.outcomes.iter().enumerate() {
            let is_there = db.contains(key(commit)).unwrap();
            assert_eq!(is_there, !matches!(outcome, Ending::Failed(_)), "{commit}: {outcome:?}");
        }
    }

    fn check_crashes(&self, seed: u64) {
        for profile in CrashProfile::ALL {
            let after = self.disk.crash(profile, seed);
            let db = options(LintFileSystem::new(after.clone()), seed).open(HOME);
            let db = db.unwrap_or_else(|error| panic!("{profile:?}: {error}; {:?}", self.hits()));
            let found = shown(&db, &Keys::new());
            let commits = 0..self.outcomes.len();
            let is_there = |commit: usize| found[""].contains_key(key(commit).as_bytes());
            let found: Vec<bool> = commits.map(is_there).collect();
            self.check_found(&found, profile == CrashProfile::Kill);
            db.verify().unwrap().into_result().unwrap();
            // What was shown stays, when the power goes at once.
            let again = after.crash(CrashProfile::StrictPosix, seed);
            let again = options(again, seed).open(HOME).unwrap();
            let before = shown(&db, &Keys::new());
            assert_eq!(shown(&again, &Keys::new()), before, "{profile:?}");
        }
    }

    /// The acknowledged commits that were found are the first ones, at least up to the last synced
    /// one; of the others only one that nothing acknowledged follows.
    fn check_found(&self, found: &[bool], is_kill: bool) {
        let acknowledged: Vec<usize> = (0..found.len())
            .filter(|&commit| !matches!(self.outcomes[commit], Ending::Failed(_)))
            .collect();
        let present = acknowledged.iter().take_while(|&&commit| found[commit]).count();
        let holes: Vec<_> =
            acknowledged[present..].iter().filter(|&&commit| found[commit]).collect();
        let context = || format!("{:?}\n{found:?}\n{:?}", self.outcomes, self.hits());
        assert!(holes.is_empty(), "a hole before {holes:?}: {}", context());
        let must = if is_kill {
            acknowledged.len()
        } else {
            let synced = |&commit: &usize| self.outcomes[commit] == Ending::Synced;
            acknowledged.iter().rposition(synced).map_or(0, |last| last + 1)
        };
        assert!(present >= must, "{present} of at least {must} are left: {}", context());
        for (commit, outcome) in self.outcomes.iter().enumerate().filter(|(at, _)| found[*at]) {
            let is_last = acknowledged[..present].last().is_none_or(|&last| last < commit);
            let is_failed = matches!(outcome, Ending::Failed(_));
            assert!(!is_failed || commit >= self.settled, "{commit} came back: {}", context());
            assert!(!is_failed || is_last, "{commit} was refused, yet it is there: {}", context());
        }
    }

    fn hits(&self) -> Vec<String> {
        let hits = self.faults.hits();
        hits.iter().map(|hit| format!("{:?} {}", hit.operation, hit.path.display())).collect()
    }

    fn failures(&self) -> Vec<ErrorKind> {
        let kind = |outcome: &Ending| match outcome {
            Ending::Failed(kind) => Some(*kind),
            _ => None,
        };
        self.outcomes.iter().filter_map(kind).collect()
    }
}

fn trigger(operation: Operation, kind: FileKind, nth: u64, sticky: bool) -> Trigger {
    let trigger = Trigger::on(operation).kind(kind).nth(nth);
    if sticky { trigger.sticky() } else { trigger }
}

/// An open while syncs of directories fail, and a power cut behind what it let happen.
fn open_without_directories(seed: u64, nth: u64, sticky: bool) -> bool {
    let disk = SimulatedFileSystem::with_seed(seed);
    let faults = FaultFileSystem::new(disk.clone());
    let home = |faults: &FaultFileSystem| options(faults.clone(), seed).open(HOME);
    let db = home(&faults).unwrap();
    let count = 1 + (seed % 7) as usize;
    (0..count).for_each(|commit| db.put(key(commit), "there").unwrap());
    drop(db);
    let trigger = Trigger::on(Operation::SyncDir).nth(nth);
    faults.set(if sticky { trigger.sticky() } else { trigger }, Fault::Io);
    let opened = home(&faults);
    let after = opened.as_ref().is_ok_and(|db| db.put(key(count), "there").is_ok());
    let is_hit = !faults.hits().is_empty();
    assert!(!(is_hit && sticky && after), "a name that is not durable is no place to write to");
    drop(opened);
    let cut = disk.crash(CrashProfile::StrictPosix, seed);
    let db = options(LintFileSystem::new(cut), seed).open(HOME).unwrap();
    let found = shown(&db, &Keys::new())[""].len();
    let least = count + usize::from(after);
    assert!((least..=count + 1).contains(&found), "{found} of {least} commits are left");
    is_hit
}

/// What the cases came to.
#[derive(Default)]
struct Sum {
    /// Runs in which a sync failed.
    hit: u64,
    uncertain: u64,
    poisoned: u64,
    tables_written_again: u64,
    /// Opens in which the sync of a directory failed.
    directories: u64,
    /// Runs in which a commit was refused, and a sync went well behind it.
    settled: u64,
}

fn failing_syncs(seed: u64, number: u64, sum: &mut Sum) {
    const KINDS: [FileKind; 3] = [FileKind::Wal, FileKind::Manifest, FileKind::Table];
    const FAULTS: [Fault; 3] = [Fault::Io, Fault::Late, Fault::Interrupted];
    let (kind, rest) = (KINDS[(number % 3) as usize], number / 3);
    let (fault, rest) = (FAULTS[(rest % 3) as usize], rest / 3);
    let (sticky, rest) = (rest % 2 == 1, rest / 2);
    let (nth, seed) = (rest % 12, seed.wrapping_add(rest / 12));
    let run = run(seed, trigger(Operation::Sync, kind, nth, sticky), fault);
    let failures = run.failures();
    if kind == FileKind::Wal {
        run.check_log_failures(&failures);
    }
    let count = |kind| u64::from(failures.contains(&kind));
    sum.hit += u64::from(!run.faults.hits().is_empty());
    sum.uncertain += count(ErrorKind::CommitUncertain);
    sum.poisoned += count(ErrorKind::Poisoned);
    sum.tables_written_again += u64::from(kind == FileKind::Table && failures.is_empty());
}

fn failing_appends(seed: u64, number: u64, sum: &mut Sum) {
    const FAULTS: [Fault; 4] = [Fault::Late, Fault::Io, Fault::ShortWrite, Fault::NoSpace];
    let (fault, rest) = (FAULTS[(number % 4) as usize], number / 4);
    let (nth, seed) = (rest % 24, seed.wrapping_add(rest / 24));
    let run = run(seed, trigger(Operation::Append, FileKind::Wal, nth, false), fault);
    sum.settled += u64::from(run.settled > 0);
}

fn failing_directories(seed: u64, number: u64, sum: &mut Sum) {
    let (sticky, rest) = (number % 2 == 1, number / 2);
    let (nth, seed) = (rest % 8, seed.wrapping_add(rest / 8));
    sum.directories += u64::from(open_without_directories(seed, nth, sticky));
}

/// The suite `fsyncgate`: every sync fails once and for good, for every kind of file and for directories,
/// and appends do; and then the power goes.
pub(crate) fn fsyncgate(bounds: &Bounds) -> Outcome {
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| {
        // Of eight cases six are about files that cannot be synced.
        let (turn, of_turn) = (number / 8, number % 8);
        match of_turn {
            7 => failing_directories(bounds.seed, turn, sum),
            6 => failing_appends(bounds.seed, turn, sum),
            _ => failing_syncs(bounds.seed, turn * 6 + of_turn, sum),
        }
    });
    let sum = |count: fn(&Sum) -> u64| haul.sums.iter().map(count).sum::<u64>();
    let (hit, uncertain, poisoned) =
        (sum(|it| it.hit), sum(|it| it.uncertain), sum(|it| it.poisoned));
    let (again, directories, settled) =
        (sum(|it| it.tables_written_again), sum(|it| it.directories), sum(|it| it.settled));
    let mut outcome = Outcome::new();
    outcome
        .figure("runs", haul.cases)
        .figure("hit", hit)
        .figure("uncertain", uncertain)
        .figure("poisoned", poisoned)
        .figure("tables_written_again", again)
        .figure("directories_hit", directories)
        .figure("refused_and_settled", settled);
    if haul.cases > 100 {
        outcome
            .require(hit > haul.cases / 4, "few syncs failed")
            .require(uncertain > 0 && poisoned > 0, "no failed sync stopped the writes")
            .require(again > 0, "no table was written again")
            .require(directories > 0, "no sync of a directory failed")
            .require(settled > 0, "no refused commit was settled");
    }
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    outcome
}

impl Run {
    /// The commit whose sync failed is uncertain, and whatever follows is refused.
    fn check_log_failures(&self, failures: &[ErrorKind]) {
        let uncertain = failures.iter().position(|&kind| kind == ErrorKind::CommitUncertain);
        let Some(uncertain) = uncertain else { return };
        let after = &failures[uncertain + 1..];
        let stopped = after.iter().all(|&kind| kind == ErrorKind::Poisoned);
        assert!(stopped, "{:?}", self.outcomes);
        let last = self.outcomes.last();
        let is_last = uncertain + 1 == failures.len();
        assert!(is_last == (last == Some(&Ending::Failed(ErrorKind::CommitUncertain))));
    }
}

#[cfg(test)]
mod tests {
    use crate::crash::failed_calls::Ending;
    use crate::crash::failed_calls::{Run, run, trigger};
    use siltstone::ErrorKind;
    use siltstone::fs::{Fault, FileKind, Operation};
    use std::collections::BTreeMap;

    /// Runs with every place of the fault, one-shot and sticky, and hands over those that were hit.
    fn each_run(
        operation: Operation,
        kind: FileKind,
        fault: Fault,
        mut look: impl FnMut(&Run, bool),
    ) {
        let mut hit = 0;
        for nth in 0..12 {
            for sticky in [false, true] {
                for seed in 0..2 {
                    let run = run(seed, trigger(operation, kind, nth, sticky), fault);
                    if !run.faults.hits().is_empty() {
                        hit += 1;
                        look(&run, sticky);
                    }
                }
            }
        }
        assert!(hit >= 12, "{operation:?} of {kind:?} failed in {hit} runs only");
    }

    #[test]
    fn a_failed_sync_of_the_log_leaves_one_commit_uncertain_and_stops_all_writes() {
        let mut kinds = BTreeMap::new();
        for fault in [Fault::Io, Fault::Late, Fault::Interrupted] {
            each_run(Operation::Sync, FileKind::Wal, fault, |run, _| {
                let failures = run.failures();
                run.check_log_failures(&failures);
                failures
                    .iter()
                    .for_each(|kind| *kinds.entry(format!("{kind:?}")).or_insert(0) += 1);
            });
        }
        assert!(
            kinds.contains_key("CommitUncertain") && kinds.contains_key("Poisoned"),
            "{kinds:?}"
        );
    }

    #[test]
    fn a_failed_sync_of_the_manifest_stops_all_writes() {
        let mut poisoned = 0;
        each_run(Operation::Sync, FileKind::Manifest, Fault::Io, |run, _| {
            poisoned += usize::from(run.failures().contains(&ErrorKind::Poisoned));
        });
        assert!(poisoned > 0);
    }

    #[test]
    fn a_failed_sync_of_a_table_costs_another_table() {
        let mut went_on = 0;
        each_run(Operation::Sync, FileKind::Table, Fault::Io, |run, sticky| {
            let is_poisoned = |kind: &ErrorKind| *kind == ErrorKind::Poisoned;
            assert!(!run.failures().iter().any(is_poisoned), "{:?}", run.outcomes);
            if !sticky {
                let last = run.outcomes.last();
                went_on += usize::from(!matches!(last, Some(Ending::Failed(_))));
            }
        });
        assert!(went_on > 0);
    }

    #[test]
    fn a_failed_append_to_the_log_refuses_one_commit_and_the_next_go_on() {
        for (fault, kind) in [
            (Fault::NoSpace, ErrorKind::DiskFull),
            (Fault::ShortWrite, ErrorKind::DiskFull),
            (Fault::Io, ErrorKind::Io),
            (Fault::Late, ErrorKind::Io),
        ] {
            let mut refused = 0;
            each_run(Operation::Append, FileKind::Wal, fault, |run, sticky| {
                let failures = run.failures();
                refused += failures.len();
                assert!(failures.iter().all(|&found| found == kind), "{fault:?}: {failures:?}");
                if !sticky {
                    // The call may be one of a flush, which begins a segment too.
                    let flushes = run.flushes.iter().flatten().count();
                    let context = || format!("{fault:?}: {:?} {:?}", run.outcomes, run.hits());
                    assert!(failures.len() + flushes <= 1, "{}", context());
                }
            });
            assert!(refused > 12, "{fault:?}: {refused}");
        }
    }
}
