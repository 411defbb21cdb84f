//! What should happen to some tables: the answer of the picker.

use crate::compaction::below::Below;
use crate::compaction::policy::Policy;
use crate::compaction::span::{Span, touched};
use crate::format::limits::LEVELS;
use crate::format::table_facts::TableFacts;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::version::shape::Shape;
use std::fmt;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A level holds more than it should, or level 0 has too many runs.
    Size,
    /// Most entries of a table are tombstones that can be got rid of.
    Tombstones,
    /// Range tombstones cover whole tables.
    Erased,
    /// Readers have lost as much to the runs of level 0 as their merge costs.
    Toll,
    /// The user asked for it.
    Manual,
}

/// What to do with the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read, merge and write them again.
    Merge,
    /// Name them in the level below, unread.
    Move,
    /// Name them no longer, unread.
    Drop,
}

/// Tables of one level, in the level's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) level: usize,
    pub(crate) tables: Vec<Arc<TableFacts>>,
}

/// The part of a level that a job will write to. Nothing else may write there meanwhile, gaps
/// between its tables included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) level: usize,
    pub(crate) span: Span,
}

/// What should happen: made by the picker, carried out by a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cause: Cause,
    pub(crate) action: Action,
    /// From the newest level to the oldest; level 0 newest table first.
    pub(crate) inputs: Vec<Input>,
    /// Where outputs go. A `Drop` has none, and the level of its last input here.
    pub(crate) to_level: usize,
    /// What the job writes to; `None` if it writes no level.
    pub(crate) claim: Option<Claim>,
    /// Tables of the level below the output: outputs are cut where they overlap too many of them.
    pub(crate) grandparents: Vec<Arc<TableFacts>>,
    /// Where data older than the inputs can lie.
    pub(crate) below: Below,
}

impl Plan {
    /// Takes `upper` from `from_level` down to `to_level`, together with all that it overlaps
    /// there. `None` if a running job is in the way.
    ///
    /// Requires: `upper` is not empty, and no level between the two has a table that it overlaps.
    pub(crate) fn down(
        shape: &Shape,
        running: &[Claim],
        cause: Cause,
        upper: Input,
        to_level: usize,
    ) -> Option<Plan> {
        let mut span = Span::around(&upper.tables)?;
        let lower = match upper.level == to_level {
            true => Vec::new(),
            false => touched(shape.level(to_level), &span).to_vec(),
        };
        for table in &lower {
            span.include(&Span::of(table));
        }
        let is_busy = |table: &Arc<TableFacts>| shape.is_busy(table);
        let claim = Claim { level: to_level, span };
        if upper.tables.iter().any(is_busy)
            || lower.iter().any(is_busy)
            || running.iter().any(|other| other.conflicts(&claim))
        {
            return None;
        }
        let mut inputs = vec![upper];
        if !lower.is_empty() {
            inputs.push(Input { level: to_level, tables: lower });
        }
        let grandparents = touched(shape.level(to_level + 1), &claim.span).to_vec();
        let below = older_outside(shape, &inputs, &claim);
        let action = Action::Merge;
        Some(Plan { cause, action, inputs, to_level, claim: Some(claim), grandparents, below })
    }

    /// Drops tables, unread. Requires: there is at least one.
    pub(crate) fn drop_tables(cause: Cause, inputs: Vec<Input>) -> Plan {
        let to_level = inputs.last().map_or(0, |input| input.level);
        let (grandparents, below) = (Vec::new(), Below::Everywhere);
        Plan { cause, action: Action::Drop, inputs, to_level, claim: None, grandparents, below }
    }

    /// All inputs with their levels.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, &Arc<TableFacts>)> {
        self.inputs.iter().flat_map(|input| input.tables.iter().map(|table| (input.level, table)))
    }

    /// Whether carrying it out takes room for tables before it gives any back.
    pub(crate) fn writes_tables(&self) -> bool {
        self.action == Action::Merge
    }

    /// Bytes of all inputs.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.tables().map(|(_, table)| table.size_bytes).sum()
    }

    /// Whether the inputs could simply be named one level below: they overlap neither anything
    /// there nor one another, and do not become a burden to the level after it.
    pub(crate) fn can_move(&self, policy: &Policy) -> bool {
        let [Input { level, tables }] = self.inputs.as_slice() else { return false };
        let crosses = *level < policy.compressed_from && policy.compressed_from <= self.to_level;
        let burden: u64 = self.grandparents.iter().map(|table| table.size_bytes).sum();
        // Many small runs of level 0 are worth a merge even if they do not overlap.
        let tiny = *level == 0
            && tables.len() > 1
            && tables.iter().any(|table| table.size_bytes < policy.table_bytes / 4);
        *level < self.to_level
            && !crosses
            && !tiny
            && burden <= policy.grandparent_bytes
            && are_disjoint(tables)
    }
}

impl Claim {
    /// Whether both would write to the same place.
    pub(crate) fn conflicts(&self, other: &Claim) -> bool {
        self.level == other.level && self.span.overlaps(&other.span)
    }
}

/// The spans of what is older than the inputs and not among them: older runs of level 0, and all
/// that the claim touches below the level of the output. In that level itself every table that it
/// touches is an input, and between the first input and it no table is touched at all.
fn older_outside(shape: &Shape, inputs: &[Input], claim: &Claim) -> Below {
    let mut spans = Vec::new();
    let is_input = |table: &TableFacts| {
        inputs.iter().any(|input| input.tables.iter().any(|own| own.id == table.id))
    };
    if inputs.first().is_some_and(|input| input.level == 0) {
        let runs = shape.level(0);
        let newest = runs.iter().position(|table| is_input(table)).unwrap_or(0);
        let outside = runs[newest..]
            .iter()
            .filter(|table| !is_input(table) && !is_seeded(Bug::TombstoneDroppedOverOlderL0));
        spans
            .extend(outside.filter(|table| claim.span.touches(table)).map(|table| Span::of(table)));
    }
    for level in claim.level + 1..LEVELS {
        spans.extend(touched(shape.level(level), &claim.span).iter().map(|table| Span::of(table)));
    }
    Below::within(spans)
}

fn are_disjoint(tables: &[Arc<TableFacts>]) -> bool {
    let mut sorted: Vec<&Arc<TableFacts>> = tables.iter().collect();
    sorted.sort_unstable_by(|left, right| left.smallest.cmp(&right.smallest));
    sorted.windows(2).all(|pair| pair[0].ends_before(&pair[1].smallest))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Merge => "merge",
            Action::Move => "move",
            Action::Drop => "drop",
        };
        f.write_str(action)?;
        for input in &self.inputs {
            write!(f, " L{}[", input.level)?;
            for (index, table) in input.tables.iter().enumerate() {
                write!(f, "{}{}", if index == 0 { "" } else { " " }, table.id)?;
            }
            f.write_str("]")?;
        }
        if self.action != Action::Drop {
            write!(f, " to L{}", self.to_level)?;
        }
        let cause = match self.cause {
            Cause::Size => "size",
            Cause::Tombstones => "tombstones",
            Cause::Erased => "erased",
            Cause::Toll => "toll",
            Cause::Manual => "manual",
        };
        write!(f, " ({cause})")
    }
}
