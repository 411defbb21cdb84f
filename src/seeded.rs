//! Bugs that can be switched on, to prove that the tests can fail.
//!
//! In an ordinary build [`is_seeded`] is a constant `false`, and the compiler removes every branch that
//! asks it. Under `--cfg siltstone_seeded_bugs` one bug at a time can be chosen at run time, by
//! [`choose`] or by the environment variable `SILTSTONE_SEEDED_BUG`; `torture seeded` does that with
//! all of them, one after the other, and fails if one is not caught.
//!
//! Each is a mistake that somebody might really make, at the place where the invariant is kept.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident = $name:literal,)+) => {
        /// A mistake, by the invariant that it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        /// The names of all bugs, in the order of the enum.
        #[cfg(siltstone_seeded_bugs)]
        pub const NAMES: &[&str] = &[$($name),+];
    };
}

bugs! {
    /// A `Sync` commit is acknowledged without a sync.
    AckBeforeSync = "ack_before_sync",
    /// The name of a new segment is not made durable.
    NoDirSyncWal = "no_dir_sync_wal",
    /// The names of new tables are not made durable before the manifest has them.
    NoDirSyncTable = "no_dir_sync_table",
    /// A table is named by the manifest before its bytes are durable.
    TableUnsynced = "table_unsynced",
    /// CURRENT is renamed into place before its bytes are durable.
    CurrentRenamedUnsynced = "current_renamed_unsynced",
    /// A segment is deleted when its flush begins.
    UnlinkWalEarly = "unlink_wal_early",
    /// The manifest says that segments are not needed whose memtables still wait for the flusher.
    WalFloorTooHigh = "wal_floor_too_high",
    /// A sync leaves out segments older than one that was deleted before the manifest named it.
    LogFloorTooHigh = "log_floor_too_high",
    /// A table is deleted when a compaction replaced it, whoever reads it.
    UnlinkTableRead = "unlink_table_read",
    /// After recovery the numbers of replayed commits are given again.
    SeqnoReuse = "seqno_reuse",
    /// After recovery the numbers of files that no manifest names are given again.
    FileNumberReuse = "file_number_reuse",
    /// A sync of the log that failed is tried once more.
    RetryFailedSync = "retry_failed_sync",
    /// A torn tail is refused as damage.
    TailTakenAsCorruption = "tail_taken_as_corruption",
    /// Damage is dropped as a torn tail.
    CorruptionTakenAsTail = "corruption_taken_as_tail",
    /// The log goes on behind a segment that ends early.
    GapIgnored = "gap_ignored",
    /// Of a batch that is replayed the last operation is left out.
    ReplayPartialBatch = "replay_partial_batch",
    /// Reserved room behind the last record is taken for a torn record.
    PreallocZerosAsRecords = "prealloc_zeros_as_records",
    /// A log that cannot be read ends where the reading failed.
    IoErrorAsEof = "io_error_as_eof",
    /// A commit becomes visible before those that came before it.
    PublishOutOfOrder = "publish_out_of_order",
    /// A read takes its moment first, and its view after that.
    ViewAfterSeqno = "view_after_seqno",
    /// A sealed memtable is flushed although commits into it are on their way.
    FlushAboveVisible = "flush_above_visible",
    /// A sealed memtable knows only of the commits that were visible when it was sealed.
    RotateLosesWriter = "rotate_loses_writer",
    /// A scan sees commits that came after it began.
    ScanSeesLaterWrites = "scan_sees_later_writes",
    /// A compaction drops tombstones that still hide something below.
    TombstoneDroppedEarly = "tombstone_dropped_early",
    /// A compaction takes the newest run of level 0 alone, and drops tombstones although older runs
    /// stay.
    TombstoneDroppedOverOlderL0 = "tombstone_dropped_over_older_l0",
    /// A compaction drops versions that a snapshot reads.
    SnapshotIgnoredByRetention = "snapshot_ignored_by_retention",
    /// The bounds of a table leave its range tombstones out.
    RangeTombstoneNotInBounds = "range_tombstone_not_in_bounds",
    /// Every output of a compaction gets all range tombstones, also beyond its bounds.
    RangeTombstoneUncut = "range_tombstone_uncut",
    /// The runs of level 0 are ordered by the numbers of their files.
    L0OrderByNumber = "l0_order_by_number",
    /// Two compactions may take the same table.
    TwoJobsOneTable = "two_jobs_one_table",
    /// A compaction that cannot read on ends there, and is installed.
    CompactionReadErrorSwallowed = "compaction_read_error_swallowed",
    /// A filter that is damaged says no to everything.
    FilterDamageAsAbsent = "filter_damage_as_absent",
    /// The checksum of a block does not know its place.
    BlockSwapUnseen = "block_swap_unseen",
    /// The checksum of a block is not looked at.
    BlockChecksumIgnored = "block_checksum_ignored",
    /// A key that a cached part of a block lacks is absent.
    PartTakenAsWhole = "part_taken_as_whole",
    /// A get of an older version does not go on where the versions of a key reach into the next block.
    VersionsEndWithBlock = "versions_end_with_block",
    /// A partition of the index is cached where its neighbour belongs.
    PartitionOfANeighbour = "partition_of_a_neighbour",
    /// Offsets in a block that need more than 16 bits are cut to 16.
    LongOffsetsCut = "long_offsets_cut",
    /// A range that is deleted twice in a row is deleted once.
    RangeTwiceUnseen = "range_twice_unseen",
    /// `prev` right after `next` steps over the entry that `next` gave.
    PrevNextEdge = "prev_next_edge",
    /// A failed sync of the log is reported and forgotten.
    PoisonForgotten = "poison_forgotten",
    /// A sync that went well leaves a refused commit where a power cut brings it back.
    RefusedCommitLeft = "refused_commit_left",
    /// CURRENT was renamed, and its directory could not be synced: the open goes on.
    DirSyncErrorSwallowed = "dir_sync_error_swallowed",
    /// Of the commits that wait for others to become visible one is woken.
    OneWaiterWoken = "one_waiter_woken",
    /// A panic of a background thread is kept to itself.
    PanicHangsWriters = "panic_hangs_writers",
    /// On a full disk the reserve stays.
    ReserveKept = "reserve_kept",
    /// When the reserve was given up, any write may use its room.
    ReserveUsedByPuts = "reserve_used_by_puts",
    /// On the real file system a writer takes the lock that readers share.
    WriterSharesLock = "writer_shares_lock",
    /// The real file system does not tell the operating system of a sync.
    OsSyncIsNothing = "os_sync_is_nothing",
    /// The real file system does not tell the operating system of a sync of a directory.
    OsDirSyncIsNothing = "os_dir_sync_is_nothing",
}

