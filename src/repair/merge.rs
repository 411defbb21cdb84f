//! All runs become the tables of the last level.

use crate::compaction::below::Below;
use crate::compaction::cuts::Cuts;
use crate::compaction::output::OutputOptions;
use crate::compaction::retention::Retention;
use crate::compaction::sieve::{Rules, Sieve};
use crate::error::Result;
use crate::format::key::SEQNO_LATEST;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::merge::{MergingCursor, RunCursor};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::table::reader::Fill;
use crate::table::{Handle, TableContext, TableOptions};

/// A table of the new database ends at this size.
const TABLE_BYTES: u64 = 64 << 20;

/// Writes the newest version of every key that no tombstone hides. `runs` come newest first;
/// `next_file` moves on.
///
/// # Errors
/// Of the file systems, and `Corruption` if a table is damaged that was whole a moment ago.
pub(crate) fn merge(
    context: &Arc<TableContext>,
    options: &TableOptions,
    runs: Vec<Vec<Arc<Handle>>>,
    next_file: &mut u64,
) -> Result<Vec<TableFacts>> {
    let mut range_tombstones = Vec::new();
    for handle in runs.iter().flatten().filter(|handle| handle.facts().range_deletes > 0) {
        range_tombstones.extend(handle.table()?.range_tombstones().tombstones());
    }
    let rules = Rules {
        retention: Retention::new(vec![SEQNO_LATEST], true),
        range_tombstones: Fragments::build(range_tombstones),
        below: Below::within(Vec::new()),
    };
    let numbers = Arc::new(AtomicU64::new(*next_file));
    let source = Arc::clone(&numbers);
    let outputs = OutputOptions {
        context: Arc::clone(context),
        table: options.clone(),
        next_id: Box::new(move || source.fetch_add(1, Ordering::Relaxed)),
        cuts: Cuts::new(TABLE_BYTES, u64::MAX, Vec::new()),
    };
    let run = |tables: Vec<Arc<Handle>>| RunCursor::filling(Arc::from(tables), Fill::Nothing);
    let merged = MergingCursor::new(runs.into_iter().map(run).collect());
    let mut sieve = Sieve::new(merged, rules, outputs);
    while sieve.step()? {}
    *next_file = numbers.load(Ordering::Relaxed);
    Ok(sieve.tables().to_vec())
}
