//! Tests of the room as a whole: what damage and loss of power leave of a manifest.

mod crash;
mod damage;
mod history;

pub(crate) use crate::manifest::tests::history::{exclusive, history, history_after, table};
