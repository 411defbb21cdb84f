//! Tests of the picker: a script in, a plan out.
//!
//! A script describes a tree, a line a level, newest run or smallest key first:
//! ```text
//! L0 9:a-f 10 @40..50; 8:a-f 10 @30..39
//! L5 3:a-c 20 busy; 4:d-g) 20 n=10 del=6 rdel=1
//! toll 90 | oldest 50 | erase a-d@45 | running L5 a-c
//! ```
//! A table is `id:smallest-largest size` (`)` behind an exclusive end), then seqnos (1..1 if
//! absent) and counts (10 entries, no tombstones). The policy: 4 or 6 runs in level 0, a base level of
//! 100 bytes, tables of 20, at most 40 bytes of grandparents, ratio 10.

use crate::compaction::hints::Hints;
use crate::compaction::manual::{RangeRequest, RangeStep, pick_range};
use crate::compaction::picker::pick;
use crate::compaction::plan::Claim;
use crate::compaction::policy::Policy;
use crate::compaction::span::Span;
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::format::table_facts::TableFacts;
use crate::sync::Arc;
use crate::version::shape::Shape;

/// A table with 10 entries at seqno 1, changed by `edit`.
pub(crate) fn table(
    id: u64,
    smallest: &str,
    largest: &str,
    edit: impl FnOnce(&mut TableFacts),
) -> Arc<TableFacts> {
    let mut facts = TableFacts {
        id,
        size_bytes: 10,
        entries: 10,
        deletes: 0,
        range_deletes: 0,
        raw_bytes: 10,
        min_seqno: 1,
        max_seqno: 1,
        fingerprint: 0,
        smallest: smallest.into(),
        largest: largest.into(),
        largest_exclusive: false,
    };
    edit(&mut facts);
    Arc::new(facts)
}

pub(crate) fn policy() -> Policy {
    Policy {
        level0_trigger: 4,
        level0_patience: 6,
        base_bytes: 100,
        ratio: 10,
        table_bytes: 20,
        grandparent_bytes: 40,
        compressed_from: 7,
    }
}

fn parse_table(text: &str, shape: &mut Shape) -> Arc<TableFacts> {
    let mut words = text.split_whitespace();
    let (id, bounds) = words.next().unwrap().split_once(':').unwrap();
    let (smallest, largest) = bounds.split_once('-').unwrap();
    let id = id.parse().unwrap();
    table(id, smallest, largest.trim_end_matches(')'), |facts| {
        facts.largest_exclusive = largest.ends_with(')');
        for word in words {
            if let Some(range) = word.strip_prefix('@') {
                let (min, max) = range.split_once("..").unwrap();
                (facts.min_seqno, facts.max_seqno) = (min.parse().unwrap(), max.parse().unwrap());
            } else if let Some((name, value)) = word.split_once('=') {
                let field = match name {
                    "n" => &mut facts.entries,
                    "del" => &mut facts.deletes,
                    "rdel" => &mut facts.range_deletes,
                    _ => panic!("what is {word}?"),
                };
                *field = value.parse().unwrap();
            } else if word == "busy" {
                shape.busy.insert(id);
            } else {
                facts.size_bytes = word.parse().unwrap();
            }
        }
    })
}

fn parse(script: &str) -> (Shape, Hints) {
    let (mut shape, mut hints) = (Shape::default(), Hints::default());
    let mut erased = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((level, tables)) = line.strip_prefix('L').and_then(|rest| rest.split_once(' '))
        {
            let tables: Vec<_> =
                tables.split(';').map(|text| parse_table(text, &mut shape)).collect();
            shape.levels[level.parse::<usize>().unwrap()] = tables;
            continue;
        }
        for hint in line.split('|').map(str::trim) {
            let words: Vec<&str> = hint.split([' ', '-', '@']).collect();
            match words.as_slice() {
                ["toll", nanos] => hints.toll_nanos = nanos.parse().unwrap(),
                ["oldest", seqno] => hints.oldest_snapshot = seqno.parse().unwrap(),
                ["erase", start, end, seqno] => erased.push(RangeTombstone {
                    start: (*start).into(),
                    end: (*end).into(),
                    seqno: seqno.parse().unwrap(),
                }),
                ["running", level, start, end] => hints.running.push(Claim {
                    level: level[1..].parse().unwrap(),
                    span: Span { start: (*start).into(), end: (*end).into(), end_exclusive: false },
                }),
                _ => panic!("what is {hint}?"),
            }
        }
    }
    hints.range_tombstones = Arc::new(Fragments::build(erased));
    (shape, hints)
}

