//! Writers of batches beside readers of every kind, while memtables become tables and tables merge.
//!
//! In round n a writer sets all its members, in two keyspaces, to n, adds row n to its list and
//! removes rows that are too old by a range: one batch. So at every moment all its members are equal,
//! and its list is exactly the rows of that many rounds.

use siltstone::fs::{LintFileSystem, SimulatedFileSystem};
use siltstone::{Batch, Compression, Db, Durability, Keyspace, Options, Slice, Snapshot};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const WRITERS: u64 = 3;
const MEMBERS: u64 = 5;
/// Rows that a list keeps.
const ROWS: u64 = 40;

/// What the threads of a case did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reads: u64,
    pub(crate) flushes: u64,
    pub(crate) compactions: u64,
}

/// Options under which a few kilobytes are much.
fn small(disk: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(LintFileSystem::new(disk.clone()))
        .memory(1 << 20)
        .memtable_bytes(8 << 10)
        .block_bytes(512)
        .table_bytes(4 << 10)
        .compression(Compression::Zstd(1))
        .threads(2)
}

#[derive(Clone)]
struct Scene {
    db: Db,
    side: Keyspace,
}

fn member(writer: u64, index: u64) -> String {
    format!("member/{writer}/{index}")
}

fn row(writer: u64, round: u64) -> String {
    format!("list/{writer}/{round:08}")
}

/// The number of a round, and some bytes behind it so that values differ in length.
fn value(round: u64) -> Vec<u8> {
    let mut value = round.to_le_bytes().to_vec();
    let len = 8 + usize::try_from(round * 37 % 200).unwrap();
    value.resize(len, round.to_le_bytes()[0]);
    value
}

fn round_of(found: &[u8]) -> u64 {
    let round = u64::from_le_bytes(*found.first_chunk().unwrap());
    assert_eq!(found, value(round), "a value is as it was written");
    round
}

fn write(scene: &Scene, writer: u64, rounds: u64) {
    for round in 1..=rounds {
        let mut batch = Batch::new();
        for index in 0..MEMBERS {
            batch.put(member(writer, index), value(round));
            batch.put_in(&scene.side, member(writer, index), value(round));
        }
        batch.put(row(writer, round), value(round));
        batch.delete_range(row(writer, 0)..row(writer, round.saturating_sub(ROWS - 1)));
        let durability = if round % 3 == 0 { Durability::Sync } else { Durability::Buffered };
        scene.db.write_with(batch, durability).unwrap();
    }
}

/// The round of a writer in a snapshot, after looking at it in every way.
fn check_writer(snapshot: &Snapshot, side: &Snapshot, writer: u64) -> u64 {
    let get = |from: &Snapshot, index| {
        from.get(member(writer, index)).unwrap().map_or(0, |found| round_of(&found))
    };
    let round = get(snapshot, 0);
    for index in 0..MEMBERS {
        assert_eq!(get(snapshot, index), round, "a batch is seen as a whole");
        assert_eq!(get(side, index), round, "in every keyspace");
    }
    let members: Vec<u64> = snapshot
        .prefix(format!("member/{writer}/"))
        .map(|entry| round_of(&entry.unwrap().1))
        .collect();
    let expected = if round == 0 { Vec::new() } else { vec![round; 5] };
    assert_eq!(members, expected, "by a scan, too");

    let rows = snapshot.range(row(writer, 0)..row(writer, u64::from(u32::MAX) % 100_000_000));
    let rows: Vec<u64> = rows.map(|entry| round_of(&entry.unwrap().1)).collect();
    let oldest = round.saturating_sub(ROWS - 1).max(1);
    assert_eq!(rows, (oldest..=round).collect::<Vec<_>>(), "the list of round {round}");
    round
}

fn read_in_snapshots(scene: &Scene, running: &AtomicUsize) -> u64 {
    let (mut last, mut reads) = ([0; WRITERS as usize], 0);
    while running.load(Ordering::Acquire) > 0 {
        let snapshot = scene.db.snapshot();
        let side = snapshot.keyspace(&scene.side).unwrap();
        for (writer, last) in (0..).zip(&mut last) {
            let round = check_writer(&snapshot, &side, writer);
            assert!(round >= *last, "time goes forward: {round} after {last}");
            assert_eq!(check_writer(&snapshot, &side, writer), round, "a snapshot stays");
            *last = round;
        }
        reads += 1;
    }
    reads
}

