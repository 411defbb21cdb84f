//! Keyspaces that come and go beside writers and readers of them.

use crate::{ROUNDS_FACTOR, assert_space_comes_back, disk, small};
use siltstone::{Batch, Db, Error, Keyspace, Reason, Snapshot};
use std::sync::mpsc::{Receiver, Sender, channel};

const CHURNERS: u64 = 3;
const LIVES: u64 = 60 * ROUNDS_FACTOR;
const KEYS: u64 = 40;

/// One life of a keyspace, as visitors hear of it.
struct Life {
    keyspace: Keyspace,
    /// Taken when the keyspace was full.
    snapshot: Snapshot,
    token: u64,
}

fn value(token: u64) -> Vec<u8> {
    token.to_le_bytes().repeat(20)
}

/// Creates, fills and drops a keyspace of one name, over and over.
fn churn(db: &Db, name: &str, first_token: u64, visitors: &Sender<Life>) {
    for token in (first_token..).take(LIVES as usize) {
        let keyspace = db.keyspace(name).unwrap();
        assert!(keyspace.first().unwrap().is_none(), "a new keyspace is empty");
        for key in 0..KEYS / 2 {
            keyspace.put(format!("{key:04}"), value(token)).unwrap();
        }
        let mut batch = Batch::new();
        for key in KEYS / 2..KEYS {
            batch.put_in(&keyspace, format!("{key:04}"), value(token));
        }
        batch.put(name, value(token));
        db.write(batch).unwrap();
        let snapshot = db.snapshot().keyspace(&keyspace).unwrap();
        let life = Life { keyspace: keyspace.clone(), snapshot, token };
        visitors.send(life).unwrap();
        assert_eq!(keyspace.iter().count() as u64, KEYS, "and holds what was put there");
        assert!(db.drop_keyspace(name).unwrap());
        assert!(!db.drop_keyspace(name).unwrap(), "once");
        is_gone(&keyspace.put("late", "").unwrap_err());
        let mut batch = Batch::new();
        batch.put("late", "").put_in(&keyspace, "late", "");
        is_gone(&db.write(batch).unwrap_err());
    }
}

fn is_gone(error: &Error) {
    assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
}

/// Looks at keyspaces while they are dropped. Returns how many were still there, and how many not.
fn visit(lives: &Receiver<Life>) -> (u64, u64) {
    let (mut alive, mut gone) = (0, 0);
    for life in lives {
        let mut count = 0;
        for entry in life.keyspace.iter() {
            match entry {
                Ok((_, found)) => {
                    assert_eq!(*found, *value(life.token), "of this life, not of another");
                    count += 1;
                }
                Err(error) => {
                    is_gone(&error);
                    break;
                }
            }
        }
        assert!(count == 0 || count == KEYS, "an iterator sees all or is refused: {count}");
        *if count > 0 { &mut alive } else { &mut gone } += 1;
        match life.keyspace.get("0007") {
            Ok(found) => assert_eq!(found.as_deref(), Some(&value(life.token)[..])),
            Err(error) => is_gone(&error),
        }
        let kept: Vec<_> = life.snapshot.iter().map(|entry| entry.unwrap().1).collect();
        assert_eq!(kept.len() as u64, KEYS, "a snapshot keeps a dropped keyspace");
        assert!(kept.iter().all(|found| **found == *value(life.token)));
    }
    (alive, gone)
}

#[test]
fn a_keyspace_never_shows_another_life() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    let (sender, receiver) = channel();
    let seen = std::thread::scope(|scope| {
        for churner in 0..CHURNERS {
            let (db, sender) = (db.clone(), sender.clone());
            scope.spawn(move || {
                churn(&db, &format!("churn{churner}"), churner << 32, &sender);
            });
        }
        drop(sender);
        scope.spawn(move || visit(&receiver)).join().unwrap()
    });
    println!("alive and gone at the visit: {seen:?}");
    assert_eq!(seen.0 + seen.1, CHURNERS * LIVES);
    assert!(db.keyspaces().unwrap().is_empty());
    assert_eq!(db.iter().count() as u64, CHURNERS, "refused batches left nothing");

    // Without snapshots nothing of all those lives stays on disk.
    db.compact(..).unwrap();
    assert_space_comes_back(&db, &disk);
    let entries: u64 = db.stats().levels.iter().map(|level| level.entries).sum();
    assert_eq!(entries, CHURNERS, "{:?}", db.stats());
    db.close().unwrap();
    let db = small(&disk).open("data").unwrap();
    assert_eq!((db.iter().count() as u64, db.keyspaces().unwrap().len()), (CHURNERS, 0));
}

#[test]
fn threads_that_race_for_one_name_agree_on_one_keyspace() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    for turn in 0..40 * ROUNDS_FACTOR {
        let name = format!("raced{}", turn % 3);
        let dropped: usize = std::thread::scope(|scope| {
            let racers = (0..4_u8).map(|racer| {
                let (db, name) = (&db, &name);
                scope.spawn(move || {
                    let keyspace = db.keyspace(name).unwrap();
                    if let Err(error) = keyspace.put([racer], "mine") {
                        is_gone(&error);
                    }
                    usize::from(racer > 0 && db.drop_keyspace(name).unwrap())
                })
            });
            let racers: Vec<_> = racers.collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert!(dropped >= 1, "somebody was the one who dropped it");
        let keyspace = db.keyspace(&name).unwrap();
        assert!(keyspace.iter().all(|entry| *entry.unwrap().1 == *b"mine"));
        assert!(db.drop_keyspace(&name).unwrap());
    }
}
