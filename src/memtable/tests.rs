//! Tests of the memtable as a whole: against a `BTreeMap`, and with threads that write and read.

use crate::format::key::{Kind, SEQNO_LATEST, Seqno, filter_hash, user_key};
use crate::format::range_tombstone::RangeTombstone;
use crate::memtable::{Memtable, MemtableCursor, chunk};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, thread};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Enough to split leaves a few times.
const WRITES: usize = if cfg!(miri) { 80 } else { 400 };

type InternalKey = (Vec<u8>, Reverse<Seqno>);
type Model = BTreeMap<InternalKey, (Kind, Vec<u8>)>;
type Seen = (Vec<u8>, Seqno, Kind, Vec<u8>);

/// Few keys, many of them equal in the bytes that the index compares first.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    (0..2_u32, prop::bool::ANY, prop::collection::vec(0..3_u8, 0..3)).prop_map(
        |(keyspace, long, end)| {
            let front: &[u8] = if long { b"a common prefix of many bytes/" } else { b"" };
            user_key(keyspace, &[front, &end].concat())
        },
    )
}

fn filled(writes: &[(Vec<u8>, bool)]) -> (Arc<Memtable>, Model) {
    let memtable = Arc::new(Memtable::new(7).filtered(4 << 10));
    let mut model = Model::new();
    for (seqno, (key, is_put)) in (1..).zip(writes) {
        let (kind, value) = match is_put {
            true => (Kind::Put, format!("value {seqno}").into_bytes()),
            false => (Kind::Delete, Vec::new()),
        };
        memtable.insert(key, seqno, kind, &value);
        model.insert((key.clone(), Reverse(seqno)), (kind, value));
    }
    (memtable, model)
}

fn seen(cursor: &MemtableCursor) -> Option<Seen> {
    cursor
        .is_valid()
        .then(|| (cursor.key().to_vec(), cursor.seqno(), cursor.kind(), cursor.value().to_vec()))
}

fn expected(entry: Option<(&InternalKey, &(Kind, Vec<u8>))>) -> Option<Seen> {
    entry.map(|((key, Reverse(seqno)), (kind, value))| (key.clone(), *seqno, *kind, value.clone()))
}

proptest! {
    #[test]
    fn a_cursor_walks_like_a_btree_map(
        writes in prop::collection::vec((any_key(), any::<bool>()), 0..WRITES),
        steps in prop::collection::vec((0..6_u8, any_key(), 0..WRITES as u64 + 10), 1..60),
    ) {
        let (memtable, model) = filled(&writes);
        let mut cursor = memtable.cursor();
        prop_assert!(!cursor.is_valid());
        let mut at: Option<InternalKey> = None;
        for (step, key, seqno) in steps {
            let target = (key.clone(), Reverse(seqno));
            let expect = match (step, &at) {
                (0, _) => { cursor.seek(&key, seqno).unwrap(); model.range(target..).next() }
                (1, _) => { cursor.seek_back(&key, seqno).unwrap(); model.range(..target).next_back() }
                (2, _) => { cursor.seek_first().unwrap(); model.iter().next() }
                (3, _) => { cursor.seek_last().unwrap(); model.iter().next_back() }
                (4, Some(at)) => {
                    cursor.next().unwrap();
                    model.range((Bound::Excluded(at), Bound::Unbounded)).next()
                }
                (5, Some(at)) => { cursor.prev().unwrap(); model.range(..at).next_back() }
                _ => continue,
            };
            at = expect.map(|(key, _)| key.clone());
            prop_assert_eq!(seen(&cursor), expected(expect));
        }
    }

    #[test]
    fn get_finds_the_newest_version_at_every_seqno(
        writes in prop::collection::vec((any_key(), any::<bool>()), 0..40),
        key in any_key(),
    ) {
        let (memtable, model) = filled(&writes);
        for seqno in (0..45).chain([SEQNO_LATEST]) {
            let newest = model.range((key.clone(), Reverse(seqno))..).next();
            let newest = newest.filter(|((found, _), _)| *found == key);
            let got = memtable
                .get(&key, filter_hash(&key), seqno)
                .map(|(seqno, kind, value)| (key.clone(), seqno, kind, value.to_vec()));
            prop_assert_eq!(got, expected(newest));
        }
    }
}

