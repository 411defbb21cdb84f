//! A file system that fails on demand.
//!
//! `plan` says which calls fail and how, `file_system` wraps another file system and carries it out.

mod file_system;
mod plan;

#[cfg(test)]
mod tests;

pub use crate::fs::fault::file_system::FaultFileSystem;
pub use crate::fs::fault::plan::{Call, Fault, Operation, Trigger};
