//! The model: what the database must hold, as plain maps.
//!
//! A world is cheap to copy: maps are shared until they change. So every snapshot keeps the whole
//! world of its moment, and so does every commit that a power cut may take back.

use crate::model::keys::{Bytes, Span};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) type Map = BTreeMap<Bytes, Bytes>;

/// Number of a keyspace in a run: 0 is the default one, and a dropped one never comes back.
pub(crate) type Incarnation = u64;

/// Every keyspace at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    spaces: BTreeMap<Incarnation, Arc<Map>>,
}

impl World {
    pub(crate) fn new() -> World {
        World { spaces: BTreeMap::from([(0, Arc::default())]) }
    }

    pub(crate) fn create(&mut self, space: Incarnation) {
        self.spaces.entry(space).or_default();
    }

    pub(crate) fn remove(&mut self, space: Incarnation) {
        self.spaces.remove(&space);
    }

    /// What a keyspace holds; nothing if it does not exist at this moment.
    pub(crate) fn map(&self, space: Incarnation) -> Arc<Map> {
        self.spaces.get(&space).map(Arc::clone).unwrap_or_default()
    }

    fn map_mut(&mut self, space: Incarnation) -> &mut Map {
        Arc::make_mut(self.spaces.entry(space).or_default())
    }

    pub(crate) fn put(&mut self, space: Incarnation, key: Bytes, value: Bytes) {
        self.map_mut(space).insert(key, value);
    }

    pub(crate) fn delete(&mut self, space: Incarnation, key: &[u8]) {
        self.map_mut(space).remove(key);
    }

    pub(crate) fn delete_span(&mut self, space: Incarnation, span: &Span) {
        self.map_mut(space).retain(|key, _| !span.contains(key));
    }

    /// The entries of a range, in order.
    pub(crate) fn entries(&self, space: Incarnation, span: &Span) -> Vec<(Bytes, Bytes)> {
        let map = self.map(space);
        let inside = map.iter().filter(|(key, _)| span.contains(key));
        inside.map(|(key, value)| (Arc::clone(key), Arc::clone(value))).collect()
    }
}

/// The present world, and the earlier ones to which a power cut may lead back.
pub(crate) struct Chronicle {
    pub(crate) now: World,
    /// After the last commit known durable, and after each one since; the last is `now`.
    possible: Vec<World>,
}

impl Chronicle {
    pub(crate) fn new() -> Chronicle {
        Chronicle { now: World::new(), possible: vec![World::new()] }
    }

    /// A commit was acknowledged.
    pub(crate) fn commit(&mut self, is_durable: bool) {
        if is_durable {
            self.possible.clear();
        }
        self.possible.push(self.now.clone());
    }

    /// A keyspace was created: that is durable by itself, and undone by no power cut.
    pub(crate) fn create(&mut self, space: Incarnation) {
        self.now.create(space);
        self.possible.iter_mut().for_each(|world| world.create(space));
    }

    /// After a power cut the database holds `found`. Returns how many commits that took back, or
    /// nothing if it must not be.
    pub(crate) fn fall_back(&mut self, found: &World) -> Option<usize> {
        let at = self.possible.iter().rposition(|world| world == found)?;
        let lost = self.possible.len() - 1 - at;
        self.now = found.clone();
        self.possible = vec![found.clone()];
        Some(lost)
    }
}
