//! What the callers of a simulated file system share: the disk, who has what open, locks, clock.
//!
//! Whether a call is possible is decided here, before it becomes an operation on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::fs::LockKind;
use crate::fs::simulated::crash::Random;
use crate::fs::simulated::disk::{Disk, Node, Operation};
use crate::fs::simulated::history::{History, Moment};
use crate::fs::simulated::names::{Entry, NodeId};
use crate::sync::Arc;

/// Where the simulated wall clock starts: in November 2023.
const UNIX_START: Duration = Duration::from_secs(1_700_000_000);

/// Everything behind the one lock of a simulated file system.
#[derive(Debug)]
pub(crate) struct State {
    disk: Disk,
    history: Option<History>,
    next_node: NodeId,
    // How many handles each file has.
    open: BTreeMap<NodeId, usize>,
    // How many hold the lock on a file, and how.
    locks: BTreeMap<NodeId, (LockKind, usize)>,
    // Whether a file may be left that no name leads to.
    garbage: bool,
    pub(crate) capacity: Option<u64>,
    pub(crate) clock: Duration,
    /// Wall-clock time when `clock` was zero.
    pub(crate) unix_start: Duration,
    pub(crate) random: Random,
}

impl State {
    pub(crate) fn new(disk: Disk, random: Random) -> State {
        State {
            next_node: disk.nodes.keys().last().map_or(1, |last| last + 1),
            history: Some(History::new(disk.clone())),
            disk,
            open: BTreeMap::new(),
            locks: BTreeMap::new(),
            garbage: true,
            capacity: None,
            clock: Duration::ZERO,
            unix_start: UNIX_START,
            random,
        }
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The disk as it is now, with the bytes of removed files if there is a history.
    pub(crate) fn present_disk(&mut self) -> Disk {
        match &mut self.history {
            Some(history) => history.disk_at(history.len()),
            None => self.disk.clone(),
        }
    }

    /// Requires: the history is being recorded.
    pub(crate) fn history(&mut self) -> &mut History {
        let history = self.history.as_mut();
        history.expect("the history of this file system is not being recorded")
    }

    /// Forgets the past; from now on there is one or not.
    pub(crate) fn restart_history(&mut self, record: bool) {
        self.history = record.then(|| History::new(self.disk.clone()));
    }

    pub(crate) fn remember(&mut self, moment: Moment) {
        if let Some(history) = &mut self.history {
            history.push(moment);
        }
    }

    fn change(&mut self, operation: Operation) {
        self.disk.apply(&operation);
        self.remember(Moment::Changed(operation));
    }

    fn new_node(&mut self) -> NodeId {
        let node = self.next_node;
        self.next_node += 1;
        node
    }

    /// The file of this name.
    pub(crate) fn find(&self, path: &Path) -> io::Result<NodeId> {
        match self.disk.entry(path) {
            Some(Entry::File(node)) => Ok(node),
            Some(Entry::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => {
                self.check_parent(path)?;
                Err(ErrorKind::NotFound.into())
            }
        }
    }

    /// Fails unless the path is a directory.
    pub(crate) fn check_directory(&self, path: &Path) -> io::Result<()> {
        match self.disk.entry(path) {
            Some(Entry::Directory) => Ok(()),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.check_directory(parent))
    }

    pub(crate) fn make_directories(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|it| self.disk.entry(it) != Some(Entry::Directory))
            .collect();
        for directory in missing.into_iter().rev() {
            if self.disk.entry(directory).is_some() {
                return Err(ErrorKind::NotADirectory.into());
            }
            self.change(Operation::MakeDirectory(directory.into()));
            if let Some(parent) = directory.parent() {
                self.change(Operation::SyncDirectory(parent.into()));
            }
        }
        Ok(())
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<NodeId> {
        if self.disk.entry(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.check_parent(path)?;
        let node = self.new_node();
        self.change(Operation::Create(path.into(), node));
        Ok(node)
    }

    /// Appends what there is room for, and fails if that is not all.
    pub(crate) fn append(&mut self, node: NodeId, bytes: &[u8]) -> io::Result<()> {
        let content = &self.node(node).content;
        let reserved = content.size() - content.end();
        let room = reserved.saturating_add(self.free_space());
        let fitting = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        if fitting > 0 {
            self.change(Operation::Append(node, bytes[..fitting].into()));
        }
        if fitting < bytes.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(crate) fn reserve(&mut self, node: NodeId, size: u64) -> io::Result<()> {
        let more = size.saturating_sub(self.node(node).content.size());
        if more > self.free_space() {
            return Err(ErrorKind::StorageFull.into());
        }
        if more > 0 {
            self.change(Operation::Reserve(node, size));
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, node: NodeId) {
        self.change(Operation::Sync(node));
    }

    pub(crate) fn sync_failed(&mut self, node: NodeId) {
        self.change(Operation::SyncFailed(node));
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.find(from)?;
        self.check_parent(to)?;
        if self.disk.entry(to) == Some(Entry::Directory) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if from != to {
            self.change(Operation::Rename(from.into(), to.into()));
            self.garbage = true;
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change(Operation::Remove(path.into()));
        self.garbage = true;
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.check_directory(path)?;
        self.change(Operation::SyncDirectory(path.into()));
        self.collect_garbage();
        Ok(())
    }

    /// Puts bytes into a file behind everyone's back.
    pub(crate) fn doctor(&mut self, path: &Path, bytes: Vec<u8>) -> io::Result<()> {
        let node = match self.find(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.check_parent(path)?;
                self.new_node()
            }
            other => other?,
        };
        self.change(Operation::Doctor(path.into(), node, bytes.into()));
        Ok(())
    }

    /// Requires: the file has a name or a handle.
    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.disk.nodes[&node]
    }

    pub(crate) fn free_space(&self) -> u64 {
        let Some(capacity) = self.capacity else {
            return 1 << 50;
        };
        let named = self.disk.names.now().values().filter_map(|it| match it {
            Entry::File(node) => Some(*node),
            Entry::Directory => None,
        });
        let taking: BTreeSet<NodeId> = named.chain(self.open.keys().copied()).collect();
        let used = taking.iter().map(|id| self.node(*id).content.size()).sum();
        capacity.saturating_sub(used)
    }

    pub(crate) fn lock(&mut self, path: &Path, how: LockKind) -> io::Result<NodeId> {
        let node = match (self.find(path), how) {
            (Err(error), LockKind::Exclusive) if error.kind() == ErrorKind::NotFound => {
                self.create(path)?
            }
            (other, _) => other?,
        };
        match self.locks.get_mut(&node) {
            None => {
                self.locks.insert(node, (how, 1));
            }
            Some((LockKind::Shared, holders)) if how == LockKind::Shared => *holders += 1,
            Some(_) => return Err(ErrorKind::WouldBlock.into()),
        }
        self.opened(node);
        Ok(node)
    }

    pub(crate) fn unlock(&mut self, node: NodeId) {
        if let Some((_, holders)) = self.locks.get_mut(&node) {
            *holders -= 1;
            if *holders == 0 {
                self.locks.remove(&node);
            }
        }
        self.closed(node);
    }

    pub(crate) fn opened(&mut self, node: NodeId) {
        *self.open.entry(node).or_default() += 1;
    }

    pub(crate) fn closed(&mut self, node: NodeId) {
        if let Some(handles) = self.open.get_mut(&node) {
            *handles -= 1;
            if *handles == 0 {
                self.open.remove(&node);
                self.collect_garbage();
            }
        }
    }

    fn collect_garbage(&mut self) {
        if self.garbage {
            self.disk.collect(|node| self.open.contains_key(&node));
            let now = self.disk.names.now();
            let named = now.values().filter(|it| matches!(it, Entry::File(_)));
            self.garbage = self.disk.nodes.len() > named.count();
        }
    }
}

/// Every node of a disk that has a name, with its name. In order of names.
pub(crate) fn named(disk: &Disk) -> impl Iterator<Item = (&Path, Option<&Arc<Node>>)> {
    disk.names.now().iter().map(|(path, entry)| match entry {
        Entry::Directory => (&**path, None),
        Entry::File(node) => (&**path, disk.nodes.get(node)),
    })
}
