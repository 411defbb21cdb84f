//! A scan against a naive model: every seqno, both directions, all bounds.
//!
//! Random operations are spread over random sources, memtables and runs, as flushes and compactions
//! would: the newer, the lower the rank, with other cuts in each zone of the key space. The model
//! looks at every operation for every key.

use crate::cache::budget::Budget;
use crate::cache::clock::Cache;
use crate::error::ErrorKind;
use crate::format::key::{Kind, SEQNO_LATEST, Seqno};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::memtable::Memtable;
use crate::merge::testing::{Entry, TestTable, sorted};
use crate::merge::{Cover, CoverSource, RunCursor, RunTable, Source};
use crate::read::scan::{Bounds, Scan};
use crate::sync::Arc;
use crate::table::{Handle, TableContext, TableOptions, TableWriter};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::path::Path;

const KEYS: u8 = 24;
const ZONE_KEYS: u8 = 8;
const ZONES: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Put(u8),
    Delete(u8),
    DeleteRange(u8, u8),
}

/// All operations, and how they lie in sources.
#[derive(Clone, Debug)]
struct World {
    /// Keys at the bottom whose seqnos are zeroed.
    base: Vec<u8>,
    /// Operation i has seqno i + 1.
    ops: Vec<Op>,
    /// For each zone, a seqno for each source: it takes what is above this, and below the one of
    /// the source before it. The last source takes the rest.
    cuts: Vec<[Seqno; ZONES]>,
    /// Which sources are memtables.
    memtables: Vec<bool>,
}

fn any_world() -> impl Strategy<Value = World> {
    let key = prop_oneof![2 => 0..KEYS, 1 => Just(5_u8)];
    let op = prop_oneof![
        8 => key.clone().prop_map(Op::Put),
        3 => key.prop_map(Op::Delete),
        1 => (0..KEYS, 1..12_u8).prop_map(|(start, len)| Op::DeleteRange(start, start + len)),
    ];
    let cuts = prop::collection::vec(prop::array::uniform3(0..60_u64), 0..5);
    let base = prop::collection::btree_set(0..KEYS, 0..8);
    let memtables = prop::collection::vec(any::<bool>(), 6);
    (base, prop::collection::vec(op, 0..60), cuts, memtables).prop_map(
        |(base, ops, mut cuts, memtables)| {
            for zone in 0..ZONES {
                let mut own: Vec<_> = cuts.iter().map(|cut| cut[zone]).collect();
                own.sort_unstable_by(|a, b| b.cmp(a));
                cuts.iter_mut().zip(own).for_each(|(cut, seqno)| cut[zone] = seqno);
            }
            World { base: base.into_iter().collect(), ops, cuts, memtables }
        },
    )
}

fn zone_of(key: u8) -> usize {
    (usize::from(key) / usize::from(ZONE_KEYS)).min(ZONES - 1)
}

impl World {
    fn rank_of(&self, zone: usize, seqno: Seqno) -> usize {
        self.cuts.iter().position(|cut| seqno > cut[zone]).unwrap_or(self.cuts.len())
    }

    /// Entries and range tombstones of each source; tombstones are cut where zones meet.
    fn contents(&self) -> Vec<(Vec<Entry>, Vec<RangeTombstone>)> {
        let mut contents = vec![(Vec::new(), Vec::new()); self.cuts.len() + 1];
        contents[self.cuts.len()].0.extend(self.base.iter().map(|&key| Entry::put(&[key], 0)));
        for (op, seqno) in self.ops.iter().zip(1..) {
            match *op {
                Op::Put(key) => {
                    let rank = self.rank_of(zone_of(key), seqno);
                    contents[rank].0.push(Entry::put(&[key], seqno));
                }
                Op::Delete(key) => {
                    let rank = self.rank_of(zone_of(key), seqno);
                    contents[rank].0.push(Entry::delete(&[key], seqno));
                }
                Op::DeleteRange(start, end) => {
                    for zone in 0..ZONES {
                        let from = start.max(ZONE_KEYS * zone as u8);
                        let last = zone == ZONES - 1;
                        let to = if last { end } else { end.min(ZONE_KEYS * (zone as u8 + 1)) };
                        let (start, end) = (vec![from], vec![to]);
                        if from < to {
                            let tombstone = RangeTombstone { start, end, seqno };
                            contents[self.rank_of(zone, seqno)].1.push(tombstone);
                        }
                    }
                }
            }
        }
        contents
    }

