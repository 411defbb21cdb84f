//! What threads share: the view, the visible sequence number, snapshots, health, signals.
//!
//! Everything here is small and passive. The rooms above act on it: `write` seals memtables and
//! publishes, `maintenance` installs versions, `read` looks. [`store::Store`] holds it together.
//!
//! Lock order, outermost first: commit line (`write`), manifest, snapshots, view, everything else.
//! A lock on the left may be held while one on the right is taken, never the other way round.

pub(crate) mod counters;
pub(crate) mod gauges;
pub(crate) mod health;
pub(crate) mod keyspaces;
pub(crate) mod ledger;
pub(crate) mod reserve;
#[cfg(test)]
pub(crate) mod scene;
pub(crate) mod sequence;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod snapshots;
pub(crate) mod store;
pub(crate) mod toll;
pub(crate) mod trash;
pub(crate) mod view;
pub(crate) mod view_cell;
mod view_shares;
pub(crate) mod worker;

#[cfg(all(test, loom))]
mod loom_tests;