fn read_both_ways(scene: &Scene, running: &AtomicUsize) -> u64 {
    let mut reads = 0;
    let collect = |entries: &mut dyn Iterator<Item = siltstone::Result<(Slice, Slice)>>| {
        entries.map(Result::unwrap).collect::<Vec<_>>()
    };
    while running.load(Ordering::Acquire) > 0 {
        let snapshot = scene.db.snapshot();
        let forward = collect(&mut snapshot.iter());
        let mut backward = collect(&mut snapshot.iter().rev());
        backward.reverse();
        assert!(forward == backward, "both directions see the same");
        assert!(forward.is_sorted_by(|(left, _), (right, _)| left < right));

        // Cursors agree, and so does an iterator that is eaten from both ends.
        let mut cursor = snapshot.cursor(..);
        let mut entries = snapshot.iter();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        for (turn, (key, value)) in forward.iter().enumerate() {
            assert_eq!(cursor.next().unwrap(), Some((&**key, &**value)));
            let into = if turn % 3 == 0 { &mut back } else { &mut front };
            let next = if turn % 3 == 0 { entries.next_back() } else { entries.next() };
            into.push(next.unwrap().unwrap());
        }
        assert!(cursor.next().unwrap().is_none() && entries.next().is_none());
        front.extend(back.into_iter().rev());
        assert!(front == forward);
        reads += 1;
    }
    reads
}

fn read_points(scene: &Scene, running: &AtomicUsize) -> u64 {
    let (mut last, mut reads) = ([[0; MEMBERS as usize]; WRITERS as usize], 0);
    while running.load(Ordering::Acquire) > 0 {
        for (writer, last) in (0..).zip(&mut last) {
            // The members of a batch in falling order: a later read never sees an earlier round.
            let mut least = 0;
            for (index, last) in (0..).zip(last) {
                let found = match index % 2 {
                    0 => scene.db.get(member(writer, index)),
                    _ => scene.side.get(member(writer, index)),
                };
                let round = found.unwrap().map_or(0, |found| round_of(&found));
                assert!(round >= *last && round >= least, "{round} after {last} and {least}");
                (*last, least) = (round, round);
            }
        }
        reads += 1;
    }
    reads
}

fn keep_up(scene: &Scene, running: &AtomicUsize) -> u64 {
    let mut turns = 0;
    while running.load(Ordering::Acquire) > 0 {
        match turns % 4 {
            0 => scene.db.flush().unwrap(),
            1 => scene.db.compact(member(turns % WRITERS, 0)..).unwrap(),
            2 => scene.db.compact(..).unwrap(),
            _ => scene.db.verify().unwrap().into_result().unwrap(),
        }
        turns += 1;
    }
    turns
}

/// One database: writers for so many rounds, and readers of every kind beside them.
pub(crate) fn case(rounds: u64) -> Counts {
    let disk = SimulatedFileSystem::new();
    disk.restart_history(false);
    let db = small(&disk).open("data").unwrap();
    let scene = Scene { side: db.keyspace("side").unwrap(), db };
    let (running, begin) = (AtomicUsize::new(WRITERS as usize), Barrier::new(7));
    let counts = [const { AtomicU64::new(0) }; 4];
    let kinds: [fn(&Scene, &AtomicUsize) -> u64; 4] =
        [read_in_snapshots, read_both_ways, read_points, keep_up];
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (scene, running, begin) = (scene.clone(), &running, &begin);
            scope.spawn(move || {
                let _done = Done(running);
                begin.wait();
                write(&scene, writer, rounds);
            });
        }
        for (kind, count) in kinds.iter().zip(&counts) {
            let (scene, running, begin) = (scene.clone(), &running, &begin);
            scope.spawn(move || {
                begin.wait();
                count.store(kind(&scene, running), Ordering::Relaxed);
            });
        }
    });
    let stats = scene.db.stats();
    let reads = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    scene.db.close().unwrap();
    drop(scene);
    let db = small(&disk).open("data").unwrap();
    let side = db.keyspace("side").unwrap();
    let snapshot = db.snapshot();
    for writer in 0..WRITERS {
        let round = check_writer(&snapshot, &snapshot.keyspace(&side).unwrap(), writer);
        assert_eq!(round, rounds, "nothing is lost");
    }
    db.verify().unwrap().into_result().unwrap();
    Counts { reads, flushes: stats.flushes, compactions: stats.compactions }
}

/// Counts a writer out, also when it panics: nobody reads for ever.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}
