//! Histories of edits are applied to a version and to a state side by side: both must say the
//! same at every step, and a version must share what an edit does not touch.

use crate::cache::{Budget, Cache};
use crate::fs::SimulatedFileSystem;
use crate::manifest::tests::{exclusive, history, table};
use crate::manifest::{Edit, State};
use crate::sync::Arc;
use crate::table::TableContext;
use crate::version::Version;
use proptest::prelude::*;

fn context() -> Arc<TableContext> {
    let cache = Cache::new(Budget::new(1 << 20));
    TableContext::new(Arc::new(SimulatedFileSystem::new()), "/db".into(), 7, cache)
}

fn with(edits: &[Edit]) -> (Arc<TableContext>, Version) {
    let context = context();
    let mut version = Version::from_state(&context, &State::new(7));
    for edit in edits {
        version = version.apply(&context, edit).unwrap();
    }
    (context, version)
}

fn ids<'a>(tables: impl IntoIterator<Item = &'a Arc<crate::table::Handle>>) -> Vec<u64> {
    tables.into_iter().map(|table| table.facts().id).collect()
}

proptest! {
    #[test]
    fn a_version_says_what_the_state_says(seed: u64, count in 1..30_usize) {
        let context = context();
        let mut state = State::new(7);
        let mut version = Version::from_state(&context, &state);
        for edit in history(seed, count) {
            state.apply(&edit).unwrap();
            version = version.apply(&context, &edit).unwrap();
            prop_assert_eq!(version.check(), Ok(()));
            let fresh = Version::from_state(&context, &state);
            prop_assert_eq!(version.shape(), fresh.shape());
        }
    }

    #[test]
    fn the_table_for_a_key_is_the_one_that_contains_it(
        cuts in prop::collection::btree_set("[ab]{1,6}", 2..20), probes in prop::collection::vec("[abc]{0,7}", 20),
    ) {
        let cuts: Vec<_> = cuts.into_iter().collect();
        let added = cuts.windows(2).enumerate().step_by(2).map(|(index, bounds)| {
            let table = table(index as u64, &bounds[0], &bounds[1], (1, 1));
            (3, if index % 4 == 0 { exclusive(table) } else { table })
        });
        let (_, version) = with(&[Edit { added: added.collect(), ..Edit::default() }]);
        for probe in probes.iter().chain(&cuts).map(String::as_bytes) {
            let plain = version.level(3).iter().find(|table| table.facts().contains(probe));
            let found = version.table_for(3, probe);
            prop_assert_eq!(found.map(|table| table.facts().id), plain.map(|table| table.facts().id));
        }
    }
}

#[test]
fn an_edit_shares_handles_and_untouched_levels() {
    let first = Edit {
        added: vec![
            (0, table(1, "a", "z", (5, 9))),
            (0, table(2, "a", "z", (10, 19))),
            (1, table(3, "a", "c", (1, 4))),
            (2, table(4, "d", "f", (1, 4))),
        ],
        ..Edit::default()
    };
    let (context, old) = with(std::slice::from_ref(&first));
    assert_eq!(ids(old.level(0)), [2, 1], "newest first");
    let move_3 = Edit {
        removed: vec![(1, 3)],
        added: vec![(2, table(3, "a", "c", (1, 4)))],
        ..Edit::default()
    };
    let new = old.apply(&context, &move_3).unwrap();
    assert_eq!((ids(new.level(1)), ids(new.level(2))), (vec![], vec![3, 4]));
    assert!(Arc::ptr_eq(&old.level(1)[0], &new.level(2)[0]), "the table stays open");
    assert!(std::ptr::eq(old.level(0), new.level(0)), "the level is the same one");
}

#[test]
fn a_file_may_go_when_no_version_names_it() {
    let add = |id, level, bounds: (&str, &str)| (level, table(id, bounds.0, bounds.1, (1, 1)));
    let (context, old) = with(&[Edit {
        added: vec![add(1, 1, ("a", "b")), add(2, 1, ("c", "d")), add(3, 1, ("e", "f"))],
        ..Edit::default()
    }]);
    let edit = Edit {
        removed: vec![(1, 1), (1, 2)],
        added: vec![add(2, 2, ("c", "d"))],
        ..Edit::default()
    };
    let new = old.apply(&context, &edit).unwrap();
    old.mark_removed(&edit);
    assert_eq!(context.take_released(), [0_u64; 0], "the old version names it");
    drop(old);
    assert_eq!(context.take_released(), [1], "the table that moved stays");
    drop(new);
    assert_eq!(context.take_released(), [0_u64; 0], "nobody removed the others");
}

#[test]
fn an_edit_that_is_not_durable_frees_nothing() {
    let added = vec![(1, table(1, "a", "b", (1, 1)))];
    let (context, old) = with(&[Edit { added, ..Edit::default() }]);
    let edit = Edit { removed: vec![(1, 1)], ..Edit::default() };
    drop(old.apply(&context, &edit).unwrap());
    drop(old);
    assert_eq!(context.take_released(), [0_u64; 0]);
}

#[test]
fn impossible_edits_are_refused() {
    let added = vec![(1, table(1, "a", "c", (1, 4))), (0, table(2, "a", "c", (5, 8)))];
    let (context, version) = with(&[Edit { added, ..Edit::default() }]);
    let refused = |added, removed| {
        let edit = Edit { added, removed, ..Edit::default() };
        version.apply(&context, &edit).is_err()
    };
    assert!(refused(vec![(1, table(3, "c", "d", (1, 1)))], vec![]));
    assert!(!refused(vec![(1, table(3, "c", "d", (1, 1)))], vec![(1, 1)]));
    assert!(refused(vec![(0, table(3, "x", "y", (8, 9)))], vec![]));
    assert!(refused(vec![(7, table(3, "x", "y", (8, 9)))], vec![]));
    assert!(refused(vec![], vec![(2, 1)]));
    assert!(refused(vec![], vec![(1, 1), (1, 1)]));
}

#[test]
fn tables_that_reach_into_a_range_share_a_key_with_it() {
    let (_, version) = with(&[Edit {
        added: vec![
            (1, exclusive(table(1, "b", "d", (1, 1)))),
            (1, table(2, "d", "f", (1, 1))),
            (1, table(3, "h", "k", (1, 1))),
        ],
        ..Edit::default()
    }]);
    let found = |start: &str, end: Option<&str>| {
        let level = version.sorted_levels().next().unwrap();
        let reach = level.reaching(start.as_bytes(), end.map(str::as_bytes));
        ids(&level.tables()[reach])
    };
    assert_eq!(found("", None), [1, 2, 3]);
    assert_eq!(found("a", Some("b")), [0_u64; 0]);
    assert_eq!(found("c", Some("d")), [1]);
    assert_eq!(found("d", Some("h")), [2]);
    assert_eq!(found("f", Some("h\0")), [2, 3]);
    assert_eq!(found("l", None), [0_u64; 0]);
    assert_eq!(found("f\0", Some("g")), [0_u64; 0]);
    assert_eq!(found("i", Some("b")), [0_u64; 0], "the wrong way round is empty");
}
