//! Siltstone: an embedded, ordered, durable key-value store.
//!
//! A [`Db`] is a `BTreeMap` that lives on disk: keys and values are any bytes, keys are sorted, writes
//! survive power loss, reads see one moment, and any number of threads may use it at once.
//!
//! ```no_run
//! use siltstone::{Batch, Db};
//!
//! let db = Db::open("data")?;
//! db.put("btc", "4411.99")?;
//! for entry in db.range("a".."f") {
//!     let (key, value) = entry?;
//!     println!("{key:?} = {value:?}");
//! }
//! let mut batch = Batch::new();
//! batch.put("a", "1").delete("b");
//! db.write(batch)?;
//! # Ok::<(), siltstone::Error>(())
//! ```
//!
//! Start at [`Db`] and [`Options`]. [`Keyspace`]s are maps of their own inside one database,
//! [`Snapshot`]s are moments, [`Iter`] and [`Cursor`] walk ranges, and [`fs`] holds the file systems
//! that a test may put underneath.

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
mod repair;
#[cfg_attr(siltstone_seeded_bugs, doc(hidden))]
#[cfg(siltstone_seeded_bugs)]
pub mod seeded;
#[cfg(not(siltstone_seeded_bugs))]
mod seeded;
mod slice;
mod state;
mod sync;
mod table;
#[cfg(any(test, fuzzing, feature = "testing"))]
#[doc(hidden)]
pub mod testing;
mod version;
mod wal;
mod write;

pub use crate::db::{
    Batch, Cursor, Db, Iter, KeyRange, Keyspace, LevelStats, Options, Snapshot, Stats,
};
pub use crate::error::{Error, ErrorKind, Reason, Result};
pub use crate::inspect::{Damage, KeyPlace, KeySpan, LooseEnd, Progress, Verify, VerifyReport};
pub use crate::repair::{Doubt, Repair, RepairReport};
pub use crate::slice::Slice;
pub use crate::state::settings::{Background, Durability};
pub use crate::table::{Compression, FilterKind};
pub use crate::wal::{Recovery, RecoveryReport, TornTail};
pub use crate::write::pressure::Stall;

/// The examples of the README are compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
