//! Plans for random trees, carried out on a model of their contents until nothing is left to do.
//!
//! The model keeps every single entry of every table, so that after each plan it can tell whether
//! levels are still disjoint, whether a newer version has come to lie below an older one, and
//! whether it ever ends. Several plans run at a time, and end in any order.

use crate::compaction::hints::Hints;
use crate::compaction::manual::{RangeRequest, RangeStep, pick_range};
use crate::compaction::picker::pick;
use crate::compaction::plan::{Action, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy};
use crate::compaction::scripts;
use crate::format::limits::LEVELS;
use crate::format::table_facts::TableFacts;
use crate::sync::Arc;
use crate::version::shape::Shape;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// User key and seqno of each entry; odd seqnos are tombstones.
type Entries = Vec<(u8, u64)>;

#[derive(Default)]
struct Tree {
    shape: Shape,
    contents: BTreeMap<u64, Entries>,
    next_id: u64,
    next_seqno: u64,
    hints: Hints,
}

impl Tree {
    fn table(&mut self, entries: Entries) -> Arc<TableFacts> {
        self.next_id += 1;
        let seqnos = || entries.iter().map(|&(_, seqno)| seqno);
        let text = |key: u8| format!("{key:03}");
        let (first, last) = (text(entries[0].0), text(entries[entries.len() - 1].0));
        let table = scripts::table(self.next_id, &first, &last, |facts| {
            facts.entries = entries.len() as u64;
            facts.size_bytes = facts.entries;
            facts.deletes = seqnos().filter(|seqno| seqno % 2 == 1).count() as u64;
            facts.min_seqno = seqnos().min().unwrap();
            facts.max_seqno = seqnos().max().unwrap();
        });
        self.contents.insert(self.next_id, entries);
        table
    }

    fn flush(&mut self, keys: Vec<u8>) {
        let mut entries: Entries = keys
            .into_iter()
            .map(|key| {
                self.next_seqno += 1;
                (key, self.next_seqno)
            })
            .collect();
        entries.sort_by_key(|&(key, seqno)| (key, u64::MAX - seqno));
        let table = self.table(entries);
        self.shape.levels[0].insert(0, table);
        self.hints.oldest_snapshot = self.next_seqno;
    }

    fn begin(&mut self, plan: &Plan) {
        for (_, table) in plan.tables() {
            assert!(self.shape.busy.insert(table.id), "{plan} takes a busy table");
        }
        for running in &self.hints.running {
            let conflicts = plan.claim.as_ref().is_some_and(|claim| claim.conflicts(running));
            assert!(!conflicts, "{plan} writes where another job writes");
        }
        self.hints.running.extend(plan.claim.clone());
    }

    fn end(&mut self, plan: &Plan, table_entries: usize) {
        let mut moved = Vec::new();
        let mut merged = Entries::new();
        for (level, table) in plan.tables() {
            self.shape.busy.remove(&table.id);
            let place = self.shape.levels[level].iter().position(|other| other.id == table.id);
            self.shape.levels[level].remove(place.expect("inputs stay until the plan ends"));
            match plan.action {
                Action::Move => moved.push(table.clone()),
                Action::Merge => merged.extend(self.contents.remove(&table.id).unwrap()),
                Action::Drop => panic!("there are no range tombstones"),
            }
        }
        merged.sort_by_key(|&(key, seqno)| (key, u64::MAX - seqno));
        // The newest version stays; a tombstone does unless there is nothing below it.
        merged.dedup_by_key(|&mut (key, _)| key);
        let is_needed = |key: u8| plan.below.may_hold(format!("{key:03}").as_bytes());
        merged.retain(|&(key, seqno)| seqno % 2 == 0 || is_needed(key));
        moved.extend(merged.chunks(table_entries).map(|chunk| self.table(chunk.to_vec())));
        let level = &mut self.shape.levels[plan.to_level];
        level.extend(moved);
        level.sort_by(|left, right| left.smallest.cmp(&right.smallest));
        if let Some(claim) = &plan.claim {
            let place = self.hints.running.iter().position(|other| other == claim);
            self.hints.running.remove(place.expect("claims stay until the plan ends"));
        }
        self.check(plan);
    }

    fn check(&self, plan: &Plan) {
        for level in 1..LEVELS {
            for pair in self.shape.level(level).windows(2) {
                assert!(pair[0].ends_before(&pair[1].smallest), "L{level} overlaps after {plan}");
            }
        }
        let mut oldest_above = BTreeMap::new();
        let runs = self.shape.level(0).iter().map(std::slice::from_ref);
        for run in runs.chain((1..LEVELS).map(|level| self.shape.level(level))) {
            for &(key, seqno) in run.iter().flat_map(|table| &self.contents[&table.id]) {
                let above = oldest_above.insert(key, seqno);
                assert!(above.is_none_or(|above| above > seqno), "{key} jumped in {plan}");
            }
        }
    }

