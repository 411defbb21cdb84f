//! A compaction that the user asked for: a range of keys, down to the last level, plan by plan.
//!
//! What nobody can see any more is dropped unread first: that costs nothing, gives room back at once
//! (on a full disk there may be no other), and spares the merges.
//!
//! It ends, whatever is written meanwhile. Data that is newer than the request does not count, what
//! does count only moves down, and a table of the last level is rewritten at most once: one that
//! was written after the request has been through retention since.

use crate::compaction::hints::Hints;
use crate::compaction::picker::Picker;
use crate::compaction::plan::{Cause, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy};
use crate::compaction::retention::SEQNO_SETTLED;
use crate::format::key::Seqno;
use crate::format::table_facts::TableFacts;
use crate::sync::Arc;
use crate::version::shape::Shape;

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    /// First user key.
    pub(crate) start: Vec<u8>,
    /// First user key behind the range; `None` for no end.
    pub(crate) end: Option<Vec<u8>>,
    /// The newest seqno when it was asked for. Memtables that hold older ones are to be flushed
    /// first.
    pub(crate) upto: Seqno,
    /// The next file id when it was asked for.
    pub(crate) before: u64,
}

/// How to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RangeStep {
    /// Carry this out, then ask again.
    Plan(Plan),
    /// There is more to do, but running jobs stand in the way: ask again when one has ended.
    Blocked,
    /// There is nothing left to do.
    Done,
}

impl RangeRequest {
    fn touches(&self, table: &TableFacts) -> bool {
        !table.ends_before(&self.start) && self.end.as_ref().is_none_or(|end| table.smallest < *end)
    }

    /// Whether the table, above the last level, can hold data that the request means.
    fn means(&self, table: &TableFacts) -> bool {
        table.min_seqno <= self.upto && self.touches(table)
    }

    /// Whether rewriting this table of the last level can get rid of anything.
    fn wants_rewritten(&self, table: &TableFacts) -> bool {
        let is_settled =
            table.deletes == 0 && table.range_deletes == 0 && table.max_seqno <= SEQNO_SETTLED;
        !is_settled && table.id < self.before && self.touches(table)
    }
}

/// The next step of a compaction of a range.
pub(crate) fn pick_range(
    shape: &Shape,
    policy: &Policy,
    hints: &Hints,
    request: &RangeRequest,
) -> RangeStep {
    let picker = Picker::new(shape, policy, hints);
    if let Some(plan) = picker.erased() {
        return RangeStep::Plan(plan);
    }
    let step = |plan: Option<Plan>| plan.map_or(RangeStep::Blocked, RangeStep::Plan);
    if shape.level(0).iter().any(|table| request.means(table)) {
        return step(picker.level0(Cause::Manual));
    }
    for level in 1..LAST_LEVEL {
        let mut meant = shape.level(level).iter().filter(|table| request.means(table)).peekable();
        if meant.peek().is_some() {
            return step(meant.find_map(|table| picker.one_down(level, table, Cause::Manual)));
        }
    }
    let last = shape.level(LAST_LEVEL);
    let mut groups =
        groups(last, policy.table_bytes, |table| request.wants_rewritten(table)).peekable();
    if groups.peek().is_none() {
        return RangeStep::Done;
    }
    step(groups.find_map(|group| picker.rewritten(group, Cause::Manual)))
}

/// The wanted tables in groups of neighbours, so that small ones are joined.
fn groups<'a>(
    tables: &'a [Arc<TableFacts>],
    bytes_max: u64,
    wanted: impl Fn(&TableFacts) -> bool + 'a,
) -> impl Iterator<Item = &'a [Arc<TableFacts>]> + 'a {
    let mut rest = tables;
    std::iter::from_fn(move || {
        let skipped = rest.iter().position(|table| wanted(table))?;
        rest = &rest[skipped..];
        let mut bytes = 0_u64;
        let fits = |table: &&Arc<TableFacts>| {
            bytes = bytes.saturating_add(table.size_bytes);
            wanted(table) && bytes <= bytes_max
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (group, others) = rest.split_at(count);
        rest = others;
        Some(group)
    })
}
