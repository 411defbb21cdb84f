//! Puts the segments in a row: which follows which.
//!
//! The newest segment that was begun is the last of the row; each names the one before it. A number
//! that no link names was passed over: its segment was never begun, or its opening was not known
//! to be whole. Such a segment holds no batch.

use crate::wal::segment::Previous;
use crate::wal::survey::{Segment, Start};

/// A place in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) id: u64,
    /// What the segment after it says about this one; `None` for the last, and where the segment
    /// after it cannot be read.
    pub(crate) stated: Option<Previous>,
}

/// The row, oldest first. A segment that is named by a link but cannot be read has its place in the
/// row; in front of it the row goes on with the next older one that can.
pub(crate) fn link(segments: &[Segment], floor: u64, is_known: impl Fn(u64) -> bool) -> Vec<Link> {
    let begun = |segment: &&Segment| match &segment.start {
        // A file that nothing knows, that follows nothing and holds nothing, says nothing.
        Start::Opened { opening, has_batches, .. } => {
            *has_batches || opening.previous.is_some() || is_known(segment.id)
        }
        Start::Empty | Start::Broken { .. } => false,
    };
    let newest_below = |id: u64| segments.iter().rev().filter(begun).find(|one| one.id < id);
    let mut row = Vec::new();
    let mut next = newest_below(u64::MAX).map(|last| Link { id: last.id, stated: None });
    while let Some(place) = next {
        row.push(place);
        let segment = segments.iter().find(|segment| segment.id == place.id);
        next = match segment.and_then(Segment::opening) {
            Some(opening) => opening
                .previous
                .filter(|previous| previous.id >= floor)
                .map(|previous| Link { id: previous.id, stated: Some(previous) }),
            None => newest_below(place.id).map(|older| Link { id: older.id, stated: None }),
        };
    }
    row.reverse();
    row
}
