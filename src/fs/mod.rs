//! The seam to the world outside: files, directories, locks, clock and randomness.
//!
//! Everything that the engine asks of an operating system goes through [`FileSystem`]. There is
//! the real one ([`OsFileSystem`]), one in memory that can lose power at any call
//! ([`SimulatedFileSystem`]), one that fails on demand ([`FaultFileSystem`]) and one that watches
//! the order of calls ([`LintFileSystem`]). The last two wrap any other.
//!
//! The model is small on purpose. A file is created new, appended to, synced, and from then on
//! only read, renamed or removed: there is no overwrite, no truncate and no reuse. `sync` on the
//! handle that appends is the only call that makes bytes durable, and `sync_dir` the only one that
//! makes names durable.

pub(crate) mod birthplace;
mod fault;
mod forward;
mod lint;
mod name;
mod os;
mod simulated;
mod window;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(any(shuttle, loom))))]
mod wiped;

pub use crate::fs::fault::{Call, Fault, FaultFileSystem, Operation, Trigger};
pub use crate::fs::lint::LintFileSystem;
pub use crate::fs::os::OsFileSystem;
pub use crate::fs::simulated::{Acknowledged, CrashProfile, SimulatedFileSystem};

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a file is for. File systems do not need it; wrappers that watch or fail calls do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileKind {
    /// A segment of the write-ahead log.
    Wal,
    /// A sorted table.
    Table,
    /// A manifest.
    Manifest,
    /// `CURRENT`, or its temporary predecessor.
    Current,
    /// The lock file.
    Lock,
    /// Anything else: kept bytes of a torn tail, the reserve.
    Other,
}

/// How to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// One holder, who writes.
    Exclusive,
    /// Many holders, who only read.
    Shared,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the directory.
    pub name: OsString,
    /// Whether it is a directory itself.
    pub is_dir: bool,
    /// Length of the file in bytes; 0 for a directory.
    pub len: u64,
}

/// Something that the engine did or promised, told to the file system so that a watching one can
/// check it. The real one ignores all of them.
///
/// A file is meant by its number: the one in its name. The three events of a manifest are told
/// right before the append of the record that they speak of, by whoever appends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A commit up to and including this sequence number is about to be acknowledged to the
    /// caller: told after its record was logged and synced as promised, before the call returns.
    Acknowledged {
        /// Last sequence number of the commit.
        seqno: u64,
        /// Whether the acknowledgement promises that the commit survives a power cut.
        synced: bool,
    },
    /// A record was just appended to a segment of the log: told before the next one is appended.
    Logged {
        /// Number of the segment.
        segment: u64,
        /// Last sequence number of the record.
        seqno: u64,
        /// Length of the segment after the record, in bytes.
        end: u64,
    },
    /// The manifest record about to be appended names this table as live.
    TableAdded {
        /// Number of the table.
        table: u64,
    },
    /// The manifest record about to be appended no longer names this table.
    TableRemoved {
        /// Number of the table.
        table: u64,
    },
    /// The manifest record about to be appended states that no segment below this one is needed.
    WalFloor {
        /// Number of the first segment still needed.
        segment: u64,
    },
}

/// The operating system, as the engine sees it. See the module's caption for the rules.
///
/// Implement it to put a database somewhere else (or wrap one of the given ones), and hand it to
/// [`Options::file_system`](crate::Options::file_system).
pub trait FileSystem: Send + Sync + Debug + 'static {
    /// Creates a directory and its missing parents, and makes their names durable. It is no error
    /// if it exists.
    ///
    /// # Errors
    /// Whatever the operating system reports; also if the path is a file.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Lists a directory, in no particular order, without `.` and `..`.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory, `NotADirectory` if it is something else.
    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>>;

    /// Creates a file that must not exist yet, and opens it for appending.
    ///
    /// # Errors
    /// `AlreadyExists` if there is such a name, whatever it is.
    fn create_new(&self, path: &Path, kind: FileKind) -> io::Result<Box<dyn Append>>;

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn open(&self, path: &Path, kind: FileKind) -> io::Result<Arc<dyn ReadAt>>;

    /// Renames a file, replacing what had the new name.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Takes a lock on a file, creating it if needed (never through a read-only open: a `Shared`
    /// lock does not create). The lock ends when the returned value is dropped or the process dies.
    ///
    /// # Errors
    /// `WouldBlock` if someone else holds it.
    fn lock(&self, path: &Path, how: LockKind) -> io::Result<Box<dyn FileLock>>;

    /// Bytes that can still be written to the file system that holds this directory.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn free_space(&self, directory: &Path) -> io::Result<u64>;

    /// Makes a relative path absolute, so that a later change of the working directory is harmless.
    ///
    /// # Errors
    /// If there is no working directory.
    fn absolute(&self, path: &Path) -> io::Result<std::path::PathBuf>;

    /// Time since some fixed moment. It never goes back.
    fn monotonic(&self) -> Duration;

    /// Wall-clock time since 1970. It may jump.
    fn unix_time(&self) -> Duration;

    /// A random number, good enough to tell two databases apart; not for secrets.
    fn random(&self) -> u64;

    /// Lets the calling thread rest. A simulated file system only moves its clock.
    fn sleep(&self, duration: Duration);

    /// Is told what the engine did; see [`Event`]. The default does nothing.
    fn observe(&self, _event: Event) {
        // Only file systems that watch need to know.
    }
}

/// A file that is being appended to. It has one owner.
pub trait Append: Send {
    /// Appends all of `bytes` at the end.
    ///
    /// # Errors
    /// After an error an unknown part of `bytes` may be there: the file is to be abandoned at its
    /// last good length.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// A handle that syncs this file and can be used beside further appends.
    fn syncer(&self) -> Arc<dyn Syncer>;

    /// Reserves room for a file of `bytes` in all, ahead of the appends. Reserved bytes that were
    /// not appended read as zeros.
    ///
    /// # Errors
    /// `StorageFull` if there is no room. A file system that cannot reserve does nothing.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;

    /// Bytes appended so far (reserved room does not count).
    fn len(&self) -> u64;

    /// Whether nothing has been appended yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Syncs one file.
pub trait Syncer: Send + Sync {
    /// Makes everything that was appended before this call began durable.
    ///
    /// # Errors
    /// After an error nothing is known about any byte that was not durable before, and a second
    /// call proves nothing: the caller must not retry.
    fn sync(&self) -> io::Result<()>;

    /// Is told by a wrapper that a sync of this file is about to be reported as failed without
    /// having been tried. A simulation then drops what was not durable yet at its next power cut,
    /// as a kernel does that marks the pages clean. The default does nothing.
    fn pretend_failed(&self) {}
}

/// A file that is being read, by any number of threads.
pub trait ReadAt: Send + Sync + Debug {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before the buffer is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Length of the file when it was opened, in bytes.
    fn len(&self) -> u64;

    /// Whether the file was empty when it was opened.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A lock that is held as long as this value lives.
pub trait FileLock: Send + Sync {
    /// Whether this very process took the lock. A child made by `fork` inherits the value, and
    /// must not act on it.
    fn is_ours(&self) -> bool {
        true
    }
}
