//! What a step asks of an engine; the same figures go to all of them.

use serde::{Deserialize, Serialize};

/// Whether data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Compression {
    None,
    /// As the engine does by default.
    Default,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Durability {
    /// The end of the process: its bytes are with the operating system.
    Buffered,
    /// The loss of power.
    Sync,
}

/// How to open a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) cache_bytes: u64,
    pub(crate) write_buffer_bytes: u64,
    /// How many write buffers the step fills at the same time, about: an engine with one budget for
    /// everything gets so many beside the others' cache, and none where a step only reads.
    pub(crate) write_buffers: u64,
    pub(crate) compression: Compression,
    pub(crate) durability: Durability,
    /// Large values go to files of their own, in the engines that can do it.
    pub(crate) keeps_values_apart: bool,
}

impl Settings {
    /// Budget of an engine that counts all its memory: cache and write buffers of the others.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let write_buffers = self.write_buffers * self.write_buffer_bytes;
        (self.cache_bytes + write_buffers).max(self.write_buffer_bytes)
    }
}
