//! The manifest: which tables, WAL segments and keyspaces make up the database.

pub(crate) mod edit;
pub(crate) mod keyspaces;
pub(crate) mod state;
pub(crate) mod tables;

pub(crate) use crate::manifest::edit::{CleanClose, Edit, KeyspaceFacts};
pub(crate) use crate::manifest::keyspaces::{KeyspaceStatus, Keyspaces};
pub(crate) use crate::manifest::state::State;
pub(crate) use crate::manifest::tables::Tables;

#[cfg(test)]
pub(crate) mod tests;
