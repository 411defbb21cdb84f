//! Replays the log: every batch that counts, in order, and the decision where the log ends.
//!
//! The rules, for segments N and the one after it, N+1 (which states length, chain and durability
//! of N):
//! (1) Behind the last whole record of the last segment a torn write may be dropped; rot never.
//! (2) N counts up to the stated length. What stands behind it was abandoned and is ignored.
//! (3) If N ends earlier and was not durable, N+1 and all later ones are dropped with the rest of
//!     N: the log loses a suffix, never its middle. If N was durable, that is corruption. N was
//!     durable if N+1 says so, or if anything later was: nothing becomes durable before what
//!     precedes it.
//! (4) A segment that the manifest knows must be there. An empty one is legal: it was not begun.
//! (5) Seqnos go on without a gap inside a segment, and never back; a batch holds exactly the
//!     operations that its header counts.
//! (6) After a clean close the log ends where the manifest says, to the byte and the chain value.
//!
//! Corruption is found before the first batch is handed out where that needs no second pass; a
//! caller must be able to throw away what it was given. Nothing is written here.

use crate::error::{Error, Result};
use crate::format::codec::usize_to_u64;
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::format::limits::SEQNO_MAX;
use crate::format::record::RecordType;
use crate::fs::FileSystem;
use crate::journal::{Diagnosis, End, Record};
use crate::seeded::{Bug, is_seeded};
use crate::wal::report::{Recovery, RecoveryReport, TornTail};
use crate::wal::row::{Link, link};
use crate::wal::segment::Previous;
use crate::wal::survey::{Identity, Segment, Start, is_plausible};
use std::path::{Path, PathBuf};

/// What is to be replayed, and what the manifest knows.
pub(crate) struct Replay<'a> {
    pub(crate) fs: &'a dyn FileSystem,
    pub(crate) directory: &'a Path,
    pub(crate) database: u64,
    /// Segments below this one are not needed.
    pub(crate) floor: u64,
    /// Segments that the manifest names.
    pub(crate) known: &'a [u64],
    /// Segments that the directory holds.
    pub(crate) present: &'a [u64],
    pub(crate) clean_close: Option<KnownEnd>,
    pub(crate) recovery: Recovery,
}

/// Where the log ends after a clean close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownEnd {
    pub(crate) segment: u64,
    pub(crate) length: u64,
    pub(crate) chain: u32,
}

/// A batch from the log: all its operations decode, and they are as many as its record says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayedBatch<'a> {
    pub(crate) first_seqno: Seqno,
    pub(crate) payload: &'a [u8],
}

/// Takes the batches, in order.
pub(crate) type Sink<'s> = dyn FnMut(&ReplayedBatch<'_>) -> Result<()> + 's;

/// Replays the log.
///
/// # Errors
/// `Corruption` by the rules above (not with [`Recovery::PointInTime`], which ends the log there),
/// `Unsupported` for a newer format, I/O errors, and what `sink` returns.
pub(crate) fn replay(request: &Replay<'_>, sink: &mut Sink<'_>) -> Result<RecoveryReport> {
    let segments = survey(request)?;
    let row = link(&segments, request.floor, |id| request.known.contains(&id));
    let mut run = Run {
        request,
        segments: &segments,
        row: &row,
        last_seqno: 0,
        last_kept: None,
        report: RecoveryReport::default(),
    };
    if request.recovery == Recovery::Strict {
        run.check_presence()?;
        run.check_order()?;
    }
    run.walk(sink)?;
    run.report_dropped()?;
    run.report.last_seqno = run.last_seqno;
    Ok(run.report)
}

/// All segments that are there and needed, by number.
fn survey(request: &Replay<'_>) -> Result<Vec<Segment>> {
    let mut ids = [request.known, request.present].concat();
    ids.retain(|&id| id >= request.floor);
    ids.sort_unstable();
    ids.dedup();
    let mut segments = Vec::with_capacity(ids.len());
    for id in ids {
        let identity = request.identity(id);
        segments.extend(Segment::look(request.fs, request.directory, &identity)?);
    }
    Ok(segments)
}

