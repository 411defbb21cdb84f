//! The suite `soak`: the same keys are overwritten again and again on the real disk, beside a reader,
//! and space, open files and memory must stay where they are.
//!
//! The first rounds fill the tree and warm everything up. From then on, at every sample: the files of
//! the directory take at most [`SPACE_MAX`] times the live data, no more files are open than the
//! directory has, but for those that the warm-up knew and a few, and neither the open files nor the
//! memory of the process have grown by more than a tenth. At the end every key has the value that was
//! written last.

#![expect(clippy::disallowed_types, reason = "samples are taken by the clock on the wall")]

use crate::bounds::Bounds;
use crate::crew;
use crate::outcome::Outcome;
use crate::random::Random;
use siltstone::{Db, Durability, Options};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Keys, and bytes of an entry: 232 MB of live data.
const KEYS: u64 = 2_000_000;
const ENTRY_BYTES: u64 = 16 + 100;

/// Files of the directory, for each byte of live data, in a short run and in one of
/// [`LONG_AFTER_SECONDS`]. What waits to be merged, the log and its reserve are in it.
const SPACE_MAX: f64 = 2.0;
const SPACE_MAX_LONG: f64 = 1.6;
const LONG_AFTER_SECONDS: u64 = 600;

/// Growth of the resident memory and of the open files behind the warm-up, and what noise may add.
/// There are as many open files as tables, and those follow the space.
const GROWTH_MAX: f64 = 1.10;
const MEMORY_NOISE_BYTES: u64 = 8 << 20;
const FILES_NOISE: u64 = 16;

/// Open files beyond those of the directory: tables that were replaced while somebody reads them. A
/// handle that leaks shows here, however many tables there are.
const STRAYS_SLACK: u64 = 16;

/// Overwrites of the whole set before anything is measured.
const WARM_UP_ROUNDS: u64 = 2;

const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// One look at the process and the directory.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    space_bytes: u64,
    open_files: u64,
    /// Open files beyond the number of files in the directory.
    strays: u64,
    resident_bytes: u64,
}

impl Sample {
    fn take(directory: &Path) -> Sample {
        let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as u64);
        let files = directory.read_dir().into_iter().flatten().flatten();
        let lengths: Vec<_> = files.filter_map(|file| Some(file.metadata().ok()?.len())).collect();
        let (space_bytes, strays) =
            (lengths.iter().sum(), open_files.saturating_sub(lengths.len() as u64));
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        Sample { space_bytes, open_files, strays, resident_bytes: pages * 4096 }
    }

    fn max(self, other: Sample) -> Sample {
        Sample {
            space_bytes: self.space_bytes.max(other.space_bytes),
            open_files: self.open_files.max(other.open_files),
            strays: self.strays.max(other.strays),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
        }
    }
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [b'k'; 16];
    key[8..].copy_from_slice(&number.swap_bytes().to_le_bytes());
    key
}

/// Incompressible, and another one for each round.
fn value(number: u64, round: u64) -> [u8; 100] {
    let (mut value, mut random) = ([0; 100], Random::new(number << 20 | round));
    for chunk in value.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    value
}

/// Writes whole rounds, each in another order, until it is told to stop.
fn overwrite(db: &Db, rounds: &AtomicU64, stop: &AtomicBool) {
    // A prime that divides no number of keys: each key once in a round, in a scattered order.
    const STEP: u64 = 104_729;
    for round in 0.. {
        for index in 0..KEYS {
            let number = (index * STEP + round * 7_919) % KEYS;
            db.put(key(number), value(number, round)).unwrap();
        }
        rounds.store(round + 1, Ordering::Release);
        if stop.load(Ordering::Acquire) {
            return;
        }
    }
}

fn read(db: &Db, seed: u64, stop: &AtomicBool) -> u64 {
    let (mut random, mut reads) = (Random::new(seed), 0);
    while !stop.load(Ordering::Acquire) {
        let start = key(random.below(KEYS));
        let found = db.range(start.as_slice()..).take(20).filter(Result::is_ok).count();
        assert!(found <= 20);
        reads += 1;
    }
    reads
}

fn soak(bounds: &Bounds, outcome: &mut Outcome) {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("data");
    let options = Options::new()
        .memory(32 << 20)
        .memtable_bytes(2 << 20)
        .table_bytes(2 << 20)
        .durability(Durability::Buffered);
    let db = options.open(&directory).unwrap();
    let (rounds, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (mut warm, mut most, mut samples) = (Sample::default(), Sample::default(), 0_u64);
    let reads = thread::scope(|scope| {
        let writer = scope.spawn(|| overwrite(&db, &rounds, &stop));
        let reader = scope.spawn(|| read(&db, bounds.seed, &stop));
        while !(bounds.is_over() || writer.is_finished() || reader.is_finished()) {
            let until = Instant::now() + SAMPLE_EVERY;
            while Instant::now() < until {
                thread::park_timeout(SAMPLE_EVERY);
            }
            let sample = Sample::take(&directory);
            if rounds.load(Ordering::Acquire) < WARM_UP_ROUNDS {
                warm = warm.max(sample);
            } else {
                most = most.max(sample);
                samples += 1;
            }
        }
        stop.store(true, Ordering::Release);
        writer.join().unwrap();
        reader.join().unwrap()
    });
    let last_round = rounds.load(Ordering::Acquire) - 1;
    for number in 0..KEYS {
        let found = db.get(key(number)).unwrap();
        assert_eq!(found.as_deref(), Some(&value(number, last_round)[..]), "key {number}");
    }
    db.close().unwrap();
    let is_long = bounds.time.as_secs() >= LONG_AFTER_SECONDS;
    let space_max = if is_long { SPACE_MAX_LONG } else { SPACE_MAX };
    report(outcome, space_max, (warm, most), (samples, last_round + 1, reads));
}

fn report(
    outcome: &mut Outcome,
    space_max: f64,
    (warm, most): (Sample, Sample),
    (samples, rounds, reads): (u64, u64, u64),
) {
    let space = most.space_bytes as f64 / (KEYS * ENTRY_BYTES) as f64;
    outcome
        .figure("overwrites", rounds)
        .figure("reads", reads)
        .figure("samples", samples)
        .figure("space", format!("{space:.2}"))
        .figure("open_files", most.open_files)
        .figure("open_files_warm", warm.open_files)
        .figure("strays", most.strays)
        .figure("strays_warm", warm.strays)
        .figure("resident_mib", most.resident_bytes >> 20)
        .figure("resident_warm_mib", warm.resident_bytes >> 20);
    if samples == 0 {
        return;
    }
    if space > space_max {
        outcome.violation(format!("the files take {space:.2} of the live data"));
    }
    let grown = |warm: u64| (warm as f64 * GROWTH_MAX) as u64;
    if most.strays > warm.strays + STRAYS_SLACK {
        outcome.violation(format!("{} files are open beyond the directory's", most.strays));
    }
    if most.open_files > grown(warm.open_files) + FILES_NOISE {
        outcome.violation(format!("{} files are open", most.open_files));
    }
    if most.resident_bytes > grown(warm.resident_bytes) + MEMORY_NOISE_BYTES {
        outcome.violation(format!("the memory grew to {} MiB", most.resident_bytes >> 20));
    }
}

/// Runs the suite.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    let judged = crew::judge(|| soak(bounds, &mut outcome));
    outcome.absorb(judged.err());
    outcome
}
