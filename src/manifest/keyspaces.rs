//! Names and ids of keyspaces.
//!
//! Invariants: (1) a live name has one id and a live id one name; (2) an id is given out once:
//! ids are created in ascending order and every id below the next one that is not live was
//! dropped, for ever; (3) the default keyspace has id 0, no name, and is always there.

use crate::format::key::DEFAULT_KEYSPACE;
use crate::format::limits::{KEYSPACE_ID_MAX, KEYSPACE_NAME_BYTES_MAX};
use crate::manifest::edit::{Edit, KeyspaceFacts};
use std::collections::{BTreeMap, BTreeSet};

/// The keyspaces of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyspaces {
    ids: BTreeMap<String, u32>,
    names: BTreeMap<u32, String>,
    next: u32,
}

impl Keyspaces {
    /// The default keyspace alone.
    pub(crate) fn new() -> Keyspaces {
        Keyspaces { ids: BTreeMap::new(), names: BTreeMap::new(), next: DEFAULT_KEYSPACE + 1 }
    }

    /// The live keyspaces that have a name.
    pub(crate) fn by_name(&self) -> &BTreeMap<String, u32> {
        &self.ids
    }

    /// The id of a live keyspace.
    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// The name of a live keyspace.
    #[cfg(test)]
    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// The id that the next keyspace gets.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// All live keyspaces as facts, by id.
    pub(crate) fn facts(&self) -> Vec<KeyspaceFacts> {
        let facts = |(&id, name): (&u32, &String)| KeyspaceFacts { id, name: name.clone() };
        self.names.iter().map(facts).collect()
    }

    /// Says what is impossible about the keyspaces of an edit.
    pub(crate) fn check(&self, edit: &Edit) -> Result<(), String> {
        let mut dropped = BTreeSet::new();
        for &id in &edit.keyspaces_dropped {
            if !self.names.contains_key(&id) || !dropped.insert(id) {
                return Err(format!("keyspace {id} is dropped, but it is not there"));
            }
        }
        let next_after = self.next_after(edit);
        let mut next = self.next;
        let mut names = BTreeSet::new();
        for KeyspaceFacts { id, name } in &edit.keyspaces_created {
            if *id < next {
                return Err(format!("keyspace {id} is created, but that id was given out before"));
            }
            if *id >= next_after || *id > KEYSPACE_ID_MAX {
                return Err(format!("keyspace {id} is created, but that id was not given out"));
            }
            next = id + 1;
            if !(1..=KEYSPACE_NAME_BYTES_MAX).contains(&name.len()) {
                return Err(format!("keyspace {id} has a name of {} bytes", name.len()));
            }
            let is_taken = self.ids.get(name).is_some_and(|holder| !dropped.contains(holder));
            if is_taken || !names.insert(name) {
                return Err(format!("two keyspaces are named {name:?}"));
            }
        }
        Ok(())
    }

    /// Makes the edit's keyspaces true. Requires: `check` found nothing.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        for id in &edit.keyspaces_dropped {
            if let Some(name) = self.names.remove(id) {
                self.ids.remove(&name);
            }
        }
        for KeyspaceFacts { id, name } in &edit.keyspaces_created {
            self.ids.insert(name.clone(), *id);
            self.names.insert(*id, name.clone());
        }
        self.next = self.next_after(edit);
    }

    fn next_after(&self, edit: &Edit) -> u32 {
        self.next.max(edit.next_keyspace.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use crate::format::limits::KEYSPACE_ID_MAX;
    use crate::manifest::edit::{Edit, KeyspaceFacts};
    use crate::manifest::keyspaces::Keyspaces;

    fn edit(created: &[(u32, &str)], dropped: &[u32], next: u32) -> Edit {
        let facts = |&(id, name): &(u32, &str)| KeyspaceFacts { id, name: name.to_owned() };
        Edit {
            keyspaces_created: created.iter().map(facts).collect(),
            keyspaces_dropped: dropped.to_vec(),
            next_keyspace: Some(next),
            ..Edit::default()
        }
    }

    #[test]
    fn an_id_lives_once() {
        let mut keyspaces = Keyspaces::new();
        keyspaces.apply(&edit(&[(1, "a"), (3, "b")], &[], 4));
        keyspaces.apply(&edit(&[(4, "a")], &[1], 5));
        assert_eq!((keyspaces.id("a"), keyspaces.name(3)), (Some(4), Some("b")));
        assert_eq!((keyspaces.id("c"), keyspaces.name(1)), (None, None));
        assert_eq!((keyspaces.name(2), keyspaces.next()), (None, 5));
    }

    #[test]
    fn impossible_keyspaces_are_refused() {
        let mut keyspaces = Keyspaces::new();
        keyspaces.apply(&edit(&[(1, "a")], &[], 3));
        let refusal = |edit| keyspaces.check(&edit).err().unwrap_or_default();
        assert_eq!(refusal(edit(&[(3, "b"), (4, "c")], &[], 5)), "");
        assert_eq!(refusal(edit(&[(3, "a")], &[1], 4)), "", "a name is free again after a drop");
        assert_eq!(refusal(edit(&[(3, "a")], &[], 4)), "two keyspaces are named \"a\"");
        assert_eq!(refusal(edit(&[(3, "b"), (4, "b")], &[], 5)), "two keyspaces are named \"b\"");
        let reused = "keyspace 2 is created, but that id was given out before";
        assert_eq!(refusal(edit(&[(2, "b")], &[], 4)), reused);
        assert!(!refusal(edit(&[(0, "default")], &[], 4)).is_empty());
        assert!(!refusal(edit(&[(4, "b"), (3, "c")], &[], 5)).is_empty());
        let not_given = "keyspace 4 is created, but that id was not given out";
        assert_eq!(refusal(edit(&[(4, "b")], &[], 4)), not_given);
        assert!(!refusal(edit(&[(u32::MAX, "b")], &[], u32::MAX)).is_empty());
        assert_eq!(refusal(edit(&[(KEYSPACE_ID_MAX, "b")], &[], KEYSPACE_ID_MAX + 1)), "");
        let twice = refusal(edit(&[(3, "b"), (3, "c")], &[], 5));
        assert_eq!(twice, "keyspace 3 is created, but that id was given out before");
        assert_eq!(refusal(edit(&[(3, "")], &[], 4)), "keyspace 3 has a name of 0 bytes");
        let long = "n".repeat(256);
        assert_eq!(refusal(edit(&[(3, &long)], &[], 4)), "keyspace 3 has a name of 256 bytes");
        let absent = "is dropped, but it is not there";
        for gone in [0, 2, 9] {
            assert_eq!(refusal(edit(&[], &[gone], 4)), format!("keyspace {gone} {absent}"));
        }
        assert!(refusal(edit(&[], &[1, 1], 4)).ends_with(absent), "dropped twice");
    }
}
