//! Real tables on a simulated file system, flushed and compacted, against a model of every write.
//!
//! After each job the tables are read entry by entry and compared, for every open snapshot, with
//! what the model says; and they must stand in the order that readers lean on. Several jobs run at
//! a time, a step of this one and a step of that one, while snapshots come and go.

use crate::cache::{Budget, Cache};
use crate::compaction::flush::FlushJob;
use crate::compaction::hints::Hints;
use crate::compaction::job::{CompactionJob, JobInputs, Outcome};
use crate::compaction::manual::{RangeRequest, RangeStep, pick_range};
use crate::compaction::picker::pick;
use crate::compaction::plan::{Action, Plan};
use crate::compaction::policy::{LAST_LEVEL, Policy};
use crate::compaction::sieve::Progress;
use crate::error::Result;
use crate::format::key::{Kind, SEQNO_LATEST, Seqno, user_key};
use crate::format::limits::LEVELS;
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::memtable::Memtable;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::table::{Handle, TableContext, TableOptions};
use crate::version::shape::Shape;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An entry as a table has it; the value tells the seqno of its write.
type Entry = (Vec<u8>, Seqno, Kind, Vec<u8>);

/// The tables of a database, and every write that made them.
pub(crate) struct Engine {
    pub(crate) context: Arc<TableContext>,
    pub(crate) levels: Vec<Vec<Arc<Handle>>>,
    pub(crate) next_file: Arc<AtomicU64>,
    pub(crate) policy: Policy,
    pub(crate) hints: Hints,
    pub(crate) snapshots: Vec<Seqno>,
    pub(crate) seqno: Seqno,
    busy: Vec<u64>,
    memtable: Arc<Memtable>,
    writes: Vec<Entry>,
    tombstones: Vec<RangeTombstone>,
}

pub(crate) fn key(number: u8) -> Vec<u8> {
    user_key(0, format!("{number:03}").as_bytes())
}

