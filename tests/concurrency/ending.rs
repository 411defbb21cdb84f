//! The close: under load, twice, and what every handle says afterwards.

use crate::{ROUNDS_FACTOR, disk, kind_of, small};
use siltstone::{Batch, Db, Durability, ErrorKind, Reason};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

const WRITERS: usize = 4;

/// Writes until that is refused. Returns how many rounds were acknowledged.
fn write_until_closed(db: &Db, writer: usize, acknowledged: &AtomicU64) -> u64 {
    let mut round = 0_u64;
    loop {
        let mut batch = Batch::new();
        batch.put(format!("{writer}/{:08}", round + 1), [7; 100]);
        batch.put(format!("last/{writer}"), (round + 1).to_le_bytes());
        let durability =
            if round.is_multiple_of(2) { Durability::Buffered } else { Durability::Sync };
        match db.write_with(batch, durability) {
            Ok(()) => round += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                return round;
            }
        }
        acknowledged.store(round, Ordering::Release);
    }
}

/// Everything but writing, until it is refused.
fn meddle_until_closed(db: &Db) {
    for turn in 0_u64.. {
        let outcome = match turn % 6 {
            0 => db.flush(),
            1 => db.compact("1/".."3/"),
            2 => db.iter().try_for_each(|entry| entry.map(drop)),
            3 => db.snapshot().get("last/0").map(drop),
            4 => db.keyspace(&format!("keyspace{}", turn % 5)).map(drop),
            _ => db.drop_keyspace(&format!("keyspace{}", turn % 7)).map(drop),
        };
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Closed, "turn {turn}: {error}");
            return;
        }
    }
}

#[test]
fn a_close_under_load_loses_nothing_that_was_acknowledged() {
    for run in 0..6 * ROUNDS_FACTOR {
        let disk = disk();
        let db = small(&disk).open("data").unwrap();
        let acknowledged = [const { AtomicU64::new(0) }; WRITERS];
        let rounds: Vec<u64> = std::thread::scope(|scope| {
            let writers = acknowledged.iter().enumerate().map(|(writer, acknowledged)| {
                let db = db.clone();
                scope.spawn(move || write_until_closed(&db, writer, acknowledged))
            });
            let writers: Vec<_> = writers.collect();
            scope.spawn(|| meddle_until_closed(&db));
            let enough = 20 + run * 40;
            while acknowledged.iter().any(|count| count.load(Ordering::Acquire) < enough) {
                std::thread::yield_now();
            }
            db.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let db = small(&disk).open("data").unwrap();
        assert!(db.recovery_report().torn_tails.is_empty());
        for (writer, &round) in rounds.iter().enumerate() {
            // `Closed` means not written: exactly what was acknowledged is there.
            assert_eq!(db.prefix(format!("{writer}/")).count() as u64, round, "writer {writer}");
            let last = db.get(format!("last/{writer}")).unwrap().unwrap();
            assert_eq!(*last, round.to_le_bytes());
        }
        db.verify().unwrap().into_result().unwrap();
    }
}

#[test]
fn closes_that_race_end_in_one_closed_database() {
    for _ in 0..20 * ROUNDS_FACTOR {
        let disk = disk();
        let db = small(&disk).open("data").unwrap();
        (0..50_u8).for_each(|key| db.put([key], [key; 300]).unwrap());
        let begin = Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    begin.wait();
                    db.close().unwrap();
                    assert_eq!(kind_of(db.put("late", "")), Some(ErrorKind::Closed));
                });
            }
        });
        // The handle is still there, and yet the directory is free.
        let again = small(&disk).open("data").unwrap();
        assert_eq!(again.iter().count(), 50);
        assert_eq!(kind_of(db.get("a")), Some(ErrorKind::Closed));
    }
}

#[test]
fn after_a_close_every_call_says_closed() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    let named = db.keyspace("named").unwrap();
    for key in 0..200_u8 {
        named.put([key], [key; 90]).unwrap();
    }
    let (mut iter, mut cursor, snapshot) = (named.iter(), named.cursor(..), db.snapshot());
    iter.next().unwrap().unwrap();
    cursor.next().unwrap().unwrap();
    db.close().unwrap();
    db.close().unwrap();
    let mut batch = Batch::new();
    batch.put("a", "b").put_in(&named, "a", "b");
    let ends = [
        kind_of(db.put("a", "b")),
        kind_of(db.write(batch)),
        kind_of(db.write(Batch::new())),
        kind_of(db.delete("a")),
        kind_of(db.delete_range(..)),
        kind_of(db.clear()),
        kind_of(db.get("a")),
        kind_of(db.contains("a")),
        kind_of(db.first()),
        kind_of(db.last()),
        kind_of(db.keyspace("named")),
        kind_of(db.keyspace("other")),
        kind_of(db.keyspaces()),
        kind_of(db.drop_keyspace("named")),
        kind_of(db.sync()),
        kind_of(db.flush()),
        kind_of(db.compact(..)),
        kind_of(db.compact("a".."b")),
        kind_of(db.wait_idle()),
        kind_of(db.verify()),
        kind_of(db.health()),
        kind_of(named.put("a", "b")),
        kind_of(named.get("a")),
        kind_of(named.clear()),
        kind_of(snapshot.get("a")),
        kind_of(snapshot.keyspace(&named).and_then(|named| named.get("a"))),
        kind_of(snapshot.iter().next().unwrap()),
        kind_of(db.snapshot().get("a")),
        kind_of(iter.next().unwrap()),
        kind_of(iter.next_back().unwrap()),
        kind_of(cursor.next()),
        kind_of(cursor.prev()),
    ];
    for (index, end) in ends.iter().enumerate() {
        assert_eq!(*end, Some(ErrorKind::Closed), "call {index}");
    }
    assert!(!db.step() && db.stats().keyspaces == 1);
    drop((iter, cursor, snapshot));
    let reader = small(&disk).open_read_only("data").unwrap();
    assert_eq!(reader.stats().keyspaces, 1);
}

#[test]
fn a_handle_of_an_earlier_opening_is_refused() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    let earlier = db.keyspace("named").unwrap();
    earlier.put("a", "1").unwrap();
    db.close().unwrap();
    let db = small(&disk).open("data").unwrap();
    let write = || {
        let mut batch = Batch::new();
        batch.put("b", "2").put_in(&earlier, "b", "2");
        db.write(batch)
    };
    let error = write().unwrap_err();
    assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
    let error = db.snapshot().keyspace(&earlier).unwrap_err();
    assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
    // It knows nothing of what happened since: this would be written to nowhere.
    assert!(db.drop_keyspace("named").unwrap());
    let error = write().unwrap_err();
    assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
    assert_eq!(db.iter().count(), 0);
}
