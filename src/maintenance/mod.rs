//! Background work: flushing, compacting, preparing, deleting.
//!
//! Each kind of work is a [`Worker`](crate::state::worker::Worker) that does a bounded step at a time. In production each
//! has a thread ([`threads`]); in stepped mode a seed chooses whose turn it is ([`stepper`]).
//! [`install`] is the only way a version changes, [`cleanup`] the only place that deletes files, and
//! [`reserve`] sees to it that both can go on when the disk is full.

pub(crate) mod cleanup;
pub(crate) mod compactor;
pub(crate) mod desk;
pub(crate) mod flusher;
pub(crate) mod hand;
pub(crate) mod install;
pub(crate) mod reserve;
pub(crate) mod stepper;
pub(crate) mod threads;