/// Whether this bug is switched on. Never, in an ordinary build.
#[cfg(not(siltstone_seeded_bugs))]
#[inline(always)]
pub(crate) const fn is_seeded(_bug: Bug) -> bool {
    false
}

#[cfg(siltstone_seeded_bugs)]
pub use chosen::choose;
#[cfg(siltstone_seeded_bugs)]
pub(crate) use chosen::is_seeded;

#[cfg(siltstone_seeded_bugs)]
mod chosen {
    use crate::seeded::{Bug, NAMES};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Number of the chosen bug plus one; 0 for none.
    static CHOSEN: AtomicUsize = AtomicUsize::new(0);
    static FROM_ENVIRONMENT: OnceLock<()> = OnceLock::new();

    /// Switches one bug on, by its name, and all others off; `None` for none. Returns whether there is
    /// a bug of this name.
    pub fn choose(name: Option<&str>) -> bool {
        FROM_ENVIRONMENT.get_or_init(|| ());
        let number = name.map(|name| NAMES.iter().position(|other| *other == name));
        CHOSEN.store(number.flatten().map_or(0, |number| number + 1), Ordering::Relaxed);
        number != Some(None)
    }

    pub(crate) fn is_seeded(bug: Bug) -> bool {
        FROM_ENVIRONMENT.get_or_init(|| {
            let name = std::env::var("SILTSTONE_SEEDED_BUG").ok();
            let number = NAMES.iter().position(|other| Some(*other) == name.as_deref());
            CHOSEN.store(number.map_or(0, |number| number + 1), Ordering::Relaxed);
        });
        CHOSEN.load(Ordering::Relaxed) == bug as usize + 1
    }
}
