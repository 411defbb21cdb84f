//! A disk in memory that remembers its whole past, and can lose power at any moment of it.
//!
//! `content` is the bytes of one file, `names` which file has which name, `disk` both together
//! with what of it is durable, `crash` what a power cut leaves of a disk, `history` the past of a
//! disk, and `file_system` the face of it all.

mod content;
mod crash;
mod disk;
mod file_system;
mod handle;
mod history;
mod names;
mod state;

#[cfg(test)]
mod tests;

pub use crate::fs::simulated::crash::CrashProfile;
pub use crate::fs::simulated::file_system::SimulatedFileSystem;
pub use crate::fs::simulated::history::Acknowledged;
