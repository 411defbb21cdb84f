//! The sources of a scan over a view: memtables, L0 tables, levels; newest first, cut to the range.

use crate::format::key::Seqno;
use crate::format::limits::LEVELS;
use crate::merge::{Cover, CoverSource, RunCursor, Source};
use crate::read::scan::{Bounds, Scan};
use crate::state::view::View;
use crate::sync::Arc;
use crate::table::Handle;

/// The scan that all readers use.
pub(crate) type ViewScan = Scan<Handle>;

/// A scan of the user keys from `start` to `end` (exclusive) at `seqno`.
pub(crate) fn scan(view: &View, start: Vec<u8>, end: Vec<u8>, seqno: Seqno) -> ViewScan {
    let (mut sources, mut covers) = (Vec::new(), Vec::new());
    for memtable in view.memtables() {
        let fragments = memtable.range_tombstones();
        if memtable.is_empty() && fragments.is_none() {
            continue;
        }
        sources.push(Source::Memtable(memtable.cursor()));
        covers.push(CoverSource::Fragments(fragments.unwrap_or_default()));
    }
    let level0 = view.version.level(0).iter();
    let level0 = level0.filter(|handle| {
        let facts = handle.facts();
        !facts.ends_before(&start) && facts.smallest < end
    });
    let runs = level0.map(|handle| Arc::from([Arc::clone(handle)]));
    let deeper = (1..LEVELS).map(|level| {
        let tables = view.version.overlapping(level, &start, Some(&end));
        Arc::from(tables)
    });
    for run in runs.chain(deeper.filter(|run: &Arc<[Arc<Handle>]>| !run.is_empty())) {
        covers.push(CoverSource::Tables(Arc::clone(&run)));
        sources.push(Source::Run(RunCursor::new(run)));
    }
    Scan::new(sources, Cover::new(covers), seqno, Bounds { start, end: Some(end) })
}