impl Engine {
    pub(crate) fn new(fs: Arc<dyn FileSystem>, policy: Policy) -> Engine {
        fs.create_dir_all("data".as_ref()).unwrap();
        let cache = Cache::new(Budget::new(1 << 20));
        Engine {
            context: TableContext::new(fs, "data".into(), 7, cache),
            levels: vec![Vec::new(); LEVELS],
            next_file: Arc::new(AtomicU64::new(1)),
            policy,
            hints: Hints::default(),
            snapshots: Vec::new(),
            seqno: 0,
            busy: Vec::new(),
            memtable: Arc::new(Memtable::new(0)),
            writes: Vec::new(),
            tombstones: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, number: u8, kind: Kind) {
        self.seqno += 1;
        let value = if kind == Kind::Put { vec![b'v'; 40] } else { Vec::new() };
        let value = [self.seqno.to_string().into_bytes(), value].concat();
        self.memtable.insert(&key(number), self.seqno, kind, &value);
        self.writes.push((key(number), self.seqno, kind, value));
    }

    pub(crate) fn delete_range(&mut self, start: u8, end: u8) {
        if start < end {
            self.seqno += 1;
            let (start, end) = (key(start), key(end));
            let tombstone = RangeTombstone { start, end, seqno: self.seqno };
            self.memtable.insert_range_tombstone(tombstone.clone());
            self.tombstones.push(tombstone);
        }
    }

    pub(crate) fn options() -> TableOptions {
        TableOptions { block_bytes: 200, ..TableOptions::default() }
    }

    /// The list that a job freezes when it starts.
    pub(crate) fn frozen(&self) -> Vec<Seqno> {
        let mut frozen = self.snapshots.clone();
        frozen.push(self.seqno);
        frozen.sort_unstable();
        frozen.dedup();
        frozen
    }

    pub(crate) fn flush_job(&self) -> FlushJob {
        let id = self.next_file.fetch_add(1, Ordering::Relaxed);
        FlushJob::new(&self.context, &self.memtable, id, Engine::options(), self.frozen())
    }

    pub(crate) fn flush(&mut self) {
        let mut job = self.flush_job();
        let flushed = loop {
            if let Progress::Done(flushed) = job.step().unwrap() {
                break flushed;
            }
        };
        if let Some(facts) = flushed.table {
            self.levels[0].insert(0, Handle::new(&self.context, facts));
        }
        self.memtable = Arc::new(Memtable::new(0));
    }

    pub(crate) fn shape(&self) -> Shape {
        let facts = |tables: &Vec<Arc<Handle>>| {
            tables.iter().map(|handle| Arc::clone(handle.facts())).collect()
        };
        Shape {
            levels: self.levels.iter().map(facts).collect(),
            busy: self.busy.iter().copied().collect(),
        }
    }

    /// Takes the hints of this very moment, as a compactor does before each look at the tree.
    fn look(&mut self) {
        self.hints.oldest_snapshot = self.frozen()[0];
        let handles = self.levels.iter().flatten();
        let tables = handles.filter(|handle| handle.facts().range_deletes > 0);
        let opened = tables.map(|handle| handle.table().unwrap());
        let tombstones = opened.flat_map(|table| {
            table.range_tombstones().tombstones().collect::<Vec<RangeTombstone>>()
        });
        self.hints.range_tombstones = Arc::new(Fragments::build(tombstones));
    }

    pub(crate) fn pick(&mut self) -> Option<Plan> {
        self.look();
        pick(&self.shape(), &self.policy, &self.hints)
    }

    fn pick_range(&mut self, request: &RangeRequest) -> RangeStep {
        self.look();
        pick_range(&self.shape(), &self.policy, &self.hints, request)
    }

    pub(crate) fn begin(&mut self, plan: Plan) -> CompactionJob {
        self.busy.extend(plan.tables().map(|(_, table)| table.id));
        self.hints.running.extend(plan.claim.clone());
        self.job(plan)
    }

    pub(crate) fn job(&self, plan: Plan) -> CompactionJob {
        let find = |id: u64| {
            let mut handles = self.levels.iter().flatten();
            Arc::clone(handles.find(|handle| handle.facts().id == id).unwrap())
        };
        let inputs = plan.inputs.iter();
        CompactionJob::new(JobInputs {
            context: Arc::clone(&self.context),
            handles: inputs
                .map(|input| input.tables.iter().map(|table| find(table.id)).collect())
                .collect(),
            plan,
            snapshots: self.frozen(),
            next_file: Arc::clone(&self.next_file),
            options: Engine::options(),
            policy: self.policy.clone(),
        })
    }

    pub(crate) fn install(&mut self, plan: &Plan, outcome: &Outcome) {
        if plan.action == Action::Merge {
            let written: u64 = outcome.added.iter().map(|(_, facts)| facts.size_bytes).sum();
            let told = (outcome.bytes_read, outcome.bytes_written);
            assert_eq!(told, (plan.size_bytes(), written));
        }
        let moved: Vec<Arc<Handle>> = self.levels.iter().flatten().cloned().collect();
        for &(level, id) in &outcome.removed {
            let tables = &mut self.levels[usize::from(level)];
            let before = tables.len();
            tables.retain(|handle| handle.facts().id != id);
            assert_eq!(tables.len() + 1, before, "what is removed was there");
            self.busy.retain(|&busy| busy != id);
        }
        for (level, facts) in &outcome.added {
            let known = moved.iter().find(|handle| handle.facts().id == facts.id).cloned();
            let handle = known.unwrap_or_else(|| Handle::new(&self.context, facts.clone()));
            self.levels[usize::from(*level)].push(handle);
            self.levels[usize::from(*level)]
                .sort_by(|left, right| left.facts().smallest.cmp(&right.facts().smallest));
        }
        self.hints.running.retain(|claim| Some(claim) != plan.claim.as_ref());
    }

    /// Carries out a plan at once.
    pub(crate) fn run(&mut self, plan: Plan) -> Outcome {
        let mut job = self.begin(plan);
        let outcome = finish(&mut job).unwrap();
        self.install(&job.plan().clone(), &outcome);
        outcome
    }

    pub(crate) fn contents(handle: &Arc<Handle>) -> (Vec<Entry>, Vec<RangeTombstone>) {
        let table = handle.table().unwrap();
        let (mut entries, mut cursor) = (Vec::new(), table.cursor());
        cursor.seek_first().unwrap();
        while cursor.is_valid() {
            let value = cursor.value().to_vec();
            entries.push((cursor.key().to_vec(), cursor.seqno(), cursor.kind(), value));
            cursor.next().unwrap();
        }
        (entries, table.range_tombstones().tombstones().collect())
    }

    /// Compares the tables with the model, for every reader that there can be.
    pub(crate) fn check(&self) {
        let (mut entries, mut tombstones) = (Vec::new(), Vec::new());
        for handle in self.levels.iter().flatten() {
            let facts = handle.facts();
            let (own, own_tombstones) = Engine::contents(handle);
            assert!(own.iter().all(|(key, ..)| facts.contains(key)), "bounds contain all keys");
            for tombstone in &own_tombstones {
                assert!(facts.smallest <= tombstone.start && tombstone.end <= facts.largest);
            }
            entries.extend(own);
            tombstones.extend(own_tombstones);
        }
        for handle in self.levels[..LAST_LEVEL].iter().flatten() {
            for (key, seqno, ..) in Engine::contents(handle).0 {
                let is_known = self.writes.iter().any(|write| (&write.0, write.1) == (&key, seqno));
                assert!(is_known, "only the last level forgets when a value was written");
            }
        }
        for level in &self.levels[1..] {
            for pair in level.windows(2) {
                assert!(pair[0].facts().ends_before(&pair[1].facts().smallest), "levels overlap");
            }
        }
        let flushed = self.levels[0].first().map_or(0, |handle| handle.facts().max_seqno);
        let flushed = if self.memtable.is_empty() { self.seqno } else { flushed };
        for reader in self.frozen().into_iter().filter(|&reader| reader <= flushed.max(1)) {
            let expected = visible(&self.writes, &self.tombstones, reader);
            assert_eq!(visible(&entries, &tombstones, reader), expected, "@{reader}");
        }
        self.check_order();
    }

    /// For each key, everything in a run is newer than everything in the runs behind it.
    fn check_order(&self) {
        let mut oldest: BTreeMap<Vec<u8>, Seqno> = BTreeMap::new();
        let newest_first = self.levels[0].iter().map(std::slice::from_ref);
        for run in newest_first.chain(self.levels[1..].iter().map(Vec::as_slice)) {
            let mut of_run: BTreeMap<Vec<u8>, (Seqno, Seqno)> = BTreeMap::new();
            for handle in run {
                let (entries, tombstones) = Engine::contents(handle);
                let covered = tombstones.iter().flat_map(|tombstone| {
                    (0..=255_u8)
                        .map(key)
                        .filter(|key| (&tombstone.start..&tombstone.end).contains(&key))
                        .map(|key| (key, tombstone.seqno))
                });
                for (key, seqno) in
                    entries.into_iter().map(|(key, seqno, ..)| (key, seqno)).chain(covered)
                {
                    let (min, max) = of_run.entry(key).or_insert((seqno, seqno));
                    (*min, *max) = (seqno.min(*min), seqno.max(*max));
                }
            }
            for (key, (min, max)) in of_run {
                let above = oldest.insert(key, min);
                assert!(above.is_none_or(|above| above > max), "a newer version lies below");
            }
        }
    }
}

pub(crate) fn finish(job: &mut CompactionJob) -> Result<Outcome> {
    loop {
        if let Progress::Done(outcome) = job.step()? {
            return Ok(outcome);
        }
    }
}

/// What a reader at `reader` sees.
fn visible(
    entries: &[Entry],
    tombstones: &[RangeTombstone],
    reader: Seqno,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut newest: BTreeMap<&[u8], &Entry> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.1 <= reader) {
        let known = newest.entry(&entry.0).or_insert(entry);
        if known.1 < entry.1 {
            *known = entry;
        }
    }
    let is_hidden = |entry: &Entry| {
        tombstones.iter().any(|tombstone| {
            (entry.1 + 1..=reader).contains(&tombstone.seqno)
                && (&tombstone.start..&tombstone.end).contains(&&entry.0)
        })
    };
    newest
        .into_values()
        .filter(|entry| entry.2 == Kind::Put && !is_hidden(entry))
        .map(|entry| (entry.0.clone(), entry.3.clone()))
        .collect()
}

