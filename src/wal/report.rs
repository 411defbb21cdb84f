//! What opening a database found in the log, for the caller to read.

use std::path::PathBuf;

/// What to do with a damaged log.
///
/// A power cut may leave a torn write at the end of the log. That is no damage: what was never
/// acknowledged as durable is dropped and told in the [`RecoveryReport`], whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recovery {
    /// Anything that a power cut cannot explain is an error of kind
    /// [`Corruption`](crate::ErrorKind::Corruption), and the directory is left as it was.
    #[default]
    Strict,
    /// The log counts up to the first damage. Everything behind it is dropped, acknowledged or not,
    /// and told in the [`RecoveryReport`]; nothing in front of it is. The bytes are kept in `lost/`.
    PointInTime,
}

/// What was found in the log when the database was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// What was dropped from the end of the log, segment by segment. Empty after a clean close.
    pub torn_tails: Vec<TornTail>,
    /// Batches that were taken from the log.
    pub replayed_batches: u64,
    /// Their size in bytes.
    pub replayed_bytes: u64,
    /// Sequence number of the last operation in the log that was kept; 0 if the log was empty.
    pub last_seqno: u64,
}

impl RecoveryReport {
    /// Whether everything that was found in the log was whole.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.torn_tails.is_empty()
    }
}

/// Bytes of a log segment that were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The segment.
    pub file: PathBuf,
    /// Where the dropped bytes begin.
    pub offset: u64,
    /// How many there are, trailing zeros not counted.
    pub bytes: u64,
    /// Sequence number of the last operation before them; 0 if there is none in the log.
    pub last_seqno: u64,
    /// Why they were dropped.
    pub reason: &'static str,
    /// Where a copy of them is kept, once there is one.
    pub kept_in: Option<PathBuf>,
}
