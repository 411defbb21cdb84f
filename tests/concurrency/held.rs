//! What a reader holds stays readable: while its files are compacted away, and without the database.

use crate::{assert_space_comes_back, disk, kind_of, small, table_files};
use siltstone::{Db, ErrorKind, Iter};

const KEYS: u32 = 600;

fn fill(db: &Db, generation: u32) {
    for key in 0..KEYS {
        db.put(format!("{key:06}"), generation.to_le_bytes().repeat(10)).unwrap();
    }
}

/// Reads an iterator to its end from both sides. `behind` entries were already taken.
fn assert_holds(entries: Iter, generation: u32, behind: u32) {
    let mut entries = entries;
    let mut count = 0;
    while let Some(entry) = if count % 2 == 0 { entries.next() } else { entries.next_back() } {
        assert_eq!(*entry.unwrap().1, *generation.to_le_bytes().repeat(10));
        count += 1;
    }
    assert_eq!(count, KEYS - behind);
}

#[test]
fn iterators_outlive_the_tables_they_read() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    fill(&db, 1);
    let from_memory = db.iter();
    db.compact(..).unwrap();
    let from_tables = db.iter();
    let mut begun = db.iter();
    let mut cursor = db.cursor("000100"..);
    for _ in 0..50 {
        begun.next().unwrap().unwrap();
        cursor.next().unwrap().unwrap();
    }
    std::thread::scope(|scope| {
        // Readers read while everything under them is replaced, again and again.
        scope.spawn(move || assert_holds(begun, 1, 50));
        for generation in 2..8 {
            fill(&db, generation);
            db.compact(..).unwrap();
        }
    });
    let live = db.stats().tables;
    assert!(table_files(&disk) > live, "tables that are read stay");
    assert_holds(from_memory, 1, 0);
    assert_holds(from_tables, 1, 0);
    for key in (100..150).rev() {
        let (found, value) = cursor.prev().unwrap().unwrap();
        assert_eq!(
            (found, value),
            (format!("{key:06}").as_bytes(), &1_u32.to_le_bytes().repeat(10)[..])
        );
    }
    assert!(cursor.prev().unwrap().is_none());
    drop(cursor);
    assert_space_comes_back(&db, &disk);
    assert_holds(db.iter(), 7, 0);
}

#[test]
fn the_last_reader_keeps_the_database_open() {
    let disk = disk();
    let db = small(&disk).open("data").unwrap();
    fill(&db, 1);
    let trades = db.keyspace("trades").unwrap();
    trades.put("a", "b").unwrap();
    let (iter, cursor, snapshot) = (db.iter(), db.cursor(..), db.snapshot());
    drop(db);
    let is_locked = || assert_eq!(kind_of(small(&disk).open("data")), Some(ErrorKind::Locked));
    is_locked();
    trades.put("c", "d").unwrap();
    drop(trades);
    is_locked();
    assert_eq!(snapshot.range(..).count() as u32, KEYS);
    drop(snapshot);
    is_locked();
    let mut cursor = cursor;
    assert!(cursor.next().unwrap().is_some());
    drop(cursor);
    is_locked();
    assert_holds(iter, 1, 0);
    let db = small(&disk).open("data").unwrap();
    assert_holds(db.iter(), 1, 0);
    assert_eq!(db.keyspace("trades").unwrap().iter().count(), 2);
}

#[test]
fn handles_may_end_on_any_thread() {
    let disk = disk();
    for _ in 0..20 {
        let db = small(&disk).open("data").unwrap();
        fill(&db, 3);
        let (iter, cursor, snapshot) = (db.iter(), db.cursor(..), db.snapshot());
        std::thread::scope(|scope| {
            scope.spawn(move || drop(db));
            scope.spawn(move || drop(iter));
            scope.spawn(move || drop(cursor));
            scope.spawn(move || drop(snapshot));
        });
    }
    assert_holds(small(&disk).open("data").unwrap().iter(), 3, 0);
}
