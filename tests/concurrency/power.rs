//! The power goes while many write: what was acknowledged is there, and batches are whole.

use crate::{ROUNDS_FACTOR, disk, small};
use siltstone::fs::{CrashProfile, SimulatedFileSystem};
use siltstone::{Batch, Db, Durability};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const WRITERS: usize = 3;
const CUTS: u64 = 20 * ROUNDS_FACTOR;

/// How far a writer has come.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    /// Last round whose durable commit was acknowledged, and last round of any.
    durable: AtomicU64,
    acknowledged: AtomicU64,
}

fn write(db: &Db, writer: usize, progress: &Progress, ends: &AtomicBool) {
    let side = db.keyspace("side").unwrap();
    for round in 1_u64.. {
        if ends.load(Ordering::Acquire) {
            return;
        }
        progress.begun.store(round, Ordering::Release);
        let mut batch = Batch::new();
        for member in 0..4 {
            batch.put(format!("{writer}/{member}"), round.to_le_bytes());
            batch.put_in(&side, format!("{writer}/{member}"), round.to_le_bytes());
        }
        batch.put(format!("row/{writer}/{round:08}"), [1; 200]);
        let is_durable = round % 4 == 0;
        let durability = if is_durable { Durability::Sync } else { Durability::Buffered };
        db.write_with(batch, durability).unwrap();
        progress.acknowledged.store(round, Ordering::Release);
        if is_durable {
            progress.durable.store(round, Ordering::Release);
        }
    }
}

/// The disk after a power cut, and how many rounds of each writer must be and may be on it.
struct Cut {
    disk: SimulatedFileSystem,
    profile: CrashProfile,
    at_least: [u64; WRITERS],
    at_most: [u64; WRITERS],
}

fn cut(disk: &SimulatedFileSystem, progress: &[Progress; WRITERS], seed: u64) -> Cut {
    let profile = CrashProfile::ALL[usize::try_from(seed).unwrap() % CrashProfile::ALL.len()];
    let is_kill = profile == CrashProfile::Kill;
    let at_least = progress.each_ref().map(|it| {
        let must = if is_kill { &it.acknowledged } else { &it.durable };
        must.load(Ordering::Acquire)
    });
    let disk = disk.crash(profile, seed);
    disk.restart_history(false);
    let at_most = progress.each_ref().map(|it| it.begun.load(Ordering::Acquire));
    Cut { disk, profile, at_least, at_most }
}

fn check(cut: &Cut) {
    let db = small(&cut.disk).open("data").unwrap();
    let side = db.keyspace("side").unwrap();
    for writer in 0..WRITERS {
        let what = format!("writer {writer} after {:?}", cut.profile);
        let number = |found: siltstone::Result<Option<siltstone::Slice>>| {
            let found = found.unwrap();
            found.map_or(0, |found| u64::from_le_bytes(*found.first_chunk().unwrap()))
        };
        let round = number(db.get(format!("{writer}/0")));
        for member in 0..4 {
            assert_eq!(number(db.get(format!("{writer}/{member}"))), round, "{what}");
            assert_eq!(number(side.get(format!("{writer}/{member}"))), round, "{what}");
        }
        assert!((cut.at_least[writer]..=cut.at_most[writer]).contains(&round), "{what}: {round}");
        let rows = db.prefix(format!("row/{writer}/")).map(|row| row.unwrap().0);
        let expected = (1..=round).map(|round| format!("row/{writer}/{round:08}"));
        assert!(rows.map(|row| row.to_vec()).eq(expected.map(String::into_bytes)), "{what}");
    }
    db.verify().unwrap().into_result().unwrap();
}

#[test]
fn a_power_cut_under_load_takes_back_nothing_durable() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    db.keyspace("side").unwrap();
    let (progress, ends) = (<[Progress; WRITERS]>::default(), AtomicBool::new(false));
    let cuts: Vec<Cut> = std::thread::scope(|scope| {
        for (writer, progress) in progress.iter().enumerate() {
            let (db, ends) = (&db, &ends);
            scope.spawn(move || write(db, writer, progress, ends));
        }
        let cuts = (0..CUTS).map(|seed| {
            // Each a little later: everybody has come twelve rounds further.
            while progress.iter().any(|it| it.begun.load(Ordering::Acquire) < seed * 12) {
                std::thread::yield_now();
            }
            cut(&disk, &progress, seed)
        });
        let cuts = cuts.collect();
        ends.store(true, Ordering::Release);
        cuts
    });
    assert!(db.stats().flushes > 3, "{:?}", db.stats());
    cuts.iter().for_each(check);
}
