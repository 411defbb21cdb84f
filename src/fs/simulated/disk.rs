//! A simulated disk: files, names, and how much of both is durable. One operation at a time.
//!
//! A disk knows no callers: whether an operation is possible was decided before it came here, so
//! that the same operations give the same disk when they are replayed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::fs::name::Name;
use crate::fs::simulated::content::Content;
use crate::fs::simulated::names::{Change, Entry, Names, NodeId, Tree};
use crate::sync::Arc;

/// One change of a disk.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    MakeDirectory(Name),
    Create(Name, NodeId),
    Append(NodeId, Arc<[u8]>),
    Reserve(NodeId, u64),
    Sync(NodeId),
    SyncFailed(NodeId),
    Rename(Name, Name),
    Remove(Name),
    SyncDirectory(Name),
    /// Somebody put these bytes there behind everyone's back; they are durable at once.
    Doctor(Name, NodeId, Arc<[u8]>),
}

/// One file. Invariants: (1) `synced <= content.end()`; (2) `synced_size <= content.size()`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) content: Content,
    /// Bytes that a sync covered.
    pub(crate) synced: u64,
    /// Length of the file, room included, when it was last synced.
    pub(crate) synced_size: u64,
    /// Pages whose sync failed: they can be read, and will never be on the medium.
    pub(crate) lost: Vec<Range<u64>>,
}

/// All files and names.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) names: Names,
    pub(crate) nodes: BTreeMap<NodeId, Arc<Node>>,
    /// The file that was appended to last, and where that append began.
    pub(crate) last_append: Option<(NodeId, u64)>,
}

impl Disk {
    pub(crate) fn new() -> Disk {
        Disk { names: Names::new(), nodes: BTreeMap::new(), last_append: None }
    }

    /// A disk on which everything is durable.
    pub(crate) fn settled(names: Tree, nodes: BTreeMap<NodeId, Arc<Node>>) -> Disk {
        Disk { names: Names::durable(names), nodes, last_append: None }
    }

    pub(crate) fn entry(&self, path: &Path) -> Option<Entry> {
        self.names.entry(path)
    }

    pub(crate) fn file(&self, path: &Path) -> Option<NodeId> {
        match self.entry(path)? {
            Entry::Directory => None,
            Entry::File(node) => Some(node),
        }
    }

    /// Requires: the operation is possible on this disk.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::MakeDirectory(path) => {
                self.names.change(Change::Link(path.clone(), Entry::Directory));
            }
            Operation::Create(path, node) => {
                self.nodes.insert(*node, Arc::default());
                self.names.change(Change::Link(path.clone(), Entry::File(*node)));
            }
            Operation::Append(id, bytes) => {
                let node = self.node_mut(*id);
                let start = node.content.end();
                node.content.push(Arc::clone(bytes));
                self.last_append = Some((*id, start));
            }
            Operation::Reserve(id, size) => self.node_mut(*id).content.grow(*size),
            Operation::Sync(id) => {
                let node = self.node_mut(*id);
                node.synced = node.content.end();
                node.synced_size = node.content.size();
                self.names.commit_journal();
            }
            Operation::SyncFailed(id) => {
                let node = self.node_mut(*id);
                let end = node.content.end();
                let start = node.lost.last().map_or(0, |last| last.end).max(node.synced);
                if start < end {
                    node.lost.push(start..end);
                }
            }
            Operation::Rename(from, to) => {
                if let Some(node) = self.file(from) {
                    self.names.change(Change::Rename(from.clone(), to.clone(), node));
                }
            }
            Operation::Remove(path) => {
                if let Some(node) = self.file(path) {
                    self.names.change(Change::Unlink(path.clone(), node));
                }
            }
            Operation::SyncDirectory(path) => self.names.sync_directory(path),
            Operation::Doctor(path, id, bytes) => self.doctor(path, *id, bytes),
        }
    }

    fn doctor(&mut self, path: &Name, id: NodeId, bytes: &Arc<[u8]>) {
        let node = self.nodes.entry(id).or_default();
        let node = Arc::make_mut(node);
        node.content = Content::default();
        node.content.push(Arc::clone(bytes));
        node.synced = node.content.end();
        node.synced_size = node.content.size();
        node.lost.clear();
        if self.file(path) != Some(id) {
            let link = Change::Link(path.clone(), Entry::File(id));
            self.names.change_durably(link);
        }
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let node = self.nodes.get_mut(&id);
        Arc::make_mut(node.expect("a file that is open or named has a node"))
    }

    /// Forgets the files that no name can lead to, but for those that are open.
    pub(crate) fn collect(&mut self, is_open: impl Fn(NodeId) -> bool) {
        let reachable = self.names.reachable();
        self.nodes.retain(|id, _| reachable.contains(id) || is_open(*id));
    }
}
