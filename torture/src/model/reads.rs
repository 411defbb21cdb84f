//! The reads of a case: points, scans, cursors, and those that are held open over later operations.

use crate::model::coverage::add;
use crate::model::held::{HeldCursor, HeldIter, assert_entry, fingerprint, short};
use crate::model::keys::with_range;
use crate::model::keys::{Bytes, KeySpec, Span};
use crate::model::ops::{Op, Source, Walk};
use crate::model::run::Run;
use crate::model::world::{Incarnation, World};
use siltstone::{Cursor, Db, Iter, Keyspace, Slice, Snapshot};
use std::ops::Bound;

/// Something that can be read, and what it must show.
struct Reader {
    door: Door,
    space: Incarnation,
    world: World,
    is_stale: bool,
}

enum Door {
    Root(Db),
    Named(Keyspace),
    Past(Snapshot),
}

macro_rules! through {
    ($door:expr, $target:ident => $call:expr) => {
        match $door {
            Door::Root($target) => $call,
            Door::Named($target) => $call,
            Door::Past($target) => $call,
        }
    };
}

impl Reader {
    fn get(&self, key: &[u8]) -> Option<Slice> {
        let found = through!(&self.door, it => it.get(key)).unwrap();
        let contains = through!(&self.door, it => it.contains(key)).unwrap();
        assert_eq!(found.is_some(), contains);
        found
    }

    fn iter(&self, span: &Span) -> Iter {
        match span {
            Span::Prefix(prefix) => through!(&self.door, it => it.prefix(prefix.bytes())),
            Span::Bounds(start, end) => through!(&self.door, it => {
                with_range!(start, end, range => it.range(range))
            }),
        }
    }

    fn cursor(&self, span: &Span) -> Cursor {
        let Span::Bounds(start, end) = span else { unreachable!("cursors have no prefixes") };
        through!(&self.door, it => with_range!(start, end, range => it.cursor(range)))
    }

    fn expected(&self, span: &Span) -> Vec<(Bytes, Bytes)> {
        self.world.entries(self.space, span)
    }
}

