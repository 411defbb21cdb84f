//! The past of a simulated disk: what it was at the beginning, and every change since.

use std::fmt;
use std::path::Path;

use crate::fs::Event;
use crate::fs::simulated::disk::{Disk, Operation};
use crate::fs::simulated::names::{Entry, NodeId};

/// What had been acknowledged at some moment: the least that must survive a crash there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Last sequence number that was promised to survive a power cut; 0 if none was.
    pub synced: u64,
    /// Last sequence number that was acknowledged at all; 0 if none was.
    pub any: u64,
}

/// One moment of the past.
#[derive(Clone, Debug)]
pub(crate) enum Moment {
    Changed(Operation),
    Observed(Event),
}

/// Invariant: the present disk is `beginning` after all of `moments`.
#[derive(Debug)]
pub(crate) struct History {
    beginning: Disk,
    moments: Vec<Moment>,
    // The disk after that many moments, the one that was asked for last: who asks for one moment
    // after the other replays each only once.
    visited: Option<(usize, Disk)>,
}

impl History {
    pub(crate) fn new(beginning: Disk) -> History {
        History { beginning, moments: Vec::new(), visited: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.moments.len()
    }

    pub(crate) fn push(&mut self, moment: Moment) {
        self.moments.push(moment);
    }

    /// The disk as it was after the first `index` moments. Requires: `index <= len()`.
    pub(crate) fn disk_at(&mut self, index: usize) -> Disk {
        self.visit(index).clone()
    }

    fn visit(&mut self, index: usize) -> &Disk {
        assert!(index <= self.len(), "moment {index} of a history of {}", self.len());
        let (from, mut disk) = match self.visited.take() {
            Some((from, disk)) if from <= index => (from, disk),
            _ => (0, self.beginning.clone()),
        };
        for moment in &self.moments[from..index] {
            if let Moment::Changed(operation) = moment {
                disk.apply(operation);
            }
        }
        &self.visited.insert((index, disk)).1
    }

    /// Requires: `index <= len()`.
    pub(crate) fn acknowledged_at(&self, index: usize) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        for moment in &self.moments[..index] {
            if let Moment::Observed(Event::Acknowledged { seqno, synced }) = moment {
                acknowledged.any = acknowledged.any.max(*seqno);
                if *synced {
                    acknowledged.synced = acknowledged.synced.max(*seqno);
                }
            }
        }
        acknowledged
    }

    /// What happened at one moment, for a message. Requires: `index < len()`.
    pub(crate) fn describe(&mut self, index: usize) -> String {
        match self.moments[index].clone() {
            Moment::Observed(event) => format!("{event:?}"),
            Moment::Changed(operation) => Described(&operation, self.visit(index + 1)).to_string(),
        }
    }
}

struct Described<'a>(&'a Operation, &'a Disk);

impl fmt::Display for Described<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Described(operation, disk) = self;
        let named = |id: &NodeId| {
            let mut all = disk.names.now().iter();
            all.find(|(_, entry)| **entry == Entry::File(*id))
                .map_or(Path::new("(removed)"), |(path, _)| &**path)
        };
        match operation {
            Operation::MakeDirectory(path) => write!(to, "make directory {}", path.display()),
            Operation::Create(path, _) => write!(to, "create {}", path.display()),
            Operation::Append(node, bytes) => {
                let path = named(node).display();
                write!(to, "append {} bytes to {path}", bytes.len())
            }
            Operation::Reserve(node, size) => {
                write!(to, "reserve {size} bytes for {}", named(node).display())
            }
            Operation::Sync(node) => write!(to, "sync {}", named(node).display()),
            Operation::SyncFailed(node) => {
                write!(to, "fail to sync {}", named(node).display())
            }
            Operation::Rename(from, target) => {
                write!(to, "rename {} to {}", from.display(), target.display())
            }
            Operation::Remove(path) => write!(to, "remove {}", path.display()),
            Operation::SyncDirectory(path) => write!(to, "sync directory {}", path.display()),
            Operation::Doctor(path, _, bytes) => {
                write!(to, "put {} bytes into {}", bytes.len(), path.display())
            }
        }
    }
}