#[test]
fn leaves_are_split_wherever_entries_arrive() {
    const COUNT: u64 = if cfg!(miri) { 150 } else { 5000 };
    let orders: [fn(u64) -> u64; 4] = [
        |i| i,
        |i| COUNT - i,
        |i| i * 7919 % COUNT,
        |i| if i % 2 == 0 { i } else { COUNT * 2 - i },
    ];
    for order in orders {
        let key = |i| user_key(i as u32 % 3, format!("{:08}", order(i)).as_bytes());
        let writes: Vec<_> = (0..COUNT).map(|i| (key(i), true)).collect();
        let (memtable, model) = filled(&writes);
        let mut cursor = memtable.cursor();
        cursor.seek_first().unwrap();
        for entry in &model {
            assert_eq!(seen(&cursor), expected(Some(entry)));
            cursor.next().unwrap();
        }
        assert!(!cursor.is_valid());
        cursor.seek_last().unwrap();
        for entry in model.iter().rev() {
            assert_eq!(seen(&cursor), expected(Some(entry)));
            cursor.prev().unwrap();
        }
        assert!(!cursor.is_valid());
    }
}

/// One writer in ascending order and readers that follow it: a full leaf is split while they stand
/// at its end, again and again, and halved by a second writer that goes in between.
#[test]
fn readers_at_the_end_of_a_leaf_that_is_split_miss_nothing() {
    const COUNT: u64 = if cfg!(miri) { 100 } else { 20_000 };
    let memtable = Arc::new(Memtable::new(1).filtered(64 << 10));
    let finished = AtomicU64::new(0);
    let key = |number: u64| user_key(0, format!("{number:08}").as_bytes());
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=COUNT {
                memtable.insert(&key(number * 2), number, Kind::Put, b"");
                if let Some(between) = number.checked_sub(100) {
                    memtable.insert(&key(between * 2 + 1), COUNT + number, Kind::Put, b"");
                }
                finished.store(number, Ordering::Release);
            }
        });
        for ahead in [0, 40] {
            let (memtable, finished) = (&memtable, &finished);
            scope.spawn(move || {
                let mut cursor = memtable.cursor();
                while finished.load(Ordering::Acquire) < COUNT {
                    let upto = finished.load(Ordering::Acquire);
                    let from = upto.saturating_sub(ahead).max(1);
                    cursor.seek(&key(from * 2), SEQNO_LATEST).unwrap();
                    for number in from..=upto {
                        while cursor.is_valid() && cursor.key() < &key(number * 2)[..] {
                            cursor.next().unwrap();
                        }
                        assert!(cursor.is_valid() && cursor.key() == key(number * 2));
                        assert!(get(memtable, &key(number * 2), SEQNO_LATEST).is_some());
                    }
                    cursor.seek_back(&key(upto * 2 + 1), SEQNO_LATEST).unwrap();
                    assert!(upto == 0 || cursor.key() >= &key(upto * 2)[..]);
                }
            });
        }
    });
}

#[test]
fn counts_and_bounds_follow_what_was_inserted() {
    let memtable = Memtable::new(42).filtered(1);
    assert!(memtable.is_empty() && memtable.max_seqno().is_none());
    memtable.insert(b"\0\0\0\0k", 9, Kind::Put, b"");
    memtable.insert(b"\0\0\0\0k", 5, Kind::Delete, b"");
    assert_eq!((memtable.len(), memtable.segment()), (2, 42));
    assert_eq!(memtable.max_seqno(), Some(9));
    assert!(memtable.range_tombstones().is_none());
    assert_eq!(get(&memtable, b"\0\0\0\0k", 9), Some((9, Kind::Put, &b""[..])));
}

#[test]
fn a_memtable_with_only_a_range_tombstone_is_not_empty() {
    let memtable = Memtable::new(1);
    let tombstone = RangeTombstone { start: b"a".to_vec(), end: b"c".to_vec(), seqno: 4 };
    memtable.insert_range_tombstone(tombstone);
    assert_eq!((memtable.is_empty(), memtable.len()), (false, 0));
    assert_eq!(memtable.max_seqno(), Some(4));
    assert_eq!(memtable.range_tombstones().unwrap().covering(b"b", 4), Some(4));
    assert!(memtable.size_bytes() > 16 << 10, "each one is charged dearly");
}

#[test]
#[should_panic(expected = "two entries with the same key and seqno")]
fn an_entry_is_never_replaced() {
    let memtable = Memtable::new(1);
    memtable.insert(b"\0\0\0\0k", 9, Kind::Put, b"first");
    memtable.insert(b"\0\0\0\0k", 9, Kind::Put, b"second");
}

#[test]
fn a_huge_value_is_kept_and_counted() {
    let memtable = Memtable::new(1);
    const BYTES: u32 = if cfg!(miri) { 200 << 10 } else { 5 << 20 };
    let value: Vec<u8> = (0..BYTES).map(|i: u32| (i % 251) as u8).collect();
    memtable.insert(b"\0\0\0\0big", 1, Kind::Put, &value);
    memtable.insert(b"\0\0\0\0small", 2, Kind::Put, b"x");
    let (_, _, found) = get(&memtable, b"\0\0\0\0big", SEQNO_LATEST).unwrap();
    assert!(found == value && memtable.size_bytes() > value.len());
}

