//! Random tables against a sorted vector.

use crate::format::key::{Kind, SEQNO_LATEST, Seqno, compare, filter_hash};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::fs::SimulatedFileSystem;
use crate::sync::Arc;
use crate::table::cursor::TableCursor;
use crate::table::options::{Compression, FilterKind, TableOptions};
use crate::table::reader::Table;
use crate::table::tests::{Entry, context, current, open, puts, walk, write};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Short keys over few letters, often with a common prefix, so that they meet, contain one another
/// and have versions.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    let tail =
        prop::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(255)], 0..6);
    (0..3_usize, tail).prop_map(|(prefix, tail)| {
        let mut key = [&b""[..], b"aa", b"common prefix/"][prefix].to_vec();
        key.extend(tail);
        key
    })
}

fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    let seqno = prop_oneof![Just(0_u64), 1..9_u64, 1..100_000_u64, Just(SEQNO_LATEST)];
    let value = prop::collection::vec(any::<u8>(), 0..30);
    let one = (any_key(), seqno, any::<bool>(), value);
    prop::collection::vec(one, 1..120).prop_map(|entries| {
        let sorted: BTreeMap<_, _> = entries
            .into_iter()
            .map(|(key, seqno, is_put, value)| {
                let kind = if is_put { Kind::Put } else { Kind::Delete };
                ((key, SEQNO_LATEST - seqno), (kind, value))
            })
            .collect();
        let entry = |((key, inverted), (kind, value))| (key, SEQNO_LATEST - inverted, kind, value);
        sorted.into_iter().map(entry).collect()
    })
}

fn any_options() -> impl Strategy<Value = TableOptions> {
    let compression = prop_oneof![Just(Compression::None), Just(Compression::Zstd(1))];
    let filter = prop_oneof![
        Just(FilterKind::None),
        Just(FilterKind::Bloom { bits_per_key: 10 }),
        Just(FilterKind::Bloom { bits_per_key: 1 }),
        Just(FilterKind::Blocked { bits_per_key: 1 }),
        Just(FilterKind::Blocked { bits_per_key: 10 }),
    ];
    (1..400_usize, compression, filter, 1..300_usize).prop_map(
        |(block_bytes, compression, filter, write_bytes)| TableOptions {
            block_bytes,
            compression,
            filter,
            write_bytes,
            ..TableOptions::default()
        },
    )
}

fn first_at_or_behind(entries: &[Entry], key: &[u8], seqno: Seqno) -> usize {
    entries.partition_point(|entry| compare((&entry.0, entry.1), (key, seqno)).is_lt())
}

/// What the cursor is told to do next.
#[derive(Clone, Debug)]
enum Step {
    Seek(Vec<u8>, Seqno),
    SeekBack(Vec<u8>, Seqno),
    First,
    Last,
    Next,
    Prev,
}

fn any_step() -> impl Strategy<Value = Step> {
    let place = || (any_key(), prop_oneof![Just(0_u64), 1..9_u64, Just(SEQNO_LATEST)]);
    prop_oneof![
        2 => place().prop_map(|(key, seqno)| Step::Seek(key, seqno)),
        2 => place().prop_map(|(key, seqno)| Step::SeekBack(key, seqno)),
        1 => Just(Step::First),
        1 => Just(Step::Last),
        8 => Just(Step::Next),
        8 => Just(Step::Prev),
    ]
}

/// Does the step on both sides; `at` is the place in the vector, `None` outside.
fn take(
    cursor: &mut TableCursor,
    at: Option<usize>,
    entries: &[Entry],
    step: &Step,
) -> Option<usize> {
    let moved = match step {
        Step::Seek(key, seqno) => {
            cursor.seek(key, *seqno).unwrap();
            Some(first_at_or_behind(entries, key, *seqno))
        }
        Step::SeekBack(key, seqno) => {
            cursor.seek_back(key, *seqno).unwrap();
            first_at_or_behind(entries, key, *seqno).checked_sub(1)
        }
        Step::First => {
            cursor.seek_first().unwrap();
            Some(0)
        }
        Step::Last => {
            cursor.seek_last().unwrap();
            entries.len().checked_sub(1)
        }
        // A step from outside is not allowed: nothing happens.
        Step::Next => at.map(|at| {
            cursor.next().unwrap();
            at + 1
        }),
        Step::Prev => at.and_then(|at| {
            cursor.prev().unwrap();
            at.checked_sub(1)
        }),
    };
    moved.filter(|&at| at < entries.len())
}

fn check_gets(table: &Arc<Table>, entries: &[Entry], keys: &[Vec<u8>]) {
    for key in entries.iter().map(|entry| &entry.0).chain(keys) {
        for seqno in [0, 1, 4, 8, 50_000, SEQNO_LATEST - 1, SEQNO_LATEST] {
            let at = first_at_or_behind(entries, key, seqno);
            let expected = entries.get(at).filter(|entry| entry.0 == *key);
            let found = table.get(key, filter_hash(key), seqno).unwrap();
            let found = found.map(|found| (found.seqno, found.kind, found.value.to_vec()));
            assert_eq!(found, expected.map(|entry| (entry.1, entry.2, entry.3.clone())));
        }
    }
}