fn picked(script: &str) -> String {
    let (shape, hints) = parse(script);
    pick(&shape, &policy(), &hints).map_or_else(|| "nothing".into(), |plan| plan.to_string())
}

fn check(cases: &[(&str, &str, &str)]) {
    for (what, script, expected) in cases {
        assert_eq!(picked(script), *expected, "{what}");
    }
}

#[test]
fn level_zero_goes_down_as_a_whole() {
    check(&[
        ("an empty tree", "", "nothing"),
        ("three runs", "L0 3:a-f 10; 2:a-f 10; 1:a-f 10", "nothing"),
        ("four", "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10", "merge L0[4 3 2 1] to L6 (size)"),
        (
            "with all that their common span overlaps",
            "L0 4:b-c 10; 3:m-n 10; 2:b-c 10; 1:m-n 10
             L6 5:a-b) 4; 6:c-d 4; 7:g-h 4; 8:n-q 4; 9:r-s 4",
            "merge L0[4 3 2 1] L6[6 7 8] to L6 (size)",
        ),
        (
            "six, above more than five have",
            "L0 6:a-f 10; 5:a-f 10; 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n L6 7:a-z 90",
            "merge L0[6 5 4 3 2 1] L6[7] to L6 (size)",
        ),
        (
            "not five",
            "L0 5:a-f 10; 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n L6 7:a-z 90",
            "nothing",
        ),
        (
            "into the base level of a larger tree",
            "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n L6 5:a-z 900",
            "merge L0[4 3 2 1] to L5 (size)",
        ),
        (
            "never below a level in use",
            "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n L3 6:x-z 1 busy\n L6 5:a-z 90",
            "merge L0[4 3 2 1] to L3 (size)",
        ),
        (
            "never past a run that is being merged",
            "L0 6:a-f 10; 5:a-f 10; 4:a-f 10; 3:a-f 10; 2:x-z 10 busy\n L6 7:a-z 10",
            "nothing",
        ),
        (
            "never with a busy table of the lower level",
            "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n L6 5:f-z 20 busy",
            "nothing",
        ),
        (
            "never into a gap that a job will fill",
            "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n running L6 e-k",
            "nothing",
        ),
        (
            "beside a job that writes elsewhere",
            "L0 4:a-f 10; 3:a-f 10; 2:a-f 10; 1:a-f 10\n running L6 g-k | running L5 a-z",
            "merge L0[4 3 2 1] to L6 (size)",
        ),
    ]);
}

#[test]
fn full_levels_give_what_overlaps_least() {
    check(&[
        ("no level is full", "L5 1:a-z 10\n L6 2:a-z 900", "nothing"),
        (
            "least overlap for its size",
            "L5 1:a-c 60; 2:d-f 60; 3:g-i 60\n L6 4:a-c 900; 5:d-f 300; 6:g-i 600",
            "merge L5[2] L6[5] to L6 (size)",
        ),
        (
            "the next best if that one is busy",
            "L5 1:a-c 200; 2:d-f 60 busy; 3:g-i 60\n L6 4:a-c 900; 5:d-f 300; 6:g-i 600",
            "merge L5[1] L6[4] to L6 (size)",
        ),
        (
            "tombstones before overlap, once all readers see them",
            "L5 1:a-c 60 del=6; 2:d-f 60; 3:g-i 60\n L6 4:a-c 900; 5:d-f 300; 6:g-i 600\n oldest 1",
            "merge L5[1] L6[4] to L6 (size)",
        ),
        (
            "the fullest level first",
            "L0 9:a-z 1; 8:a-z 1; 7:a-z 1; 3:a-z 1\n L4 1:a-c 35\n L5 2:d-f 90\n L6 4:a-z 1100",
            "merge L4[1] to L5 (size)",
        ),
        (
            "level zero when it is fuller",
            "L0 9:a-z 50; 8:a-z 50; 7:a-z 50; 3:a-z 50\n L5 2:d-f 100\n L6 4:a-z 1000",
            "merge L0[9 8 7 3] L5[2] to L5 (size)",
        ),
        (
            "but what is too much in a level counts more",
            "L0 9:a-z 50; 8:a-z 50; 7:a-z 50; 6:a-z 50; 3:a-z 50\n L5 2:d-f 106\n L6 4:a-z 1000",
            "merge L5[2] L6[4] to L6 (size)",
        ),
        (
            "level zero if the fuller level has nothing to give",
            "L0 9:a-c 1; 8:a-c 1; 7:a-c 1; 6:a-c 1; 5:a-c 1; 3:a-c 1
             L5 2:d-f 500\n L6 4:d-z 1000 busy",
            "merge L0[9 8 7 6 5 3] to L5 (size)",
        ),
    ]);
}

