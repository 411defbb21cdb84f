//! The manifest: which tables, WAL segments and keyspaces make up the database.

pub(crate) mod current;
pub(crate) mod edit;
mod examine;
pub(crate) mod keyspaces;
pub(crate) mod load;
mod opening;
pub(crate) mod state;
pub(crate) mod tables;
pub(crate) mod writer;

pub(crate) use crate::manifest::current::{point_current, read_current};
pub(crate) use crate::manifest::edit::{CleanClose, Edit, KeyspaceFacts};
pub(crate) use crate::manifest::examine::{ManifestRead, examine};
pub(crate) use crate::manifest::load::load;
pub(crate) use crate::manifest::state::State;
pub(crate) use crate::manifest::writer::ManifestWriter;

#[cfg(test)]
pub(crate) mod tests;