impl Run<'_> {
    pub(crate) fn read(&mut self, op: &Op) {
        match op {
            Op::Get(source, key) => self.get(*source, key),
            Op::Ends(space) => self.ends(*space),
            Op::Scan(source, span, walk) => self.scan(*source, span, walk),
            Op::Cursor(source, span, moves) => {
                let mut held = self.open_cursor(*source, span);
                moves.iter().for_each(|step| held.make(step, &mut self.transcript));
            }
            Op::OpenIter(source, span) => {
                let held = self.open_iter(*source, span);
                self.iters.push(held);
            }
            Op::AdvanceIter(index, directions) => {
                self.advance_iter(usize::from(*index), directions)
            }
            Op::CloseIter(index) if !self.iters.is_empty() => {
                self.iters.swap_remove(usize::from(*index) % self.iters.len());
            }
            Op::OpenCursor(source, span) => {
                let held = self.open_cursor(*source, span);
                self.cursors.push(held);
            }
            Op::AdvanceCursor(index, moves) if !self.cursors.is_empty() => {
                let index = usize::from(*index) % self.cursors.len();
                let held = &mut self.cursors[index];
                moves.iter().for_each(|step| held.make(step, &mut self.transcript));
                add(&self.coverage.held_entries, held.gap);
            }
            Op::TakeSnapshot => {
                self.snapshots.push((self.db().snapshot(), self.chronicle.now.clone()));
            }
            Op::DropSnapshot(index) if !self.snapshots.is_empty() => {
                self.snapshots.swap_remove(usize::from(*index) % self.snapshots.len());
            }
            Op::CloseIter(_) | Op::AdvanceCursor(..) | Op::DropSnapshot(_) => {}
            other => unreachable!("{other:?} is no read"),
        }
    }

    /// Resolves a source. Without a snapshot to read in, it is the present.
    fn reader(&self, source: Source) -> Reader {
        let (snapshot, space) = match source {
            Source::Now(space) => (None, space),
            Source::Snapshot(index, space) | Source::StaleInSnapshot(index, space) => {
                (self.snapshots.get(usize::from(index) % self.snapshots.len().max(1)), space)
            }
        };
        let Some((snapshot, world)) = snapshot else {
            let slot = self.slot(space).map(|slot| slot.keyspace.clone());
            let door = slot.map_or_else(|| Door::Root(self.db().clone()), Door::Named);
            let (space, world) = (self.incarnation(space), self.chronicle.now.clone());
            return Reader { door, space, world, is_stale: false };
        };
        let is_stale = matches!(source, Source::StaleInSnapshot(..)) && !self.stale.is_empty();
        let slot = match is_stale {
            true => self.stale.get(usize::from(space) % self.stale.len()),
            false => self.slot(space),
        };
        let (snapshot, space) = match slot {
            None => (snapshot.clone(), 0),
            Some(slot) => (snapshot.keyspace(&slot.keyspace).unwrap(), slot.incarnation),
        };
        Reader { door: Door::Past(snapshot), space, world: world.clone(), is_stale }
    }

    fn get(&mut self, source: Source, key: &KeySpec) {
        let (reader, key) = (self.reader(source), key.bytes());
        let found = reader.get(&key);
        let map = reader.world.map(reader.space);
        assert_eq!(short(found.as_deref()), short(map.get(&key).map(|value| &**value)));
        assert_eq!(found.as_deref(), map.get(&key).map(|value| &**value));
        self.transcript.push(fingerprint(&found.as_deref()));
    }

    fn ends(&mut self, space: u8) {
        let map = self.chronicle.now.map(self.incarnation(space));
        let (first, last) = match self.slot(space) {
            None => (self.db().first().unwrap(), self.db().last().unwrap()),
            Some(slot) => (slot.keyspace.first().unwrap(), slot.keyspace.last().unwrap()),
        };
        for (found, expected) in [(first, map.first_key_value()), (last, map.last_key_value())] {
            let expected = expected.map(|(key, value)| (key.clone(), value.clone()));
            let found = found.as_ref().map(|(key, value)| (&**key, &**value));
            assert_entry(found, expected.as_ref());
            self.transcript.push(fingerprint(&found));
        }
    }

    fn scan(&mut self, source: Source, span: &Span, walk: &Walk) {
        let is_past = !matches!(source, Source::Now(_)) && !self.snapshots.is_empty();
        let mut held = self.open_iter(source, span);
        let count = held.rest.len();
        // Both ends are asked once more behind the last entry: nothing comes back.
        for turn in 0..count + 2 {
            let forward = match walk {
                Walk::Forward => true,
                Walk::Backward => false,
                Walk::BothEnds(turns) => turns[turn % turns.len()],
            };
            self.transcript.push(fingerprint(&held.advance(forward)));
        }
        add(&self.coverage.scanned_entries, count);
        add(&self.coverage.snapshot_entries, if is_past { count } else { 0 });
        add(&self.coverage.stale_entries, if held.is_stale { count } else { 0 });
    }

    fn open_iter(&self, source: Source, span: &Span) -> HeldIter {
        let reader = self.reader(source);
        let rest = reader.expected(span).into();
        HeldIter { iter: reader.iter(span), rest, is_stale: reader.is_stale }
    }

    fn open_cursor(&self, source: Source, span: &Span) -> HeldCursor {
        let reader = self.reader(source);
        HeldCursor { cursor: reader.cursor(span), entries: reader.expected(span), gap: 0 }
    }

    fn advance_iter(&mut self, index: usize, directions: &[bool]) {
        if self.iters.is_empty() {
            return;
        }
        let index = index % self.iters.len();
        for &forward in directions {
            let found = self.iters[index].advance(forward);
            add(&self.coverage.held_entries, usize::from(found.is_some()));
            self.transcript.push(fingerprint(&found));
        }
    }

    /// Reads everything that there is: the present and every snapshot, in both directions.
    pub(crate) fn check_everything(&mut self) {
        for space in 0..4 {
            self.scan(Source::Now(space), &Span::full(), &Walk::Forward);
            self.scan(Source::Now(space), &Span::full(), &Walk::Backward);
            for index in 0..self.snapshots.len().min(4) as u8 {
                self.scan(Source::Snapshot(index, space), &Span::full(), &Walk::Backward);
            }
        }
        let held = std::mem::take(&mut self.iters);
        for mut iter in held {
            let rest = iter.rest.len();
            (0..=rest).for_each(|turn| drop(iter.advance(turn % 3 > 0)));
        }
        self.db().verify().unwrap().into_result().unwrap();
    }
}
