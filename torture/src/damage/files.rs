//! Damage to whole files: cut, missing, swapped, of another time or another database.

use crate::damage::court::Court;
use crate::damage::subject::{Outcome, Story, Subject, story as tell};
use siltstone::fs::SimulatedFileSystem;
use std::path::{Path, PathBuf};

/// Seed of a story that has nothing to do with the one that is damaged.
const STRANGER: u64 = 99;

pub(crate) fn subjects(story: &Story) -> [&Subject; 3] {
    [&story.killed, &story.closed, &story.busy]
}

pub(crate) fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// Every file cut to many lengths.
pub(crate) fn cut_files(story: &Story) -> Court {
    let mut court = Court::default();
    for subject in subjects(story) {
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
    if rolled_back > (2 + 3 - 1) + (2 + 24 - 1) {
        court
            .silent
            .push(format!("{rolled_back} cuts rolled back, which is more than there are records"));
    }
    court
}

pub(crate) fn remove(disk: &SimulatedFileSystem, path: &Path) {
    use siltstone::fs::FileSystem;
    disk.remove(path).unwrap();
}

/// Every file missing.
pub(crate) fn missing_files(story: &Story) -> Court {
    let mut court = Court::default();
    for subject in subjects(story) {
        for path in subject.files() {
            let case = format!("without {}", path.display());
            court.judge(subject, case, |disk| remove(disk, &path));
        }
    }
    court
}

/// Every two files swapped.
pub(crate) fn swapped_files(story: &Story) -> Court {
    let mut court = Court::default();
    for subject in subjects(story) {
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
    court
}

fn same_kind(one: &Path, other: &Path) -> bool {
    let kind = |path: &Path| path.to_string_lossy().replace(|char: char| char.is_ascii_digit(), "");
    kind(one) == kind(other)
}

fn files_of(disk: &SimulatedFileSystem) -> Vec<PathBuf> {
    let names = disk.names("data").into_iter();
    names.filter(|name| name != "LOCK").map(|name| Path::new("data").join(name)).collect()
}

/// Files of another database and of another time, in the place of each and beside them.
pub(crate) fn foreign_files(story: &Story) -> Court {
    let (stranger, mut court) = (tell(STRANGER), Court::default());
    for subject in subjects(story) {
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
    court
}
