//! RocksDB, tuned as a competent user would.

use crate::engine::settings::{Compression, Durability, Settings};
use crate::engine::{Batch, Engine, Result, Scan};
use ::rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBatch, WriteOptions,
};
use std::path::Path;

/// See [`crate::engine::options`].
pub(crate) const OPTIONS: &str = "Bloom filter of 10 bits, dynamic level bytes, write buffer 64 MiB, 2 \
    background jobs, HyperClockCache of the row's size (filters and indexes outside of it, the default), \
    blocks of 4 KiB, no limit of open files, WAL written with each write (the default) or synced as the \
    row says; default compression: LZ4; values apart: blob files from 4 KiB with garbage collection";

/// Values from this size on go to blob files, where the row says so.
const BLOB_BYTES_MIN: u64 = 4 << 10;

/// The engine.
pub(crate) struct RocksDb {
    db: DB,
    writes: WriteOptions,
}

impl Engine for RocksDb {
    fn open(directory: &Path, settings: &Settings) -> Result<RocksDb> {
        let mut table = BlockBasedOptions::default();
        table.set_bloom_filter(10.0, false);
        let cache = Cache::new_hyper_clock_cache(usize::try_from(settings.cache_bytes)?, 0);
        table.set_block_cache(&cache);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_write_buffer_size(usize::try_from(settings.write_buffer_bytes)?);
        options.set_max_background_jobs(2);
        options.set_max_open_files(-1);
        if settings.compression == Compression::None {
            options.set_compression_type(DBCompressionType::None);
        }
        if settings.keeps_values_apart {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_enable_blob_gc(true);
            options.set_blob_cache(&cache);
        }
        let mut writes = WriteOptions::default();
        writes.set_sync(settings.durability == Durability::Sync);
        Ok(RocksDb { db: DB::open(&options, directory)?, writes })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.writes)?)
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        let mut writes = WriteBatch::default();
        for (key, value) in batch {
            writes.put(key, value);
        }
        Ok(self.db.write_opt(writes, &self.writes)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete_opt(key, &self.writes)?)
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.db.get_pinned(key)?.map(|value| read(&value)))
    }

    fn scan(&self, scan: Scan, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut iterator = self.db.raw_iterator();
        match (scan.from, scan.is_reverse) {
            (None, false) => iterator.seek_to_first(),
            (None, true) => iterator.seek_to_last(),
            (Some(key), false) => iterator.seek(key),
            (Some(key), true) => iterator.seek_for_prev(key),
        }
        for count in 1..=scan.limit {
            let Some((key, value)) = iterator.item() else { break };
            visit(key, value);
            // The last entry needs no step behind it.
            if count < scan.limit {
                if scan.is_reverse { iterator.prev() } else { iterator.next() }
            }
        }
        Ok(iterator.status()?)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.db.flush()?)
    }

    fn is_busy(&self) -> Result<bool> {
        const WORK: [&str; 4] = [
            "rocksdb.mem-table-flush-pending",
            "rocksdb.num-running-flushes",
            "rocksdb.compaction-pending",
            "rocksdb.num-running-compactions",
        ];
        for property in WORK {
            if self.db.property_int_value(property)? != Some(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn close(self) -> Result<()> {
        // Unlike its competitors it leaves the memtable to the log, which is quick to close and slow
        // to open: both are measured.
        drop(self.db);
        Ok(())
    }
}
