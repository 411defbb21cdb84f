//! Siltstone: an embedded, ordered, durable key-value store.
#![expect(dead_code, unused_imports, reason = "the house is being built from the ground up")]

mod cache;
mod compaction;
mod db;
mod error;
mod format;
pub mod fs;
mod inspect;
mod journal;
mod maintenance;
mod manifest;
mod memtable;
mod merge;
mod read;
mod slice;
mod state;
mod sync;
mod table;
mod version;
mod wal;
mod write;

pub use crate::db::{
    Batch, Cursor, Db, Iter, KeyRange, Keyspace, LevelStats, Options, Snapshot, Stats,
};
pub use crate::error::{Error, ErrorKind, Reason, Result};
pub use crate::slice::Slice;
pub use crate::state::settings::{Background, Durability};
pub use crate::table::{Compression, FilterKind};
pub use crate::wal::{Recovery, RecoveryReport, TornTail};
pub use crate::write::pressure::Stall;
