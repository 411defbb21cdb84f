//! [`Version`]: the tables that make up the database at one moment.
//!
//! Invariants: (1) those of every [`Level`]; (2) a table stands in one level, once; (3) a version
//! never changes: an edit makes a new one, which shares all handles that live on and all levels
//! that the edit does not touch.
//!
//! A version keeps its files: a handle that an edit removed is marked obsolete when the edit is
//! durable, and its file may go when the last version that names it is dropped.

use crate::error::Result as EngineResult;
use crate::format::limits::LEVELS;
use crate::format::range_tombstone::Fragments;
use crate::manifest::{Edit, State};
use crate::sync::{Arc, OnceLock};
use crate::table::{Handle, TableContext};
use crate::version::level::Level;
use crate::version::shape::Shape;
use std::collections::{BTreeMap, BTreeSet};

/// All live tables, by level.
#[derive(Debug)]
pub(crate) struct Version {
    levels: Vec<Arc<Level>>,
    /// See [`range_tombstones`](Self::range_tombstones); filled when somebody asks.
    range_tombstones: OnceLock<Arc<Fragments>>,
}

impl Version {
    /// The version that a state describes. No file is opened.
    pub(crate) fn from_state(context: &Arc<TableContext>, state: &State) -> Version {
        let level = |level| {
            let facts = state.tables().level(level);
            let tables = facts.iter().map(|facts| Handle::new(context, (**facts).clone()));
            Arc::new(Level::new(level, tables.collect()))
        };
        let levels = (0..LEVELS).map(level).collect();
        let version = Version { levels, range_tombstones: OnceLock::new() };
        debug_assert_eq!(version.check(), Ok(()), "a state keeps the same invariants");
        version
    }

    /// The range tombstones of all tables, joined. Opens those that have any, once.
    ///
    /// # Errors
    /// Of opening them.
    pub(crate) fn range_tombstones(&self) -> EngineResult<Arc<Fragments>> {
        if let Some(joined) = self.range_tombstones.get() {
            return Ok(Arc::clone(joined));
        }
        let mut all = Vec::new();
        for handle in self.tables().filter(|handle| handle.facts().range_deletes > 0) {
            all.extend(handle.table()?.range_tombstones().tombstones());
        }
        let joined = Arc::new(Fragments::build(all));
        Ok(Arc::clone(self.range_tombstones.get_or_init(|| joined)))
    }

    /// The version after an edit. Tables that the edit removes are not obsolete yet: see
    /// [`mark_removed`](Self::mark_removed).
    ///
    /// # Errors
    /// A sentence that says what is impossible about the edit.
    pub(crate) fn apply(
        &self,
        context: &Arc<TableContext>,
        edit: &Edit,
    ) -> Result<Version, String> {
        let mut changed: BTreeMap<usize, Vec<Arc<Handle>>> = BTreeMap::new();
        let mut moving = BTreeMap::new();
        for &(level, id) in &edit.removed {
            let level = usize::from(level);
            let tables = changed.entry(level).or_insert_with(|| self.level(level).to_vec());
            match tables.iter().position(|table| table.facts().id == id) {
                Some(index) => moving.insert(id, tables.remove(index)),
                None => return Err(format!("table {id} is not in level {level}")),
            };
        }
        for (level, facts) in &edit.added {
            let level = usize::from(*level);
            if level >= LEVELS {
                return Err(format!("there is no level {level}"));
            }
            let handle =
                moving.remove(&facts.id).unwrap_or_else(|| Handle::new(context, facts.clone()));
            let tables = changed.entry(level).or_insert_with(|| self.level(level).to_vec());
            tables.push(handle);
        }
        let mut levels = self.levels.clone();
        for (number, tables) in changed {
            let level = Level::new(number, tables);
            level.check(number)?;
            levels[number] = Arc::new(level);
        }
        let next = Version { levels, range_tombstones: OnceLock::new() };
        debug_assert_eq!(next.check(), Ok(()), "an edit keeps what it does not touch");
        Ok(next)
    }

    /// Marks the tables that an edit removed from this version: their files may go when nobody
    /// holds them any more. Requires: the edit is durable, and a later record proves it.
    pub(crate) fn mark_removed(&self, edit: &Edit) {
        let stays: BTreeSet<u64> = edit.added.iter().map(|(_, facts)| facts.id).collect();
        for (level, id) in edit.removed.iter().filter(|(_, id)| !stays.contains(id)) {
            let tables = self.level(usize::from(*level));
            if let Some(table) = tables.iter().find(|table| table.facts().id == *id) {
                table.mark_obsolete();
            }
        }
    }

    /// The tables of a level: level 0 newest first, the others by bounds.
    pub(crate) fn level(&self, level: usize) -> &[Arc<Handle>] {
        self.levels.get(level).map_or(&[], |level| level.tables())
    }

    /// The one table of a level, 1 or deeper, whose bounds contain this user key.
    pub(crate) fn table_for(&self, level: usize, user_key: &[u8]) -> Option<&Arc<Handle>> {
        assert!(level > 0, "many tables of level 0 may hold the key");
        self.levels.get(level)?.table_for(user_key)
    }

    /// The levels that are one run each, from the upper ones down.
    pub(crate) fn sorted_levels(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().skip(1).map(|level| &**level)
    }

    /// All tables, upper levels first.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.levels.iter().flat_map(|level| level.tables().iter())
    }

    /// What a picker of compactions looks at. Nothing is busy in it.
    pub(crate) fn shape(&self) -> Shape {
        let facts = |table: &Arc<Handle>| Arc::clone(table.facts());
        let level = |level: &Arc<Level>| level.tables().iter().map(facts).collect();
        Shape { levels: self.levels.iter().map(level).collect(), busy: BTreeSet::new() }
    }

    /// Checks every invariant; says which one is broken.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (number, level) in self.levels.iter().enumerate() {
            level.check(number)?;
        }
        let mut ids = BTreeSet::new();
        match self.tables().find(|table| !ids.insert(table.facts().id)) {
            Some(table) => Err(format!("table {} stands in two places", table.facts().id)),
            None => Ok(()),
        }
    }
}
