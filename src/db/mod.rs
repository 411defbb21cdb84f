//! The roof: what a user of the library holds in their hands.
//!
//! [`Db`] and [`Keyspace`] are thin doors. [`options`] says how to open; [`open`], [`grounds`] and
//! [`recover`] do it; [`engine`] is one open database with its life from open to close.

pub(crate) mod batch;
pub(crate) mod bounds;
pub(crate) mod catalog;
pub(crate) mod cursor;
#[expect(clippy::module_inception, reason = "the handle is named after the room: it is its door")]
pub(crate) mod db;
pub(crate) mod directory;
pub(crate) mod engine;
pub(crate) mod grounds;
pub(crate) mod iter;
pub(crate) mod keyspace;
pub(crate) mod map;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod read_only;
pub(crate) mod recover;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod verify;

pub use crate::db::batch::Batch;
pub use crate::db::bounds::KeyRange;
pub use crate::db::cursor::Cursor;
pub use crate::db::db::Db;
pub use crate::db::iter::Iter;
pub use crate::db::keyspace::Keyspace;
pub use crate::db::options::Options;
pub use crate::db::snapshot::Snapshot;
pub use crate::db::stats::{LevelStats, Stats};
