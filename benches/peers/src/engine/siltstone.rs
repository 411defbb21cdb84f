//! Siltstone.

use crate::data::keys::Key;
use crate::engine::counted::Counted;
use crate::engine::settings::{Compression, Durability, Settings};
use crate::engine::{Batch, Engine, Result, Scan};
use std::ops::Bound;
use std::path::Path;

/// See [`crate::engine::options`].
pub(crate) const OPTIONS: &str = "memory = cache + 2 write buffers where a step fills them, + 1 where it \
    writes less (YCSB B, D, E), = cache where it only reads (filters and indexes are in it, unlike the \
    others'); the rest by default: memtable 64 MiB, blocks of 8 KiB, its default filter, 1 flusher and 1 \
    compactor; Buffered or Sync as the row says; default compression: zstd in the last level";

/// The engine.
pub(crate) struct Siltstone {
    db: siltstone::Db,
}

impl Engine for Siltstone {
    fn open(directory: &Path, settings: &Settings) -> Result<Siltstone> {
        let durability = match settings.durability {
            Durability::Buffered => siltstone::Durability::Buffered,
            Durability::Sync => siltstone::Durability::Sync,
        };
        let memory = usize::try_from(settings.memory_bytes())?;
        let mut options = siltstone::Options::new()
            .file_system(Counted::new())
            .memory(memory)
            .memtable_bytes(usize::try_from(settings.write_buffer_bytes)?)
            .durability(durability);
        if settings.compression == Compression::None {
            options = options.compression(siltstone::Compression::None);
        }
        Ok(Siltstone { db: options.open(directory)? })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put(key, value)?)
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        let mut writes = siltstone::Batch::new();
        for (key, value) in batch {
            writes.put(key, value);
        }
        Ok(self.db.write(writes)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete(key)?)
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.db.get(key)?.map(|value| read(&value)))
    }

    fn scan(&self, scan: Scan, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        if scan.is_reverse {
            let end = scan.from.map_or(Bound::Unbounded, Bound::Included);
            let mut cursor = self.db.cursor((Bound::<Key>::Unbounded, end));
            cursor.seek_to_end();
            for _ in 0..scan.limit {
                let Some((key, value)) = cursor.prev()? else { break };
                visit(key, value);
            }
        } else {
            let start = scan.from.map_or(Bound::Unbounded, Bound::Included);
            let mut cursor = self.db.cursor((start, Bound::Unbounded));
            for _ in 0..scan.limit {
                let Some((key, value)) = cursor.next()? else { break };
                visit(key, value);
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.db.flush()?)
    }

    fn is_busy(&self) -> Result<bool> {
        self.db.wait_idle()?;
        Ok(false)
    }

    fn close(self) -> Result<()> {
        Ok(self.db.close()?)
    }
}
