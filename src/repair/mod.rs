//! Repair: what can be read of a damaged database becomes a new one.
//!
//! The old directory is only read. First it is verified: every damage says which keys may suffer. Then
//! every entry that can be read, whole tables as they are, is merged by key and seqno as a compaction
//! would do it, and becomes the tables of the last level of a new database; the newest version that is
//! left of a key wins, tombstones do their work and go. The report says where that may be wrong.
//!
//! Until CURRENT stands in the new directory nothing takes it for a database.

mod doubts;
mod merge;
mod report;
mod request;
mod salvage;

pub use crate::repair::report::{Doubt, RepairReport};
pub use crate::repair::request::Repair;