#[test]
fn tables_that_overlap_nothing_move() {
    check(&[
        (
            "large runs of level zero that were written in order",
            "L0 4:j-l 20; 3:g-i 20; 2:d-f) 20; 1:a-c 20\n L6 5:m-z 20",
            "move L0[4 3 2 1] to L6 (size)",
        ),
        (
            "small ones are joined",
            "L0 4:j-l 2; 3:g-i 20; 2:d-f 20; 1:a-c 20",
            "merge L0[4 3 2 1] to L6 (size)",
        ),
        (
            "runs that share a key are merged",
            "L0 4:j-l 20; 3:f-i 20; 2:d-f 20; 1:a-c 20",
            "merge L0[4 3 2 1] to L6 (size)",
        ),
        ("a table of a level", "L5 1:a-c 91; 2:p-q 20\n L6 3:d-z 900", "move L5[1] to L6 (size)"),
        (
            "not if it would burden the level below",
            "L4 1:a-c 11\n L5 2:p-q 10\n L6 3:a-b 21; 4:c-d 20; 5:p-z 1000",
            "merge L4[1] to L5 (size)",
        ),
    ]);
    let (shape, hints) = parse("L5 1:a-c 91\n L6 3:d-z 900");
    let compressed = Policy { compressed_from: 6, ..policy() };
    let plan = pick(&shape, &compressed, &hints).unwrap();
    assert_eq!(plan.to_string(), "merge L5[1] to L6 (size)", "it is to be compressed on the way");
}

#[test]
fn tombstones_go_to_what_they_hide() {
    check(&[
        ("half is not enough", "L5 1:a-c 1 del=5\n L6 2:a-z 900\n oldest 9", "nothing"),
        (
            "more is",
            "L5 1:a-c 1 del=6\n L6 2:a-z 900\n oldest 9",
            "merge L5[1] L6[2] to L6 (tombstones)",
        ),
        ("a reader needs them", "L5 1:a-c 1 del=6 @3..10\n L6 2:a-z 900\n oldest 9", "nothing"),
        (
            "a range tombstone alone",
            "L5 1:a-c 1 n=0 rdel=1\n L6 2:a-z 900\n oldest 9",
            "merge L5[1] L6[2] to L6 (tombstones)",
        ),
        (
            "they move while there is nothing to hide but further down",
            "L4 1:a-c 1 del=6\n L5 3:x-y 1\n L6 2:a-z 20; 4:za-zb 900\n oldest 9",
            "move L4[1] to L5 (tombstones)",
        ),
        (
            "and are read where nothing lies below",
            "L5 1:a-c 1 del=6\n L6 2:d-z 900\n oldest 9",
            "merge L5[1] to L6 (tombstones)",
        ),
        (
            "in the last level they go where they are",
            "L6 1:a-c 9; 2:d-f 9 del=6; 3:g-h 9\n oldest 9",
            "merge L6[2] to L6 (tombstones)",
        ),
        (
            "full levels come first",
            "L5 1:a-c 1 del=6; 3:d-f 99\n L6 2:a-c 900; 4:da-z 10\n oldest 0",
            "merge L5[3] L6[4] to L6 (size)",
        ),
    ]);
}

#[test]
fn level_zero_goes_down_when_it_may_hide_everything() {
    check(&[
        (
            "ten tombstones for ten entries",
            "L0 1:a-c 1 n=11 del=10\n L6 2:a-z 90\n oldest 9",
            "merge L0[1] L6[2] to L6 (tombstones)",
        ),
        ("one entry would be left", "L0 1:a-c 1 n=9 del=9\n L6 2:a-z 90\n oldest 9", "nothing"),
        (
            "all runs of the level count, and go",
            "L0 2:a-c 1 n=9 del=7; 1:d-f 1 n=9 del=3\n L6 3:a-z 90\n oldest 9",
            "merge L0[2 1] L6[3] to L6 (tombstones)",
        ),
        ("none is mostly tombstones", "L0 1:a-c 1 n=20 del=10\n L6 2:a-z 90\n oldest 9", "nothing"),
        ("a reader needs them", "L0 1:a-c 1 del=10 @3..10\n L6 2:a-z 90\n oldest 9", "nothing"),
        (
            "all levels count",
            "L0 1:a-c 1 n=19 del=19\n L5 3:a-c 1\n L6 2:a-z 90\n oldest 9",
            "nothing",
        ),
        (
            "nothing lies below",
            "L0 1:a-c 1 del=6\n L6 2:d-z 90\n oldest 9",
            "merge L0[1] to L6 (tombstones)",
        ),
    ]);
}