    /// The sources, newest first; `table` makes a table for a run.
    fn parts<T>(
        &self,
        mut table: impl FnMut(Vec<Entry>, Vec<RangeTombstone>) -> Arc<T>,
    ) -> Parts<T> {
        let contents = self.contents().into_iter().zip(&self.memtables);
        let parts = contents.map(|((entries, tombstones), &is_memtable)| {
            if !is_memtable {
                return Part::Run(run_of_tables(&sorted(entries), tombstones, &mut table));
            }
            let memtable = Arc::new(Memtable::new(1));
            for entry in entries {
                memtable.insert(&entry.key, entry.seqno, entry.kind, &entry.value);
            }
            tombstones.into_iter().for_each(|own| memtable.insert_range_tombstone(own));
            Part::Memtable(memtable)
        });
        Parts(parts.collect())
    }

    /// The version of a key that a reader sees, by its seqno.
    fn live_version(&self, key: u8, visible: Seqno) -> Option<Seqno> {
        let base = self.base.contains(&key).then_some(0);
        let seen = self.ops.iter().zip(1..).take_while(|(_, seqno)| *seqno <= visible);
        seen.fold(base, |live, (op, seqno)| match *op {
            Op::Put(own) if own == key => Some(seqno),
            Op::Delete(own) if own == key => None,
            Op::DeleteRange(start, end) if (start..end).contains(&key) => None,
            _ => live,
        })
    }

    fn live(&self, visible: Seqno, bounds: &Bounds) -> Vec<Entry> {
        let inside = |key: &u8| {
            bounds.start[..] <= [*key][..]
                && bounds.end.as_ref().is_none_or(|end| [*key][..] < end[..])
        };
        let keys = (0..KEYS).filter(inside);
        keys.filter_map(|key| {
            self.live_version(key, visible).map(|seqno| Entry::put(&[key], seqno))
        })
        .collect()
    }
}

/// A run of tables, cut every five keys.
fn run_of_tables<T>(
    entries: &[Entry],
    tombstones: Vec<RangeTombstone>,
    table: &mut impl FnMut(Vec<Entry>, Vec<RangeTombstone>) -> Arc<T>,
) -> Arc<[Arc<T>]> {
    let whole = Fragments::build(tombstones);
    let tables = (0..10_u8).filter_map(|i| {
        let (start, end) = (vec![5 * i], vec![5 * i + 5]);
        let inside = |entry: &&Entry| start <= entry.key && entry.key < end;
        let own: Vec<Entry> = entries.iter().filter(inside).cloned().collect();
        let part: Vec<_> = whole.cut(Some(&start), Some(&end)).tombstones().collect();
        (!own.is_empty() || !part.is_empty()).then(|| table(own, part))
    });
    tables.collect()
}

pub(crate) fn table_in_memory(
    entries: Vec<Entry>,
    tombstones: Vec<RangeTombstone>,
) -> Arc<TestTable> {
    if entries.is_empty() {
        return Arc::new(TestTable::of_range_tombstones(tombstones, None));
    }
    Arc::new(TestTable::new(entries, None).with_range_tombstones(tombstones))
}

/// Writes real tables of tiny blocks into a simulated file system.
pub(crate) fn table_files() -> impl FnMut(Vec<Entry>, Vec<RangeTombstone>) -> Arc<Handle> {
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(Path::new("/d")).unwrap();
    let cache = Cache::new(Budget::new(1 << 20));
    let context = TableContext::new(Arc::new(fs), "/d".into(), 7, cache);
    let mut id = 0;
    move |entries, tombstones| {
        id += 1;
        let options = TableOptions { block_bytes: 64, ..TableOptions::default() };
        let mut writer = TableWriter::create(&context, id, options).unwrap();
        for entry in entries {
            writer.add(&entry.key, entry.seqno, entry.kind, &entry.value).unwrap();
        }
        writer.set_range_tombstones(Fragments::build(tombstones));
        Handle::new(&context, writer.finish().unwrap())
    }
}

pub(crate) enum Part<T> {
    Memtable(Arc<Memtable>),
    Run(Arc<[Arc<T>]>),
}

pub(crate) struct Parts<T>(pub(crate) Vec<Part<T>>);

impl<T: RunTable> Parts<T> {
    pub(crate) fn scan(&self, visible: Seqno, bounds: &Bounds) -> Scan<T> {
        let sources = self.0.iter().map(|part| match part {
            Part::Memtable(memtable) => Source::Memtable(memtable.cursor()),
            Part::Run(tables) => Source::Run(RunCursor::new(Arc::clone(tables))),
        });
        let covers = self.0.iter().map(|part| match part {
            Part::Memtable(memtable) => {
                CoverSource::Fragments(memtable.range_tombstones().unwrap_or_default())
            }
            Part::Run(tables) => CoverSource::Tables(Arc::clone(tables)),
        });
        Scan::new(sources.collect(), Cover::new(covers.collect()), visible, bounds.clone())
    }
}

