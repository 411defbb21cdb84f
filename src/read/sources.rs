//! The sources of a scan over a view: memtables, L0 tables, levels; newest first, cut to the range.

use crate::format::key::{SEQNO_LATEST, Seqno, order};
use crate::merge::{Cover, CoverSource, RunCursor, Source};
use crate::read::scan::{Bounds, Scan};
use crate::seeded::{Bug, is_seeded};
use crate::state::toll::extra_runs;
use crate::state::view::View;
use crate::sync::Arc;
use crate::table::Handle;
use crate::version::Run;

/// The scan that all readers use.
pub(crate) type ViewScan = Scan<Handle>;

/// A scan of the user keys from `start` to `end` (exclusive) at `seqno`.
pub(crate) fn scan(view: &View, start: Vec<u8>, end: Vec<u8>, seqno: Seqno) -> ViewScan {
    let seqno = if is_seeded(Bug::ScanSeesLaterWrites) { SEQNO_LATEST } else { seqno };
    let (mut sources, mut covers) = (Vec::new(), Vec::new());
    for memtable in view.memtables() {
        let fragments = memtable.range_tombstones();
        if memtable.is_empty() && fragments.is_none() {
            continue;
        }
        sources.push(Source::Memtable(memtable.cursor()));
        covers.push(fragments.map_or(CoverSource::None, CoverSource::Fragments));
    }
    let cover = |has_tombstones: bool, run: &Run| match has_tombstones {
        true => CoverSource::Tables(Arc::clone(run)),
        false => CoverSource::None,
    };
    let memtables = sources.len();
    for handle in view.version.level(0).iter() {
        let facts = handle.facts();
        if !facts.ends_before(&start) && order(&facts.smallest, &end).is_lt() {
            let run = Arc::from([Arc::clone(handle)]);
            covers.push(cover(facts.range_deletes > 0, &run));
            sources.push(Source::Run(RunCursor::new(run)));
        }
    }
    let level0 = sources.len() - memtables;
    // A level is shared whole, whatever its length: a scan that starts anywhere costs the same.
    for level in view.version.sorted_levels() {
        let reach = level.reaching(&start, Some(&end));
        if !reach.is_empty() {
            covers.push(cover(level.has_range_tombstones(), level.tables()));
            sources.push(Source::Run(RunCursor::within(Arc::clone(level.tables()), reach)));
        }
    }
    let extra_runs = extra_runs(level0, sources.len() > memtables + level0);
    Scan::new(sources, Cover::new(covers), seqno, Bounds { start, end: Some(end) })
        .tallied(extra_runs)
}
