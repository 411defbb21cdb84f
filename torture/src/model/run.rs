//! Carries out a case on a database and on its model, and holds the two against each other.

use crate::model::coverage::{Coverage, add};
use crate::model::held::{HeldCursor, HeldIter};
use crate::model::keys::with_range;
use crate::model::keys::{KeySpec, Span, value};
use crate::model::ops::{BatchOp, Case, Fill, Op, Setup};
use crate::model::world::{Chronicle, Incarnation, World};
use siltstone::fs::{LintFileSystem, SimulatedFileSystem};
use siltstone::{Batch, Db, Durability, Error, ErrorKind, Keyspace, Reason, Snapshot};
use std::ops::Bound;

/// Names of the keyspaces that a case may create.
pub(crate) const NAMES: [&str; 3] = ["alpha", "alpha/beta", "\u{3b3}"];

/// Keys in one batch of a fill.
const FILL_BATCH_KEYS: usize = 16;

/// A keyspace that a case has created.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) keyspace: Keyspace,
    pub(crate) incarnation: Incarnation,
}

/// One case at work.
pub(crate) struct Run<'a> {
    pub(crate) setups: &'a [Setup],
    /// How often the database was opened.
    pub(crate) openings: usize,
    pub(crate) disk: SimulatedFileSystem,
    pub(crate) fs: LintFileSystem,
    /// None only while it is being opened.
    pub(crate) db: Option<Db>,
    /// Which keyspaces exist, by their place in [`NAMES`]; and the handles of the present opening.
    pub(crate) existing: [Option<Incarnation>; 3],
    pub(crate) slots: [Option<Slot>; 3],
    /// Handles of keyspaces that were dropped since the open.
    pub(crate) stale: Vec<Slot>,
    pub(crate) chronicle: Chronicle,
    pub(crate) snapshots: Vec<(Snapshot, World)>,
    pub(crate) iters: Vec<HeldIter>,
    pub(crate) cursors: Vec<HeldCursor>,
    pub(crate) coverage: &'a Coverage,
    /// Fingerprints of everything that was read, in order.
    pub(crate) transcript: Vec<u64>,
    stamp: u64,
    incarnations: u64,
    pub(crate) last_seqno: u64,
}

/// Runs a case from an empty disk to a last close. Returns what it read, and the disk.
pub(crate) fn run(case: &Case, coverage: &Coverage) -> (Vec<u64>, SimulatedFileSystem) {
    let mut run = Run::new(&case.setups, coverage);
    for op in &case.ops {
        run.carry_out(op);
    }
    run.check_everything();
    run.close_and_reopen();
    run.end_life();
    (run.transcript, run.disk)
}

