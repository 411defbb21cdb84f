//! The one error type of the engine: what happened, in which file, at which offset, what to do.
//!
//! An [`Error`] has a [`kind`](Error::kind) that says what the caller can do about it, and facts:
//! the file, the offset, the reason, the error of the operating system underneath. It is one
//! pointer wide and cheap to clone, because a scan repeats its first error and a poisoned
//! database hands the first cause to everyone.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A transaction lost against another one: run it again.
    Conflict,
    /// The database cannot take this now; later it can.
    Busy,
    /// Another handle, in this or another process, has the directory open: close that one.
    Locked,
    /// The disk is full: the write was refused as a whole; free some space and go on.
    DiskFull,
    /// Bytes on disk are not what was written: see [`Error::file`] and [`Error::offset`].
    Corruption,
    /// The outcome of this commit is unknown: reopen and look before repeating it.
    CommitUncertain,
    /// An earlier failure stopped all writes; reads go on. Reopen the database.
    Poisoned,
    /// The caller asked for something that cannot be: nothing was changed.
    Invalid,
    /// The files were written by a newer format, or this platform lacks something.
    Unsupported,
    /// The operating system reported an error. A commit that ends so is not visible; but if the system
    /// wrote its bytes all the same, and the process dies before another commit, it is there afterwards.
    Io,
    /// The database was closed before this call.
    Closed,
}

/// The exact fact behind an [`Error`], for programs that need more than its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A sentence; there is no finer fact.
    Other,
    /// The key is empty; keys have 1 to `max` bytes.
    KeyEmpty,
    /// The key is longer than a key may be.
    KeyTooLarge {
        /// Length of the key, in bytes.
        len: usize,
        /// Longest key allowed, in bytes.
        max: usize,
    },
    /// The batch is larger than a batch may be.
    BatchTooLarge {
        /// Size of the batch, in bytes.
        len: usize,
        /// Largest batch allowed, in bytes.
        max: usize,
    },
    /// The files are of a format that this version does not know.
    NewerFormat {
        /// Format version found on disk.
        found: u32,
        /// Newest format version that this build understands.
        max: u32,
    },
    /// The directory holds something that is not a Siltstone database.
    NotADatabase,
    /// The keyspace was dropped, or belongs to another database.
    KeyspaceGone,
    /// The handle was opened read-only.
    ReadOnly,
}

/// An error of the engine.
///
/// ```
/// use siltstone::{Db, ErrorKind, Options};
/// use siltstone::fs::SimulatedFileSystem;
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// let error = db.put("", "a key must have at least one byte").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// # Ok::<(), siltstone::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    kind: ErrorKind,
    what: Cow<'static, str>,
    reason: Reason,
    file: Option<PathBuf>,
    offset: Option<u64>,
    source: Option<Source>,
}

#[derive(Debug)]
enum Source {
    Io(io::Error),
    Engine(Error),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The exact fact, where there is a finer one than the kind.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The file concerned, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The offset in bytes inside [`file`](Error::file), where it is known.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// What happened, without file and offset: for a report that names them in its own places.
    pub(crate) fn sentence(&self) -> String {
        match &self.0.source {
            Some(Source::Io(error)) => format!("{}: {error}", self.0.what),
            Some(Source::Engine(error)) => format!("{}: {}", self.0.what, error.sentence()),
            None => self.0.what.to_string(),
        }
    }

