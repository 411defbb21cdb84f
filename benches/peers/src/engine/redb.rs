//! redb 4.

use crate::engine::settings::{Durability, Settings};
use crate::engine::{Batch, Engine, Result, Scan};
use ::redb::{Database, ReadableDatabase, TableDefinition, WriteTransaction};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// See [`crate::engine::options`].
pub(crate) const OPTIONS: &str = "cache of the row's size, one transaction for each write and each read; \
    Buffered is Durability::None with a durable commit every 4,096 writes, so that pages are freed: \
    weaker than the others, as it loses writes when the process dies; no compression";

const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
/// Pages that writes free can be used again only behind a durable commit.
const COMMITS_PER_DURABLE: u64 = 4096;

/// The engine.
pub(crate) struct Redb {
    db: Database,
    is_synced: bool,
    commits: AtomicU64,
}

impl Redb {
    fn transact(&self, write: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        let mut transaction = self.db.begin_write()?;
        let commit = self.commits.fetch_add(1, Ordering::Relaxed);
        if !self.is_synced && !commit.is_multiple_of(COMMITS_PER_DURABLE) {
            transaction.set_durability(::redb::Durability::None)?;
        }
        write(&transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn open(directory: &Path, settings: &Settings) -> Result<Redb> {
        let db = Database::builder()
            .set_cache_size(usize::try_from(settings.cache_bytes)?)
            .create(directory.join("redb"))?;
        let is_synced = settings.durability == Durability::Sync;
        let redb = Redb { db, is_synced, commits: AtomicU64::new(0) };
        // The table has to exist before it is read.
        redb.transact(|transaction| {
            transaction.open_table(ENTRIES)?;
            Ok(())
        })?;
        Ok(redb)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.transact(|transaction| {
            transaction.open_table(ENTRIES)?.insert(key, value)?;
            Ok(())
        })
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        self.transact(|transaction| {
            let mut table = transaction.open_table(ENTRIES)?;
            for (key, value) in batch {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.transact(|transaction| {
            transaction.open_table(ENTRIES)?.remove(key)?;
            Ok(())
        })
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let table = self.db.begin_read()?.open_table(ENTRIES)?;
        Ok(table.get(key)?.map(|value| read(value.value())))
    }

    fn scan(&self, scan: Scan, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let table = self.db.begin_read()?.open_table(ENTRIES)?;
        let from =
            scan.from.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(key.as_slice()));
        if scan.is_reverse {
            let range = table.range::<&[u8]>((Bound::Unbounded, from))?;
            for entry in range.rev().take(scan.limit) {
                let (key, value) = entry?;
                visit(key.value(), value.value());
            }
        } else {
            for entry in table.range::<&[u8]>((from, Bound::Unbounded))?.take(scan.limit) {
                let (key, value) = entry?;
                visit(key.value(), value.value());
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        // A durable commit of nothing makes everything before it durable.
        Ok(self.db.begin_write()?.commit()?)
    }

    fn is_busy(&self) -> Result<bool> {
        Ok(false)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}
