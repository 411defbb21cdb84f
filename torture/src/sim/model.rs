//! What the database must hold, and what it may hold after a crash.

use std::collections::BTreeMap;

/// Keyspace (0 is the default one) and key, to value.
pub(crate) type Map = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// The states that are possible now.
#[derive(Clone, Debug)]
pub(crate) struct States {
    /// The last state that is durable for certain, and every later one.
    known: Vec<Map>,
    /// What a crash may bring up though its last commit was refused: nobody knows whether its bytes
    /// reached the file.
    uncertain: Vec<Map>,
}

impl States {
    pub(crate) fn of(map: Map) -> States {
        States { known: vec![map], uncertain: Vec::new() }
    }

    /// The state that a read sees.
    pub(crate) fn now(&self) -> &Map {
        self.known.last().expect("there is always one")
    }

    /// A commit was acknowledged.
    pub(crate) fn commit(&mut self, next: Map, is_synced: bool) {
        let is_new = next != *self.now();
        self.known.push(next);
        if is_synced {
            if is_new {
                // A new record is durable, and so is the link over what failed before it.
                self.uncertain.clear();
            }
            self.known.drain(..self.known.len() - 1);
        }
    }

    /// A commit failed in a way that says nothing of its bytes.
    pub(crate) fn doubt(&mut self, next: Map) {
        self.uncertain.push(next);
    }

    /// Everything that was acknowledged is durable, and what was refused stays away.
    pub(crate) fn settle(&mut self) {
        self.known.drain(..self.known.len() - 1);
        self.uncertain.clear();
    }

    /// Whether a crash may leave this. If nothing that was written can be lost, only the last state.
    pub(crate) fn accepts(&self, found: &Map, is_whole: bool) -> bool {
        let first = if is_whole { self.known.len() - 1 } else { 0 };
        self.known[first..].iter().chain(&self.uncertain).any(|state| state == found)
    }

    /// How many acknowledged commits are gone if this was found.
    pub(crate) fn lost(&self, found: &Map) -> usize {
        let at = self.known.iter().rposition(|state| state == found);
        at.map_or(0, |at| self.known.len() - 1 - at)
    }

    /// Both together: for a crash in the middle of an operation, of which the states before it and
    /// behind it are known.
    pub(crate) fn and(mut self, later: States) -> States {
        self.known.extend(later.known);
        self.uncertain.extend(later.uncertain);
        self
    }

    /// All of them, for a message.
    pub(crate) fn told(&self) -> String {
        let known: Vec<_> = self.known.iter().map(told).collect();
        let uncertain: Vec<_> = self.uncertain.iter().map(told).collect();
        format!("\n  {}\n  uncertain:\n  {}", known.join("\n  "), uncertain.join("\n  "))
    }
}

/// A state for people: keys, and the number of the write that each comes from.
pub(crate) fn told(map: &Map) -> String {
    let entry = |((keyspace, key), value): (&(u8, Vec<u8>), &Vec<u8>)| {
        let number = value.split(|byte| *byte == b'/').next().unwrap_or_default();
        format!("{keyspace}:{}={}", key.escape_ascii(), number.escape_ascii())
    };
    map.iter().map(entry).collect::<Vec<_>>().join(" ")
}

/// The entries of one keyspace.
pub(crate) fn of_keyspace(map: &Map, keyspace: u8) -> Vec<(&[u8], &[u8])> {
    let own = map.iter().filter(|((own, _), _)| *own == keyspace);
    own.map(|((_, key), value)| (&key[..], &value[..])).collect()
}

#[cfg(test)]
mod tests {
    use crate::sim::model::{Map, States};

    fn map(value: u8) -> Map {
        Map::from([((0, vec![b'a']), vec![value])])
    }

    #[test]
    fn a_crash_leaves_what_is_durable_or_something_later_and_nothing_else() {
        let mut states = States::of(Map::new());
        states.commit(map(1), true);
        states.commit(map(2), false);
        states.doubt(map(3));
        assert!(!states.accepts(&Map::new(), false), "older than what is durable");
        assert!(states.accepts(&map(1), false) && states.accepts(&map(2), false));
        assert!(states.accepts(&map(3), true), "nobody knows");
        assert!(!states.accepts(&map(1), true), "nothing can be lost");
        assert_eq!((states.lost(&map(1)), states.lost(&map(2))), (1, 0));
        states.commit(map(4), true);
        assert!(states.accepts(&map(4), false));
        assert!(!states.accepts(&map(3), false) && !states.accepts(&map(2), false));
    }
}