impl Replay<'_> {
    fn identity(&self, segment: u64) -> Identity {
        let durable_upto = self.end_of(segment).map_or(0, |end| end.length);
        Identity { database: self.database, segment, durable_upto }
    }

    fn end_of(&self, segment: u64) -> Option<KnownEnd> {
        self.clean_close.filter(|end| end.segment == segment)
    }

    fn path(&self, segment: u64) -> PathBuf {
        FileName::Wal(segment).in_directory(self.directory)
    }
}

struct Run<'a> {
    // Constant after construction.
    request: &'a Replay<'a>,
    segments: &'a [Segment],
    row: &'a [Link],

    // Grow together as segments are replayed.
    last_seqno: Seqno,
    /// The last segment that counts.
    last_kept: Option<u64>,
    report: RecoveryReport,
}

impl<'a> Run<'a> {
    /// Rules (4) and (6): what must be there is there.
    fn check_presence(&self) -> Result<()> {
        let is_there = |id: u64| self.segment(id).is_some();
        let mut known = self.request.known.iter().filter(|&&id| id >= self.request.floor);
        if let Some(&missing) = known.find(|&&id| !is_there(id)) {
            let what = "a segment that the manifest names is missing";
            return Err(Error::corruption(&self.request.path(missing), 0, what));
        }
        for segment in self.segments.iter().filter(|segment| segment.opening().is_none()) {
            let Some(foreign) = segment.foreign_opening(self.request.database)? else { continue };
            // A lost sector may show what another file holds. But if that other file no longer
            // holds it, and it was durable, then files have changed places.
            let is_lost = self.segment(foreign.segment).is_some_and(|own| own.opening().is_none());
            if is_lost && segment.claims_durable(&foreign)? {
                let what = "the file holds another segment";
                return Err(Error::corruption(&segment.path, 0, what));
            }
        }
        Ok(())
    }

    /// Every segment with batches is in the row, and the row ends where it should.
    fn check_order(&self) -> Result<()> {
        let last = self.row.last().map(|link| link.id);
        for segment in self.segments {
            let is_in_row = self.row.iter().any(|link| link.id == segment.id);
            let what = match segment.start {
                Start::Opened { has_batches: true, .. } if !is_in_row => {
                    "the segment holds batches, but no later segment goes on from it"
                }
                Start::Broken { proof_of_rot: Some(proof) } if last < Some(segment.id) => proof,
                _ => continue,
            };
            return Err(Error::corruption(&segment.path, 0, what));
        }
        let Some(end) = self.request.clean_close.filter(|end| end.segment >= self.request.floor)
        else {
            return Ok(());
        };
        let is_begun = self.segment(end.segment).is_some_and(|one| one.opening().is_some());
        if end.length > 0 && !is_begun {
            let what = "the log was closed here, but the segment is empty or missing";
            return Err(Error::corruption(&self.request.path(end.segment), 0, what));
        }
        let mut later = self.segments.iter().filter(|segment| segment.id > end.segment);
        if let Some(segment) = later.find(|segment| segment.has_batches()) {
            let what = "the segment holds batches, but the log was closed before it";
            return Err(Error::corruption(&segment.path, 0, what));
        }
        Ok(())
    }

