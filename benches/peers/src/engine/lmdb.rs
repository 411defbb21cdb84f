//! LMDB, through heed.

#![expect(unsafe_code, reason = "heed opens a memory map, which it cannot promise is left alone")]

use crate::data::keys::Key;
use crate::engine::settings::{Durability, Settings};
use crate::engine::{Batch, Engine, Result, Scan};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions};
use std::ops::Bound;
use std::path::Path;

/// See [`crate::engine::options`].
pub(crate) const OPTIONS: &str = "one transaction for each write and each read; a map of 64 GiB, so the \
    cache is the operating system's and no row limits it; Buffered is MDB_NOSYNC; no compression";

const MAP_BYTES: usize = 64 << 30;

/// The engine.
pub(crate) struct Lmdb {
    env: Env,
    db: Database<Bytes, Bytes>,
}

impl Engine for Lmdb {
    fn open(directory: &Path, settings: &Settings) -> Result<Lmdb> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        if settings.durability == Durability::Buffered {
            // SAFETY: the flag gives up the database's wholeness over a loss of power, which no step
            // of this comparison goes through.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: the directory was made for this step, and no other process touches it meanwhile.
        let env = unsafe { options.open(directory)? };
        let mut transaction = env.write_txn()?;
        let db = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Lmdb { env, db })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.db.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in batch {
            self.db.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.db.delete(&mut transaction, key)?;
        Ok(transaction.commit()?)
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let transaction = self.env.read_txn()?;
        Ok(self.db.get(&transaction, key)?.map(read))
    }

    fn scan(&self, scan: Scan, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let transaction = self.env.read_txn()?;
        let from = scan
            .from
            .as_ref()
            .map_or(Bound::Unbounded, |key: &Key| Bound::Included(key.as_slice()));
        if scan.is_reverse {
            let range = (Bound::Unbounded, from);
            for entry in self.db.rev_range(&transaction, &range)?.take(scan.limit) {
                let (key, value) = entry?;
                visit(key, value);
            }
        } else {
            let range = (from, Bound::Unbounded);
            for entry in self.db.range(&transaction, &range)?.take(scan.limit) {
                let (key, value) = entry?;
                visit(key, value);
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn is_busy(&self) -> Result<bool> {
        Ok(false)
    }

    fn close(self) -> Result<()> {
        self.flush()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
