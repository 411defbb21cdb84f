//! Tests of the room as a whole: what damage and loss of power leave of a manifest.

mod crash;
mod damage;
mod faults;
mod history;
mod promises;

pub(crate) use crate::manifest::tests::history::{exclusive, history, history_after, table};
