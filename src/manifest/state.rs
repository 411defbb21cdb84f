//! What all edits of a manifest say together.
//!
//! Invariants: (1) those of [`Tables`] and [`Keyspaces`]; (2) every file id that is named is below
//! `next_file`, and no table holds a seqno above `last_seqno`; (3) WAL segments become known in
//! ascending order, and none below the floor is known; (4) counters and floor never fall: an edit
//! that states less says nothing new; (5) a file id means one file: no id is both a table and a
//! segment; (6) after a clean close the next edit is the one that says that the database was
//! opened.
//!
//! A state is a value: replaying `to_edit` gives the same state again.

use crate::format::key::Seqno;
use crate::format::limits::{FORMAT_VERSION, SEQNO_MAX};
use crate::manifest::edit::{CleanClose, Edit};
use crate::manifest::keyspaces::Keyspaces;
use crate::manifest::tables::Tables;
use std::collections::BTreeSet;

/// The durable facts about a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    // Constant: the identity of the database.
    database: u64,
    format: u32,

    // Everything below changes by edits alone.
    tables: Tables,
    keyspaces: Keyspaces,
    segments: BTreeSet<u64>,
    next_file: u64,
    last_seqno: Seqno,
    wal_floor: u64,
    clean_close: Option<CleanClose>,
}

impl State {
    /// The state of a database without anything in it.
    pub(crate) fn new(database: u64) -> State {
        State::with_format(database, FORMAT_VERSION)
    }

    /// The same for a database whose files say which format they have.
    pub(crate) fn with_format(database: u64, format: u32) -> State {
        State {
            database,
            format,
            tables: Tables::new(),
            keyspaces: Keyspaces::new(),
            segments: BTreeSet::new(),
            next_file: 1,
            last_seqno: 0,
            wal_floor: 0,
            clean_close: None,
        }
    }

    /// The random number that stands in every file of this database.
    pub(crate) fn database(&self) -> u64 {
        self.database
    }

    /// The format version of the database.
    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// The live tables.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The keyspaces.
    pub(crate) fn keyspaces(&self) -> &Keyspaces {
        &self.keyspaces
    }

    /// The known WAL segments that are still needed, ascending. The newest may be empty.
    pub(crate) fn segments(&self) -> &BTreeSet<u64> {
        &self.segments
    }

    /// Every file id below it was given out. A crash may have left files with higher ids.
    pub(crate) fn next_file(&self) -> u64 {
        self.next_file
    }

    /// Every seqno up to it was given out; the WAL may hold more.
    pub(crate) fn last_seqno(&self) -> Seqno {
        self.last_seqno
    }

    /// No WAL segment below it is needed.
    pub(crate) fn wal_floor(&self) -> u64 {
        self.wal_floor
    }

    /// Where the WAL ended, if the database was closed in good order and not opened since.
    pub(crate) fn clean_close(&self) -> Option<CleanClose> {
        self.clean_close
    }

    /// Makes an edit true. An edit that breaks an invariant changes nothing.
    ///
    /// # Errors
    /// A sentence that says what is impossible.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        self.check_close(edit)?;
        self.tables.check(edit)?;
        self.keyspaces.check(edit)?;
        let next_file = self.next_file.max(edit.next_file.unwrap_or(0));
        let last_seqno = self.last_seqno.max(edit.last_seqno.unwrap_or(0));
        let wal_floor = self.wal_floor.max(edit.wal_floor.unwrap_or(0));
        check_counters(edit, next_file, last_seqno)?;
        let mut segments = self.checked_segments(edit, next_file, wal_floor)?;
        check_ids(edit, &segments)?;
        segments.retain(|&id| id >= wal_floor);
        if let Some(close) = &edit.clean_close
            && !segments.contains(&close.segment)
        {
            return Err(format!("the clean close names the unknown segment {}", close.segment));
        }

