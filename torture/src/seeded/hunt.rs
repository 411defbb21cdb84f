//! Hunts the bugs: which suites see which, and how soon.

#![expect(clippy::print_stderr, reason = "a long run says how far it is")]
#![expect(clippy::disallowed_types, reason = "the limit is one of real time")]

use crate::blackbox;
use crate::bounds::Bounds;
use crate::outcome::Outcome;
use crate::seeds::SEEDED_BUG;
use siltstone::seeded::NAMES;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A bug that is not caught by then is a hole in the suites.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// How long each suite looks for nothing, with no bug switched on.
const CONTROL_SECONDS: u64 = 4;

/// The suites, and the bugs that each is asked about; the first one is asked about every other bug.
const HUNTERS: &[(&str, &[&str])] = &[
    (
        "crash",
        &[
            "ack_before_sync",
            "no_dir_sync_wal",
            "no_dir_sync_table",
            "table_unsynced",
            "current_renamed_unsynced",
            "unlink_wal_early",
            "wal_floor_too_high",
            "seqno_reuse",
            "file_number_reuse",
            "tail_taken_as_corruption",
            "gap_ignored",
            "replay_partial_batch",
            "prealloc_zeros_as_records",
        ],
    ),
    (
        "damage",
        &[
            "corruption_taken_as_tail",
            "filter_damage_as_absent",
            "block_swap_unseen",
            "block_checksum_ignored",
        ],
    ),
    ("fault", &["io_error_as_eof", "compaction_read_error_swallowed"]),
    (
        "fsyncgate",
        &[
            "retry_failed_sync",
            "poison_forgotten",
            "refused_commit_left",
            "dir_sync_error_swallowed",
        ],
    ),
    (
        "model",
        &[
            "unlink_table_read",
            "tombstone_dropped_early",
            "tombstone_dropped_over_older_l0",
            "snapshot_ignored_by_retention",
            "range_tombstone_not_in_bounds",
            "range_tombstone_uncut",
            "l0_order_by_number",
            "two_jobs_one_table",
            "part_taken_as_whole",
            "versions_end_with_block",
            "partition_of_a_neighbour",
            "long_offsets_cut",
            "range_twice_unseen",
            "prev_next_edge",
            "scan_sees_later_writes",
        ],
    ),
    (
        "race",
        &[
            "publish_out_of_order",
            "view_after_seqno",
            "flush_above_visible",
            "rotate_loses_writer",
            "one_waiter_woken",
        ],
    ),
    ("panic", &["panic_hangs_writers"]),
    ("kill", &["writer_shares_lock"]),
    ("enospc", &["reserve_kept", "reserve_used_by_puts"]),
    (FALLBACK, &["log_floor_too_high"]),
    (BLACKBOX, &["os_sync_is_nothing", "os_dir_sync_is_nothing"]),
];

/// The one suite that a machine may not be able to run, and the only one that sees its bugs.
const BLACKBOX: &str = "blackbox";

/// The suite that is asked about every bug that its own hunter has not seen.
const FALLBACK: &str = "sim";

/// Whether somebody can see this bug on this machine.
fn can_be_hunted(bug: &str) -> bool {
    let is_of_blackbox =
        |(suite, bugs): &(&str, &[&str])| *suite == BLACKBOX && bugs.contains(&bug);
    !HUNTERS.iter().any(is_of_blackbox) || blackbox::is_missing().is_none()
}

/// All that take part.
fn suites() -> impl Iterator<Item = &'static str> {
    HUNTERS.iter().map(|(suite, _)| *suite)
}

/// Runs the hunt.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    for suite in suites() {
        let seconds = CONTROL_SECONDS.to_string();
        let found = watch(start(suite, &seconds, bounds.seed, None), LIMIT * 6);
        if let Some(what) = found {
            outcome.violation(format!("{suite} finds something without any bug: {what}"));
        }
    }
    let (mut caught, mut slowest) = (0, (Duration::ZERO, ""));
    let (hunted, skipped): (Vec<&str>, Vec<&str>) =
        NAMES.iter().copied().partition(|bug| can_be_hunted(bug));
    for bug in hunted {
        match hunt(bug, bounds.seed) {
            Some((suite, took, what)) => {
                let what: String = what.chars().take(100).collect();
                eprintln!("{bug}: {suite} after {} ms: {what}", took.as_millis());
                caught += 1;
                slowest = slowest.max((took, bug));
            }
            None => {
                outcome.violation(format!("{bug} was not caught within {} s", LIMIT.as_secs()));
            }
        }
    }
    outcome
        .figure("bugs", NAMES.len())
        .figure("skipped", skipped.len())
        .figure("caught", caught)
        .figure("slowest", slowest.1)
        .figure("slowest_ms", slowest.0.as_millis());
    outcome
}

/// The suite that caught the bug, how long that took, and what it said.
fn hunt(bug: &str, seed: u64) -> Option<(&'static str, Duration, String)> {
    let hunter = HUNTERS.iter().find(|(_, bugs)| bugs.contains(&bug));
    let (suite, _) = hunter.or(HUNTERS.first())?;
    [*suite, FALLBACK].into_iter().find_map(|suite| {
        let began = Instant::now();
        let what = watch(start(suite, "10", seed, Some(bug)), LIMIT)?;
        Some((suite, began.elapsed(), what))
    })
}

fn start(suite: &str, seconds: &str, seed: u64, bug: Option<&str>) -> Child {
    let seed = seed.to_string();
    let hang = match suite {
        // A case is a whole process and all its crashes.
        BLACKBOX => "40",
        // A case may live on a real disk.
        "enospc" => "20",
        _ => "4",
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([suite, "--seconds", seconds, "--seed", &seed, "--first", "--hang", hang])
        .env_remove(SEEDED_BUG)
        // Told panics with their backtraces would fill the pipe, which nobody reads before the end.
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(bug) = bug {
        command.env(SEEDED_BUG, bug);
    }
    command.spawn().unwrap()
}

/// Waits for a suite. What it said, if it found something in time.
fn watch(mut child: Child, limit: Duration) -> Option<String> {
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    let mut said = String::new();
    let mut pipe = child.stderr.take()?;
    pipe.read_to_string(&mut said).unwrap_or_default();
    let is_told = |line: &&str| suites().any(|suite| line.starts_with(suite));
    let line = said.lines().find(is_told).or(said.lines().last()).unwrap_or_default();
    (!status.success()).then(|| line.to_owned())
}
