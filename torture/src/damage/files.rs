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

/// How many cuts of one story may leave an earlier state that nobody can tell from the last: of the
/// newest segment nothing at all, the opening, and what is up to each write but the last.
pub(crate) const CUTS_ROLLED_BACK_MAX: u64 = (2 + 3 - 1) + (2 + 24 - 1);

/// Whether the case that cuts this file may lead to an earlier state.
pub(crate) fn may_roll_back(subject: &Subject, path: &Path) -> bool {
    subject.name != "closed" && subject.newest_segment().as_deref() == Some(path)
}

pub(crate) fn remove(disk: &SimulatedFileSystem, path: &Path) {
    use siltstone::fs::FileSystem;
    disk.remove(path).unwrap();
}

/// Every file missing.
pub(crate) fn missing_files(_story: &Story, subject: &Subject) -> Court {
    let mut court = Court::default();
    for path in subject.files() {
        let case = format!("without {}", path.display());
        let ending = court.judge(subject, case.clone(), |disk| remove(disk, &path));
        if ending == Some(Outcome::Reported) {
            court.silent.push(format!("{case}: a file that is gone is taken for a torn write"));
        }
    }
    court
}

/// Every two files swapped.
pub(crate) fn swapped_files(_story: &Story, subject: &Subject) -> Court {
    let mut court = Court::default();
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
pub(crate) fn foreign_files(story: &Story, subject: &Subject) -> Court {
    let (stranger, mut court) = (tell(STRANGER), Court::default());
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
            court.judge(subject, case, |disk| disk.write_raw(&to, bytes.clone()));
            court.may_roll_back = false;
        }
        // And beside the own ones.
        for from in files_of(other) {
            if !subject.disk.names("data").iter().any(|name| from.ends_with(name)) {
                let bytes = other.read(&from).unwrap();
                let case = format!("{} of disk {number} added", from.display());
                court.judge(subject, case, |disk| disk.write_raw(&from, bytes.clone()));
            }
        }
    }
    court
}
