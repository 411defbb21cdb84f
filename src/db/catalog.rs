//! Creating and dropping keyspaces.
//!
//! A keyspace exists when a durable manifest edit says so; nothing is written to it before. Dropping
//! is one synced operation in the log, which hides everything under its id; then the name goes from
//! the manifest. *Power between the two: recovery meets the operation and drops the name itself.*

use crate::db::batch::Batch;
use crate::db::engine::Engine;
use crate::error::{Error, Reason, Result};
use crate::format::limits::{KEYSPACE_ID_MAX, KEYSPACE_NAME_BYTES_MAX};
use crate::manifest::{Edit, KeyspaceFacts};
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::sync::Arc;

impl Engine {
    /// The keyspace of this name, created if there is none.
    pub(crate) fn open_keyspace(&self, name: &str) -> Result<Arc<KeyspaceCell>> {
        check_name(name)?;
        self.store.health.check_read()?;
        if let Some(cell) = self.store.keyspaces.find(name) {
            return Ok(cell);
        }
        self.writer()?;
        self.store.check_write()?;
        let mut existing = None;
        self.store.ledger.record(
            |state| {
                // Someone may have been faster: the edit is made under the ledger's lock.
                existing = state.keyspaces().id(name);
                let id = state.keyspaces().next();
                if existing.is_some() {
                    return Ok(Edit::default());
                }
                if id > KEYSPACE_ID_MAX {
                    let what = "all 4,294,967,294 keyspace ids of this database were used";
                    return Err(Error::invalid(Reason::Other, what));
                }
                let created = vec![KeyspaceFacts { id, name: name.to_owned() }];
                let next_keyspace = Some(id + 1);
                Ok(Edit { keyspaces_created: created, next_keyspace, ..Edit::default() })
            },
            |edit, _| {
                for created in &edit.keyspaces_created {
                    let cell = KeyspaceCell::new(created.id, name, self.store.opening);
                    self.store.keyspaces.insert(cell);
                }
                Ok(())
            },
        )?;
        let gone = || crate::write::commit::keyspace_gone(name);
        self.store.keyspaces.find(name).ok_or_else(gone)
    }

    /// Drops the keyspace of this name. Returns whether there was one.
    pub(crate) fn drop_keyspace(&self, name: &str) -> Result<bool> {
        self.writer()?;
        self.store.check_write()?;
        let Some(cell) = self.store.keyspaces.find(name) else { return Ok(false) };
        // From here on commits to it are refused, so nothing can follow the drop in the log.
        if !cell.mark_gone() {
            return Ok(false);
        }
        let mut batch = Batch::new();
        batch.drop_keyspace(&cell);
        if let Err(error) = batch.commit(self, Durability::Sync) {
            cell.revive();
            return Err(error);
        }
        let dropped = Edit { keyspaces_dropped: vec![cell.id], ..Edit::default() };
        self.store.ledger.record(
            |_| Ok(dropped),
            |_, _| {
                self.store.keyspaces.remove(name);
                Ok(())
            },
        )?;
        Ok(true)
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > KEYSPACE_NAME_BYTES_MAX {
        let what = format!(
            "the name of a keyspace has 1 to {KEYSPACE_NAME_BYTES_MAX} bytes; this one has {}",
            name.len()
        );
        return Err(Error::invalid(Reason::Other, what));
    }
    Ok(())
}