/// The gap of the model: how many live keys are before it.
pub(crate) struct Model {
    pub(crate) live: Vec<Entry>,
    pub(crate) gap: usize,
}

impl Model {
    pub(crate) fn next(&mut self) -> Option<Entry> {
        let crossed = self.live.get(self.gap)?.clone();
        self.gap += 1;
        Some(crossed)
    }

    pub(crate) fn prev(&mut self) -> Option<Entry> {
        self.gap = self.gap.checked_sub(1)?;
        Some(self.live[self.gap].clone())
    }
}

pub(crate) fn crossed<T: RunTable>(scan: &Scan<T>, found: bool) -> Option<Entry> {
    found.then(|| Entry {
        key: scan.key().to_vec(),
        seqno: scan.seqno(),
        kind: Kind::Put,
        value: scan.value().to_vec(),
    })
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    let start =
        prop::option::of(0..KEYS + 2).prop_map(|key| key.map_or(Vec::new(), |key| vec![key]));
    let end = prop::option::of((0..KEYS + 2).prop_map(|key| vec![key]));
    (start, end).prop_map(|(start, end)| Bounds { start, end })
}

/// All live keys forward and back, at every seqno.
fn check_every_seqno<T: RunTable>(
    world: &World,
    parts: &Parts<T>,
    bounds: &Bounds,
) -> Result<(), TestCaseError> {
    for visible in (0..=world.ops.len() as u64).chain([SEQNO_LATEST]) {
        let live = world.live(visible, bounds);
        let mut scan = parts.scan(visible, bounds);
        for entry in &live {
            let found = scan.next().unwrap();
            prop_assert_eq!(crossed(&scan, found), Some(entry.clone()), "at {}", visible);
        }
        prop_assert!(!scan.next().unwrap() && !scan.next().unwrap());
        for entry in live.iter().rev() {
            let found = scan.prev().unwrap();
            prop_assert_eq!(crossed(&scan, found), Some(entry.clone()), "back at {}", visible);
        }
        prop_assert!(!scan.prev().unwrap() && !scan.prev().unwrap());
    }
    Ok(())
}

/// The same steps for a scan and for the model.
fn check_walk<T: RunTable>(
    mut scan: Scan<T>,
    mut model: Model,
    steps: &[(u8, u8)],
) -> Result<(), TestCaseError> {
    for &(step, key) in steps {
        match step {
            0 => {
                scan.seek_front();
                model.gap = 0;
            }
            1 => {
                scan.seek_back();
                model.gap = model.live.len();
            }
            2 | 3 => {
                scan.seek(&[key]);
                model.gap = model.live.partition_point(|entry| entry.key[..] < [key][..]);
            }
            4..12 => {
                let found = scan.next().unwrap();
                prop_assert_eq!(crossed(&scan, found), model.next());
            }
            _ => {
                let found = scan.prev().unwrap();
                prop_assert_eq!(crossed(&scan, found), model.prev());
            }
        }
    }
    Ok(())
}

