//! The smallest and the largest of everything.

use crate::place::{place, size};
use siltstone::{Batch, Db, Durability, ErrorKind, Options, Reason};
use std::time::{Duration, Instant};

const KEY_MAX: usize = 65_000;
const BATCH_MAX: usize = 64 << 20;

#[test]
fn keys_have_1_to_65_000_bytes() {
    let (_place, path) = place();
    let db = Db::open(&path).unwrap();
    let longest = vec![0xff; KEY_MAX];
    for key in [&b"\0"[..], b"\xff", &longest] {
        db.put(key, key).unwrap();
    }
    let empty = db.put("", "v").unwrap_err();
    assert_eq!((empty.kind(), empty.reason()), (ErrorKind::Invalid, &Reason::KeyEmpty));
    let long = db.put(vec![0xff; KEY_MAX + 1], "v").unwrap_err();
    let reason = Reason::KeyTooLarge { len: KEY_MAX + 1, max: KEY_MAX };
    assert_eq!((long.kind(), long.reason()), (ErrorKind::Invalid, &reason));
    assert!(db.get("").unwrap().is_none() && db.get(vec![0xff; KEY_MAX + 1]).unwrap().is_none());
    for round in 0..2 {
        let keys: Vec<_> = db.iter().map(|entry| entry.unwrap().0.len()).collect();
        assert_eq!(keys, [1, 1, KEY_MAX], "round {round}");
        assert_eq!(db.get(&longest).unwrap().as_deref(), Some(&longest[..]));
        db.compact(..).unwrap();
        db.verify().unwrap().into_result().unwrap();
    }
    db.delete_range(&longest[..]..).unwrap();
    assert_eq!(db.iter().count(), 2);
}

#[test]
fn values_have_0_bytes_to_64_mib_and_an_empty_one_is_not_absent() {
    let (_place, path) = place();
    let options = Options::new().memory(300 << 20).durability(Durability::Buffered);
    let sizes = [0, 1, 65_535, 65_536, 1 << 20, BATCH_MAX];
    let value = |len: usize| -> Vec<u8> { (0..len).map(|at| (at % 251) as u8).collect() };
    let check = |db: &Db| {
        for len in sizes {
            let found = db.get(format!("v{len:09}")).unwrap();
            assert!(found.as_deref() == Some(&value(len)[..]), "the value of {len} bytes");
        }
        let lens: Vec<_> = db.iter().map(|entry| entry.unwrap().1.len()).collect();
        assert_eq!(lens, sizes);
        assert!(db.contains("v000000000").unwrap() && !db.contains("v").unwrap());
    };
    let db = options.open(&path).unwrap();
    for len in sizes {
        db.put(format!("v{len:09}"), value(len)).unwrap();
    }
    check(&db);
    db.compact(..).unwrap();
    check(&db);
    db.close().unwrap();
    check(&options.open(&path).unwrap());
}

#[test]
fn a_batch_above_the_limit_is_refused_before_anything_is_written() {
    let (_place, path) = place();
    let db = Db::open(&path).unwrap();
    db.put("a", "1").unwrap();
    let before = db.stats();
    let mut batch = Batch::new();
    batch.put("b", "2");
    for part in 0..4 {
        batch.put(format!("part{part}"), vec![7; BATCH_MAX / 4]);
    }
    let (len, max) = (batch.size_bytes(), BATCH_MAX);
    let refused = db.write(batch).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(*refused.reason(), Reason::BatchTooLarge { len, max });
    let after = db.stats();
    assert_eq!((after.log_bytes, after.visible_seqno), (before.log_bytes, before.visible_seqno));
    assert_eq!(db.iter().count(), 1);

    // One bad operation spoils the batch, and none of it is written.
    let mut batch = Batch::new();
    batch.put("good", "1").put(vec![1; KEY_MAX + 1], "2").put("also good", "3");
    assert_eq!(db.write(batch).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(db.iter().count(), 1);
}

#[test]
fn three_thousand_keyspaces_are_nothing_special() {
    const COUNT: usize = 3_000;
    let began = Instant::now();
    let (_place, path) = place();
    let name = |number: usize| format!("space {number:05}");
    let options = Options::new().durability(Durability::Buffered);
    let db = options.open(&path).unwrap();
    for number in 0..COUNT {
        let space = db.keyspace(&name(number)).unwrap();
        space.put("k", number.to_string()).unwrap();
    }
    db.close().unwrap();
    let db = options.open(&path).unwrap();
    assert_eq!(db.keyspaces().unwrap(), (0..COUNT).map(name).collect::<Vec<_>>());
    for number in 0..COUNT {
        let value = db.keyspace(&name(number)).unwrap().get("k").unwrap();
        assert_eq!(value.as_deref(), Some(number.to_string().as_bytes()));
    }
    for number in (0..COUNT).step_by(30) {
        assert!(db.drop_keyspace(&name(number)).unwrap());
    }
    db.close().unwrap();
    let db = options.open(&path).unwrap();
    assert_eq!(db.keyspaces().unwrap().len(), COUNT - COUNT / 30);
    assert!(db.keyspace(&name(30)).unwrap().get("k").unwrap().is_none(), "a new one is empty");
    println!("{COUNT} keyspaces: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_dropped_keyspace_gives_its_room_back() {
    let (_place, path) = place();
    let db = Options::new().durability(Durability::Buffered).open(&path).unwrap();
    db.put("kept", "here").unwrap();
    let space = db.keyspace("large").unwrap();
    let noise = |number: u64| -> Vec<u8> {
        let words = (0..512).map(|at| (number * 512 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        words.flat_map(u64::to_le_bytes).collect()
    };
    for number in 0..2_000 {
        space.put(number.to_string(), noise(number)).unwrap();
    }
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    let full = size(&path);
    assert!(db.drop_keyspace("large").unwrap());
    db.compact(..).unwrap();
    db.wait_idle().unwrap();
    let tables = db.stats().table_bytes;
    assert!(tables < 64 << 10, "{tables} bytes of tables are left");
    db.close().unwrap();
    let empty = size(&path);
    // A segment takes 1 MiB, the reserve 2.6.
    assert!(full > 6 << 20 && empty < 4 << 20, "{full} bytes before, {empty} bytes after");
    assert!(space.get("1").is_err());
}
