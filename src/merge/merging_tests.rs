//! A merge of random sources against one sorted vector.

use crate::error::ErrorKind;
use crate::format::key::{SEQNO_LATEST, Seqno};
use crate::merge::cursor::Cursor;
use crate::merge::merging::MergingCursor;
use crate::merge::testing::{Entry, VecCursor, position, sorted, walk_like_a_sorted_vec};
use proptest::prelude::*;

/// Entries with their source. Seqno 0 stands for zeroed ones, in the last source only.
fn any_sources() -> impl Strategy<Value = (Vec<Vec<Entry>>, Vec<Entry>)> {
    let entries = prop::collection::vec((0..12_u8, 0..9_u64, any::<prop::sample::Index>()), 0..60);
    (1..10_usize, entries).prop_map(|(count, entries)| {
        let mut sources = vec![Vec::new(); count];
        let mut all = Vec::new();
        for (key, seqno, source) in entries {
            let entry = Entry::put(&[key], seqno);
            if all.contains(&entry) {
                continue;
            }
            let source = if seqno == 0 { count - 1 } else { source.index(count) };
            sources[source].push(entry.clone());
            all.push(entry);
        }
        (sources.into_iter().map(sorted).collect(), sorted(all))
    })
}

fn merging(sources: &[Vec<Entry>]) -> MergingCursor<VecCursor> {
    MergingCursor::new(sources.iter().cloned().map(VecCursor::new).collect())
}

proptest! {
    #[test]
    fn a_merge_walks_like_one_sorted_vec(
        (sources, all) in any_sources(),
        steps in prop::collection::vec((0..30_u8, 0..13_u8, 0..10_u64), 1..120),
    ) {
        // Steps far above 5 are steps back; half of the rest becomes steps forward.
        let steps: Vec<(u8, u8, Seqno)> =
            steps.into_iter().map(|(s, k, q)| (if s < 6 { s } else { 4 + s % 4 }, k, q)).collect();
        walk_like_a_sorted_vec(&mut merging(&sources), &all, &steps)?;
    }

    #[test]
    fn seek_past_leaves_out_only_old_sources_before_the_key(
        (sources, _) in any_sources(),
        start in 0..12_u8,
        past in 0..12_u8,
        rank_from in 0..5_usize,
        forward: bool,
    ) {
        let mut cursor = merging(&sources);
        let keep = |rank: usize, entry: &Entry| {
            let key = entry.key[0];
            match forward {
                true => key >= start && (rank < rank_from || key >= past),
                false => key < start && (rank < rank_from || key < past),
            }
        };
        let kept = (0..).zip(&sources).flat_map(|(rank, entries)| {
            entries.iter().filter(move |entry| keep(rank, entry)).cloned()
        });
        let mut expect = sorted(kept);
        if !forward {
            expect.reverse();
        }
        match forward {
            true => cursor.seek(&[start], SEQNO_LATEST).unwrap(),
            false => cursor.seek_back(&[start], SEQNO_LATEST).unwrap(),
        }
        if !cursor.is_valid() {
            return Ok(());
        }
        cursor.seek_past(rank_from, &[past], SEQNO_LATEST).unwrap();
        for entry in expect {
            prop_assert_eq!(position(&cursor), Some((entry.key.clone(), entry.seqno)));
            prop_assert!(sources[cursor.rank()].contains(&entry));
            if forward { cursor.next().unwrap() } else { cursor.prev().unwrap() }
        }
        prop_assert!(!cursor.is_valid());
    }
}

#[test]
fn a_merge_without_sources_is_empty() {
    let mut cursor = merging(&[]);
    cursor.seek_first().unwrap();
    assert!(!cursor.is_valid());
    cursor.seek_back(b"k", 3).unwrap();
    assert!(!cursor.is_valid());
}

#[test]
fn an_error_is_repeated_until_a_seek() {
    let entries: Vec<_> = (0..9).map(|key| Entry::put(&[key], 5)).collect();
    let others: Vec<_> = (0..9).map(|key| Entry::put(&[key], 6)).collect();
    let failing = VecCursor::failing_after(entries, 3);
    let mut cursor = MergingCursor::new(vec![VecCursor::new(others), failing]);
    cursor.seek_first().unwrap();
    let mut steps = 0;
    let error = loop {
        match cursor.next() {
            Ok(()) => steps += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((steps, error.kind()), (5, ErrorKind::Corruption));
    assert!(!cursor.is_valid());
    assert_eq!(cursor.next().unwrap_err().offset(), Some(512));
    assert_eq!(cursor.prev().unwrap_err().offset(), Some(512));
    assert!(cursor.seek_first().is_err() && !cursor.is_valid());
}