pub(crate) fn small_policy() -> Policy {
    Policy { base_bytes: 4_000, ratio: 4, grandparent_bytes: 6_000, ..Policy::new(1, 1_500) }
}

#[derive(Clone, Debug)]
enum Event {
    Put(u8),
    Delete(u8),
    DeleteRange(u8, u8),
    Flush,
    Snapshot,
    Release(usize),
    Begin,
    BeginRange(u8, u8),
    Step(usize, usize),
    Toll(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => (0..120_u8).prop_map(Event::Put),
        15 => (0..120_u8).prop_map(Event::Delete),
        2 => (0..120_u8, 0..60_u8).prop_map(|(from, len)| Event::DeleteRange(from, from + len)),
        7 => Just(Event::Flush),
        2 => Just(Event::Snapshot),
        2 => (0..4_usize).prop_map(Event::Release),
        6 => Just(Event::Begin),
        2 => (0..120_u8, 0..120_u8).prop_map(|(start, end)| Event::BeginRange(start, end)),
        10 => (0..4_usize, 1..9_usize).prop_map(|(which, steps)| Event::Step(which, steps)),
        1 => prop_oneof![Just(0), 0..10_000_u64, Just(u64::MAX)].prop_map(Event::Toll),
    ]
}

impl Engine {
    /// Changes the tables only where a job ends; says whether it did.
    fn happen(&mut self, event: &Event, running: &mut Vec<CompactionJob>) -> bool {
        match *event {
            Event::Put(number) => self.put(number, Kind::Put),
            Event::Delete(number) => self.put(number, Kind::Delete),
            Event::DeleteRange(start, end) => self.delete_range(start, end),
            Event::Flush => self.flush(),
            Event::Snapshot => self.snapshots.push(self.seqno),
            Event::Release(which) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.remove(which % self.snapshots.len());
                }
            }
            Event::Toll(nanos) => self.hints.toll_nanos = nanos,
            Event::Begin => {
                if let Some(plan) = self.pick() {
                    running.push(self.begin(plan));
                }
            }
            Event::BeginRange(start, end) => {
                let (start, end, upto) = (key(start), Some(key(end)), self.seqno);
                let before = self.next_file.load(Ordering::Relaxed);
                let request = RangeRequest { start, end, upto, before };
                if let RangeStep::Plan(plan) = self.pick_range(&request) {
                    running.push(self.begin(plan));
                }
            }
            Event::Step(which, steps) => {
                for _ in 0..steps.min(running.len() * steps) {
                    let which = which % running.len();
                    if let Progress::Done(outcome) = running[which].step().unwrap() {
                        let job = running.remove(which);
                        self.install(job.plan(), &outcome);
                        return true;
                    }
                }
            }
        }
        matches!(event, Event::Flush)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_reader_sees_the_same_whatever_is_flushed_and_compacted(
        events in prop::collection::vec(any_event(), 1..600),
    ) {
        let mut engine = Engine::new(Arc::new(SimulatedFileSystem::new()), small_policy());
        let mut running = Vec::new();
        for event in &events {
            if engine.happen(event, &mut running) {
                engine.check();
            }
        }
        engine.flush();
        engine.snapshots.clear();
        for mut job in running {
            let outcome = finish(&mut job).unwrap();
            engine.install(job.plan(), &outcome);
        }
        engine.check();
        let (start, before) = (Vec::new(), engine.next_file.load(Ordering::Relaxed));
        let request = RangeRequest { start, end: None, upto: engine.seqno, before };
        while let RangeStep::Plan(plan) = engine.pick_range(&request) {
            engine.run(plan);
        }
        engine.check();
        let tables = engine.levels.iter().flatten();
        let stored: u64 = tables.map(|handle| handle.facts().entries).sum();
        let live = visible(&engine.writes, &engine.tombstones, SEQNO_LATEST).len();
        prop_assert_eq!(stored, live as u64, "after all, only what is visible is left");
    }
}
