//! Examines a segment of the log by itself: every batch that can be read, and every gap.
//!
//! What a segment is worth, and whether the log may end where it does, is for `recover` to judge. Here
//! damage behind damage is found, which a replay never reaches.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::Result;
use crate::format::key::Seqno;
use crate::format::limits::SEQNO_MAX;
use crate::format::record::RecordType;
use crate::fs::ReadAt;
use crate::journal::{End, Met, Record, Records, Source, examine_records};
use crate::wal::segment::{Opening, Previous};
use crate::wal::survey::is_plausible;
use std::path::Path;

/// How a segment begins, if that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentBegin {
    pub(crate) database: u64,
    /// What it says about the one before it.
    pub(crate) previous: Option<Previous>,
    /// Seqno that its first batch has.
    pub(crate) first_seqno: Seqno,
}

/// What could be read of a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentRead {
    pub(crate) batches: u64,
    /// The last seqno of the segment, if a batch could be read.
    pub(crate) last_seqno: Option<Seqno>,
    pub(crate) gaps: Vec<Gap>,
    /// Offset and length of what a power cut may have torn from the end.
    pub(crate) torn: Option<(u64, u64)>,
}

/// A part of a segment that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) what: String,
}

/// The segment to be examined.
#[derive(Clone, Copy)]
pub(crate) struct SegmentFile<'a> {
    pub(crate) file: &'a dyn ReadAt,
    pub(crate) path: &'a Path,
    pub(crate) database: u64,
    pub(crate) segment: u64,
}

impl<'a> SegmentFile<'a> {
    fn source(&self, limit: u64) -> Source<'a> {
        let SegmentFile { file, path, database, segment: file_id } = *self;
        Source { file, path, database, file_id, durable_upto: 0, limit, is_plausible }
    }
}

/// The opening of a segment; `None` if there is no whole one.
pub(crate) fn begin(segment: &SegmentFile<'_>) -> Result<Option<SegmentBegin>> {
    let mut records = Records::new(&segment.source(u64::MAX));
    let Some(record) = records.next()? else { return Ok(None) };
    let opening = Opening::decode(record.payload).ok();
    let opening = opening.filter(|_| record.header.record_type == RecordType::Opening);
    Ok(opening.map(|opening| SegmentBegin {
        database: opening.database,
        previous: opening.previous,
        first_seqno: record.header.seqno,
    }))
}

/// Examines a segment up to `limit`, and hands every batch to `sink`: its first seqno and payload, and
/// whether a gap lies before it.
pub(crate) fn examine(
    segment: &SegmentFile<'_>,
    limit: u64,
    sink: &mut dyn FnMut(Seqno, &[u8], bool),
) -> SegmentRead {
    let mut read = SegmentRead::default();
    let mut expected = None;
    let ended = examine_records(&segment.source(limit), &mut |met| {
        match met {
            Met::Gap { offset, bytes, what } => {
                read.gap(*offset, *bytes, what);
                expected = None;
            }
            Met::Record(record) => {
                if let Some(what) = refuse(record, expected) {
                    read.gap(record.offset, 0, what);
                }
                let seqno = record.header.seqno;
                match record.header.record_type {
                    RecordType::Opening => expected = Some(seqno),
                    RecordType::Batch if is_plausible(&record.header, record.payload) => {
                        read.batches += 1;
                        let last = seqno + u64::from(record.header.count) - 1;
                        (expected, read.last_seqno) = (Some(last + 1), Some(last));
                        sink(seqno, record.payload, !read.gaps.is_empty());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    });
    match ended {
        Ok(End::Clean { .. }) => {}
        Ok(End::Torn { offset, bytes_after, .. }) => read.torn = Some((offset, bytes_after)),
        Err(error) => read.gap(error.offset().unwrap_or(0), 0, &error.sentence()),
    }
    read
}

impl SegmentRead {
    fn gap(&mut self, offset: u64, bytes: u64, what: &str) {
        self.gaps.push(Gap { offset, bytes, what: what.to_owned() });
    }
}

/// What is wrong about a whole record, if anything is.
fn refuse(record: &Record<'_>, expected: Option<Seqno>) -> Option<&'static str> {
    let header = &record.header;
    match header.record_type {
        RecordType::Opening if record.offset == 0 && Opening::decode(record.payload).is_ok() => {
            None
        }
        RecordType::Opening | RecordType::Edit => Some("a record is out of place"),
        RecordType::Marker => None,
        RecordType::Batch if !is_plausible(header, record.payload) => {
            Some("a batch does not hold the operations that its header counts")
        }
        RecordType::Batch => {
            let last = header.seqno.checked_add(u64::from(header.count));
            let goes_on = expected.is_none_or(|expected| expected == header.seqno);
            let is_right = goes_on && last.is_some_and(|last| last <= SEQNO_MAX);
            (!is_right).then_some("a batch does not go on with the next seqno")
        }
    }
}