#[test]
fn tables_under_a_range_tombstone_are_dropped_unread() {
    check(&[
        (
            "on every level",
            "L0 9:a-z 1 @90..99 rdel=1; 8:c-d 1 @10..20\n L5 1:a-c 1 @5..6; 2:k-m 1 @5..6
             L6 3:b-d 1; 4:d-l 1; 5:a-b) 1 busy\n oldest 99 | erase a-f@95",
            "drop L0[8] L5[1] L6[3] (erased)",
        ),
        ("not for a reader that is older", "L6 3:b-d 1\n oldest 94 | erase a-f@95", "nothing"),
    ]);
}

#[test]
fn runs_that_cost_readers_as_much_as_their_merge_are_merged() {
    check(&[
        (
            "two runs",
            "L0 2:a-z 10; 1:a-z 10\n L6 3:a-z 100\n toll 1320",
            "merge L0[2 1] L6[3] to L6 (toll)",
        ),
        ("not for less", "L0 2:a-z 10; 1:a-z 10\n L6 3:a-z 100\n toll 1319", "nothing"),
        (
            "one run above a level",
            "L0 1:a-z 10\n L6 3:a-z 100\n toll 910",
            "merge L0[1] L6[3] to L6 (toll)",
        ),
        ("two runs and no level", "L0 2:a-z 10; 1:a-z 10\n toll 820", "merge L0[2 1] to L6 (toll)"),
        ("one run is one run", "L0 1:a-z 10\n toll 10000", "nothing"),
        (
            "levels below stay as they are",
            "L5 1:a-c 9\n L6 3:a-d 60; 4:e-z 40\n toll 9999",
            "nothing",
        ),
    ]);
}

#[test]
fn a_range_is_compacted_down_to_the_last_level() {
    let step = |script: &str| {
        let (shape, hints) = parse(script);
        let (start, end) = (b"d".to_vec(), Some(b"g".to_vec()));
        match pick_range(
            &shape,
            &policy(),
            &hints,
            &RangeRequest { start, end, upto: 50, before: 100 },
        ) {
            RangeStep::Plan(plan) => plan.to_string(),
            RangeStep::Blocked => "blocked".into(),
            RangeStep::Done => "done".into(),
        }
    };
    for (script, expected) in [
        ("L0 1:a-c 9; 2:h-k 9\n L6 3:a-d) 9 del=1; 4:g-h 9 del=1", "done"),
        ("L0 2:h-k 9 @60..70; 1:a-d 9 @1..50\n L6 3:d-d 9", "merge L0[2 1] L6[3] to L6 (manual)"),
        ("L0 2:a-k 9 @51..70", "done"),
        ("L0 2:a-k 9 busy", "blocked"),
        ("L4 1:a-c 9; 2:e-e 9 busy; 3:f-k 9\n L5 4:f-z 9", "merge L4[3] L5[4] to L5 (manual)"),
        ("L4 1:a-c 9; 2:e-e 9 busy\n L5 4:f-z 9", "blocked"),
        (
            "L6 1:a-c 9; 2:d-d 9; 3:e-e 9 @1..2; 4:f-h 9 del=1; 5:i-k 9 del=1",
            "merge L6[3 4] to L6 (manual)",
        ),
        ("L6 3:e-e 15 @1..2; 4:f-h 15 del=1", "merge L6[3] to L6 (manual)"),
        ("L6 3:e-e 15 @1..2 busy; 4:f-h 15 rdel=1", "merge L6[4] to L6 (manual)"),
        ("L5 103:d-f 9 del=1\n L6 4:x-z 9", "merge L5[103] to L6 (manual)"),
        ("L5 103:d-f 9\n L6 4:x-z 9", "move L5[103] to L6 (manual)"),
        ("L6 103:e-e 15 @1..2; 104:f-h 15 rdel=1", "done"),
        (
            "L0 2:d-k 9 @60..70 rdel=1; 1:d-z 9 @1..50\n L6 3:d-e 9; 4:f-k 9; 5:l-z 9
             oldest 70 | erase d-k@70",
            "drop L6[3] (erased)",
        ),
    ] {
        assert_eq!(step(script), expected, "{script}");
    }
}
