//! What the cases of a run really reached: a test that reaches nothing proves nothing.

use siltstone::Stats;
use std::cell::Cell;

/// Counters over all cases of a run.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) flushes: Cell<u64>,
    pub(crate) compactions: Cell<u64>,
    /// Most levels with tables in them at one moment.
    pub(crate) levels: Cell<u64>,
    /// Moments at which a table held range tombstones; in a level below 0.
    pub(crate) range_tombstones: Cell<u64>,
    pub(crate) deep_range_tombstones: Cell<u64>,
    pub(crate) crashes: Cell<u64>,
    /// Buffered commits that power cuts took back.
    pub(crate) commits_lost: Cell<u64>,
    pub(crate) clean_closes: Cell<u64>,
    /// Entries read by iterators and cursors that were open while tables were replaced.
    pub(crate) held_entries: Cell<u64>,
    /// Entries of dropped keyspaces read in snapshots.
    pub(crate) stale_entries: Cell<u64>,
    pub(crate) snapshot_entries: Cell<u64>,
    pub(crate) scanned_entries: Cell<u64>,
    pub(crate) stale_writes_refused: Cell<u64>,
}

/// Adds to a counter.
pub(crate) fn add(counter: &Cell<u64>, count: usize) {
    counter.set(counter.get() + count as u64);
}

impl Coverage {
    /// Looks at a database that is about to end, or was asked for its figures.
    pub(crate) fn look(&self, stats: &Stats) {
        let used = stats.levels.iter().filter(|level| level.tables > 0).count() as u64;
        self.levels.set(self.levels.get().max(used));
        let tombstones = |levels: &[siltstone::LevelStats]| {
            usize::from(levels.iter().any(|level| level.range_deletes > 0))
        };
        add(&self.range_tombstones, tombstones(&stats.levels));
        add(&self.deep_range_tombstones, tombstones(&stats.levels[1..]));
    }

    /// Counts what one opening did. Call it once, at the end.
    pub(crate) fn count(&self, stats: &Stats) {
        self.flushes.set(self.flushes.get() + stats.flushes);
        self.compactions.set(self.compactions.get() + stats.compactions);
    }

    /// Every counter has moved.
    pub(crate) fn assert_complete(&self) {
        assert!(self.levels.get() >= 3, "three levels at once: {self:?}");
        for (index, counter) in self.counters().iter().enumerate() {
            assert!(counter.get() > 0, "counter {index} has not moved: {self:?}");
        }
    }

    /// Adds what other cases reached.
    pub(crate) fn absorb(&self, other: &Coverage) {
        self.levels.set(self.levels.get().max(other.levels.get()));
        for (own, other) in self.counters().into_iter().zip(other.counters()) {
            own.set(own.get() + other.get());
        }
    }

    /// Everything that is a sum.
    fn counters(&self) -> [&Cell<u64>; 12] {
        [
            &self.flushes,
            &self.compactions,
            &self.range_tombstones,
            &self.deep_range_tombstones,
            &self.crashes,
            &self.commits_lost,
            &self.clean_closes,
            &self.held_entries,
            &self.stale_entries,
            &self.snapshot_entries,
            &self.scanned_entries,
            &self.stale_writes_refused,
        ]
    }
}
