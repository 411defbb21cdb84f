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
    /// The step writes too little to fill a write buffer: an engine with one budget for everything
    /// then gets no more than the others' cache.
    pub(crate) is_read_only: bool,
    pub(crate) compression: Compression,
    pub(crate) durability: Durability,
    /// Large values go to files of their own, in the engines that can do it.
    pub(crate) keeps_values_apart: bool,
}

impl Settings {
    /// Budget of an engine that counts all its memory: cache and write buffers of the others.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let write_buffers = if self.is_read_only { 0 } else { 2 * self.write_buffer_bytes };
        (self.cache_bytes + write_buffers).max(self.write_buffer_bytes)
    }
}
