//! What the tests share: tables to name, and histories of edits that make sense.

use crate::format::table_facts::TableFacts;
use crate::manifest::edit::{CleanClose, Edit, KeyspaceFacts};
use crate::manifest::state::State;

/// A table with these bounds (both inclusive) and this range of seqnos.
pub(crate) fn table(id: u64, smallest: &str, largest: &str, seqnos: (u64, u64)) -> TableFacts {
    TableFacts {
        id,
        size_bytes: 100 + id,
        entries: 5,
        deletes: 1,
        range_deletes: 0,
        raw_bytes: 70,
        min_seqno: seqnos.0,
        max_seqno: seqnos.1,
        fingerprint: 0xfeed,
        smallest: smallest.as_bytes().to_vec(),
        largest: largest.as_bytes().to_vec(),
        largest_exclusive: false,
    }
}

/// The same table, its largest key outside.
pub(crate) fn exclusive(table: TableFacts) -> TableFacts {
    TableFacts { largest_exclusive: true, ..table }
}

/// `count` edits as a database would write them: flushes, compactions, moves, keyspaces, closes.
pub(crate) fn history(seed: u64, count: usize) -> Vec<Edit> {
    history_after(State::new(7), seed, count)
}

/// The same, going on from `state`.
pub(crate) fn history_after(mut state: State, seed: u64, count: usize) -> Vec<Edit> {
    let mut random = Random(seed | 1);
    let mut edits = Vec::new();
    for _ in 0..count {
        let mut edit = match random.below(6) {
            0 | 1 => flush(&state),
            2 => compaction(&state),
            3 => move_down(&state, &mut random),
            4 => keyspaces(&state, &mut random),
            _ => close(&state),
        };
        edit.opened = state.clean_close().is_some();
        assert_eq!(state.apply(&edit), Ok(()), "histories are possible");
        edits.push(edit);
    }
    edits
}

fn flush(state: &State) -> Edit {
    let (id, seqno) = (state.next_file(), state.last_seqno());
    Edit {
        added: vec![(0, table(id, "a", "z", (seqno + 1, seqno + 9)))],
        next_file: Some(id + 2),
        last_seqno: Some(seqno + 10),
        wal_floor: Some(state.segments().last().copied().unwrap_or(0)),
        segments: vec![id + 1],
        ..Edit::default()
    }
}

/// Merges levels 0 and 1 into two tables of level 1 that meet at an exclusive end.
fn compaction(state: &State) -> Edit {
    let (id, mut edit) = (state.next_file(), Edit::default());
    for level in [0_u8, 1] {
        let tables = state.tables().level(usize::from(level));
        edit.removed.extend(tables.iter().map(|table| (level, table.id)));
    }
    let seqnos = (0, state.last_seqno());
    edit.added =
        vec![(1, exclusive(table(id, "a", "m", seqnos))), (1, table(id + 1, "m", "z", seqnos))];
    edit.next_file = Some(id + 2);
    edit
}

fn move_down(state: &State, random: &mut Random) -> Edit {
    let mut edit = Edit::default();
    let level = 1 + u8::try_from(random.below(5)).unwrap();
    let below = state.tables().level(usize::from(level + 1));
    for table in state.tables().level(usize::from(level)) {
        if !below.iter().any(|other| other.overlaps(&table)) {
            edit.removed.push((level, table.id));
            edit.added.push((level + 1, (*table).clone()));
        }
    }
    edit
}

fn keyspaces(state: &State, random: &mut Random) -> Edit {
    let id = state.keyspaces().next();
    let names = state.keyspaces().by_name();
    let dropped = names.values().copied().filter(|_| random.below(3) == 0).collect();
    Edit {
        keyspaces_created: vec![KeyspaceFacts { id, name: format!("keyspace {id}") }],
        keyspaces_dropped: dropped,
        next_keyspace: Some(id + 1),
        ..Edit::default()
    }
}

fn close(state: &State) -> Edit {
    let close = |&segment| CleanClose { segment, length: 4096, chain: 0xabcd };
    Edit { clean_close: state.segments().last().map(close), ..Edit::default() }
}

/// A small generator (xorshift): the same seed gives the same history everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