#[test]
fn a_memtable_is_dismantled_piece_by_piece_and_to_the_end() {
    let before = chunk::tests::live_bytes();
    let memtable = Memtable::new(1);
    // Ascending keys fill leaves to the end, 64 entries each.
    let leaves = if cfg!(miri) { 70 } else { 200_u64 };
    for number in 0..leaves * 64 {
        let key = user_key(0, format!("{number:08}").as_bytes());
        memtable.insert(&key, number + 1, Kind::Put, b"value");
    }
    assert!(chunk::tests::live_bytes() > before);
    let mut pauses = 0;
    memtable.dismantle(|| pauses += 1);
    assert_eq!(chunk::tests::live_bytes(), before);
    assert!(pauses >= leaves / 64, "{pauses} pauses");
}

#[test]
fn dropping_the_last_holder_frees_the_bytes_and_a_cursor_is_a_holder() {
    let before = chunk::tests::live_bytes();
    let memtable = Arc::new(Memtable::new(1));
    for seqno in if cfg!(miri) { 970..1000 } else { 1..2000 } {
        memtable.insert(&user_key(0, &seqno.to_string().into_bytes()), seqno, Kind::Put, b"value");
    }
    let mut cursor = memtable.cursor();
    drop(memtable);
    assert!(chunk::tests::live_bytes() > before);
    cursor.seek_last().unwrap();
    assert_eq!(cursor.key(), user_key(0, b"999"));
    drop(cursor);
    assert_eq!(chunk::tests::live_bytes(), before);
}

fn get<'a>(
    memtable: &'a Memtable,
    user_key: &[u8],
    seqno: Seqno,
) -> Option<(Seqno, Kind, &'a [u8])> {
    memtable.get(user_key, filter_hash(user_key), seqno)
}

/// The key that `seqno` writes: threads fall between each other's keys, and onto the same ones.
fn key_of(seqno: Seqno) -> Vec<u8> {
    user_key(0, format!("key {:05}", seqno * 7919 % 1009).as_bytes())
}

/// Reads everything once in each direction: in order, and nothing at or below `finished` missing.
fn check_whole(memtable: &Arc<Memtable>, finished: &[Seqno]) {
    let mut cursor = memtable.cursor();
    let mut forward = Vec::new();
    cursor.seek_first().unwrap();
    while cursor.is_valid() {
        assert_eq!(cursor.value(), cursor.seqno().to_string().as_bytes());
        assert_eq!(cursor.key(), key_of(cursor.seqno()));
        forward.push((cursor.key().to_vec(), Reverse(cursor.seqno())));
        cursor.next().unwrap();
    }
    assert!(forward.is_sorted_by(|left, right| left < right));
    let mut found: Vec<Seqno> = forward.iter().map(|(_, Reverse(seqno))| *seqno).collect();
    found.sort_unstable();
    for writer in 0..4 {
        for seqno in (0..finished[writer as usize]).map(|i| i * 4 + writer + 1) {
            assert!(found.binary_search(&seqno).is_ok(), "entry {seqno} was missed");
            let (newest, ..) = get(memtable, &key_of(seqno), SEQNO_LATEST).unwrap();
            assert!(newest >= seqno);
        }
    }
    cursor.seek_last().unwrap();
    let mut backward = 0;
    while cursor.is_valid() {
        backward += 1;
        cursor.prev().unwrap();
    }
    assert!(backward >= forward.len());
}

#[test]
fn readers_beside_four_writers_see_order_and_every_finished_insert() {
    const EACH: u64 = if cfg!(miri) { 30 } else { 3000 };
    let memtable = Arc::new(Memtable::new(1).filtered(4 << 10));
    let finished: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for writer in 0..4_u64 {
            let (memtable, finished) = (&memtable, &finished);
            scope.spawn(move || {
                for i in 0..EACH {
                    let seqno = i * 4 + writer + 1;
                    memtable.insert(&key_of(seqno), seqno, Kind::Put, seqno.to_string().as_bytes());
                    finished[writer as usize].store(i + 1, Ordering::Release);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let finished: Vec<_> =
                        finished.iter().map(|count| count.load(Ordering::Acquire)).collect();
                    check_whole(&memtable, &finished);
                    if finished.iter().sum::<u64>() == 4 * EACH {
                        break;
                    }
                }
            });
        }
    });
    assert_eq!(memtable.len() as u64, 4 * EACH);
    assert_eq!(memtable.max_seqno(), Some(4 * EACH));
}