    /// The kind of the operating system's error underneath, if there is one.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.0.source {
            Some(Source::Io(error)) => Some(error.kind()),
            Some(Source::Engine(error)) => error.io_kind(),
            None => None,
        }
    }

    fn facts(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Facts {
        let (what, reason) = (what.into(), Reason::Other);
        Facts { kind, what, reason, file: None, offset: None, source: None }
    }

    /// The caller asked for something that cannot be.
    pub(crate) fn invalid(reason: Reason, what: impl Into<Cow<'static, str>>) -> Error {
        Error(Arc::new(Facts { reason, ..Error::facts(ErrorKind::Invalid, what) }))
    }

    /// A path that cannot be opened as what the caller wants it to be.
    pub(crate) fn invalid_path(
        file: &Path,
        reason: Reason,
        what: impl Into<Cow<'static, str>>,
    ) -> Error {
        let facts = Error::facts(ErrorKind::Invalid, what);
        Error(Arc::new(Facts { reason, file: Some(file.to_owned()), ..facts }))
    }

    /// Bytes on disk are wrong: `what` names what was expected there.
    pub(crate) fn corruption(
        file: &Path,
        offset: u64,
        what: impl Into<Cow<'static, str>>,
    ) -> Error {
        let facts = Error::facts(ErrorKind::Corruption, what);
        Error(Arc::new(Facts { file: Some(file.to_owned()), offset: Some(offset), ..facts }))
    }

    /// Something that this build or platform cannot read.
    pub(crate) fn unsupported(
        file: &Path,
        reason: Reason,
        what: impl Into<Cow<'static, str>>,
    ) -> Error {
        let facts = Error::facts(ErrorKind::Unsupported, what);
        Error(Arc::new(Facts { reason, file: Some(file.to_owned()), ..facts }))
    }

    /// The operating system failed while we did `action` ("sync the file", say) on `file`.
    /// A full disk or quota becomes [`ErrorKind::DiskFull`].
    pub(crate) fn io(action: &'static str, file: &Path, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        let facts = Error::facts(kind, format!("cannot {action}"));
        let source = Some(Source::Io(source));
        Error(Arc::new(Facts { file: Some(file.to_owned()), source, ..facts }))
    }

    /// The same failure at a known offset of its file.
    pub(crate) fn io_at(
        action: &'static str,
        file: &Path,
        offset: u64,
        source: io::Error,
    ) -> Error {
        match Arc::into_inner(Error::io(action, file, source).0) {
            Some(facts) => Error(Arc::new(Facts { offset: Some(offset), ..facts })),
            None => unreachable!("an error that was just made has one owner"),
        }
    }

    /// Someone else holds the directory.
    pub(crate) fn locked(file: &Path, what: impl Into<Cow<'static, str>>) -> Error {
        let facts = Error::facts(ErrorKind::Locked, what);
        Error(Arc::new(Facts { file: Some(file.to_owned()), ..facts }))
    }

    /// A simple error of `kind` without a file.
    pub(crate) fn plain(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Error {
        Error(Arc::new(Error::facts(kind, what)))
    }

    /// An error of `kind` that is the consequence of `cause`; the cause stays its source.
    pub(crate) fn caused_by(
        kind: ErrorKind,
        what: impl Into<Cow<'static, str>>,
        cause: &Error,
    ) -> Error {
        let facts = Error::facts(kind, what);
        let (file, offset) = (cause.0.file.clone(), cause.0.offset);
        Error(Arc::new(Facts {
            file,
            offset,
            source: Some(Source::Engine(cause.clone())),
            ..facts
        }))
    }

    /// The call came after `close`.
    pub(crate) fn closed() -> Error {
        Error::plain(ErrorKind::Closed, "the database is closed")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &*self.0;
        if facts.kind == ErrorKind::Corruption {
            f.write_str("corruption: ")?;
        }
        f.write_str(&facts.what)?;
        // A cause brings its own file; naming it twice helps nobody.
        if !matches!(facts.source, Some(Source::Engine(_))) {
            if let Some(file) = &facts.file {
                write!(f, ", file {}", file.display())?;
            }
            if let Some(offset) = facts.offset {
                write!(f, ", offset {offset}")?;
            }
        }
        match &facts.source {
            Some(Source::Io(error)) => write!(f, ": {error}"),
            Some(Source::Engine(error)) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    /// What lies below the last cause that the message tells: whoever prints a chain of causes prints
    /// each of them once.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(Source::Io(error)) => error.source(),
            Some(Source::Engine(error)) => error.source(),
            None => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match (error.kind(), error.io_kind()) {
            (_, Some(kind)) => kind,
            (ErrorKind::Corruption, None) => io::ErrorKind::InvalidData,
            (ErrorKind::Invalid, None) => io::ErrorKind::InvalidInput,
            (ErrorKind::DiskFull, None) => io::ErrorKind::StorageFull,
            (ErrorKind::Unsupported, None) => io::ErrorKind::Unsupported,
            (_, None) => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, ErrorKind, Reason};
    use std::io;
    use std::path::Path;

    #[test]
    fn a_message_names_action_file_and_cause() {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "no");
        let error = Error::io("sync the file", Path::new("d/7.wal"), source);
        assert_eq!(error.to_string(), "cannot sync the file, file d/7.wal: no");
        assert_eq!(error.io_kind(), Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn corruption_names_file_and_offset() {
        let error = Error::corruption(Path::new("d/9.sst"), 512, "the block checksum is wrong");
        assert_eq!(
            error.to_string(),
            "corruption: the block checksum is wrong, file d/9.sst, offset 512"
        );
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Corruption, Some(512)));
    }

    #[test]
    fn a_full_disk_has_its_own_kind() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Error::io("append", Path::new("f"), full).kind(), ErrorKind::DiskFull);
    }

    #[test]
    fn a_consequence_keeps_its_cause() {
        let cause = Error::corruption(Path::new("f"), 3, "the header is cut off");
        let error = Error::caused_by(ErrorKind::Poisoned, "writes are stopped", &cause);
        assert_eq!(error.file(), Some(Path::new("f")));
        assert!(error.to_string().ends_with("the header is cut off, file f, offset 3"));
        assert_eq!(Error::invalid(Reason::KeyEmpty, "no").reason(), &Reason::KeyEmpty);
    }

    #[test]
    fn a_chain_of_causes_says_everything_once() {
        let deep = io::Error::other(io::Error::other("the cable is out"));
        let cause = Error::io("sync the file", Path::new("f"), deep);
        let error = Error::caused_by(ErrorKind::Poisoned, "writes are stopped", &cause);
        let mut chain = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            chain = format!("{chain}: {cause}");
            next = cause.source();
        }
        assert_eq!(chain.matches("the cable is out").count(), 1, "{chain}");
    }
}
