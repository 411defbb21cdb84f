//! The log: each segment by itself, and then all of them as an open would replay them.

use crate::error::Result;
use crate::format::filename::FileName;
use crate::format::key::Seqno;
use crate::fs::{FileKind, FileSystem};
use crate::inspect::report::VerifyReport;
use crate::wal::{KnownEnd, Recovery, Replay, SegmentBegin, SegmentFile, begin, examine, replay};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What is known about the log from elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogKnown {
    pub(crate) database: u64,
    /// Segments below it are not needed.
    pub(crate) floor: u64,
    /// Segments that the manifest names; `None` if it cannot be read.
    pub(crate) named: Option<Vec<u64>>,
    /// Segments that the directory holds.
    pub(crate) present: Vec<u64>,
    /// Where the log ends, if that is known.
    pub(crate) end: Option<KnownEnd>,
}

/// Verifies the log and tells of its damage.
pub(crate) fn log(
    fs: &dyn FileSystem,
    directory: &Path,
    known: &LogKnown,
    report: &mut VerifyReport,
) {
    let limits = limits(fs, directory, known);
    let mut torn = Vec::new();
    for &id in known.present.iter().filter(|&&id| id >= known.floor) {
        let path = FileName::Wal(id).in_directory(directory);
        let file = match fs.open(&path, FileKind::Wal) {
            Ok(file) => file,
            // If it is needed, the replay misses it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                report.damage(&path, 0, format!("cannot open the segment: {error}"));
                continue;
            }
        };
        report.files += 1;
        report.bytes += file.len();
        let limit = limits.get(&id).copied().unwrap_or(u64::MAX);
        let segment =
            SegmentFile { file: &*file, path: &path, database: known.database, segment: id };
        let read = examine(&segment, limit, &mut |_, _, _| {});
        report.batches += read.batches;
        for gap in read.gaps {
            report.damage(&path, gap.offset, gap.what);
        }
        torn.extend(read.torn.map(|end| (path, end)));
    }
    match &known.named {
        Some(named) => as_an_open(fs, directory, (known, named), torn, report),
        None => torn.iter().for_each(|(path, end)| report.loose_end(path, *end)),
    }
}

/// Hands every batch that can be read to `sink`: its first seqno and payload. Of a log that is whole these
/// are the batches of an open; of a damaged one also those behind the damage.
///
/// # Errors
/// Those of `sink`, and what came over the log since it was verified.
pub(crate) fn readable_batches(
    fs: &dyn FileSystem,
    directory: &Path,
    (known, is_damaged): (&LogKnown, bool),
    sink: &mut dyn FnMut(Seqno, &[u8]) -> Result<()>,
) -> Result<()> {
    if let Some(named) = known.named.as_ref().filter(|_| !is_damaged) {
        let request = request(fs, directory, (known, named));
        return replay(&request, &mut |batch| sink(batch.first_seqno, batch.payload)).map(drop);
    }
    let limits = limits(fs, directory, known);
    let is_named = |id: &u64| known.named.as_ref().is_none_or(|named| named.contains(id));
    for &id in known.present.iter().filter(|&id| *id >= known.floor && is_named(id)) {
        let path = FileName::Wal(id).in_directory(directory);
        let Ok(file) = fs.open(&path, FileKind::Wal) else { continue };
        let limit = limits.get(&id).copied().unwrap_or(u64::MAX);
        let segment =
            SegmentFile { file: &*file, path: &path, database: known.database, segment: id };
        let mut taken = Ok(());
        examine(&segment, limit, &mut |first_seqno, payload, _| {
            if taken.is_ok() {
                taken = sink(first_seqno, payload);
            }
        });
        taken?;
    }
    Ok(())
}

/// Where each segment ends as far as others say it: what stands behind that does not count.
fn limits(fs: &dyn FileSystem, directory: &Path, known: &LogKnown) -> BTreeMap<u64, u64> {
    let begins = known.present.iter().filter_map(|&id| {
        let path = FileName::Wal(id).in_directory(directory);
        let file = fs.open(&path, FileKind::Wal).ok()?;
        let (path, database) = (path.as_path(), known.database);
        begin(&SegmentFile { file: &*file, path, database, segment: id }).ok()?
    });
    let previous = begins.filter_map(|SegmentBegin { previous, .. }| previous);
    let stated = previous.map(|previous| (previous.id, previous.length));
    let ends = known.end.map(|end| (end.segment, end.length));
    // Where both know an end they agree, or the replay says that they do not.
    ends.into_iter().chain(stated).collect()
}

/// The rules between segments: what an open would refuse, and what it would drop.
fn as_an_open(
    fs: &dyn FileSystem,
    directory: &Path,
    (known, named): (&LogKnown, &[u64]),
    torn: Vec<(std::path::PathBuf, (u64, u64))>,
    report: &mut VerifyReport,
) {
    match replay(&request(fs, directory, (known, named)), &mut |_| Ok(())) {
        Ok(found) => {
            for tail in found.torn_tails {
                report.loose_end(&tail.file, (tail.offset, tail.bytes));
            }
        }
        Err(error) => {
            let file = error.file().unwrap_or(directory);
            // A part that is damaged by itself was told already, perhaps in other words.
            if report.damages.iter().all(|damage| damage.file != file) {
                report.damage(file, error.offset().unwrap_or(0), error.sentence());
            }
            torn.iter().for_each(|(path, end)| report.loose_end(path, *end));
        }
    }
}

/// What an open would ask for.
fn request<'a>(
    fs: &'a dyn FileSystem,
    directory: &'a Path,
    (known, named): (&'a LogKnown, &'a [u64]),
) -> Replay<'a> {
    Replay {
        fs,
        directory,
        database: known.database,
        floor: known.floor,
        known: named,
        present: &known.present,
        clean_close: known.end,
        recovery: Recovery::Strict,
    }
}