fn check_facts(table: &Table, entries: &[Entry]) {
    let facts = table.properties().facts(0, 0, 0);
    let seqnos = || entries.iter().map(|entry| entry.1);
    assert_eq!(facts.entries, entries.len() as u64);
    assert_eq!(
        facts.deletes,
        entries.iter().filter(|entry| entry.2 == Kind::Delete).count() as u64
    );
    assert_eq!(
        facts.raw_bytes,
        entries.iter().map(|e| e.0.len() + e.3.len()).sum::<usize>() as u64
    );
    assert_eq!((Some(facts.min_seqno), Some(facts.max_seqno)), (seqnos().min(), seqnos().max()));
    assert_eq!(facts.smallest, entries[0].0);
    assert_eq!((&facts.largest, facts.largest_exclusive), (&entries[entries.len() - 1].0, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_table_answers_like_a_sorted_vector(
        entries in any_entries(),
        options in any_options(),
        keys in prop::collection::vec(any_key(), 0..20),
        steps in prop::collection::vec(any_step(), 0..150),
    ) {
        let context = context(&SimulatedFileSystem::new(), 7);
        let facts = write(&context, 3, options, &entries, Fragments::default());
        let table = open(&context, &facts).unwrap();
        prop_assert_eq!(&walk(&table).unwrap(), &entries);
        check_facts(&table, &entries);
        check_gets(&table, &entries, &keys);
        table.verify().unwrap();
        let mut cursor = table.cursor();
        let mut at = None;
        for step in &steps {
            at = take(&mut cursor, at, &entries, step);
            prop_assert_eq!(current(&cursor), at.map(|at| entries[at].clone()), "{:?}", step);
        }
    }

    #[test]
    fn bounds_include_range_tombstones(
        entries in prop_oneof![Just(Vec::new()), any_entries()],
        ranges in prop::collection::vec((any_key(), any_key(), 1..9_u64), 0..6),
    ) {
        let tombstones = || ranges.iter().map(|(start, end, seqno)| RangeTombstone {
            start: start.clone(),
            end: end.clone(),
            seqno: *seqno,
        });
        let fragments = Fragments::build(tombstones());
        prop_assume!(!entries.is_empty() || !fragments.is_empty());
        let context = context(&SimulatedFileSystem::new(), 7);
        let facts = write(&context, 3, TableOptions::default(), &entries, fragments.clone());
        let table = open(&context, &facts).unwrap();
        table.verify().unwrap();
        prop_assert_eq!(&**table.range_tombstones(), &fragments);
        prop_assert_eq!(facts.range_deletes, fragments.count());
        prop_assert_eq!(&walk(&table).unwrap(), &entries);
        for (key, ..) in &entries {
            prop_assert!(facts.contains(key));
        }
        // The bounds hold every range, and nothing that neither entry nor range reaches.
        let starts = fragments.iter().map(|fragment| &fragment.start);
        let ends = fragments.iter().map(|fragment| &fragment.end);
        let keys = || entries.iter().map(|entry| &entry.0);
        prop_assert_eq!(Some(&facts.smallest), keys().chain(starts).min());
        prop_assert_eq!(Some(&facts.largest), keys().chain(ends).max());
        prop_assert_eq!(facts.largest_exclusive, !keys().any(|key| *key == facts.largest));
    }
}

/// From every entry, with a bound at and behind every key.
#[test]
fn entries_that_need_no_look_are_counted_up_to_the_bound_and_the_end_of_the_block() {
    let context = context(&SimulatedFileSystem::new(), 9);
    let entries = puts(60);
    let options = TableOptions { block_bytes: 400, ..TableOptions::default() };
    let table = open(&context, &write(&context, 1, options, &entries, Fragments::default()));
    let mut cursor = table.unwrap().cursor();
    cursor.seek_first().unwrap();
    let (mut ahead_max, mut behind_max) = (0, 0);
    for at in 0..entries.len() {
        let (ahead, behind) = (cursor.plain_ahead(None), cursor.plain_behind(Bound::Unbounded));
        (ahead_max, behind_max) = (ahead_max.max(ahead), behind_max.max(behind));
        assert!(ahead <= entries.len() - 1 - at && behind <= at);
        for (bound, (key, ..)) in entries.iter().enumerate() {
            // Between this key and the next one of the table.
            let between = [key, &b"!"[..]].concat();
            let (up_to, up_to_it) = (bound.saturating_sub(at + 1), bound.saturating_sub(at));
            assert_eq!(cursor.plain_ahead(Some(key)), ahead.min(up_to));
            assert_eq!(cursor.plain_ahead(Some(&between)), ahead.min(up_to_it));
            let (from_it, from) = (at.saturating_sub(bound), at.saturating_sub(bound + 1));
            assert_eq!(cursor.plain_behind(Bound::Included(key)), behind.min(from_it));
            assert_eq!(cursor.plain_behind(Bound::Excluded(key)), behind.min(from));
            assert_eq!(cursor.plain_behind(Bound::Included(&between)), behind.min(from));
        }
        if ahead > 0 {
            cursor.next_plain();
            assert_eq!(current(&cursor).as_ref(), entries.get(at + 1));
            cursor.prev_plain();
        }
        assert_eq!(current(&cursor).as_ref(), entries.get(at));
        cursor.next().unwrap();
    }
    assert!(ahead_max > 2 && behind_max == ahead_max, "blocks have several entries");
}
