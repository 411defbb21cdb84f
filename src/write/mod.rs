//! The way of a write: log, memtable, publication, acknowledgement.
//!
//! [`commit`] is the way itself. [`group`] lets many commits share one sync, [`spare`] keeps a log
//! segment ready and [`log_keeper`] prepares it, [`pressure`] says how much a writer must be slowed so
//! that the background keeps up, and [`owed`] adds that up.

pub(crate) mod apply;
pub(crate) mod commit;
pub(crate) mod group;
pub(crate) mod guard;
pub(crate) mod line;
pub(crate) mod log_keeper;
pub(crate) mod owed;
pub(crate) mod pressure;
pub(crate) mod spare;