    /// Goes along the row until it ends or breaks.
    fn walk(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        for (index, link) in self.row.iter().enumerate() {
            let later = self.row.get(index + 1..).unwrap_or_default();
            let goes_on = match self.segment(link.id) {
                Some(segment) if segment.opening().is_some() => {
                    self.replay_segment(segment, link, later, sink)?
                }
                unreadable => {
                    self.judge_unreadable(unreadable, link, later)?;
                    false
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Rule (3) for a segment of which nothing can be read.
    fn judge_unreadable(
        &mut self,
        segment: Option<&Segment>,
        link: &Link,
        later: &[Link],
    ) -> Result<()> {
        let proof = match segment.map(|segment| segment.start) {
            Some(Start::Broken { proof_of_rot: Some(proof) }) => Some(proof),
            None => Some("the segment is missing, but a later one goes on from it"),
            Some(_) if link.stated.is_some_and(|stated| stated.durable) => {
                Some("the segment was durable, but its beginning is lost")
            }
            Some(_) if self.is_durable_by(later)? => {
                Some("a later segment was durable, but the beginning of this one is lost")
            }
            Some(_) => None,
        };
        match proof {
            Some(proof) => self.damage(&self.request.path(link.id), 0, proof),
            None => Ok(()),
        }
    }

    /// Replays one segment; whether the log goes on behind it.
    fn replay_segment(
        &mut self,
        segment: &Segment,
        link: &Link,
        later: &[Link],
        sink: &mut Sink<'_>,
    ) -> Result<bool> {
        let diagnosis = self.replay_records(segment, link, sink)?;
        self.last_kept = Some(segment.id);
        let (offset, bytes, rot) = match diagnosis {
            Diagnosis::Ended(End::Clean { offset, chain }) => {
                match self.mismatch(segment, link, (offset, chain)) {
                    None => return Ok(true),
                    Some(Mismatch::Short) if is_seeded(Bug::GapIgnored) => return Ok(true),
                    Some(Mismatch::Short) => (offset, 0, None),
                    Some(Mismatch::Other(what)) => (offset, 0, Some(what)),
                }
            }
            Diagnosis::Ended(_) if is_seeded(Bug::GapIgnored) => return Ok(true),
            Diagnosis::Ended(End::Torn { offset, bytes_after, .. }) => (offset, bytes_after, None),
            Diagnosis::Rot { offset, bytes_after, proof, .. } => (offset, bytes_after, Some(proof)),
        };
        let rot = match rot {
            None if self.is_durable_by(later)? => {
                Some("the segment ends early, but a later one was durable")
            }
            rot => rot,
        };
        if let Some(what) = rot {
            self.damage(&segment.path, offset, what)?;
        }
        if bytes > 0 || rot.is_some() {
            self.drop_tail(&segment.path, offset, bytes, rot.unwrap_or("a torn write"));
        }
        Ok(false)
    }

    /// Hands the batches of a segment to `sink`, and says how it ends.
    fn replay_records(
        &mut self,
        segment: &Segment,
        link: &Link,
        sink: &mut Sink<'_>,
    ) -> Result<Diagnosis> {
        let Start::Opened { first_seqno, .. } = segment.start else {
            unreachable!("only segments with an opening are replayed");
        };
        let mut identity = self.request.identity(segment.id);
        let mut limit = self.request.end_of(segment.id).map_or(u64::MAX, |end| end.length);
        if let Some(Previous { length, durable, .. }) = link.stated {
            limit = limit.min(length);
            let durable_upto = if durable { length } else { 0 };
            identity.durable_upto = identity.durable_upto.max(durable_upto);
        }
        let mut records = segment.records(&identity, limit);
        let mut expected = first_seqno;
        loop {
            let (start, chain) = (records.offset(), records.chain());
            let Some(record) = records.next()? else { break };
            let what = match record.header.record_type {
                RecordType::Opening if start == 0 => self.refuse_opening(&record),
                RecordType::Marker => None,
                RecordType::Batch => refuse_batch(&record, expected),
                RecordType::Opening | RecordType::Edit => Some("a record is out of place"),
            };
            if let Some(proof) = what {
                let bytes_after = records.written_after(start)?;
                return Ok(Diagnosis::Rot { offset: start, chain, bytes_after, proof });
            }
            if record.header.record_type == RecordType::Batch {
                let (count, payload) = (record.header.count, record.payload);
                sink(&ReplayedBatch { first_seqno: expected, payload })?;
                expected += u64::from(count);
                self.report.replayed_batches += 1;
                self.report.replayed_bytes += usize_to_u64(payload.len());
            }
            self.last_seqno = expected - 1;
        }
        records.end()
    }

    fn refuse_opening(&self, record: &Record<'_>) -> Option<&'static str> {
        let first_seqno = record.header.seqno;
        let is_ahead = first_seqno > self.last_seqno && first_seqno <= SEQNO_MAX;
        (!is_ahead).then_some("a segment begins with a seqno that was used before")
    }

    /// Compares a clean end with what is stated about it elsewhere.
    fn mismatch(&self, segment: &Segment, link: &Link, found: (u64, u32)) -> Option<Mismatch> {
        let by_next = link.stated.map(|stated| (stated.length, stated.chain));
        let by_close = self.request.end_of(segment.id).map(|end| (end.length, end.chain));
        for stated in [by_next, by_close].into_iter().flatten() {
            if found.0 < stated.0 {
                return Some(Mismatch::Short);
            }
            if found != stated {
                return Some(Mismatch::Other("the segment does not end as is stated elsewhere"));
            }
        }
        let has_other_seqno =
            link.stated.is_some_and(|stated| stated.last_seqno != self.last_seqno);
        has_other_seqno
            .then_some(Mismatch::Other("the segment has other seqnos than the next one states"))
    }

    /// Whether one of these segments proves that everything before it was durable.
    fn is_durable_by(&self, later: &[Link]) -> Result<bool> {
        for link in later {
            if link.stated.is_some_and(|stated| stated.durable) {
                return Ok(true);
            }
            let Some(segment) = self.segment(link.id) else { continue };
            let identity = self.request.identity(link.id);
            if identity.durable_upto > 0 || segment.claims_durable(&identity)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Corruption; or, if the log is to be taken up to here, nothing.
    fn damage(&self, path: &Path, offset: u64, what: &'static str) -> Result<()> {
        match self.request.recovery {
            Recovery::Strict => Err(Error::corruption(path, offset, what)),
            Recovery::PointInTime => Ok(()),
        }
    }

    /// Tells of the segments behind the last one that counts.
    fn report_dropped(&mut self) -> Result<()> {
        let last_kept = self.last_kept;
        for segment in self.segments.iter().filter(|segment| last_kept < Some(segment.id)) {
            let reason = match segment.start {
                Start::Empty => continue,
                Start::Opened { .. } if !self.row.iter().any(|link| link.id == segment.id) => {
                    continue;
                }
                Start::Opened { .. } => "the segment before it ends early",
                Start::Broken { proof_of_rot: None } => "a torn opening record",
                Start::Broken { proof_of_rot: Some(proof) } => proof,
            };
            let identity = self.request.identity(segment.id);
            let bytes = segment.records(&identity, u64::MAX).written_after(0)?;
            self.drop_tail(&segment.path, 0, bytes, reason);
        }
        // Only `PointInTime` comes this far without one of them.
        for &id in self.request.known.iter().filter(|&&id| last_kept < Some(id)) {
            if id >= self.request.floor && self.segment(id).is_none() {
                self.drop_tail(&self.request.path(id), 0, 0, "the segment is missing");
            }
        }
        Ok(())
    }

    fn drop_tail(&mut self, path: &Path, offset: u64, bytes: u64, reason: &'static str) {
        let (file, last_seqno) = (path.to_owned(), self.last_seqno);
        let tail = TornTail { file, offset, bytes, last_seqno, reason, kept_in: None };
        self.report.torn_tails.push(tail);
    }

    fn segment(&self, id: u64) -> Option<&'a Segment> {
        self.segments.iter().find(|segment| segment.id == id)
    }
}

enum Mismatch {
    /// The end is missing.
    Short,
    Other(&'static str),
}

/// Rule (5).
fn refuse_batch(record: &Record<'_>, expected: Seqno) -> Option<&'static str> {
    let header = &record.header;
    let last_seqno = expected.checked_add(u64::from(header.count));
    if header.seqno != expected || last_seqno.is_none_or(|last| last > SEQNO_MAX) {
        return Some("a batch does not go on with the next seqno");
    }
    let is_right = is_plausible(header, record.payload);
    (!is_right).then_some("a batch does not hold the operations that its header counts")
}