/// Two scans of one range take from its ends, in this order of sides: each entry comes once.
pub(crate) fn check_meeting<T: RunTable>(
    parts: &Parts<T>,
    visible: Seqno,
    bounds: &Bounds,
    live: Vec<Entry>,
    from_front: impl IntoIterator<Item = bool>,
) -> Result<(), TestCaseError> {
    let mut live = live.into_iter();
    let (mut front, mut back) = (parts.scan(visible, bounds), parts.scan(visible, bounds));
    back.seek_back();
    for from_front in from_front {
        if from_front {
            let found = front.next().unwrap();
            prop_assert_eq!(crossed(&front, found), live.next());
            if found {
                back.begin_behind(front.key());
            }
        } else {
            let found = back.prev().unwrap();
            prop_assert_eq!(crossed(&back, found), live.next_back());
            if found {
                front.end_before(back.key());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_scan_sees_what_the_model_sees_at_every_seqno(world in any_world(), bounds in any_bounds()) {
        check_every_seqno(&world, &world.parts(table_in_memory), &bounds)?;
    }

    #[test]
    fn a_scan_walks_like_a_cursor_between_the_live_keys(
        world in any_world(),
        bounds in any_bounds(),
        visible in 0..61_u64,
        steps in prop::collection::vec((0..20_u8, 0..KEYS + 2), 1..80),
    ) {
        let scan = world.parts(table_in_memory).scan(visible, &bounds);
        check_walk(scan, Model { live: world.live(visible, &bounds), gap: 0 }, &steps)?;
    }

    #[test]
    fn two_scans_of_one_range_meet_in_the_middle(
        world in any_world(),
        bounds in any_bounds(),
        steps in prop::collection::vec(any::<bool>(), 30),
    ) {
        let parts = world.parts(table_in_memory);
        check_meeting(&parts, SEQNO_LATEST, &bounds, world.live(SEQNO_LATEST, &bounds), steps)?;
    }

    #[test]
    fn a_scan_over_table_files_agrees_with_the_model(
        world in any_world(),
        bounds in any_bounds(),
        steps in prop::collection::vec((0..20_u8, 0..KEYS + 2), 1..80),
    ) {
        let parts = world.parts(table_files());
        check_every_seqno(&world, &parts, &bounds)?;
        let live = world.live(SEQNO_LATEST, &bounds);
        check_walk(parts.scan(SEQNO_LATEST, &bounds), Model { live, gap: 0 }, &steps)?;
    }
}

fn run_of(table: &Arc<TestTable>) -> (Source<TestTable>, CoverSource<TestTable>) {
    let tables: Arc<[Arc<TestTable>]> = Arc::new([Arc::clone(table)]);
    (Source::Run(RunCursor::new(Arc::clone(&tables))), CoverSource::Tables(tables))
}

#[test]
fn an_error_is_repeated_until_a_seek() {
    let near = Arc::new(TestTable::new(vec![Entry::put(&[1], 3)], None));
    let far = Arc::new(TestTable::new(vec![Entry::put(&[9], 3)], None));
    let tables: Arc<[Arc<TestTable>]> = Arc::new([near, Arc::clone(&far)]);
    let sources = vec![Source::Run(RunCursor::new(tables))];
    let mut scan = Scan::new(sources, Cover::new(Vec::new()), SEQNO_LATEST, Bounds::default());
    far.fail(true);
    assert!(scan.next().unwrap());
    assert_eq!(scan.next().unwrap_err().kind(), ErrorKind::Corruption);
    far.fail(false);
    assert_eq!(scan.next().unwrap_err().kind(), ErrorKind::Corruption);
    assert_eq!(scan.prev().unwrap_err().kind(), ErrorKind::Corruption);
    scan.seek(&[2]);
    assert!(scan.next().unwrap() && scan.key() == [9]);
}

#[test]
fn range_tombstones_that_cannot_be_read_are_an_error() {
    let tombstone = RangeTombstone { start: vec![0], end: vec![9], seqno: 7 };
    let newer = Arc::new(TestTable::of_range_tombstones(vec![tombstone], None));
    let older = Arc::new(TestTable::new(vec![Entry::put(&[4], 3)], None));
    let (sources, covers): (Vec<_>, Vec<_>) = [&newer, &older].map(run_of).into_iter().unzip();
    newer.fail(true);
    let mut scan = Scan::new(sources, Cover::new(covers), SEQNO_LATEST, Bounds::default());
    assert!(scan.next().is_err() && scan.next().is_err());
}

/// Counts what a scan does to its deepest source: entries under a tombstone are not walked.
#[test]
fn tables_deep_under_a_range_tombstone_are_not_opened() {
    let tombstone = RangeTombstone { start: vec![10], end: vec![90], seqno: 7 };
    let newer = Arc::new(TestTable::of_range_tombstones(vec![tombstone], None));
    let table = |key: u8| Arc::new(TestTable::new(vec![Entry::put(&[key], 3)], None));
    let deep: Arc<[Arc<TestTable>]> = [5, 20, 30, 40, 50, 95].map(table).into();
    for forward in [true, false] {
        let opened_before: Vec<_> = deep.iter().map(|table| table.opened()).collect();
        let (source, cover) = run_of(&newer);
        let sources = vec![source, Source::Run(RunCursor::new(Arc::clone(&deep)))];
        let covers = vec![cover, CoverSource::Tables(Arc::clone(&deep))];
        let mut scan = Scan::new(sources, Cover::new(covers), SEQNO_LATEST, Bounds::default());
        let mut keys = Vec::new();
        if !forward {
            scan.seek_back();
        }
        while if forward { scan.next().unwrap() } else { scan.prev().unwrap() } {
            keys.push(scan.key()[0]);
        }
        keys.sort_unstable();
        assert_eq!(keys, [5, 95]);
        let opened = deep.iter().zip(opened_before).map(|(table, before)| table.opened() - before);
        let opened: Vec<_> = opened.collect();
        // The walk has to stand on one hidden entry to learn of the tombstone; it meets no other.
        assert_eq!(opened.iter().sum::<usize>(), 3, "{opened:?}");
    }
}

#[test]
fn a_scan_is_owned_and_may_change_threads() {
    fn is_owned_and_send<T: Send + 'static>() {}
    is_owned_and_send::<Scan>();
}
