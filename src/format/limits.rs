//! Every limit of the formats, as a constant. Docs quote these; code checks them once, at the door.

/// Version of all formats of this build. A file with a higher one is refused.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Longest key that a caller may use, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 65_000;

/// Longest user key inside the engine: the keyspace id, the caller's key, and room for the bounds
/// that are made from keys (a key and one zero byte, say). It fits a `u16`.
pub(crate) const USER_KEY_BYTES_MAX: usize = 65_535;

/// Largest batch whatever the memory budget is, in encoded bytes; a larger budget allows a quarter
/// of itself.
pub(crate) const BATCH_BYTES_MIN_LIMIT: usize = 64 << 20;

/// Largest record payload that a reader believes, in bytes: what fits the length field with room
/// to spare for arithmetic.
pub(crate) const RECORD_PAYLOAD_BYTES_MAX: usize = (u32::MAX >> 1) as usize;

/// Most operations in one batch: the count field of a record has 24 bits.
pub(crate) const BATCH_OPS_MAX: usize = (1 << 24) - 1;

/// Largest sequence number. The upper byte stays free for a kind.
pub(crate) const SEQNO_MAX: u64 = (1 << 56) - 1;

/// Largest keyspace id; the one above is never given out, so that every id has a successor.
pub(crate) const KEYSPACE_ID_MAX: u32 = u32::MAX - 1;

/// Longest name of a keyspace, in bytes.
pub(crate) const KEYSPACE_NAME_BYTES_MAX: usize = 255;

/// Most levels of the tree, L0 included.
pub(crate) const LEVELS: usize = 7;