        self.tables.apply(edit);
        self.keyspaces.apply(edit);
        self.segments = segments;
        self.next_file = next_file;
        self.last_seqno = last_seqno;
        self.wal_floor = wal_floor;
        self.clean_close = edit.clean_close;
        Ok(())
    }

    /// The whole state as one edit: what a new manifest begins with.
    pub(crate) fn to_edit(&self) -> Edit {
        Edit {
            added: self.tables.iter().map(|(level, facts)| (level, (**facts).clone())).collect(),
            removed: Vec::new(),
            next_file: Some(self.next_file),
            last_seqno: Some(self.last_seqno),
            wal_floor: Some(self.wal_floor),
            segments: self.segments.iter().copied().collect(),
            keyspaces_created: self.keyspaces.facts(),
            keyspaces_dropped: Vec::new(),
            next_keyspace: Some(self.keyspaces.next()),
            clean_close: self.clean_close,
            opened: false,
        }
    }

    fn check_close(&self, edit: &Edit) -> Result<(), String> {
        if self.clean_close.is_some() && !edit.opened {
            return Err("the database changes, but it was closed and not opened again".to_owned());
        }
        Ok(())
    }

    fn checked_segments(
        &self,
        edit: &Edit,
        next_file: u64,
        wal_floor: u64,
    ) -> Result<BTreeSet<u64>, String> {
        if wal_floor > next_file {
            return Err(format!("the WAL floor {wal_floor} lies above every file"));
        }
        let mut segments = self.segments.clone();
        for &id in &edit.segments {
            if id >= next_file {
                return Err(format!("segment {id} exists, but that id was not given out"));
            }
            if id < self.wal_floor || segments.last().is_some_and(|&last| last >= id) {
                return Err(format!("segment {id} is new, but it is not above the known ones"));
            }
            if self.tables.get(id).is_some() {
                return Err(format!("file {id} is a segment and a table"));
            }
            segments.insert(id);
        }
        Ok(segments)
    }
}

fn check_counters(edit: &Edit, next_file: u64, last_seqno: Seqno) -> Result<(), String> {
    if last_seqno > SEQNO_MAX {
        return Err(format!("the last seqno {last_seqno} is larger than any seqno"));
    }
    for (_, table) in &edit.added {
        let (id, max_seqno) = (table.id, table.max_seqno);
        if id >= next_file {
            return Err(format!("table {id} exists, but that id was not given out"));
        }
        if max_seqno > last_seqno {
            return Err(format!(
                "table {id} holds seqno {max_seqno}, but the last one given out is {last_seqno}"
            ));
        }
    }
    Ok(())
}

