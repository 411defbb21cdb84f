//! Which tables to work on next. A pure function of the tree's shape.
//!
//! In this order: tables that nobody can see any more are dropped; levels that hold too much give
//! to the next one, the fullest level first; tables that are mostly tombstones move towards what
//! they hide, out of level 0 once that may be all of what is merged; and runs of level 0 are merged for
//! the sake of readers once these have lost as much as that costs. Writers wait for full levels and for
//! nothing else, so tombstones come second; inside a full level they come first.
//!
//! A tree at rest stays at rest: every plan moves data down, drops a table, or rewrites a table of
//! the last level that cannot be chosen again.

use crate::compaction::hints::Hints;
use crate::compaction::plan::{Action, Cause, Input, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy, Targets};
use crate::compaction::span::{Span, touched};
use crate::format::limits::LEVELS;
use crate::format::table_facts::TableFacts;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::version::shape::Shape;
use std::cmp::Reverse;

/// The most useful plan, if there is anything to do that no running job stands in the way of.
pub(crate) fn pick(shape: &Shape, policy: &Policy, hints: &Hints) -> Option<Plan> {
    let picker = Picker::new(shape, policy, hints);
    picker
        .erased()
        .or_else(|| picker.oversized())
        .or_else(|| picker.mostly_tombstones())
        .or_else(|| picker.hiding_level0())
        .or_else(|| picker.tolled())
}

/// How full a level is, in thousandths of what it should hold, leaving out what running jobs take
/// away already. What a level below level 0 holds too much counts [`EXCESS_WEIGHT`] times.
pub(crate) fn fullness(shape: &Shape, policy: &Policy, targets: &Targets, level: usize) -> u64 {
    let free = || shape.level(level).iter().filter(|table| !shape.is_busy(table));
    // An overflow only means that the level is very full.
    if level == 0 {
        let runs = u64::try_from(free().count()).unwrap_or(u64::MAX);
        let upper: u64 = free().map(|table| table.size_bytes).sum();
        let wanted = match shape.size_bytes(targets.base) > upper / 2 {
            true => policy.level0_patience,
            false => policy.level0_trigger,
        };
        return runs.saturating_mul(FULL) / wanted.max(1) as u64;
    }
    if level < targets.base {
        return 0;
    }
    let bytes: u64 = free().map(|table| table.size_bytes).sum();
    let part = bytes.saturating_mul(FULL) / targets.bytes[level];
    part.saturating_add(part.saturating_sub(FULL).saturating_mul(EXCESS_WEIGHT - 1))
}

/// From this fullness on a level gives to the next one.
pub(crate) const FULL: u64 = 1000;

/// Level 0 is watched: writers are slowed when it has three times the runs that it should have. Nobody
/// watches the levels below it but this weight. Without it they fill up until they are as full as a
/// level 0 under pressure, and the tree takes up to 1.9 times its data; with it, 1.5 (decision 0028).
const EXCESS_WEIGHT: u64 = 5;

/// What a merge costs for each byte of its inputs, and for each entry.
const MERGE_NANOS_OF_BYTE: u64 = 1;
const MERGE_NANOS_OF_ENTRY: u64 = 40;

pub(crate) struct Picker<'a> {
    shape: &'a Shape,
    policy: &'a Policy,
    hints: &'a Hints,
    targets: Targets,
}

