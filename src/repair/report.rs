//! What a repair has made, and where it may be wrong.

use crate::inspect::{Damage, KeySpan, VerifyReport};
use std::fmt;

/// What [`Repair`](crate::Repair) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "doubts are told here, not as an error"]
#[non_exhaustive]
pub struct RepairReport {
    /// Ranges of keys about which the old database could no longer say everything. Whatever lies
    /// outside of all of them is certain: exactly what the old database held.
    pub doubts: Vec<Doubt>,
    /// What was found in the old directory.
    pub found: VerifyReport,
    /// Entries of the new database.
    pub entries: u64,
    /// Those of them that lie in a doubtful range.
    pub doubtful_entries: u64,
    /// Names that were given to keyspaces whose own names are lost.
    pub named: Vec<String>,
}

/// A range of keys that a damage has touched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubt {
    /// The keys.
    pub keys: KeySpan,
    /// The damage.
    pub because: Damage,
    /// Entries that were found there all the same. Each of them was written once, but may be older than
    /// the last one that was written under its key, or have been deleted since; and others may be
    /// missing. If there are none, the range is lost, if it held anything.
    pub entries: u64,
}

impl RepairReport {
    /// Whether the new database holds exactly what the old one held.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.doubts.is_empty()
    }
}

impl Doubt {
    /// Whether nothing was found in the range.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.entries == 0
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, what, .. } = &self.because;
        let because = format_args!("{}, offset {offset}: {what}", file.display());
        match self.entries {
            0 => write!(f, "lost: {}, if there were any; {because}", self.keys),
            1 => write!(f, "doubtful: {}, 1 entry; {because}", self.keys),
            many => write!(f, "doubtful: {}, {many} entries; {because}", self.keys),
        }
    }
}

impl fmt::Display for RepairReport {
    /// One line for each doubt, and a closing line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doubt in &self.doubts {
            writeln!(f, "{doubt}")?;
        }
        for name in &self.named {
            writeln!(f, "renamed: the name of a keyspace is lost; it is {name:?} now")?;
        }
        let certain = self.entries - self.doubtful_entries;
        write!(f, "{certain} entries are certain, {} are doubtful", self.doubtful_entries)
    }
}
