//! The suite: watches one process after the other, and crashes each at its calls.

#![expect(clippy::print_stderr, reason = "a suite that cannot run says why")]

use crate::blackbox::replay::{Replayed, home, replay};
use crate::blackbox::trace::parse;
use crate::blackbox::writer::{ORDERS, plan};
use crate::bounds::Bounds;
use crate::crash::sweep::{Effort, Hits, sweep};
use crate::crew;
use crate::outcome::Outcome;
use siltstone::fs::CrashProfile;
use std::path::Path;
use std::process::{Command, Stdio};

/// Steps of one process.
const STEPS: usize = 60;

/// With less time than this, the run is too short to have seen much.
const HITS_ALL_AFTER_SECONDS: u64 = 8;

/// Different states that a run of that length has at least seen.
const STATES_MIN: usize = 300;

/// What the processes came to.
#[derive(Default)]
struct Sum {
    hits: Hits,
    calls: usize,
    acknowledged: usize,
    overlapped: usize,
}

/// Why no process can be watched here, if so.
pub(crate) fn is_missing() -> Option<String> {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match tried {
        Err(_) => Some("strace-is-not-there".to_owned()),
        Ok(output) if !output.status.success() => Some("strace-is-refused".to_owned()),
        Ok(_) => None,
    }
}

/// Records the calls of a process that does the steps of a seed below `root`.
fn watch(root: &Path, seed: u64) -> Result<Replayed, String> {
    let record = root.join("record");
    let below = root.join("disk");
    std::fs::create_dir(&below).map_err(|error| error.to_string())?;
    let orders = format!("{}|{seed}|{STEPS}", below.join(home()).display());
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-y", "-xx", "-s", "16777216", "-e", "trace=%file,%desc"])
        .arg("-o")
        .arg(&record)
        .arg(this)
        .current_dir("/")
        .env(ORDERS, orders)
        .stdout(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !ran.status.success() {
        return Err(format!("the process failed: {}", String::from_utf8_lossy(&ran.stderr)));
    }
    let record = std::fs::read_to_string(&record).map_err(|error| error.to_string())?;
    let below = below.to_str().ok_or("the directory has a name that is no text")?;
    replay(parse(&record)?, below, &plan(seed, STEPS))
}

fn case(seed: u64, sum: &mut Sum) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().canonicalize().unwrap();
    let replayed = watch(&root, seed).unwrap_or_else(|why| panic!("{why}"));
    let story = &replayed.story;
    sum.calls += replayed.calls;
    sum.overlapped += replayed.overlapped;
    sum.acknowledged += story.events.len();
    let effort = Effort { seeds: 1, seed, stride: 1, nested_every: 64, nested_stride: 17 };
    sum.hits.absorb(sweep(story, 0..=story.disk.history_len(), effort));
}

/// Runs the suite, or says why it cannot.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    if let Some(why) = is_missing() {
        eprintln!("blackbox: no process can be watched: {why}");
        outcome.figure("skipped", why);
        return outcome;
    }
    let seed_of = |number| bounds.seed.wrapping_mul(1 << 20).wrapping_add(number);
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| case(seed_of(number), sum));
    let mut all = Sum::default();
    for sum in haul.sums {
        all.hits.absorb(sum.hits);
        all.calls += sum.calls;
        all.acknowledged += sum.acknowledged;
        all.overlapped += sum.overlapped;
    }
    let hits = all.hits;
    outcome
        .figure("processes", haul.cases)
        .figure("calls", all.calls)
        .figure("acknowledged", all.acknowledged)
        .figure("overlapped_syncs", all.overlapped)
        .figure("states", hits.prints.len())
        .figure("crashes", hits.crashes)
        .figure("nested", hits.nested)
        .figure("torn_tails", hits.torn_tails)
        .figure("gaps", hits.gaps)
        .figure("orphan_tables", hits.orphan_tables)
        .figure("replays", hits.replays);
    let is_whole = haul.failures.is_empty();
    if is_whole && haul.cases > 0 && bounds.time.as_secs() >= HITS_ALL_AFTER_SECONDS {
        outcome
            .require(hits.prints.len() >= STATES_MIN, "fewer states than a single process has")
            .require(hits.torn_tails > 0, "no torn tail was found")
            .require(hits.orphan_tables > 0, "no table was swept that nobody names")
            .require(hits.replays > 0 && hits.nested > 0, "no log was replayed, no recovery cut");
        let lossy = CrashProfile::ALL.iter().filter(|it| hits.lossy.contains_key(it)).count();
        outcome.require(lossy >= 8, "some profile lost nothing");
    }
    let told = haul.failures.into_iter();
    outcome.absorb(told.map(|(number, what)| format!("seed {}: {what}", seed_of(number))));
    outcome
}