fn check_ids(edit: &Edit, segments: &BTreeSet<u64>) -> Result<(), String> {
    let mut ids = edit.added.iter().map(|(_, table)| table.id);
    match ids.find(|id| segments.contains(id)) {
        Some(id) => Err(format!("file {id} is a table and a segment")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::format::limits::SEQNO_MAX;
    use crate::manifest::edit::{CleanClose, Edit};
    use crate::manifest::state::State;
    use crate::manifest::tests::{history, table};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_state_is_the_replay_of_its_own_snapshot(seed: u64, edits in 1..60_usize) {
            let mut state = State::new(7);
            for edit in history(seed, edits) {
                prop_assert_eq!(state.apply(&edit), Ok(()));
                let mut again = State::new(7);
                prop_assert_eq!(again.apply(&state.to_edit()), Ok(()));
                prop_assert_eq!(&again, &state);
            }
        }

        #[test]
        fn a_refused_edit_changes_nothing(seed: u64, other: u64) {
            let mut state = State::new(7);
            for edit in history(seed, 20) {
                state.apply(&edit).unwrap();
            }
            // The edits of another history fit by accident, or not at all.
            for edit in history(other, 20) {
                let before = state.clone();
                if state.apply(&edit).is_err() {
                    prop_assert_eq!(&before, &state);
                }
            }
        }
    }

    fn state() -> State {
        let mut state = State::new(7);
        let edit = Edit {
            added: vec![(1, table(3, "a", "c", (1, 9)))],
            next_file: Some(10),
            last_seqno: Some(20),
            segments: vec![4, 5],
            wal_floor: Some(4),
            ..Edit::default()
        };
        state.apply(&edit).unwrap();
        state
    }

    fn refusal(edit: Edit) -> String {
        state().apply(&edit).err().unwrap_or_default()
    }

    #[test]
    fn what_was_not_given_out_cannot_be_named() {
        let add = |id, max_seqno| Edit {
            added: vec![(1, table(id, "x", "x", (1, max_seqno)))],
            ..Edit::default()
        };
        assert_eq!(refusal(add(10, 9)), "table 10 exists, but that id was not given out");
        assert_eq!(refusal(add(9, 21)), "table 9 holds seqno 21, but the last one given out is 20");
        assert_eq!(refusal(Edit { next_file: Some(11), ..add(10, 20) }), "");
        assert_eq!(refusal(Edit { last_seqno: Some(21), ..add(9, 21) }), "");
        let segment = |id| refusal(Edit { segments: vec![id], ..Edit::default() });
        assert_eq!(segment(10), "segment 10 exists, but that id was not given out");
        let floor = |id| refusal(Edit { wal_floor: Some(id), ..Edit::default() });
        assert_eq!(floor(10), "", "the next file may be the first segment");
        assert_eq!(floor(11), "the WAL floor 11 lies above every file");
        let last = |seqno| refusal(Edit { last_seqno: Some(seqno), ..Edit::default() });
        assert_eq!(last(SEQNO_MAX), "");
        assert!(!last(SEQNO_MAX + 1).is_empty() && !last(u64::MAX).is_empty());
    }

    #[test]
    fn segments_become_known_in_order_and_are_forgotten_below_the_floor() {
        let segment = |id| refusal(Edit { segments: vec![id], ..Edit::default() });
        assert_eq!(segment(6), "");
        assert_eq!(segment(5), "segment 5 is new, but it is not above the known ones");
        assert_eq!(segment(2), "segment 2 is new, but it is not above the known ones");
        let mut state = state();
        state.apply(&Edit { wal_floor: Some(5), ..Edit::default() }).unwrap();
        assert_eq!(state.segments().iter().collect::<Vec<_>>(), [&5]);
        state.apply(&Edit { wal_floor: Some(9), ..Edit::default() }).unwrap();
        let segment = |id| Edit { segments: vec![id], ..Edit::default() };
        assert!(state.apply(&segment(8)).is_err(), "it lies below the floor");
        state.apply(&segment(9)).unwrap();
    }

    #[test]
    fn a_file_id_means_one_file() {
        let both = "file 5 is a table and a segment";
        let added = vec![(1, table(5, "x", "x", (1, 1)))];
        assert_eq!(refusal(Edit { added, ..Edit::default() }), both);
        let mut state = state();
        let forgotten = Edit { wal_floor: Some(6), ..Edit::default() };
        state.apply(&forgotten).unwrap();
        let added = vec![(1, table(8, "x", "x", (1, 1)))];
        state.apply(&Edit { added, ..Edit::default() }).unwrap();
        let again = Edit { segments: vec![8], ..Edit::default() };
        assert_eq!(state.apply(&again), Err("file 8 is a segment and a table".to_owned()));
    }

    #[test]
    fn counters_never_fall() {
        let mut state = state();
        let less = Edit {
            next_file: Some(2),
            last_seqno: Some(2),
            wal_floor: Some(2),
            next_keyspace: Some(0),
            ..Edit::default()
        };
        state.apply(&less).unwrap();
        assert_eq!((state.next_file(), state.last_seqno(), state.wal_floor()), (10, 20, 4));
        assert_eq!(state.keyspaces().next(), 1);
    }

    #[test]
    fn a_closed_database_changes_only_after_it_was_opened() {
        let mut state = state();
        let close = CleanClose { segment: 5, length: 100, chain: 9 };
        let unknown = CleanClose { segment: 6, ..close };
        let closing = |clean_close| Edit { clean_close: Some(clean_close), ..Edit::default() };
        assert!(state.apply(&closing(unknown)).is_err());
        state.apply(&closing(close)).unwrap();
        assert_eq!(state.clean_close(), Some(close));
        assert!(state.apply(&Edit { next_file: Some(11), ..Edit::default() }).is_err());
        state.apply(&Edit { opened: true, ..Edit::default() }).unwrap();
        assert_eq!(state.clean_close(), None);
        state.apply(&Edit { next_file: Some(11), ..Edit::default() }).unwrap();
    }
}
