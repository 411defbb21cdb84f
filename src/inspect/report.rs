//! What a verification found, for programs and for people.

use crate::error::{Error, Result};
use crate::inspect::keys::KeySpan;
use std::fmt;
use std::path::{Path, PathBuf};

/// What [`Db::verify`](crate::Db::verify) and [`Verify`](crate::Verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "damage is told here, not as an error"]
#[non_exhaustive]
pub struct VerifyReport {
    /// Everything that is not as it should be, file by file.
    pub damages: Vec<Damage>,
    /// Ends of journals that a power cut may have left. They are no damage: the next open drops them,
    /// because nobody was told that they were durable.
    pub loose_ends: Vec<LooseEnd>,
    /// Files of the database that nothing names, and that were not looked into: work that was not
    /// finished, or is not needed any more. The next open removes them.
    pub leftovers: Vec<PathBuf>,
    /// Names in the directory that the engine does not give.
    pub strangers: Vec<PathBuf>,
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of tables that could be read.
    pub entries: u64,
    /// Batches of the log that could be read.
    pub batches: u64,
}

/// A part of a file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What was expected there.
    pub what: String,
    /// The keys whose entries may be affected, if they are known and any are.
    pub keys: Option<KeySpan>,
}

/// Bytes at the end of a journal that are no whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LooseEnd {
    /// The file.
    pub file: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many there are, trailing zeros not counted.
    pub bytes: u64,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }

    /// The first damage as an error of kind [`Corruption`](crate::ErrorKind::Corruption), for callers
    /// to whom one is enough.
    ///
    /// # Errors
    /// If anything is damaged.
    pub fn into_result(self) -> Result<()> {
        match self.damages.into_iter().next() {
            None => Ok(()),
            Some(Damage { file, offset, what, .. }) => Err(Error::corruption(&file, offset, what)),
        }
    }

    pub(crate) fn damage(&mut self, file: &Path, offset: u64, what: impl Into<String>) {
        let (file, what) = (file.to_owned(), what.into());
        self.damages.push(Damage { file, offset, what, keys: None });
    }

    pub(crate) fn loose_end(&mut self, file: &Path, (offset, bytes): (u64, u64)) {
        self.loose_ends.push(LooseEnd { file: file.to_owned(), offset, bytes });
    }

    /// Brings the lists into an order that does not depend on how they were found.
    pub(crate) fn sort(&mut self) {
        self.damages.sort_by(|one, other| {
            (&one.file, one.offset, &one.what).cmp(&(&other.file, other.offset, &other.what))
        });
        self.damages.dedup();
        self.loose_ends.sort_by(|one, other| one.file.cmp(&other.file));
        self.leftovers.sort();
        self.strangers.sort();
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, offset {}: {}", self.file.display(), self.offset, self.what)?;
        self.keys.as_ref().map_or(Ok(()), |keys| write!(f, "; {keys}"))
    }
}

impl fmt::Display for LooseEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LooseEnd { file, offset, bytes } = self;
        write!(f, "{}, offset {offset}: {bytes} bytes of a write that was cut off", file.display())
    }
}

impl fmt::Display for VerifyReport {
    /// One line for each damage and loose end, and a closing line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damages {
            writeln!(f, "damaged: {damage}")?;
        }
        for end in &self.loose_ends {
            writeln!(f, "torn: {end}")?;
        }
        let VerifyReport { files, bytes, entries, batches, .. } = self;
        let verdict = match self.damages.len() {
            0 => "no damage".to_owned(),
            1 => "1 damage".to_owned(),
            many => format!("{many} damages"),
        };
        write!(f, "{verdict} in {files} files, {bytes} bytes, {entries} entries, {batches} batches")
    }
}
