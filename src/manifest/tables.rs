//! The live tables by level, and the rule that no edit may break.
//!
//! Invariants: (1) a table stands in one level, once; (2) the tables of level 0 have disjoint
//! ranges of seqnos, so one is wholly newer than another; (3) the tables of every other level have
//! disjoint bounds (an exclusive end may touch the next smallest key); (4) a table that moves
//! keeps its facts.

use crate::format::key::Seqno;
use crate::format::limits::LEVELS;
use crate::format::table_facts::TableFacts;
use crate::manifest::edit::Edit;
use crate::sync::Arc;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The live tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    by_id: BTreeMap<u64, (u8, Arc<TableFacts>)>,
    levels: Vec<Level>,
}

impl Tables {
    /// No tables.
    pub(crate) fn new() -> Tables {
        Tables { by_id: BTreeMap::new(), levels: (0..LEVELS).map(Level::new).collect() }
    }

    /// Level and facts of a table.
    pub(crate) fn get(&self, id: u64) -> Option<(u8, &Arc<TableFacts>)> {
        self.by_id.get(&id).map(|(level, facts)| (*level, facts))
    }

    /// All tables with their level, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &Arc<TableFacts>)> {
        self.by_id.values().map(|(level, facts)| (*level, facts))
    }

    /// The tables of a level: level 0 newest first, the others by their keys.
    pub(crate) fn level(&self, level: usize) -> Vec<Arc<TableFacts>> {
        self.levels.get(level).map_or_else(Vec::new, Level::in_order)
    }

    /// Says what is impossible about the tables of an edit.
    pub(crate) fn check(&self, edit: &Edit) -> Result<(), String> {
        let removed = self.check_removed(edit)?;
        let mut ids = BTreeSet::new();
        let mut added_levels: Vec<Level> = (0..LEVELS).map(Level::new).collect();
        for (level, table) in &edit.added {
            let id = table.id;
            let Some(added) = added_levels.get_mut(usize::from(*level)) else {
                return Err(format!("table {id} is added to level {level}, which does not exist"));
            };
            if !ids.insert(id) {
                return Err(format!("table {id} is added twice"));
            }
            match self.by_id.get(&id) {
                Some(_) if !removed.contains(&id) => {
                    return Err(format!("table {id} is added, but it is there already"));
                }
                Some((_, facts)) if **facts != *table => {
                    return Err(format!("table {id} moves and its facts change"));
                }
                _ => {}
            }
            let there = self.levels[usize::from(*level)].conflict(table, &removed);
            if let Some(other) = there.or_else(|| added.conflict(table, &BTreeSet::new())) {
                let other = other.id;
                return Err(format!("table {id} overlaps table {other} in level {level}"));
            }
            added.insert(Arc::new(table.clone()));
        }
        Ok(())
    }

    fn check_removed(&self, edit: &Edit) -> Result<BTreeSet<u64>, String> {
        let mut removed = BTreeSet::new();
        for (level, id) in &edit.removed {
            match self.by_id.get(id) {
                Some((there, _)) if there == level => {}
                Some((there, _)) => {
                    return Err(format!(
                        "table {id} is removed from level {level}, but it is in level {there}"
                    ));
                }
                None => return Err(format!("table {id} is removed, but there is no such table")),
            }
            if !removed.insert(*id) {
                return Err(format!("table {id} is removed twice"));
            }
        }
        Ok(removed)
    }

    /// Makes the edit's tables true. Requires: `check` found nothing.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        let mut moving = BTreeMap::new();
        for (_, id) in &edit.removed {
            if let Some((level, facts)) = self.by_id.remove(id) {
                self.levels[usize::from(level)].remove(&facts);
                moving.insert(*id, facts);
            }
        }
        for (level, table) in &edit.added {
            let facts = moving.remove(&table.id).unwrap_or_else(|| Arc::new(table.clone()));
            self.levels[usize::from(*level)].insert(Arc::clone(&facts));
            self.by_id.insert(table.id, (*level, facts));
        }
    }
}

/// One level, in the order in which its tables must not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// Level 0, by largest seqno.
    BySeqno(BTreeMap<Seqno, Arc<TableFacts>>),
    /// Any other level, by smallest user key.
    ByKey(BTreeMap<Vec<u8>, Arc<TableFacts>>),
}

impl Level {
    fn new(level: usize) -> Level {
        match level {
            0 => Level::BySeqno(BTreeMap::new()),
            _ => Level::ByKey(BTreeMap::new()),
        }
    }

    fn insert(&mut self, table: Arc<TableFacts>) {
        let replaced = match self {
            Level::BySeqno(tables) => tables.insert(table.max_seqno, table),
            Level::ByKey(tables) => tables.insert(table.smallest.clone(), table),
        };
        assert!(replaced.is_none(), "tables of a level do not overlap: the edit was checked");
    }

    fn remove(&mut self, table: &TableFacts) {
        let removed = match self {
            Level::BySeqno(tables) => tables.remove(&table.max_seqno),
            Level::ByKey(tables) => tables.remove(&table.smallest),
        };
        assert!(removed.is_some_and(|removed| removed.id == table.id), "both indexes agree");
    }

    fn in_order(&self) -> Vec<Arc<TableFacts>> {
        match self {
            Level::BySeqno(tables) => tables.values().rev().cloned().collect(),
            Level::ByKey(tables) => tables.values().cloned().collect(),
        }
    }

