//! How to open a database: few knobs, each with a default that most never change.

use crate::compaction::policy::Policy;
use crate::error::{Error, Reason, Result};
use crate::format::limits::LEVELS;
use crate::fs::{FileSystem, OsFileSystem};
use crate::state::settings::{Background, Durability, SEGMENT_BYTES_MIN, Settings};
use crate::sync::Arc;
use crate::table::{Compression, FilterKind};
use crate::wal::Recovery;
use std::time::Duration;

const MEMORY_MIN: usize = 1 << 20;
const MEMTABLE_BYTES_MAX: usize = 64 << 20;
const TABLE_BYTES_DEFAULT: u64 = 64 << 20;

/// How to open a database.
///
/// ```
/// use siltstone::{Durability, Options, fs::SimulatedFileSystem};
///
/// let db = Options::new()
///     .memory(64 << 20)
///     .durability(Durability::Buffered)
///     .file_system(SimulatedFileSystem::new())
///     .open("data")?;
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    fs: Arc<dyn FileSystem>,
    memory: usize,
    durability: Durability,
    compression: Compression,
    filter: FilterKind,
    threads: usize,
    block_bytes: usize,
    table_bytes: u64,
    memtable_bytes: Option<usize>,
    reserve_bytes: Option<u64>,
    create: bool,
    recovery: Recovery,
    background: Background,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// The defaults: 256 MiB of memory, [`Durability::Sync`], zstd in the last level, one thread that
    /// compacts; a missing database is created.
    pub fn new() -> Options {
        Options {
            fs: Arc::new(OsFileSystem::new()),
            memory: 256 << 20,
            durability: Durability::Sync,
            compression: Compression::default(),
            filter: FilterKind::default(),
            threads: 1,
            block_bytes: 8 << 10,
            table_bytes: TABLE_BYTES_DEFAULT,
            memtable_bytes: None,
            reserve_bytes: None,
            create: true,
            recovery: Recovery::default(),
            background: Background::Threads,
        }
    }

    /// The memory budget in bytes, for memtables, block cache, filters and indexes together; at least
    /// 1 MiB. Default 256 MiB.
    pub fn memory(mut self, bytes: usize) -> Options {
        self.memory = bytes.max(MEMORY_MIN);
        self
    }

    /// What a write survives when it has returned `Ok`, unless the write itself says otherwise.
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// How the tables of the last level are compressed; the levels above are not.
    pub fn compression(mut self, compression: Compression) -> Options {
        self.compression = compression;
        self
    }

    /// Which filter tables get.
    pub fn filter(mut self, filter: FilterKind) -> Options {
        self.filter = filter;
        self
    }

    /// Number of threads that compact, at least 1. Flushing has a thread of its own.
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads.max(1);
        self
    }

    /// Size of a block before compression, in bytes; 256 B to 1 MiB. Default 8 KiB.
    pub fn block_bytes(mut self, bytes: usize) -> Options {
        self.block_bytes = bytes.clamp(256, 1 << 20);
        self
    }

    /// Size at which a table is complete, in bytes; at least 4 KiB. Default 64 MiB.
    pub fn table_bytes(mut self, bytes: u64) -> Options {
        self.table_bytes = bytes.max(4 << 10);
        self
    }

    /// Size at which a memtable becomes a table, in bytes; at least 4 KiB. Default an eighth of the
    /// memory, at most 64 MiB.
    pub fn memtable_bytes(mut self, bytes: usize) -> Options {
        self.memtable_bytes = Some(bytes.max(4 << 10));
        self
    }

    /// Most bytes of disk to keep aside for the day on which the disk is full, 0 for none. They are given
    /// up then, so that deletes and compactions, which give room back, can go on; other writes are
    /// refused (`DiskFull`) until there is room to keep them aside again. A database that logs little
    /// or rests keeps little, and none keeps more than half of what is free. Default twice the memtable and 3 MiB.
    pub fn reserve_bytes(mut self, bytes: u64) -> Options {
        self.reserve_bytes = Some(bytes);
        self
    }

    /// Whether a missing database is created (the default) or an error.
    pub fn create_if_missing(mut self, create: bool) -> Options {
        self.create = create;
        self
    }

    /// What to do about damage in the log, see [`Recovery`].
    pub fn recovery(mut self, recovery: Recovery) -> Options {
        self.recovery = recovery;
        self
    }

    /// The file system to live on: the real one unless a test wants another.
    pub fn file_system(mut self, fs: impl FileSystem) -> Options {
        self.fs = Arc::new(fs);
        self
    }

    /// The file system to live on, shared.
    pub fn shared_file_system(mut self, fs: Arc<dyn FileSystem>) -> Options {
        self.fs = fs;
        self
    }

    /// Who runs flushes and compactions: threads, unless a test wants to do it step by step.
    pub fn background(mut self, background: Background) -> Options {
        self.background = background;
        self
    }

    pub(crate) fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    pub(crate) fn creates(&self) -> bool {
        self.create
    }

    pub(crate) fn recovery_mode(&self) -> Recovery {
        self.recovery
    }

    /// Resolves every figure.
    ///
    /// # Errors
    /// A combination that cannot work.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let memtable_bytes =
            self.memtable_bytes.unwrap_or((self.memory / 8).min(MEMTABLE_BYTES_MAX));
        if memtable_bytes > self.memory {
            let what = format!(
                "a memtable of {memtable_bytes} bytes does not fit a memory budget of {} bytes",
                self.memory
            );
            return Err(Error::invalid(Reason::Other, what));
        }
        let policy = Policy {
            // Without compression, a table that crosses into the last level is as it should be there.
            compressed_from: match self.compression {
                Compression::None => LEVELS,
                Compression::Zstd(_) => LEVELS - 1,
            },
            ..Policy::new(memtable_bytes as u64, self.table_bytes)
        };
        let segment_bytes = (memtable_bytes as u64).max(64 << 10);
        Ok(Settings {
            durability: self.durability,
            background: self.background,
            memory_bytes: self.memory,
            memtable_bytes,
            sealed_max: 2,
            segment_bytes,
            reserve_bytes_max: self
                .reserve_bytes
                .unwrap_or(segment_bytes * 2 + 3 * SEGMENT_BYTES_MIN),
            batch_bytes_max: Settings::batch_bytes_max_for(self.memory),
            block_bytes: self.block_bytes,
            compression: self.compression,
            filter: self.filter,
            compactors: self.threads,
            runs_soft: 12,
            runs_hard: 24,
            policy,
            idle: Duration::from_millis(100),
        })
    }
}
