//! Creating and dropping keyspaces.
//!
//! A keyspace exists when a durable manifest edit says so; nothing is written to it before. Dropping
//! is one synced operation in the log, which hides everything under its id; then the name goes from
//! the manifest. *Power between the two: recovery meets the operation and drops the name itself.* If
//! the manifest cannot be written, the keyspace is gone all the same; its name goes with the next
//! attempt to drop or to create it.

use crate::db::batch::Batch;
use crate::db::engine::Engine;
use crate::error::{Error, Reason, Result};
use crate::format::limits::{KEYSPACE_ID_MAX, KEYSPACE_NAME_BYTES_MAX};
use crate::maintenance::reserve::with_reserve;
use crate::manifest::{Edit, KeyspaceFacts};
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::sync::Arc;

impl Engine {
    /// The keyspace of this name, created if there is none.
    pub(crate) fn open_keyspace(&self, name: &str) -> Result<Arc<KeyspaceCell>> {
        check_name(name)?;
        loop {
            self.store.health.check_read()?;
            let found = self.store.keyspaces.find(name);
            if let Some(cell) = found.filter(|cell| !cell.is_dropped()) {
                return Ok(cell);
            }
            // Someone may drop it again before the next look: then it is created once more.
            self.create_keyspace(name)?;
        }
    }

    fn create_keyspace(&self, name: &str) -> Result<()> {
        self.writer()?;
        self.store.check_write()?;
        self.store.ledger.record(
            |state| {
                // Someone may have been faster: the edit is made under the ledger's lock.
                let left = self.store.keyspaces.find(name);
                if left.as_ref().is_some_and(|cell| !cell.is_dropped()) {
                    return Ok(Edit::default());
                }
                let keyspaces_dropped = left.iter().map(|cell| cell.id).collect();
                let id = state.keyspaces().next();
                if id > KEYSPACE_ID_MAX {
                    let what = "all 4,294,967,294 keyspace ids of this database were used";
                    return Err(Error::invalid(Reason::Other, what));
                }
                let keyspaces_created = vec![KeyspaceFacts { id, name: name.to_owned() }];
                let next_keyspace = Some(id + 1);
                let edit = Edit { keyspaces_dropped, keyspaces_created, ..Edit::default() };
                Ok(Edit { next_keyspace, ..edit })
            },
            |edit, _| {
                for created in &edit.keyspaces_created {
                    let cell = KeyspaceCell::new(created.id, name, self.store.opening);
                    self.store.keyspaces.insert(cell);
                }
                Ok(())
            },
        )
    }

    /// Drops the keyspace of this name. Returns whether there was one.
    pub(crate) fn drop_keyspace(&self, name: &str) -> Result<bool> {
        self.writer()?;
        self.store.check_write()?;
        let Some(cell) = self.store.keyspaces.find(name) else { return Ok(false) };
        // From here on commits to it are refused, so nothing can follow the drop in the log.
        if cell.begin_drop() {
            let mut batch = Batch::new();
            batch.drop_keyspace(&cell);
            let written = batch.commit(self, Durability::Sync);
            cell.end_drop(written.is_ok());
            written?;
        } else if !cell.is_dropped() {
            // Another thread is at it.
            return Ok(false);
        }
        let forget_name = || {
            self.store.ledger.record(
                |state| {
                    let is_named = state.keyspaces().id(name) == Some(cell.id);
                    let keyspaces_dropped = is_named.then_some(cell.id).into_iter().collect();
                    Ok(Edit { keyspaces_dropped, ..Edit::default() })
                },
                |edit, _| {
                    if !edit.keyspaces_dropped.is_empty() {
                        self.store.keyspaces.remove(name);
                    }
                    Ok(())
                },
            )
        };
        with_reserve(&self.store, forget_name)?;
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