impl<'a> Picker<'a> {
    pub(crate) fn new(shape: &'a Shape, policy: &'a Policy, hints: &'a Hints) -> Picker<'a> {
        Picker { shape, policy, hints, targets: Targets::new(shape, policy) }
    }

    /// All free tables whose last entry is hidden from everybody.
    pub(crate) fn erased(&self) -> Option<Plan> {
        if self.hints.range_tombstones.is_empty() {
            return None;
        }
        let gone =
            |table: &&Arc<TableFacts>| !self.shape.is_busy(table) && self.hints.erased(table);
        let inputs: Vec<Input> = (0..LEVELS)
            .map(|level| Input {
                level,
                tables: self.shape.level(level).iter().filter(gone).cloned().collect(),
            })
            .filter(|input| !input.tables.is_empty())
            .collect();
        (!inputs.is_empty()).then(|| Plan::drop_tables(Cause::Erased, inputs))
    }

    fn oversized(&self) -> Option<Plan> {
        let mut full: Vec<(u64, usize)> = (0..LAST_LEVEL)
            .map(|level| (fullness(self.shape, self.policy, &self.targets, level), level))
            .filter(|&(fullness, _)| fullness >= FULL)
            .collect();
        full.sort_unstable_by_key(|&(fullness, level)| (Reverse(fullness), level));
        full.into_iter().find_map(|(_, level)| match level {
            0 => self.level0(Cause::Size),
            _ => self.best_of_level(level, Cause::Size),
        })
    }

    /// All of level 0, into the base level.
    ///
    /// While a job reads a run of level 0, the runs above that one must wait: their data would
    /// come to lie below it.
    pub(crate) fn level0(&self, cause: Cause) -> Option<Plan> {
        let mut tables = self.shape.level(0).to_vec();
        if is_seeded(Bug::TombstoneDroppedOverOlderL0) {
            tables.truncate(1);
        }
        self.down(cause, Input { level: 0, tables }, self.targets.base)
    }

    /// The table of a level that is best to give to the next one: first those that are mostly
    /// tombstones, then those that overlap the least there for their size.
    fn best_of_level(&self, level: usize, cause: Cause) -> Option<Plan> {
        let lower = self.shape.level(level + 1);
        let mut tables: Vec<(bool, u128, &Arc<TableFacts>)> = Vec::new();
        for table in self.shape.level(level).iter().filter(|table| !self.shape.is_busy(table)) {
            let overlap: u64 =
                touched(lower, &Span::of(table)).iter().map(|table| table.size_bytes).sum();
            let cost = u128::from(overlap) * 1000 / u128::from(table.size_bytes.max(1));
            tables.push((!self.is_mostly_tombstones(table), cost, table));
        }
        tables.sort_by_key(|&(others, cost, _)| (others, cost));
        tables.into_iter().find_map(|(_, _, table)| self.one_down(level, table, cause))
    }

    /// One table into the next level.
    pub(crate) fn one_down(
        &self,
        level: usize,
        table: &Arc<TableFacts>,
        cause: Cause,
    ) -> Option<Plan> {
        self.down(cause, Input { level, tables: vec![table.clone()] }, level + 1)
    }

    fn down(&self, cause: Cause, upper: Input, to_level: usize) -> Option<Plan> {
        let mut plan = Plan::down(self.shape, &self.hints.running, cause, upper, to_level)?;
        if plan.can_move(self.policy) && !self.purges(&plan) {
            plan.action = Action::Move;
        }
        Some(plan)
    }

    /// Whether the inputs should be read although they could move: tombstones have arrived where
    /// there is nothing left to hide.
    fn purges(&self, plan: &Plan) -> bool {
        let is_last = |table: &TableFacts| {
            (plan.to_level + 1..LEVELS)
                .all(|level| touched(self.shape.level(level), &Span::of(table)).is_empty())
        };
        plan.tables().any(|(_, table)| match plan.cause {
            // Once it is in the last level, nobody would look at it again.
            Cause::Manual => table.deletes + table.range_deletes > 0 && is_last(table),
            _ => self.is_mostly_tombstones(table) && is_last(table),
        })
    }

    /// Whether more than half of the table are tombstones, and no reader needs them to stay.
    pub(crate) fn is_mostly_tombstones(&self, table: &TableFacts) -> bool {
        let tombstones = table.deletes.saturating_add(table.range_deletes);
        tombstones.saturating_mul(2) > table.entries.saturating_add(table.range_deletes)
            && table.max_seqno <= self.hints.oldest_snapshot
    }

    fn mostly_tombstones(&self) -> Option<Plan> {
        (1..LEVELS).find_map(|level| {
            let mut tables = self.shape.level(level).iter();
            tables.find_map(|table| match self.is_mostly_tombstones(table) {
                true if level == LAST_LEVEL => {
                    self.rewritten(std::slice::from_ref(table), Cause::Tombstones)
                }
                true => self.one_down(level, table, Cause::Tombstones),
                false => None,
            })
        })
    }

    /// Level 0, if it has a tombstone for each entry that lies below it: the merge writes hardly
    /// anything, and gives all that room back. With fewer it would write again what they do not hide,
    /// to be hidden by the next ones; there the tombstones wait for the level to be full, or for the
    /// toll of readers that step over them.
    fn hiding_level0(&self) -> Option<Plan> {
        let runs = self.shape.level(0);
        if !runs.iter().any(|table| self.is_mostly_tombstones(table)) {
            return None;
        }
        let deletes: u64 = runs.iter().map(|table| table.deletes).sum();
        let spans: Vec<Span> = runs.iter().map(|table| Span::of(table)).collect();
        let is_below = |table: &&Arc<TableFacts>| spans.iter().any(|span| span.touches(table));
        let below = (1..LEVELS).flat_map(|level| self.shape.level(level)).filter(is_below);
        let entries: u64 = below.map(|table| table.entries).sum();
        (deletes >= entries).then(|| self.level0(Cause::Tombstones)).flatten()
    }

    /// Neighbours in the last level, written again in place.
    pub(crate) fn rewritten(&self, tables: &[Arc<TableFacts>], cause: Cause) -> Option<Plan> {
        let input = Input { level: LAST_LEVEL, tables: tables.to_vec() };
        Plan::down(self.shape, &self.hints.running, cause, input, LAST_LEVEL)
    }

    /// Level 0, once its runs have cost readers as much as the merge will cost.
    fn tolled(&self) -> Option<Plan> {
        let runs = self.shape.level(0).len();
        let has_lower = (1..LEVELS).any(|level| !self.shape.level(level).is_empty());
        if runs == 0 || runs + usize::from(has_lower) < 2 {
            return None;
        }
        let plan = self.level0(Cause::Toll)?;
        let entries: u64 = plan.tables().map(|(_, table)| table.entries).sum();
        let cost = plan.size_bytes().saturating_mul(MERGE_NANOS_OF_BYTE)
            + entries.saturating_mul(MERGE_NANOS_OF_ENTRY);
        (self.hints.toll_nanos >= cost).then_some(plan)
    }
}