    /// A table that may not stand beside `new`, those that are about to go excepted.
    fn conflict(&self, new: &TableFacts, going: &BTreeSet<u64>) -> Option<&Arc<TableFacts>> {
        match self {
            Level::BySeqno(tables) => tables
                .range(new.min_seqno..)
                .map(|(_, other)| other)
                .take_while(|other| other.min_seqno <= new.max_seqno)
                .find(|other| !going.contains(&other.id)),
            Level::ByKey(tables) => {
                let smallest = new.smallest.as_slice();
                let up_to = (Bound::Unbounded, Bound::Included(smallest));
                let behind = (Bound::Excluded(smallest), Bound::Unbounded);
                // Of the tables that begin earlier only the nearest can reach this far.
                let before = tables.range::<[u8], _>(up_to).next_back();
                before
                    .into_iter()
                    .chain(tables.range::<[u8], _>(behind))
                    .map(|(_, other)| other)
                    .take_while(|other| !new.ends_before(&other.smallest))
                    .find(|other| new.overlaps(other) && !going.contains(&other.id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::edit::Edit;
    use crate::manifest::tables::Tables;
    use crate::manifest::tests::{exclusive, table};

    fn with(added: &[(u8, crate::format::table_facts::TableFacts)]) -> Tables {
        let mut tables = Tables::new();
        let edit = Edit { added: added.to_vec(), ..Edit::default() };
        assert_eq!(tables.check(&edit), Ok(()));
        tables.apply(&edit);
        tables
    }

    fn refusal(tables: &Tables, added: Vec<(u8, &str, u64)>, removed: Vec<(u8, u64)>) -> String {
        let added = added.into_iter().map(|(level, bounds, id)| {
            let (smallest, largest) = bounds.split_once("..").unwrap();
            (level, table(id, smallest, largest, (1, 1)))
        });
        let edit = Edit { added: added.collect(), removed, ..Edit::default() };
        tables.check(&edit).err().unwrap_or_default()
    }

    #[test]
    fn tables_of_a_deep_level_never_overlap() {
        let tables = with(&[
            (2, table(1, "b", "d", (1, 1))),
            (2, exclusive(table(2, "f", "h", (1, 1)))),
            (2, table(3, "h", "h", (1, 1))),
        ]);
        let overlaps = |bounds| refusal(&tables, vec![(2, bounds, 9)], vec![]);
        assert_eq!(overlaps("a..b"), "table 9 overlaps table 1 in level 2");
        assert_eq!(overlaps("c..c"), "table 9 overlaps table 1 in level 2");
        assert_eq!(overlaps("d..e"), "table 9 overlaps table 1 in level 2");
        assert_eq!(overlaps("e..z"), "table 9 overlaps table 2 in level 2");
        assert_eq!(overlaps("h..i"), "table 9 overlaps table 3 in level 2");
        assert_eq!(overlaps("e..e"), "");
        assert_eq!(overlaps("i..z"), "");
        let spare = |going| refusal(&tables, vec![(2, "c..z", 9)], going);
        assert_eq!(spare(vec![(2, 1), (2, 3)]), "table 9 overlaps table 2 in level 2");
        assert_eq!(spare(vec![(2, 1), (2, 2), (2, 3)]), "");
        let two = vec![(1, "a..c", 8), (1, "b..d", 9)];
        assert_eq!(refusal(&tables, two, vec![]), "table 9 overlaps table 8 in level 1");
    }

    #[test]
    fn tables_of_level_0_never_share_a_range_of_seqnos() {
        let tables = with(&[(0, table(1, "a", "z", (5, 8))), (0, table(2, "a", "z", (12, 20)))]);
        let check = |seqnos, removed| {
            let added = vec![(0, table(9, "m", "n", seqnos))];
            tables.check(&Edit { added, removed, ..Edit::default() }).is_ok()
        };
        assert!(check((9, 11), vec![]) && check((1, 4), vec![]) && check((21, 21), vec![]));
        for seqnos in [(1, 5), (8, 8), (6, 7), (1, 99), (11, 12), (20, 30)] {
            assert!(!check(seqnos, vec![]), "{seqnos:?}");
        }
        assert!(check((8, 11), vec![(0, 1)]) && !check((8, 12), vec![(0, 1)]));
        assert!(check((1, 99), vec![(0, 1), (0, 2)]));
    }

    #[test]
    fn removed_tables_are_there_and_added_ones_are_not() {
        let tables = with(&[(1, table(1, "b", "d", (1, 1)))]);
        let none = Vec::new;
        assert_eq!(
            refusal(&tables, none(), vec![(1, 7)]),
            "table 7 is removed, but there is no such table"
        );
        assert_eq!(
            refusal(&tables, none(), vec![(2, 1)]),
            "table 1 is removed from level 2, but it is in level 1"
        );
        assert_eq!(refusal(&tables, none(), vec![(1, 1), (1, 1)]), "table 1 is removed twice");
        assert_eq!(
            refusal(&tables, vec![(2, "b..d", 1)], vec![]),
            "table 1 is added, but it is there already"
        );
        assert_eq!(
            refusal(&tables, vec![(2, "b..d", 7), (3, "x..y", 7)], vec![]),
            "table 7 is added twice"
        );
        assert_eq!(
            refusal(&tables, vec![(7, "b..d", 9)], vec![]),
            "table 9 is added to level 7, which does not exist"
        );
    }

    #[test]
    fn a_table_that_moves_keeps_its_facts() {
        let mut tables = with(&[(1, table(1, "b", "d", (1, 1)))]);
        assert_eq!(
            refusal(&tables, vec![(2, "b..e", 1)], vec![(1, 1)]),
            "table 1 moves and its facts change"
        );
        let added = vec![(2, table(1, "b", "d", (1, 1)))];
        let edit = Edit { added, removed: vec![(1, 1)], ..Edit::default() };
        assert_eq!(tables.check(&edit), Ok(()));
        tables.apply(&edit);
        assert_eq!((tables.level(1).len(), tables.level(2).len()), (0, 1));
        assert_eq!(tables.get(1).map(|(level, _)| level), Some(2));
    }
}
