//! Installs what a job made: the only way a version changes.
//!
//! 1. The directory is synced, so that the names of new tables are durable.
//! 2. The edit goes into the manifest, synced. *Power before this: the new tables are garbage, the
//!    old ones and the log still have everything. After: the new version is the truth.*
//! 3. The view is swapped.
//! 4. Tables that fell out are marked: the last reader's handle gives them to the cleanup.

use crate::error::{Error, ErrorKind, Result};
use crate::format::filename::FileName;
use crate::manifest::Edit;
use crate::memtable::Memtable;
use crate::seeded::{Bug, is_seeded};
use crate::state::store::Store;
use crate::state::trash::Freed;
use crate::state::view::{Parts, Sealed};
use crate::sync::Arc;

/// A flushed memtable leaves the view with this edit; `edit.added` has its table, unless it was empty.
pub(crate) fn flush(store: &Store, memtable: &Arc<Memtable>, mut edit: Edit) -> Result<()> {
    let view = store.view.load();
    let others = view.memtables().filter(|other| !Arc::ptr_eq(other, memtable));
    edit.wal_floor = match is_seeded(Bug::WalFloorTooHigh) {
        true => others.map(|other| other.segment()).max(),
        false => others.map(|other| other.segment()).min(),
    };
    edit.last_seqno = Some(store.sequence.visible());
    install(store, edit, Some(memtable))
}

/// The result of a compaction.
pub(crate) fn compaction(store: &Store, edit: Edit) -> Result<()> {
    install(store, edit, None)
}

fn install(store: &Store, edit: Edit, flushed: Option<&Arc<Memtable>>) -> Result<()> {
    if !edit.added.is_empty() && !is_seeded(Bug::NoDirSyncTable) {
        let sync = store.fs.sync_dir(&store.directory);
        sync.map_err(|error| Error::io("sync the directory", &store.directory, error))?;
    }
    let mut freed = Vec::new();
    store.ledger.record(
        |state| {
            let floor = edit.wal_floor.unwrap_or(0);
            freed.extend(state.segments().iter().copied().filter(|&segment| segment < floor));
            Ok(edit)
        },
        |edit, _| {
            // Edits are applied in the order of the manifest: the ledger's lock is still held.
            let before = store.view.load();
            let applied = before.version.apply(&store.context, edit);
            let impossible = |what| Error::plain(ErrorKind::Invalid, what);
            let version = Arc::new(applied.map_err(impossible)?);
            store.view.swap(|view| {
                let stays = |other: &&Sealed| {
                    flushed.is_none_or(|flushed| !Arc::ptr_eq(&other.memtable, flushed))
                };
                let sealed: Vec<_> = view.sealed.iter().filter(stays).cloned().collect();
                store.gauges.note_shape(sealed.len(), version.level(0).len());
                Parts { active: Arc::clone(&view.active), sealed, version: Arc::clone(&version) }
            });
            before.version.mark_removed(edit);
            if is_seeded(Bug::UnlinkTableRead) {
                store.trash.put_unnamed(edit.removed.iter().map(|(_, id)| *id));
            }
            Ok(())
        },
    )?;
    let at_record = store.ledger.records();
    let freed = freed.into_iter().map(|segment| Freed { name: FileName::Wal(segment), at_record });
    store.trash.put(freed);
    store.signals.ring();
    Ok(())
}
