//! Damaged files: an open and a read of everything give the right answer or an error, never a panic
//! and never another answer.
//!
//! A small database with every kind of file, once closed and once killed, loses a bit of each byte,
//! its ends, whole files, or gets files of another time or another database. The one thing that may be
//! missing is the end of the newest segment of a killed database, if the recovery report says so: a
//! power cut could have done that too. A single bit is never such an end. Only where a copy or a cut
//! leaves that segment whole up to the end of an earlier record can nobody tell; those are counted.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails panics, in its helpers too, and tells its figures"
)]

#[path = "damage/subject.rs"]
mod subject;

use crate::subject::{Outcome, Story, Subject, contents, options, story};
use siltstone::ErrorKind;
use siltstone::fs::SimulatedFileSystem;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Every how many-th byte gets a flipped bit. 1 by hand for all of them.
const STRIDE: usize = 1;

/// Of the zeros behind the last record of a segment only some are tried.
const ZEROS_STRIDE: usize = 997;

/// Judges many cases, and tells how they ended.
#[derive(Default)]
struct Court {
    tally: BTreeMap<Outcome, u64>,
    silent: Vec<String>,
    /// Whether the case at hand is one where nobody can tell.
    may_roll_back: bool,
}

impl Court {
    fn judge(
        &mut self,
        subject: &Subject,
        case: String,
        damage: impl FnOnce(&SimulatedFileSystem),
    ) -> Option<Outcome> {
        match catch_unwind(AssertUnwindSafe(|| subject.judge(damage))) {
            Ok(outcome) => {
                *self.tally.entry(outcome).or_default() += 1;
                if outcome == Outcome::RolledBack && !self.may_roll_back {
                    self.silent.push(format!("{} {case}: rolled back in silence", subject.name));
                }
                Some(outcome)
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map_or("", String::as_str);
                self.silent.push(format!("{} {case}: {text}", subject.name));
                None
            }
        }
    }

    fn close(self, what: &str) {
        println!("{what}: {:?}, {} silent or panicked", self.tally, self.silent.len());
        assert!(self.silent.is_empty(), "{what}:\n{}", self.silent.join("\n"));
    }
}

fn subjects(story: &Story) -> [&Subject; 3] {
    [&story.killed, &story.closed, &story.busy]
}

fn both() -> Story {
    story(1)
}

fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// A bit for each byte, without a pattern.
fn bit_of(offset: usize) -> u8 {
    1 << ((offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61)
}

fn flip_bits(subject: &Subject) {
    let mut court = Court::default();
    for path in subject.files() {
        let bytes = subject.disk.read(&path).unwrap();
        let end = written(&bytes);
        let is_current = path.ends_with("CURRENT");
        let zeros = (end..bytes.len()).step_by(ZEROS_STRIDE);
        for offset in (0..end).step_by(STRIDE).chain(zeros) {
            let bits = if is_current { 0..8 } else { 0..1 };
            for bit in bits {
                let mask = if is_current { 1 << bit } else { bit_of(offset) };
                let case = format!("{} byte {offset} mask {mask:#04x}", path.display());
                let outcome = court.judge(subject, case.clone(), |disk| {
                    disk.corrupt(&path, |bytes| bytes[offset] ^= mask);
                });
                if outcome == Some(Outcome::Reported) {
                    court.silent.push(format!("{case}: a flipped bit is taken for a torn write"));
                }
            }
        }
    }
    court.close(&format!("flipped bits, {}", subject.name));
}

#[test]
fn a_flipped_bit_of_a_killed_database_is_never_silent() {
    flip_bits(&both().killed);
}

#[test]
fn a_flipped_bit_of_a_closed_database_is_never_silent() {
    flip_bits(&both().closed);
}

#[test]
fn a_flipped_bit_of_a_database_with_a_long_log_is_never_silent() {
    flip_bits(&both().busy);
}

#[test]
fn a_file_that_was_cut_is_never_silent() {
    let (story, mut court) = (both(), Court::default());
    for subject in subjects(&story) {
        for path in subject.files() {
            let bytes = subject.disk.read(&path).unwrap();
            let end = written(&bytes);
            let ends = [end.saturating_sub(1), end, end / 2];
            let is_newest = subject.newest_segment().as_ref() == Some(&path);
            court.may_roll_back = is_newest && subject.name != "closed";
            let step = if is_newest && subject.name == "killed" { 1 } else { 13 };
            for len in (0..end).step_by(step).chain(ends).filter(|&len| len < bytes.len()) {
                let case = format!("{} cut to {len} of {}", path.display(), bytes.len());
                court.judge(subject, case, |disk| disk.truncate_raw(&path, len as u64));
            }
        }
    }
    // Nothing at all, the opening, and after each write but the last: only where a record ends.
    let rolled_back = court.tally.get(&Outcome::RolledBack).copied().unwrap_or_default();
    court.close("cut files");
    assert!(rolled_back <= (2 + 3 - 1) + (2 + 24 - 1), "{rolled_back} rolled back");
}

fn remove(disk: &SimulatedFileSystem, path: &Path) {
    use siltstone::fs::FileSystem;
    disk.remove(path).unwrap();
}

#[test]
fn a_missing_file_is_never_silent() {
    let (story, mut court) = (both(), Court::default());
    for subject in subjects(&story) {
        for path in subject.files() {
            let case = format!("without {}", path.display());
            court.judge(subject, case, |disk| remove(disk, &path));
        }
    }
    court.close("missing files");
}

#[test]
fn files_that_changed_places_are_never_silent() {
    let (story, mut court) = (both(), Court::default());
    for subject in subjects(&story) {
        let files = subject.files();
        for (index, one) in files.iter().enumerate() {
            for other in &files[index + 1..] {
                let case = format!("{} and {} swapped", one.display(), other.display());
                court.judge(subject, case, |disk| {
                    let bytes = (disk.read(one).unwrap(), disk.read(other).unwrap());
                    disk.write_raw(one, bytes.1);
                    disk.write_raw(other, bytes.0);
                });
            }
        }
    }
    court.close("swapped files");
}

fn same_kind(one: &Path, other: &Path) -> bool {
    let kind = |path: &Path| path.to_string_lossy().replace(|char: char| char.is_ascii_digit(), "");
    kind(one) == kind(other)
}

fn files_of(disk: &SimulatedFileSystem) -> Vec<PathBuf> {
    let names = disk.names("data").into_iter();
    names.filter(|name| name != "LOCK").map(|name| Path::new("data").join(name)).collect()
}

#[test]
fn a_file_of_another_database_or_another_time_is_never_silent() {
    let (story, stranger, mut court) = (both(), story_of_a_stranger(), Court::default());
    for subject in subjects(&story) {
        let others = [&story.earlier, &story.killed.disk, &stranger.killed.disk];
        for (number, other) in others.into_iter().enumerate() {
            for (from, to) in files_of(other)
                .iter()
                .flat_map(|from| subject.files().into_iter().map(move |to| (from.clone(), to)))
            {
                let bytes = other.read(&from).unwrap();
                if !same_kind(&from, &to) || subject.disk.read(&to).as_ref() == Some(&bytes) {
                    continue;
                }
                let case = format!("{} of disk {number} as {}", from.display(), to.display());
                court.may_roll_back = number == 0 && subject.newest_segment() == Some(to.clone());
                court.judge(subject, case, |disk| disk.write_raw(&to, bytes));
                court.may_roll_back = false;
            }
            // And beside the own ones.
            for from in files_of(other) {
                if !subject.disk.names("data").iter().any(|name| from.ends_with(name)) {
                    let bytes = other.read(&from).unwrap();
                    let case = format!("{} of disk {number} added", from.display());
                    court.judge(subject, case, |disk| disk.write_raw(&from, bytes));
                }
            }
        }
    }
    court.close("foreign and stale files");
}

fn story_of_a_stranger() -> Story {
    story(99)
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let names = [
        ".DS_Store",
        "._000001.sst",
        "000001.sst.bak",
        "CURRENT~",
        "MANIFEST-000001.old",
        "0001.wal",
        "notes.txt",
        "Copy of 000002.wal",
        "000009.SST",
        "lost+found",
        "CURRENT.tmp",
        "1.sst",
    ];
    for subject in subjects(&both()) {
        let disk = subject.disk.copy();
        for name in names {
            disk.write_raw(Path::new("data").join(name), name.as_bytes());
        }
        for _ in 0..2 {
            let db = options(&disk).open("data").unwrap();
            assert_eq!(contents(&db).unwrap(), subject.states[0]);
            db.compact(..).unwrap();
            db.wait_idle().unwrap();
            db.close().unwrap();
        }
        for name in names {
            let left = disk.read(Path::new("data").join(name));
            assert_eq!(left.as_deref(), Some(name.as_bytes()), "{name}");
        }
    }
}

#[test]
fn a_refused_open_can_be_repeated_and_gives_the_same_error() {
    let subject = both().killed;
    let table =
        subject.files().into_iter().find(|path| path.extension().is_some_and(|it| it == "sst"));
    let disk = subject.disk.copy();
    remove(&disk, &table.unwrap());
    let before = disk.fingerprint();
    let errors: Vec<_> = (0..3).map(|_| options(&disk).open("data").unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Corruption));
    assert!(errors.windows(2).all(|pair| pair[0].to_string() == pair[1].to_string()));
    assert_eq!(disk.fingerprint(), before);
}