    /// The newest version of each key that has a value.
    fn visible(&self) -> BTreeMap<u8, u64> {
        let mut newest = BTreeMap::new();
        for &(key, seqno) in self.contents.values().flatten() {
            let known: &mut u64 = newest.entry(key).or_default();
            *known = seqno.max(*known);
        }
        newest.retain(|_, seqno| *seqno % 2 == 0);
        newest
    }
}

#[derive(Clone, Debug)]
enum Event {
    Flush(Vec<u8>),
    Begin,
    BeginRange(u8, u8),
    End(usize),
    Toll(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    let anywhere = prop::collection::vec(0..250_u8, 1..40);
    let somewhere = (0..240_u8, prop::collection::vec(0..10_u8, 1..40))
        .prop_map(|(from, keys)| keys.into_iter().map(|key| from + key).collect());
    prop_oneof![
        3 => prop_oneof![anywhere, somewhere].prop_map(Event::Flush),
        5 => Just(Event::Begin),
        1 => (0..250_u8, 0..250_u8).prop_map(|(start, end)| Event::BeginRange(start, end)),
        3 => (0..4_usize).prop_map(Event::End),
        1 => prop_oneof![Just(0), 0..10_000_u64, Just(u64::MAX)].prop_map(Event::Toll),
    ]
}

fn request(tree: &Tree, start: u8, end: u8) -> RangeRequest {
    let text = |key: u8| format!("{key:03}").into_bytes();
    let (upto, before) = (tree.next_seqno, tree.next_id + 1);
    RangeRequest { start: text(start), end: Some(text(end)), upto, before }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_tree_keeps_its_order_and_comes_to_rest(
        events in prop::collection::vec(any_event(), 1..120),
        table_entries in 1..12_usize,
        base_bytes in 5..80_u64,
    ) {
        let table_bytes = table_entries as u64;
        let policy =
            Policy { base_bytes, ratio: 4, ..Policy::new(1, table_bytes) };
        let mut tree = Tree::default();
        let mut running: Vec<Plan> = Vec::new();
        for event in events {
            let visible = tree.visible();
            let plan = match event {
                Event::Flush(keys) => {
                    tree.flush(keys);
                    continue;
                }
                Event::Toll(nanos) => {
                    tree.hints.toll_nanos = nanos;
                    continue;
                }
                Event::End(which) => {
                    if !running.is_empty() {
                        let plan = running.remove(which % running.len());
                        tree.end(&plan, table_entries);
                    }
                    prop_assert_eq!(tree.visible(), visible);
                    continue;
                }
                Event::Begin => pick(&tree.shape, &policy, &tree.hints),
                Event::BeginRange(start, end) => {
                    let request = request(&tree, start, end);
                    match pick_range(&tree.shape, &policy, &tree.hints, &request) {
                        RangeStep::Plan(plan) => Some(plan),
                        RangeStep::Blocked | RangeStep::Done => None,
                    }
                }
            };
            if let Some(plan) = plan {
                tree.begin(&plan);
                running.push(plan);
            }
        }
        let visible = tree.visible();
        for plan in running {
            tree.end(&plan, table_entries);
        }
        for nanos in [0, u64::MAX] {
            tree.hints.toll_nanos = nanos;
            let mut steps = 0;
            while let Some(plan) = pick(&tree.shape, &policy, &tree.hints) {
                tree.begin(&plan);
                tree.end(&plan, table_entries);
                steps += 1;
                prop_assert!(steps < 3_000, "it does not come to rest: {}", plan);
            }
        }
        prop_assert_eq!(tree.visible(), visible);
    }

    #[test]
    fn a_compacted_range_is_in_the_last_level_without_tombstones(
        flushes in prop::collection::vec(prop::collection::vec(0..250_u8, 1..40), 1..30),
        range: (u8, u8),
        base_bytes in 5..80_u64,
    ) {
        let policy = Policy { base_bytes, ratio: 4, ..Policy::new(1, 7) };
        let mut tree = Tree::default();
        for keys in flushes {
            tree.flush(keys);
            while let Some(plan) = pick(&tree.shape, &policy, &tree.hints) {
                tree.begin(&plan);
                tree.end(&plan, 7);
            }
        }
        let visible = tree.visible();
        let request = request(&tree, range.0, range.1);
        let mut steps = 0;
        while let RangeStep::Plan(plan) = pick_range(&tree.shape, &policy, &tree.hints, &request) {
            tree.begin(&plan);
            tree.end(&plan, 7);
            steps += 1;
            prop_assert!(steps < 3_000, "it does not end: {}", plan);
        }
        prop_assert_eq!(
            pick_range(&tree.shape, &policy, &tree.hints, &request), RangeStep::Done
        );
        for level in 0..LEVELS {
            for table in tree.shape.level(level) {
                for (key, seqno) in &tree.contents[&table.id] {
                    let is_meant = (range.0..range.1).contains(key);
                    prop_assert!(!is_meant || (level == LAST_LEVEL && seqno % 2 == 0));
                }
            }
        }
        prop_assert_eq!(tree.visible(), visible);
    }
}
