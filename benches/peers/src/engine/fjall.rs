//! fjall 3.

use crate::data::keys::Key;
use crate::engine::settings::{Compression, Durability, Settings};
use crate::engine::{Batch, Engine, Result, Scan};
use ::fjall::config::CompressionPolicy;
use ::fjall::{
    CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, KvSeparationOptions,
    PersistMode,
};
use std::ops::Bound;
use std::path::Path;

/// See [`crate::engine::options`].
pub(crate) const OPTIONS: &str = "one keyspace, cache of the row's size, memtable 64 MiB (the default), as \
    many workers as processors, at most 4 (the default), Bloom filter of 10 bits and 0.01 % in level 0 \
    (the default), blocks of 4 KiB; journal written with each write (the default) or SyncData as the row \
    says; default compression: LZ4 from level 2; values apart: its key-value separation";

/// The engine.
pub(crate) struct Fjall {
    db: Database,
    keyspace: Keyspace,
    is_synced: bool,
}

impl Fjall {
    fn after_write(&self) -> Result<()> {
        if self.is_synced {
            self.db.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

fn visit_all(
    entries: impl Iterator<Item = Guard>,
    limit: usize,
    mut visit: impl FnMut(&[u8], &[u8]),
) -> Result<()> {
    for entry in entries.take(limit) {
        let (key, value) = entry.into_inner()?;
        visit(&key, &value);
    }
    Ok(())
}

impl Engine for Fjall {
    fn open(directory: &Path, settings: &Settings) -> Result<Fjall> {
        let mut builder = Database::builder(directory).cache_size(settings.cache_bytes);
        if settings.compression == Compression::None {
            builder = builder.journal_compression(CompressionType::None);
        }
        let db = builder.open()?;
        let options = || {
            let mut options =
                KeyspaceCreateOptions::default().max_memtable_size(settings.write_buffer_bytes);
            if settings.compression == Compression::None {
                options = options.data_block_compression_policy(CompressionPolicy::disabled());
            }
            if settings.keeps_values_apart {
                let mut apart = KvSeparationOptions::default();
                if settings.compression == Compression::None {
                    apart = apart.compression(CompressionType::None);
                }
                options = options.with_kv_separation(Some(apart));
            }
            options
        };
        let keyspace = db.keyspace("default", options)?;
        Ok(Fjall { db, keyspace, is_synced: settings.durability == Durability::Sync })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        self.after_write()
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        let mut writes = ::fjall::OwnedWriteBatch::with_capacity(self.db.clone(), batch.len());
        for (key, value) in batch {
            writes.insert(&self.keyspace, key.as_slice(), value.as_slice());
        }
        writes.commit()?;
        self.after_write()
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.keyspace.remove(key)?;
        self.after_write()
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.keyspace.get(key)?.map(|value| read(&value)))
    }

    fn scan(&self, scan: Scan, visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let bound = scan.from.map_or(Bound::Unbounded, Bound::Included);
        if scan.is_reverse {
            let range = self.keyspace.range((Bound::<Key>::Unbounded, bound));
            visit_all(range.rev(), scan.limit, visit)
        } else {
            visit_all(self.keyspace.range((bound, Bound::Unbounded)), scan.limit, visit)
        }
    }

    fn flush(&self) -> Result<()> {
        Ok(self.keyspace.rotate_memtable_and_wait()?)
    }

    fn is_busy(&self) -> Result<bool> {
        Ok(self.db.outstanding_flushes() > 0
            || self.db.active_compactions() > 0
            || self.keyspace.sealed_memtable_count() > 0)
    }

    fn close(self) -> Result<()> {
        self.db.persist(PersistMode::SyncAll)?;
        drop(self.keyspace);
        drop(self.db);
        Ok(())
    }
}
