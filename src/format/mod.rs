//! Bytes both ways, shared by all files: what is encoded here is decoded here.
//!
//! Every limit of the formats is a constant of this room. All integers are little-endian, except
//! the keyspace id in front of a key, which is big-endian so that keyspaces sort by id.
//! docs/FORMAT.md describes the same bytes for strangers; golden files in `tests/fixtures` prove
//! that both agree.

pub(crate) mod checksum;
pub(crate) mod codec;
pub(crate) mod filename;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod ops;
pub(crate) mod range_tombstone;
pub(crate) mod record;
pub(crate) mod table_facts;
