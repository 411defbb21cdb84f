//! Which range tombstone lies over a key: the tombstones of all sources, asked in order of rank.
//!
//! Everything in a source is newer, for one key, than everything in a source of a higher rank. So
//! the first source that has a tombstone over the key, visible to the reader, has the newest one;
//! no source behind it needs to be asked, and none of its tables opened.
//!
//! An answer holds for a whole window of keys around the one that was asked for. A scan keeps the
//! window, and asks again only when it leaves it.

use crate::error::Result;
use crate::format::key::Seqno;
use crate::format::range_tombstone::Fragments;
use crate::merge::cursor::RunTable;
use crate::sync::{Arc, OnceLock};
use crate::table::Handle;

/// The range tombstones of one source.
pub(crate) enum CoverSource<T = Handle> {
    /// There are none.
    None,
    /// All of them.
    Fragments(Arc<Fragments>),
    /// Those of the tables of a run; the tables are opened when they are asked.
    Tables(Arc<[Arc<T>]>),
}

/// See the module's caption.
pub(crate) struct Cover<T = Handle> {
    sources: Vec<Ranked<T>>,
}

/// A source that has range tombstones. The others are left out.
struct Ranked<T> {
    rank: usize,
    tombstones: Tombstones<T>,
}

enum Tombstones<T> {
    Fragments(Arc<Fragments>),
    /// Sorted and disjoint, as in the run.
    Tables(Vec<LazyTable<T>>),
}

struct LazyTable<T> {
    table: Arc<T>,
    fragments: OnceLock<Arc<Fragments>>,
}

/// The newest visible range tombstone over a key, and its reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covering<'a> {
    pub(crate) seqno: Seqno,
    pub(crate) rank: usize,
    /// From here to `end` (exclusive), the source of this rank has a visible tombstone over every
    /// key: all entries there in sources of a higher rank are hidden.
    pub(crate) start: &'a [u8],
    pub(crate) end: &'a [u8],
}

/// The answer for a key, and the keys for which it is the same: from `start` to `end` (exclusive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window<'a> {
    /// `None`: there is no bound.
    pub(crate) start: Option<&'a [u8]>,
    pub(crate) end: Option<&'a [u8]>,
    pub(crate) covering: Option<Covering<'a>>,
}

impl<T: RunTable> Cover<T> {
    /// The tombstones of `sources`, newest first; the index of a source is its rank.
    pub(crate) fn new(sources: Vec<CoverSource<T>>) -> Cover<T> {
        let ranked = sources.into_iter().enumerate().filter_map(|(rank, source)| {
            let tombstones = match source {
                CoverSource::None => return None,
                CoverSource::Fragments(fragments) if fragments.is_empty() => return None,
                CoverSource::Fragments(fragments) => Tombstones::Fragments(fragments),
                CoverSource::Tables(tables) => {
                    let lazy: Vec<_> = tables
                        .iter()
                        .filter(|table| table.facts().range_deletes > 0)
                        .map(|table| LazyTable::new(Arc::clone(table)))
                        .collect();
                    if lazy.is_empty() {
                        return None;
                    }
                    Tombstones::Tables(lazy)
                }
            };
            Some(Ranked { rank, tombstones })
        });
        Cover { sources: ranked.collect() }
    }

    /// Whether no source has any range tombstone.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The newest tombstone over `user_key` that a reader at `seqno` sees.
    #[cfg(test)]
    pub(crate) fn covering(&self, user_key: &[u8], seqno: Seqno) -> Result<Option<Covering<'_>>> {
        Ok(self.window(user_key, seqno)?.covering)
    }

    /// The same, with the keys for which the answer holds.
    pub(crate) fn window(&self, user_key: &[u8], seqno: Seqno) -> Result<Window<'_>> {
        let mut all = Window::default();
        for source in &self.sources {
            let own = source.window(user_key, seqno)?;
            all = Window {
                start: all.start.max(own.start),
                end: earlier(all.end, own.end),
                covering: own.covering,
            };
            if own.covering.is_some() {
                break;
            }
        }
        Ok(all)
    }
}

/// The smaller of two ends, where `None` is the end of all keys.
fn earlier<'a>(one: Option<&'a [u8]>, other: Option<&'a [u8]>) -> Option<&'a [u8]> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl<T: RunTable> Ranked<T> {
    fn window(&self, user_key: &[u8], seqno: Seqno) -> Result<Window<'_>> {
        match &self.tombstones {
            Tombstones::Fragments(fragments) => {
                Ok(fragments_window(fragments, user_key, seqno, self.rank))
            }
            Tombstones::Tables(tables) => self.run_window(tables, user_key, seqno),
        }
    }

    fn run_window<'a>(
        &self,
        tables: &'a [LazyTable<T>],
        user_key: &[u8],
        seqno: Seqno,
    ) -> Result<Window<'a>> {
        let at = tables.partition_point(|lazy| lazy.table.facts().ends_before(user_key));
        // Range tombstones lie inside the bounds of their table, and none contains the largest
        // key, be that exclusive or not. So the gap before a table begins there already.
        let gap_start =
            at.checked_sub(1).map(|before| tables[before].table.facts().largest.as_slice());
        let Some(lazy) = tables.get(at) else {
            return Ok(Window { start: gap_start, ..Window::default() });
        };
        let smallest = lazy.table.facts().smallest.as_slice();
        if user_key < smallest {
            return Ok(Window { start: gap_start, end: Some(smallest), covering: None });
        }
        let mut window = fragments_window(lazy.fragments()?, user_key, seqno, self.rank);
        window.start = window.start.or(gap_start);
        if window.end.is_none() {
            window.end = tables.get(at + 1).map(|next| next.table.facts().smallest.as_slice());
        }
        Ok(window)
    }
}

