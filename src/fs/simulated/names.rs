//! Which file has which name on a simulated disk, and which of it a power cut leaves.
//!
//! Every change of a name is kept in order, with marks that say what made it durable, until all
//! changes before it are settled too. So any choice of surviving changes can be replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::fs::name::Name;

/// The number of a file on one disk; never used twice.
pub(crate) type NodeId = u64;

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory,
    File(NodeId),
}

pub(crate) type Tree = BTreeMap<Name, Entry>;

/// One atomic change of names.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Link(Name, Entry),
    Unlink(Name, NodeId),
    Rename(Name, Name, NodeId),
}

impl Change {
    fn apply(&self, tree: &mut Tree) {
        match self {
            Change::Link(path, entry) => {
                tree.insert(path.clone(), *entry);
            }
            Change::Unlink(path, node) => unlink(tree, path, *node),
            Change::Rename(from, to, node) => {
                unlink(tree, from, *node);
                tree.insert(to.clone(), Entry::File(*node));
            }
        }
    }

    fn node(&self) -> Option<NodeId> {
        match self {
            Change::Link(_, Entry::Directory) => None,
            Change::Link(_, Entry::File(node))
            | Change::Unlink(_, node)
            | Change::Rename(_, _, node) => Some(*node),
        }
    }

    fn names(&self) -> (&Name, Option<&Name>) {
        match self {
            Change::Link(path, _) | Change::Unlink(path, _) => (path, None),
            Change::Rename(from, to, _) => (from, Some(to)),
        }
    }

    // The sync of a directory does; for a rename, that of the new name.
    fn is_made_durable_by(&self, directory: &Path) -> bool {
        let (path, to) = self.names();
        to.unwrap_or(path).is_in(directory)
    }
}

fn unlink(tree: &mut Tree, name: &Name, node: NodeId) {
    if tree.get(name) == Some(&Entry::File(node)) {
        tree.remove(name);
    }
}

#[derive(Clone, Debug)]
struct Pending {
    change: Change,
    // Its directory was synced since.
    synced: bool,
    // Anything at all was synced since: a journal that commits in order has it.
    journaled: bool,
}

/// Names as they are now, and what is known of them on the medium.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    now: Tree,
    // Invariant: `now` is `settled` after all of `pending`.
    settled: Tree,
    pending: Vec<Pending>,
}

impl Names {
    /// Just a root directory.
    pub(crate) fn new() -> Names {
        let root = Tree::from([(Name::from(Path::new("/")), Entry::Directory)]);
        Names { now: root.clone(), settled: root, pending: Vec::new() }
    }

    /// Names that are all durable.
    pub(crate) fn durable(tree: Tree) -> Names {
        Names { now: tree.clone(), settled: tree, pending: Vec::new() }
    }

    /// What this path leads to now.
    pub(crate) fn entry(&self, path: &Path) -> Option<Entry> {
        self.now.get(path.as_os_str()).copied()
    }

    pub(crate) fn now(&self) -> &Tree {
        &self.now
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(Pending { change, synced: false, journaled: false });
    }

    /// A change that is on the medium at once.
    pub(crate) fn change_durably(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(Pending { change, synced: true, journaled: true });
    }

    pub(crate) fn sync_directory(&mut self, directory: &Path) {
        for pending in &mut self.pending {
            pending.journaled = true;
            pending.synced |= pending.change.is_made_durable_by(directory);
        }
        let settled = self.pending.iter().take_while(|it| it.synced).count();
        for pending in self.pending.drain(..settled) {
            pending.change.apply(&mut self.settled);
        }
    }

    /// Some file was synced.
    pub(crate) fn commit_journal(&mut self) {
        for pending in &mut self.pending {
            pending.journaled = true;
        }
    }

    /// The names that syncs of their own directories made durable, and no other.
    pub(crate) fn synced(&self) -> Tree {
        self.survivors(|pending| pending.synced)
    }

    /// The names that a journal committed with any sync.
    pub(crate) fn journaled(&self) -> Tree {
        self.survivors(|pending| pending.journaled)
    }

    /// The synced names, and of the other changes those for which `keep` says so. Changes of one
    /// name survive in order only: a lost one loses those that build on it.
    pub(crate) fn scattered(&self, mut keep: impl FnMut() -> bool) -> Tree {
        let mut lost = BTreeSet::new();
        self.survivors(|pending| {
            if pending.synced {
                return true;
            }
            let (first, second) = pending.change.names();
            let blocked = lost.contains(first) || second.is_some_and(|name| lost.contains(name));
            let kept = !blocked && keep();
            if !kept {
                lost.insert(first.clone());
                lost.extend(second.cloned());
            }
            kept
        })
    }

    fn survivors(&self, mut survives: impl FnMut(&Pending) -> bool) -> Tree {
        let mut tree = self.settled.clone();
        for pending in &self.pending {
            if survives(pending) {
                pending.change.apply(&mut tree);
            }
        }
        tree
    }

    /// Every file that has a name now, or might have one after a power cut.
    pub(crate) fn reachable(&self) -> BTreeSet<NodeId> {
        let named = self.now.values().chain(self.settled.values());
        let named = named.filter_map(|entry| match entry {
            Entry::Directory => None,
            Entry::File(node) => Some(*node),
        });
        named.chain(self.pending.iter().filter_map(|it| it.change.node())).collect()
    }
}
