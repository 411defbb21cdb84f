//! Which calls fail, and how.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::fs::FileKind;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// `EIO`, and nothing was done. A failed sync loses what was not durable yet.
    Io,
    /// The disk is full (`StorageFull`), and nothing was done.
    NoSpace,
    /// `EINTR`, and nothing was done.
    Interrupted,
    /// Too many open files (`EMFILE`), and nothing was done.
    TooManyFiles,
    /// A read fills half of its buffer and ends with `UnexpectedEof`. Elsewhere: `Io`.
    ShortRead,
    /// An append writes half of its bytes and ends with `StorageFull`. Elsewhere: `Io`.
    ShortWrite,
    /// The work is done, and then `EIO` is reported.
    Late,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 7] = [
        Fault::Io,
        Fault::NoSpace,
        Fault::Interrupted,
        Fault::TooManyFiles,
        Fault::ShortRead,
        Fault::ShortWrite,
        Fault::Late,
    ];

    pub(crate) fn error(self, operation: Operation) -> io::Error {
        match self {
            Fault::NoSpace => ErrorKind::StorageFull.into(),
            Fault::ShortWrite if operation == Operation::Append => ErrorKind::StorageFull.into(),
            Fault::ShortRead if operation == Operation::Read => ErrorKind::UnexpectedEof.into(),
            Fault::Interrupted => ErrorKind::Interrupted.into(),
            Fault::TooManyFiles => rustix::io::Errno::MFILE.into(),
            Fault::Io | Fault::ShortRead | Fault::ShortWrite | Fault::Late => {
                rustix::io::Errno::IO.into()
            }
        }
    }
}

/// The calls that are counted and can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// [`FileSystem::create_dir_all`](crate::fs::FileSystem::create_dir_all).
    CreateDirAll,
    /// [`FileSystem::list`](crate::fs::FileSystem::list).
    List,
    /// [`FileSystem::create_new`](crate::fs::FileSystem::create_new).
    CreateNew,
    /// [`FileSystem::open`](crate::fs::FileSystem::open).
    Open,
    /// [`FileSystem::rename`](crate::fs::FileSystem::rename).
    Rename,
    /// [`FileSystem::remove`](crate::fs::FileSystem::remove).
    Remove,
    /// [`FileSystem::sync_dir`](crate::fs::FileSystem::sync_dir).
    SyncDir,
    /// [`FileSystem::lock`](crate::fs::FileSystem::lock).
    Lock,
    /// [`FileSystem::free_space`](crate::fs::FileSystem::free_space).
    FreeSpace,
    /// [`Append::append`](crate::fs::Append::append).
    Append,
    /// [`Append::reserve`](crate::fs::Append::reserve).
    Reserve,
    /// [`Syncer::sync`](crate::fs::Syncer::sync).
    Sync,
    /// [`ReadAt::read_exact_at`](crate::fs::ReadAt::read_exact_at).
    Read,
}

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How many calls were made before it.
    pub index: u64,
    /// What was called.
    pub operation: Operation,
    /// What the file is for, where it is known; `None` for a directory.
    pub kind: Option<FileKind>,
    /// The file or directory; for a rename, the new name.
    pub path: PathBuf,
}

/// Chooses the calls that fail: those that match, from the `nth` on, one or all.
///
/// ```
/// use siltstone::fs::{FileKind, Operation, Trigger};
///
/// let any = Trigger::any().nth(17);
/// let second_log_sync = Trigger::on(Operation::Sync).kind(FileKind::Wal).nth(1);
/// let every_read = Trigger::on(Operation::Read).sticky();
/// # drop((any, second_log_sync, every_read));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    operation: Option<Operation>,
    kind: Option<FileKind>,
    nth: u64,
    sticky: bool,
}

impl Trigger {
    /// Matches every call.
    #[must_use]
    pub fn any() -> Trigger {
        Trigger::default()
    }

    /// Matches the calls of one operation.
    #[must_use]
    pub fn on(operation: Operation) -> Trigger {
        Trigger { operation: Some(operation), ..Trigger::default() }
    }

    /// Matches only files of this kind.
    #[must_use]
    pub fn kind(mut self, kind: FileKind) -> Trigger {
        self.kind = Some(kind);
        self
    }

    /// Lets this many matching calls pass first, counted from when the fault is set.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Trigger {
        self.nth = nth;
        self
    }

    /// Fails all matching calls from then on, not only one.
    #[must_use]
    pub fn sticky(mut self) -> Trigger {
        self.sticky = true;
        self
    }

    fn matches(&self, call: &Call) -> bool {
        self.operation.is_none_or(|it| it == call.operation)
            && self.kind.is_none_or(|it| call.kind == Some(it))
    }
}

#[derive(Debug)]
struct Rule {
    trigger: Trigger,
    fault: Fault,
    // Matching calls so far.
    seen: u64,
}

/// The faults that are set, and what they hit.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    rules: Vec<Rule>,
    pub(crate) calls: u64,
    pub(crate) hits: Vec<Call>,
    kinds: BTreeMap<PathBuf, FileKind>,
}

impl Plan {
    pub(crate) fn add(&mut self, trigger: Trigger, fault: Fault) {
        self.rules.push(Rule { trigger, fault, seen: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn learn(&mut self, path: &Path, kind: FileKind) {
        if self.kinds.get(path) != Some(&kind) {
            self.kinds.insert(path.to_path_buf(), kind);
        }
    }

    pub(crate) fn kind_of(&self, path: &Path) -> FileKind {
        self.kinds.get(path).copied().unwrap_or(FileKind::Other)
    }

    /// Counts a call, and tells whether it shall fail.
    pub(crate) fn call(
        &mut self,
        operation: Operation,
        kind: Option<FileKind>,
        path: &Path,
    ) -> Option<Fault> {
        let index = self.calls;
        self.calls += 1;
        if self.rules.is_empty() {
            return None;
        }
        let call = Call { index, operation, kind, path: path.to_path_buf() };
        let mut hit = None;
        // Every rule counts, also those that come too late to decide this call.
        for rule in self.rules.iter_mut().filter(|it| it.trigger.matches(&call)) {
            let due = if rule.trigger.sticky {
                rule.seen >= rule.trigger.nth
            } else {
                rule.seen == rule.trigger.nth
            };
            rule.seen += 1;
            if due && hit.is_none() {
                hit = Some(rule.fault);
            }
        }
        if hit.is_some() {
            self.hits.push(call);
        }
        hit
    }
}