impl<T: RunTable> LazyTable<T> {
    fn new(table: Arc<T>) -> LazyTable<T> {
        LazyTable { table, fragments: OnceLock::new() }
    }

    fn fragments(&self) -> Result<&Fragments> {
        if let Some(fragments) = self.fragments.get() {
            return Ok(fragments);
        }
        let opened = self.table.open_range_tombstones()?;
        Ok(self.fragments.get_or_init(|| opened))
    }
}

/// The answer of one set of fragments.
fn fragments_window<'a>(
    fragments: &'a Fragments,
    user_key: &[u8],
    seqno: Seqno,
    rank: usize,
) -> Window<'a> {
    let at = fragments.first_ending_after(user_key);
    let Some(fragment) = fragments.get(at) else {
        let last = at.checked_sub(1).and_then(|last| fragments.get(last));
        return Window { start: last.map(|last| &last.end[..]), ..Window::default() };
    };
    let (start, end) = (&fragment.start[..], &fragment.end[..]);
    if user_key < start {
        let before = at.checked_sub(1).and_then(|before| fragments.get(before));
        let gap_start = before.map(|before| &before.end[..]);
        return Window { start: gap_start, end: Some(start), covering: None };
    }
    let covering = fragment.newest_at(seqno).map(|newest| {
        let (start, end) = reach(fragments, at, seqno);
        Covering { seqno: newest, rank, start, end }
    });
    Window { start: Some(start), end: Some(end), covering }
}

/// Most fragments that `reach` looks at on each side: a bound on its cost, not on correctness.
const REACH_FRAGMENTS_MAX: usize = 32;

