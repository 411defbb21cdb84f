//! Scans of sources that take turns: what needs no look at each entry is counted, and counts go stale.
//!
//! Most keys are in one source only, and nearly all entries are puts, as in tables that were written in random
//! order. Keys differ in their first bytes, or behind more bytes than the order in line knows.

use crate::format::key::{Kind, SEQNO_LATEST, Seqno};
use crate::memtable::Memtable;
use crate::merge::RunTable;
use crate::merge::testing::{Entry, sorted};
use crate::read::scan::Bounds;
use crate::read::scan_tests::{
    Model, Part, Parts, check_meeting, crossed, table_files, table_in_memory,
};
use crate::sync::Arc;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;
use std::iter::repeat_n;

/// Seqnos of one source; those of the source above it are larger.
const SEQNOS: Seqno = 1000;

/// What all keys begin with: nothing, a little, or more than sixteen bytes.
const PREFIXES: [&[u8]; 3] = [b"", b"key", b"a prefix of twenty b"];

#[derive(Clone, Debug)]
struct Turns {
    /// All entries of each source, the newest source first.
    sources: Vec<Vec<Entry>>,
    is_memtable: Vec<bool>,
    prefix: &'static [u8],
    visible: Seqno,
    bounds: Bounds,
}

impl Turns {
    /// The live entries inside the bounds.
    fn live(&self) -> Vec<Entry> {
        let mut newest = BTreeMap::new();
        for entry in self.sources.iter().rev().flatten() {
            if entry.seqno <= self.visible {
                let of_key = newest.entry(entry.key.clone()).or_insert(entry);
                if of_key.seqno < entry.seqno {
                    *of_key = entry;
                }
            }
        }
        let Bounds { start, end } = &self.bounds;
        let live = newest.into_values().filter(|entry| {
            entry.kind == Kind::Put
                && *start <= entry.key
                && end.as_ref().is_none_or(|end| entry.key < *end)
        });
        live.cloned().collect()
    }

    fn parts<T>(&self, mut table: impl FnMut(Vec<Entry>) -> Arc<T>) -> Parts<T> {
        let parts = self.sources.iter().zip(&self.is_memtable).map(|(entries, is_memtable)| {
            if !is_memtable {
                // Cut in two between keys, so that walks cross tables too.
                let cut = entries.len() / 2;
                let key = entries.get(cut).map(|entry| entry.key.clone()).unwrap_or_default();
                let cut = entries.partition_point(|entry| entry.key < key);
                let (front, back) = entries.split_at(cut);
                let halves = [front, back].into_iter().filter(|half| !half.is_empty());
                return Part::Run(halves.map(|half| table(half.to_vec())).collect());
            }
            let memtable = Arc::new(Memtable::new(1));
            for entry in entries {
                memtable.insert(&entry.key, entry.seqno, entry.kind, &entry.value);
            }
            Part::Memtable(memtable)
        });
        Parts(parts.collect())
    }
}

fn key(prefix: &[u8], number: u8) -> Vec<u8> {
    [prefix, &[number / 2, number]].concat()
}

fn any_turns() -> impl Strategy<Value = Turns> {
    let entry = (0..120_u8, 0..4_usize, prop::bool::weighted(0.03));
    let entries = prop::collection::vec(entry, 0..160);
    let visible = prop_oneof![4 => Just(SEQNO_LATEST), 1 => 0..5 * SEQNOS];
    let bound = || prop::option::weighted(0.3, 0..130_u8);
    let memtables = prop::collection::vec(prop::bool::weighted(0.15), 4);
    (entries, 1..5_usize, memtables, 0..3_usize, visible, bound(), bound(), 0..12_u8).prop_map(
        |(entries, count, is_memtable, prefix, visible, start, end, copies)| {
            let prefix = PREFIXES[prefix];
            let mut sources = vec![Vec::new(); count];
            let mut owners = BTreeMap::new();
            for ((number, source, is_delete), at) in entries.into_iter().zip(1..) {
                // All but a few keys have one owner, which has one version of them.
                let is_copy = copies > 0 && number % 16 == copies;
                if owners.insert(number, source).is_some() && !is_copy {
                    continue;
                }
                let source = source % count;
                let seqno = (count - source) as Seqno * SEQNOS + at;
                let key = key(prefix, number);
                let entry =
                    if is_delete { Entry::delete(&key, seqno) } else { Entry::put(&key, seqno) };
                sources[source].push(entry);
            }
            let sources = sources.into_iter().map(sorted).collect();
            let start = start.map_or(Vec::new(), |number| key(prefix, number));
            let end = end.map(|number| key(prefix, number));
            Turns { sources, is_memtable, prefix, visible, bounds: Bounds { start, end } }
        },
    )
}

/// Walks that often go far in one direction: so many steps to a side, or to a key first.
fn any_strides() -> impl Strategy<Value = Vec<(u8, usize, u8)>> {
    prop::collection::vec((0..5_u8, 0..60_usize, 0..130_u8), 1..12)
}

fn check<T: RunTable>(
    turns: &Turns,
    parts: &Parts<T>,
    strides: &[(u8, usize, u8)],
) -> Result<(), TestCaseError> {
    let mut model = Model { live: turns.live(), gap: 0 };
    let mut scan = parts.scan(turns.visible, &turns.bounds);
    for &(stride, steps, number) in [(1, 200, 0), (2, 200, 0)].iter().chain(strides) {
        if stride == 0 {
            let key = key(turns.prefix, number);
            scan.seek(&key);
            model.gap = model.live.partition_point(|entry| entry.key < key);
        }
        for _ in 0..steps {
            if stride % 2 == 1 {
                let found = scan.next().unwrap();
                prop_assert_eq!(crossed(&scan, found), model.next());
            } else {
                let found = scan.prev().unwrap();
                prop_assert_eq!(crossed(&scan, found), model.prev());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn sources_that_take_turns_are_walked_like_one(turns in any_turns(), strides in any_strides()) {
        let parts = turns.parts(|entries| table_in_memory(entries, Vec::new()));
        check(&turns, &parts, &strides)?;
    }

    #[test]
    fn tables_that_take_turns_are_walked_like_one(turns in any_turns(), strides in any_strides()) {
        let mut table = table_files();
        let parts = turns.parts(|entries| table(entries, Vec::new()));
        check(&turns, &parts, &strides)?;
    }

    #[test]
    fn two_scans_of_turns_meet_in_the_middle(turns in any_turns(), strides in any_strides()) {
        let parts = turns.parts(|entries| table_in_memory(entries, Vec::new()));
        let sides = strides.into_iter().flat_map(|(side, steps, _)| repeat_n(side % 2 == 1, steps));
        check_meeting(&parts, turns.visible, &turns.bounds, turns.live(), sides)?;
    }
}