impl<'a> Run<'a> {
    pub(crate) fn new(setups: &'a [Setup], coverage: &'a Coverage) -> Run<'a> {
        let disk = SimulatedFileSystem::with_seed(setups[0].block_bytes as u64);
        disk.restart_history(false);
        let mut run = Run {
            setups,
            openings: 0,
            fs: LintFileSystem::new(disk.clone()),
            disk,
            db: None,
            existing: [None; 3],
            slots: [None, None, None],
            stale: Vec::new(),
            chronicle: Chronicle::new(),
            snapshots: Vec::new(),
            iters: Vec::new(),
            cursors: Vec::new(),
            coverage,
            transcript: Vec::new(),
            stamp: 0,
            incarnations: 0,
            last_seqno: 0,
        };
        run.open();
        run
    }

    pub(crate) fn db(&self) -> &Db {
        self.db.as_ref().expect("open but while it is being opened")
    }

    pub(crate) fn setup(&self) -> &'a Setup {
        &self.setups[(self.openings - 1) % self.setups.len()]
    }

    /// The keyspace that a number means; the default one is none.
    pub(crate) fn slot(&self, space: u8) -> Option<&Slot> {
        let index = usize::from(space % 4).checked_sub(1)?;
        self.slots[index].as_ref()
    }

    pub(crate) fn incarnation(&self, space: u8) -> Incarnation {
        self.slot(space).map_or(0, |slot| slot.incarnation)
    }

    fn next_value(&mut self, len: usize) -> crate::model::keys::Bytes {
        self.stamp += 1;
        value(self.stamp, len)
    }

    pub(crate) fn carry_out(&mut self, op: &Op) {
        match op {
            Op::Put(space, key, len) => self.put(*space, key, *len),
            Op::Delete(space, key) => {
                let (at, key) = (self.incarnation(*space), key.bytes());
                self.keyspace(*space, |db| db.delete(&key), |it| it.delete(&key)).unwrap();
                self.chronicle.now.delete(at, &key);
                self.committed(None);
            }
            Op::DeleteSpan(space, span) => self.delete_span(*space, span),
            Op::Clear(space) => {
                let at = self.incarnation(*space);
                self.keyspace(*space, Db::clear, Keyspace::clear).unwrap();
                self.chronicle.now.delete_span(at, &Span::full());
                self.committed(None);
            }
            Op::Fill(fill) => self.fill(fill),
            Op::Batch(ops, durability) => self.batch(ops, *durability),
            Op::Refused(space, key) => self.refused(*space, key),
            Op::CreateKeyspace(index) => self.create_keyspace(usize::from(*index) % NAMES.len()),
            Op::DropKeyspace(index, keep) => {
                if *keep {
                    self.read(&Op::TakeSnapshot);
                }
                self.drop_keyspace(usize::from(*index) % NAMES.len());
            }
            Op::UseStaleHandle(index, key) => self.use_stale_handle(usize::from(*index), key),
            Op::Sync => self.durably(Db::sync),
            Op::Flush => self.durably(Db::flush),
            Op::Compact(span) => self.compact(span),
            Op::WaitIdle => self.wait_idle(),
            Op::Steps(count) => {
                let steps = (0..*count).take_while(|_| self.db().step());
                // With threads there is nothing to step.
                steps.for_each(drop);
            }
            Op::Verify => self.db().verify().unwrap().into_result().unwrap(),
            Op::Stats => self.check_stats(),
            Op::Close => self.close_and_reopen(),
            Op::DropAndReopen => self.drop_and_reopen(),
            Op::Crash(profile, seed) => self.crash(*profile, *seed),
            read => self.read(read),
        }
    }

    /// Calls one of two methods, whichever is meant by the number of a keyspace.
    fn keyspace<T>(
        &self,
        space: u8,
        root: impl FnOnce(&Db) -> T,
        named: impl FnOnce(&Keyspace) -> T,
    ) -> T {
        match self.slot(space) {
            None => root(self.db()),
            Some(slot) => named(&slot.keyspace),
        }
    }

    fn committed(&mut self, durability: Option<Durability>) {
        let durability = durability.unwrap_or(self.setup().durability);
        self.chronicle.commit(durability == Durability::Sync);
    }

    fn durably(&mut self, call: impl FnOnce(&Db) -> siltstone::Result<()>) {
        call(self.db()).unwrap();
        self.chronicle.commit(true);
    }

    fn put(&mut self, space: u8, key: &KeySpec, len: usize) {
        let (at, key, value) = (self.incarnation(space), key.bytes(), self.next_value(len));
        self.keyspace(space, |db| db.put(&key, &value), |it| it.put(&key, &value)).unwrap();
        self.chronicle.now.put(at, key, value);
        self.committed(None);
    }

    fn delete_span(&mut self, space: u8, span: &Span) {
        let outcome = match span {
            Span::Prefix(prefix) => {
                let prefix = prefix.bytes();
                let named = |it: &Keyspace| it.delete_prefix(&prefix);
                self.keyspace(space, |db| db.delete_prefix(&prefix), named)
            }
            Span::Bounds(start, end) => self.keyspace(
                space,
                |db| with_range!(start, end, range => db.delete_range(range)),
                |it| with_range!(start, end, range => it.delete_range(range)),
            ),
        };
        if self.is_taken(outcome, span.is_writable()) {
            let at = self.incarnation(space);
            self.chronicle.now.delete_span(at, span);
            self.committed(None);
        }
    }

    /// Whether a write was taken. One whose bounds are beyond the limit may be refused.
    fn is_taken(&self, outcome: siltstone::Result<()>, is_writable: bool) -> bool {
        match outcome {
            Ok(()) => true,
            Err(error) => {
                assert!(!is_writable && error.kind() == ErrorKind::Invalid, "{error}");
                false
            }
        }
    }

    fn fill(&mut self, fill: &Fill) {
        let (space, at, first) =
            (fill.space, self.incarnation(fill.space), usize::from(fill.first));
        let numbers = first..first + usize::from(fill.count);
        let keys: Vec<_> = numbers.map(|number| fill.prefix.numbered(number)).collect();
        for keys in keys.chunks(FILL_BATCH_KEYS) {
            let mut batch = Batch::new();
            for key in keys {
                let value = self.next_value(fill.value_len);
                match self.slot(space) {
                    None => batch.put(key, &value),
                    Some(slot) => batch.put_in(&slot.keyspace, key, &value),
                };
                self.chronicle.now.put(at, key.clone(), value);
            }
            self.db().write(batch).unwrap();
            self.committed(None);
        }
    }

    fn batch(&mut self, ops: &[BatchOp], durability: Option<Durability>) {
        let mut batch = Batch::new();
        let mut after = self.chronicle.now.clone();
        let mut is_writable = true;
        for op in ops {
            is_writable &= self.add_to_batch(&mut batch, &mut after, op);
        }
        let outcome = match durability {
            None => self.db().write(batch),
            Some(durability) => self.db().write_with(batch, durability),
        };
        if self.is_taken(outcome, is_writable) {
            self.chronicle.now = after;
            self.committed(durability);
        }
    }

    /// Returns whether the operation keeps the limits.
    fn add_to_batch(&mut self, batch: &mut Batch, after: &mut World, op: &BatchOp) -> bool {
        match op {
            BatchOp::Put(space, key, len) => {
                let (at, key, value) =
                    (self.incarnation(*space), key.bytes(), self.next_value(*len));
                match self.slot(*space) {
                    None => batch.put(&key, &value),
                    Some(slot) => batch.put_in(&slot.keyspace, &key, &value),
                };
                after.put(at, key, value);
                true
            }
            BatchOp::Delete(space, key) => {
                let key = key.bytes();
                match self.slot(*space) {
                    None => batch.delete(&key),
                    Some(slot) => batch.delete_in(&slot.keyspace, &key),
                };
                after.delete(self.incarnation(*space), &key);
                true
            }
            BatchOp::DeleteRange(space, span) => {
                let Span::Bounds(start, end) = span else {
                    unreachable!("a batch has no prefixes")
                };
                match self.slot(*space) {
                    None => with_range!(start, end, range => { batch.delete_range(range); }),
                    Some(slot) => with_range!(start, end, range => {
                        batch.delete_range_in(&slot.keyspace, range);
                    }),
                }
                after.delete_span(self.incarnation(*space), span);
                span.is_writable()
            }
        }
    }

    /// A key outside the limits is refused, and takes the whole batch with it.
    fn refused(&mut self, space: u8, key: &KeySpec) {
        let (key, good) = (key.bytes(), b"good");
        let is_invalid = |outcome: siltstone::Result<()>| {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        };
        is_invalid(self.keyspace(space, |db| db.put(&key, good), |it| it.put(&key, good)));
        is_invalid(self.keyspace(space, |db| db.delete(&key), |it| it.delete(&key)));
        let mut batch = Batch::new();
        batch.put(good, good).put(&key, good);
        is_invalid(self.db().write(batch));
        let expected = self.chronicle.now.map(0).get(&good[..]).map(|value| value.to_vec());
        assert_eq!(self.db().get(good).unwrap().map(|value| value.to_vec()), expected);
    }

    fn create_keyspace(&mut self, index: usize) {
        let keyspace = self.db().keyspace(NAMES[index]).unwrap();
        if self.slots[index].is_none() {
            self.incarnations += 1;
            self.chronicle.create(self.incarnations);
            self.existing[index] = Some(self.incarnations);
            self.slots[index] = Some(Slot { keyspace, incarnation: self.incarnations });
        }
    }

    fn drop_keyspace(&mut self, index: usize) {
        let was_there = self.slots[index].is_some();
        assert_eq!(self.db().drop_keyspace(NAMES[index]).unwrap(), was_there);
        if let Some(slot) = self.slots[index].take() {
            self.existing[index] = None;
            self.chronicle.now.remove(slot.incarnation);
            self.chronicle.commit(true);
            self.stale.push(slot);
        }
        assert_eq!(self.db().keyspaces().unwrap(), self.names());
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        let named = NAMES.iter().zip(&self.existing).filter(|(_, space)| space.is_some());
        named.map(|(name, _)| *name).collect()
    }

    /// Every call on a handle of a dropped keyspace is refused, and takes a batch with it.
    fn use_stale_handle(&mut self, index: usize, key: &KeySpec) {
        if self.stale.is_empty() {
            return;
        }
        let stale = &self.stale[index % self.stale.len()].keyspace;
        let is_gone = |error: Error| assert_eq!(*error.reason(), Reason::KeyspaceGone, "{error}");
        let key = key.bytes();
        is_gone(stale.put(&key, "lost").unwrap_err());
        is_gone(stale.delete_range(..).unwrap_err());
        is_gone(stale.get(&key).unwrap_err());
        is_gone(stale.first().unwrap_err());
        let mut iter = stale.iter();
        for _ in 0..2 {
            is_gone(iter.next().unwrap().unwrap_err());
        }
        let mut batch = Batch::new();
        batch.put(&key, "lost").put_in(stale, &key, "lost");
        is_gone(self.db().write(batch).unwrap_err());
        for slot in self.slots.iter().flatten() {
            // Also if there is another one of that name.
            let mut batch = Batch::new();
            batch.put_in(&slot.keyspace, &key, "lost").put_in(stale, &key, "lost");
            is_gone(self.db().write(batch).unwrap_err());
        }
        let expected = self.chronicle.now.map(0).get(&key).map(|value| value.to_vec());
        assert_eq!(self.db().get(&key).unwrap().map(|value| value.to_vec()), expected);
        add(&self.coverage.stale_writes_refused, 1);
    }

    fn compact(&mut self, span: &Span) {
        let Span::Bounds(start, end) = span else { unreachable!("a compaction has no prefixes") };
        with_range!(start, end, range => self.db().compact(range)).unwrap();
        if matches!((start, end), (Bound::Unbounded, Bound::Unbounded)) {
            assert_eq!(self.db().stats().levels[0].tables, 0, "all of it goes down");
            self.chronicle.commit(true);
        }
    }

    pub(crate) fn check_stats(&mut self) {
        let stats = self.db().stats();
        self.coverage.look(&stats);
        let tables: usize = stats.levels.iter().map(|level| level.tables).sum();
        let bytes: u64 = stats.levels.iter().map(|level| level.bytes).sum();
        assert_eq!((stats.tables, stats.table_bytes), (tables, bytes));
        assert_eq!(stats.keyspaces, self.names().len());
        assert_eq!(stats.snapshots, self.snapshots.len());
        assert!(stats.memtables >= 1 && stats.visible_seqno >= self.last_seqno, "{stats:?}");
        assert!(stats.levels.iter().all(|it| it.deletes <= it.entries), "{stats:?}");
        let entries: u64 = stats.levels.iter().map(|level| level.entries).sum();
        assert!(stats.raw_bytes >= entries, "no key is empty: {stats:?}");
        self.last_seqno = stats.visible_seqno;
    }
}