/// How far fragments that touch each other and have a visible tombstone go around fragment `at`.
fn reach(fragments: &Fragments, at: usize, seqno: Seqno) -> (&[u8], &[u8]) {
    let (mut first, mut last) = (at, at);
    let touching = |left: usize, right: usize| match (fragments.get(left), fragments.get(right)) {
        (Some(left), Some(right)) => left.end == right.start,
        _ => false,
    };
    let visible =
        |index: usize| fragments.get(index).is_some_and(|own| own.newest_at(seqno).is_some());
    while first > 0
        && at - first < REACH_FRAGMENTS_MAX
        && touching(first - 1, first)
        && visible(first - 1)
    {
        first -= 1;
    }
    while last - at < REACH_FRAGMENTS_MAX && touching(last, last + 1) && visible(last + 1) {
        last += 1;
    }
    match (fragments.get(first), fragments.get(last)) {
        (Some(first), Some(last)) => (&first.start, &last.end),
        _ => unreachable!("both are fragments that were looked at"),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::format::range_tombstone::{Fragments, RangeTombstone};
    use crate::merge::cover::{Cover, CoverSource};
    use crate::merge::testing::{Entry, TestTable};
    use crate::sync::Arc;
    use proptest::prelude::*;

    fn tombstone(start: u8, end: u8, seqno: u64) -> RangeTombstone {
        RangeTombstone { start: vec![start], end: vec![end], seqno }
    }

    /// Newest source first: source i of n has seqnos in its own band. Each source is one list, or
    /// a run of tables, cut at every eighth key.
    fn any_sources() -> impl Strategy<Value = Vec<(bool, Vec<RangeTombstone>)>> {
        let one = (0..24_u8, 1..12_u8, 0..4_u64);
        let source = (any::<bool>(), prop::collection::vec(one, 0..5));
        prop::collection::vec(source, 0..5).prop_map(|sources| {
            let bands = (0..sources.len() as u64).rev();
            let in_bands = bands.zip(sources).map(|(band, (is_run, list))| {
                let tombstones = list.into_iter().map(|(start, len, seqno)| {
                    tombstone(start, start + len, 10 * band + seqno + 1)
                });
                (is_run, tombstones.collect())
            });
            in_bands.collect()
        })
    }

    /// The tables of a run, every other one with wider bounds than its tombstones have.
    fn tables_of(list: &[RangeTombstone]) -> Arc<[Arc<TestTable>]> {
        let whole = Fragments::build(list.to_vec());
        let tables = (0..5_u8).filter_map(|i| {
            let (start, end) = (vec![8 * i], vec![8 * i + 8]);
            let part: Vec<_> = whole.cut(Some(&start), Some(&end)).tombstones().collect();
            let bounds = (i % 2 == 1).then_some((start, end));
            (!part.is_empty()).then(|| Arc::new(TestTable::of_range_tombstones(part, bounds)))
        });
        tables.collect()
    }

    fn cover_of(sources: &[(bool, Vec<RangeTombstone>)]) -> Cover<TestTable> {
        let sources = sources.iter().map(|(is_run, list)| match is_run {
            true => CoverSource::Tables(tables_of(list)),
            false => CoverSource::Fragments(Arc::new(Fragments::build(list.to_vec()))),
        });
        Cover::new(sources.collect())
    }

    /// The newest visible tombstone over a key, and its rank, the slow way.
    fn naive(sources: &[(bool, Vec<RangeTombstone>)], key: u8, seqno: u64) -> Option<(u64, usize)> {
        let all = (0..)
            .zip(sources)
            .flat_map(|(rank, (_, list))| list.iter().map(move |tombstone| (rank, tombstone)));
        all.filter(|(_, t)| t.start <= vec![key] && vec![key] < t.end && t.seqno <= seqno)
            .map(|(rank, t)| (t.seqno, rank))
            .max()
    }

    proptest! {
        #[test]
        fn a_cover_agrees_with_looking_at_every_tombstone(sources in any_sources()) {
            let cover = cover_of(&sources);
            prop_assert_eq!(cover.is_empty(), sources.iter().all(|(_, list)| list.is_empty()));
            for seqno in 0..52 {
                for key in 0..38_u8 {
                    let expect = naive(&sources, key, seqno);
                    let window = cover.window(&[key], seqno).unwrap();
                    let found = window.covering.map(|covering| (covering.seqno, covering.rank));
                    prop_assert_eq!(found, expect);
                    prop_assert_eq!(cover.covering(&[key], seqno).unwrap(), window.covering);
                    let inside = |other: u8| {
                        window.start.is_none_or(|start| start <= &[other][..])
                            && window.end.is_none_or(|end| &[other][..] < end)
                    };
                    prop_assert!(inside(key));
                    for other in (0..38).filter(|&other| inside(other)) {
                        prop_assert_eq!(naive(&sources, other, seqno), expect, "key {}", other);
                    }
                    let Some(covering) = window.covering else { continue };
                    prop_assert!(covering.start <= &[key][..] && &[key][..] < covering.end);
                    for other in covering.start[0]..covering.end[0] {
                        let own = &sources[covering.rank..=covering.rank];
                        prop_assert!(naive(own, other, seqno).is_some(), "hidden below {}", other);
                    }
                }
            }
        }
    }

    #[test]
    fn touching_tombstones_reach_as_one() {
        let list = vec![tombstone(1, 3, 5), tombstone(3, 6, 7), tombstone(7, 9, 5)];
        let cover = cover_of(&[(false, list)]);
        let covering = cover.covering(&[3], 9).unwrap().unwrap();
        assert_eq!((covering.start, covering.end), (&[1][..], &[6][..]));
        let covering = cover.covering(&[2], 6).unwrap().unwrap();
        assert_eq!((covering.start, covering.end), (&[1][..], &[3][..]));
    }

    #[test]
    fn only_tables_with_range_tombstones_near_the_key_are_opened() {
        let plain = Arc::new(TestTable::new(vec![Entry::put(&[1], 3)], None));
        let near = Arc::new(TestTable::of_range_tombstones(vec![tombstone(4, 6, 3)], None));
        let far = Arc::new(TestTable::of_range_tombstones(vec![tombstone(8, 9, 3)], None));
        let tables = [&plain, &near, &far].map(Arc::clone);
        let deep = Arc::new(TestTable::of_range_tombstones(vec![tombstone(0, 9, 2)], None));
        let sources = vec![
            CoverSource::Tables(Arc::new(tables)),
            CoverSource::Tables(Arc::new([Arc::clone(&deep)])),
        ];
        let cover = Cover::new(sources);
        assert_eq!(cover.covering(&[4], 9).unwrap().map(|covering| covering.seqno), Some(3));
        assert_eq!(cover.covering(&[5], 9).unwrap().map(|covering| covering.seqno), Some(3));
        assert_eq!([&plain, &near, &far, &deep].map(|table| table.opened()), [0, 1, 0, 0]);
        assert_eq!(cover.covering(&[1], 9).unwrap().map(|covering| covering.rank), Some(1));
        assert_eq!([&plain, &near, &far, &deep].map(|table| table.opened()), [0, 1, 0, 1]);
    }

    #[test]
    fn a_table_that_does_not_open_is_an_error_and_not_an_absent_tombstone() {
        let table = Arc::new(TestTable::of_range_tombstones(vec![tombstone(4, 6, 3)], None));
        table.fail(true);
        let cover = Cover::new(vec![CoverSource::Tables(Arc::new([Arc::clone(&table)]))]);
        assert_eq!(cover.covering(&[4], 9).unwrap_err().kind(), ErrorKind::Corruption);
        table.fail(false);
        assert!(cover.covering(&[4], 9).unwrap().is_some());
    }
}
