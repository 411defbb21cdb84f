//! The handle of a keyspace: which map of which open database. Its methods are in `map`.

use crate::db::engine::Engine;
use crate::error::Result;
use crate::format::key::Seqno;
use crate::read::tally::lost_by_gets;
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::state::view::View;
use crate::state::view_cell::HeldView;
use crate::sync::Arc;
use crate::write::commit::keyspace_gone;

/// An ordered map of its own inside a database, with the same methods as [`Db`](crate::Db).
///
/// Keyspaces cost nothing while they are idle, and a [`Batch`](crate::Batch) can write to several at once.
/// A handle is cheap to clone and keeps the database open.
///
/// ```
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// let trades = db.keyspace("trades")?;
/// trades.put("btc/1", "4411.99")?;
/// assert!(db.get("btc/1")?.is_none());
/// assert_eq!(trades.get("btc/1")?.as_deref(), Some(&b"4411.99"[..]));
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keyspace {
    engine: Arc<Engine>,
    cell: Arc<KeyspaceCell>,
}

/// One moment of the tree, pinned for a read.
pub(crate) struct Moment {
    pub(crate) view: Arc<View>,
    pub(crate) seqno: Seqno,
}

impl Keyspace {
    pub(crate) fn new(engine: Arc<Engine>, cell: Arc<KeyspaceCell>) -> Keyspace {
        Keyspace { engine, cell }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn cell(&self) -> &Arc<KeyspaceCell> {
        &self.cell
    }

    /// The name it was created with; empty for the default keyspace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// The present moment of the tree.
    pub(crate) fn now(&self) -> Result<Moment> {
        self.check_present()?;
        let store = &self.engine.store;
        let (view, seqno) = store.view.read_at(&store.sequence);
        Ok(Moment { view, seqno })
    }

    /// The present moment of the tree, for a read that is over soon.
    pub(crate) fn glance(&self) -> Result<(HeldView, Seqno)> {
        self.check_present()?;
        let store = &self.engine.store;
        let (view, seqno) = store.view.hold_at(&store.sequence);
        if view.reads() > 0 {
            store.pay_toll(lost_by_gets(view.reads(), view.extra_runs()));
        }
        Ok((view, seqno))
    }

    /// An earlier moment: a snapshot keeps what it needs alive.
    pub(crate) fn at(&self, seqno: Seqno) -> Result<Moment> {
        self.check_read()?;
        Ok(Moment { view: self.engine.store.view.load(), seqno })
    }

    /// Whether the present may be read: the database is open, and the keyspace was not dropped.
    fn check_present(&self) -> Result<()> {
        self.check_read()?;
        if self.cell.is_gone() { Err(keyspace_gone(&self.cell.name)) } else { Ok(()) }
    }

    fn check_read(&self) -> Result<()> {
        self.engine.store.health.check_read()
    }

    pub(crate) fn durability(&self) -> Durability {
        self.engine.store.settings.durability
    }
}
