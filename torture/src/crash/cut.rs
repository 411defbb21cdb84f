//! The log, cut at every byte and damaged in the middle: a torn end is forgiven, reported and kept;
//! anything else is refused, and the directory stays as it was.

use crate::crash::directory::{ending, files};
use crate::crash::oracle::{check_report, shown};
use crate::crash::story::{Contents, HOME, Story, options};
use siltstone::fs::{CrashProfile, LintFileSystem, SimulatedFileSystem};
use siltstone::{Db, ErrorKind};
use std::path::{Path, PathBuf};

/// A story whose process was killed: the log is as it was written, and not one byte is in a table.
fn killed(story: &Story) -> SimulatedFileSystem {
    story.disk.crash(CrashProfile::Kill, 0)
}

fn segments(disk: &SimulatedFileSystem) -> Vec<PathBuf> {
    ending(disk, ".wal").into_iter().map(|name| Path::new(HOME).join(name)).collect()
}

/// Length without the zeros at the end: the room that was reserved.
fn written(disk: &SimulatedFileSystem, file: &Path) -> usize {
    let bytes = disk.read(file).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn open(disk: &SimulatedFileSystem) -> siltstone::Result<Db> {
    options(LintFileSystem::new(disk.clone()), 1).open(HOME)
}

/// Contents after each number of events, from none to all.
fn prefixes(story: &Story) -> Vec<Contents> {
    let counts = 0..=story.events.len();
    counts.map(|count| story.contents(count, usize::MAX, false)).collect()
}

/// A log of one segment with buffered batches in it, and where each of them ends.
fn one_segment() -> (Story, SimulatedFileSystem, Vec<usize>) {
    let mut story = Story::begin(1);
    // An opening record: a header, and 64 bytes that end with zeros.
    let mut ends = vec![32 + 64];
    for len in [1, 40, 300, 0, 700, 17] {
        let key = format!("k{}", len % 3);
        story.buffered(&key, len);
        let disk = killed(&story);
        ends.push(written(&disk, &segments(&disk)[0]));
    }
    let disk = killed(&story);
    (story, disk, ends)
}

#[test]
fn a_newest_segment_cut_at_any_byte_gives_the_batches_before_the_cut() {
    let (story, disk, ends) = one_segment();
    let (prefixes, segment) = (prefixes(&story), segments(&disk)[0].clone());
    let mut torn_tails = 0;
    for length in 0..=*ends.last().unwrap() {
        let cut = disk.copy();
        cut.truncate_raw(&segment, length as u64);
        let db = open(&cut).unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        let whole = ends.iter().filter(|&&end| end <= length).count();
        let batches = whole.saturating_sub(1);
        assert_eq!(shown(&db, &story.keys()), prefixes[batches], "cut at {length}");
        let report = db.recovery_report();
        check_report(report, |path| cut.read(path).map(|bytes| bytes.len() as u64));
        assert_eq!(report.replayed_batches, batches as u64, "cut at {length}");
        // Zeros at the cut are not told from room that was reserved.
        let start = whole.checked_sub(1).map_or(0, |last| ends[last]);
        let bytes = disk.read(&segment).unwrap();
        let tail = &bytes[start..length];
        let is_torn = tail.iter().any(|&byte| byte != 0);
        assert_eq!(report.torn_tails.len(), usize::from(is_torn), "cut at {length}: {report:?}");
        for torn in &report.torn_tails {
            torn_tails += 1;
            assert_eq!((&torn.file, torn.offset), (&segment, start as u64));
            let kept = cut.read(torn.kept_in.as_ref().unwrap()).unwrap();
            assert!(tail.starts_with(&kept), "cut at {length}: what was dropped is kept");
            assert!(tail[kept.len()..].iter().all(|&byte| byte == 0), "cut at {length}");
        }
    }
    assert!(torn_tails > 1000, "{torn_tails}");
}

#[test]
fn an_older_segment_that_was_durable_may_not_end_early() {
    let mut story = Story::begin(2);
    story.synced("a", 3000);
    story.synced("b", 3000);
    story.synced("c", 10);
    story.synced("d", 10);
    let disk = killed(&story);
    let older = segments(&disk).into_iter().find(|one| written(&disk, one) > 3000).unwrap();
    let end = written(&disk, &older);
    for length in (0..end).step_by(97).chain([end - 1]) {
        let cut = disk.copy();
        cut.truncate_raw(&older, length as u64);
        assert_refused(&cut, &older, &format!("cut at {length}"));
    }
    let gone = disk.copy();
    siltstone::fs::FileSystem::remove(&gone, &older).unwrap();
    assert_refused(&gone, &older, "removed");
}

#[test]
fn an_older_segment_that_was_not_durable_takes_the_later_ones_along() {
    // The seed decides how soon the first segment is flushed: take one that is slow.
    let slow = |seed: u64| {
        let mut story = Story::begin(seed);
        for key in ["a", "b", "c", "d", "e", "f"] {
            story.buffered(key, 1500);
        }
        let disk = killed(&story);
        let mut begun = segments(&disk);
        begun.retain(|one| written(&disk, one) > 1000);
        (begun.len() > 1).then_some((story, disk, begun))
    };
    let (story, disk, begun) = (1..100).find_map(slow).unwrap();
    let prefixes = prefixes(&story);
    let end = written(&disk, &begun[0]);
    for length in (0..end).step_by(61) {
        let cut = disk.copy();
        cut.truncate_raw(&begun[0], length as u64);
        let db = open(&cut).unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        let found = shown(&db, &story.keys());
        let count = prefixes.iter().position(|prefix| *prefix == found);
        assert!(count.is_some_and(|count| count < 4), "cut at {length}: a prefix");
        let report = db.recovery_report();
        check_report(report, |path| cut.read(path).map(|bytes| bytes.len() as u64));
        let dropped = |torn: &siltstone::TornTail| torn.file == begun[1];
        assert!(report.torn_tails.iter().any(dropped), "{report:?}");
    }
}

#[test]
fn damage_before_bytes_that_were_durable_is_refused() {
    let mut story = Story::begin(4);
    for len in [20, 400, 3, 150, 9] {
        story.synced("k", len);
    }
    let disk = killed(&story);
    let segment = segments(&disk)[0].clone();
    // Behind the damage two records are whole: the second is believed because the first leads to
    // it, and calls everything before itself durable.
    let mut earlier = Story::begin(4);
    for len in [20, 400, 3] {
        earlier.synced("k", len);
    }
    let durable = written(&killed(&earlier), &segment);
    for at in 0..durable {
        let damaged = disk.copy();
        damaged.corrupt(&segment, |bytes| bytes[at] ^= 1 << (at % 8));
        assert_refused(&damaged, &segment, &format!("a bit at {at}"));
    }
    for at in (0..durable).step_by(53) {
        let damaged = disk.copy();
        let end = durable.min(at + 100);
        damaged.corrupt(&segment, |bytes| bytes[at..end].fill(0));
        assert_refused(&damaged, &segment, &format!("zeros at {at}"));
    }
}

/// The open says which file is damaged and where, and every byte stays what it was.
fn assert_refused(disk: &SimulatedFileSystem, file: &Path, how: &str) {
    let before = files(disk);
    let Err(error) = open(disk) else { panic!("{how}: opened") };
    assert_eq!(error.kind(), ErrorKind::Corruption, "{how}: {error}");
    assert_eq!(error.file(), Some(file), "{how}: {error}");
    assert!(error.offset().is_some(), "{how}: {error}");
    let after = files(disk);
    let names = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
        files.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after), "{how}: a file came or went");
    assert!(before == after, "{how}: a byte has changed");
}
