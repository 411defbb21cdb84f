//! Figures about a database, as values.

use crate::cache::Part;
use crate::compaction::debt::debt;
use crate::db::engine::Engine;
use crate::format::limits::LEVELS;
use crate::write::pressure::Stall;

/// Figures about the tree now, and about what happened since the open.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The levels, level 0 first.
    pub levels: Vec<LevelStats>,
    /// Tables of all levels.
    pub tables: usize,
    /// Bytes of their files.
    pub table_bytes: u64,
    /// Keys and values in them, before compression, in bytes; overwritten ones count too.
    pub raw_bytes: u64,
    /// Memtables: the active one and those that wait for the flusher.
    pub memtables: usize,
    /// Bytes of memory that memtables use or have reserved, also those that only readers still hold.
    pub memtable_bytes: usize,
    /// Bytes of it that hold entries which are not in a table yet.
    pub memtable_entry_bytes: usize,
    /// Bytes of memory that filters and indexes use.
    pub pinned_bytes: usize,
    /// Bytes of memory that cached blocks use.
    pub cache_bytes: usize,
    /// Reads of a block that found it in the cache, and that did not.
    pub cache_hits: u64,
    /// See `cache_hits`.
    pub cache_misses: u64,
    /// Keyspaces, the default one not counted.
    pub keyspaces: usize,
    /// Snapshots held.
    pub snapshots: usize,
    /// Last sequence number that reads see.
    pub visible_seqno: u64,
    /// Commits acknowledged.
    pub commits: u64,
    /// Syncs of the log; one serves all commits that wait for it.
    pub log_syncs: u64,
    /// Bytes of keys and values that were written.
    pub user_bytes: u64,
    /// Bytes appended to the log.
    pub log_bytes: u64,
    /// Memtables that became tables, and the bytes of these.
    pub flushes: u64,
    /// See `flushes`.
    pub flush_bytes: u64,
    /// Compactions finished.
    pub compactions: u64,
    /// Bytes that compactions read and wrote.
    pub compaction_read_bytes: u64,
    /// See `compaction_read_bytes`.
    pub compaction_written_bytes: u64,
    /// Bytes that compactions still have to move until every level has its size.
    pub compaction_debt_bytes: u64,
    /// Bytes written to the disk for each byte that the user wrote, since the open; 0 if none was.
    pub write_amplification: f64,
    /// Bytes of tables for each byte of the last level: about 1.1 when settled; 0 if there is none.
    pub space_amplification: f64,
    /// Why writers are slowed at the moment.
    pub stall: Stall,
    /// Time that writers were slowed or stopped, in nanoseconds, all threads together.
    pub stalled_nanos: u64,
}

/// Figures about one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStats {
    /// Number of the level.
    pub level: usize,
    /// Tables in it.
    pub tables: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Entries in them, tombstones included.
    pub entries: u64,
    /// Tombstones among the entries.
    pub deletes: u64,
    /// Range tombstones.
    pub range_deletes: u64,
}

/// Collects the figures. They are taken one after the other, so they may differ by what happened
/// in between.
pub(crate) fn collect(engine: &Engine) -> Stats {
    let store = &engine.store;
    let view = store.view.load();
    let levels: Vec<LevelStats> = (0..LEVELS)
        .map(|level| {
            let mut stats = LevelStats { level, ..LevelStats::default() };
            for facts in view.version.level(level).iter().map(|handle| handle.facts()) {
                stats.tables += 1;
                stats.bytes += facts.size_bytes;
                stats.entries += facts.entries;
                stats.deletes += facts.deletes;
                stats.range_deletes += facts.range_deletes;
            }
            stats
        })
        .collect();
    let counters = &store.counters;
    let cache = store.context.cache.stats();
    let table_bytes = levels.iter().map(|level| level.bytes).sum();
    let last_bytes = levels.iter().rev().map(|level| level.bytes).find(|&bytes| bytes > 0);
    let written = counters.wal_bytes.get()
        + counters.flush_bytes.get()
        + counters.compaction_written_bytes.get();
    let debt = debt(&view.version.shape(), &store.settings.policy);
    Stats {
        tables: levels.iter().map(|level| level.tables).sum(),
        table_bytes,
        raw_bytes: view.version.tables().map(|handle| handle.facts().raw_bytes).sum(),
        levels,
        memtables: view.memtables().count(),
        memtable_bytes: store.budget.used(Part::Memtables),
        memtable_entry_bytes: view.memtables().map(|memtable| memtable.size_bytes()).sum(),
        pinned_bytes: store.budget.used(Part::Pinned),
        cache_bytes: cache.used_bytes,
        cache_hits: cache.hits,
        cache_misses: cache.misses,
        keyspaces: store.keyspaces.names().len(),
        snapshots: store.snapshots.count(),
        visible_seqno: store.sequence.visible(),
        commits: counters.commits.get(),
        log_syncs: counters.wal_syncs.get(),
        user_bytes: counters.user_bytes.get(),
        log_bytes: counters.wal_bytes.get(),
        flushes: counters.flushes.get(),
        flush_bytes: counters.flush_bytes.get(),
        compactions: counters.compactions.get(),
        compaction_read_bytes: counters.compaction_read_bytes.get(),
        compaction_written_bytes: counters.compaction_written_bytes.get(),
        compaction_debt_bytes: debt.pending_bytes,
        write_amplification: ratio(written, counters.user_bytes.get()),
        space_amplification: ratio(table_bytes, last_bytes.unwrap_or(0)),
        stall: engine.writer.as_ref().map_or(Stall::None, |writer| writer.committer.stall()),
        stalled_nanos: counters.stalled_nanos.get(),
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
