//! A directory to play in, and what can be told about one from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

/// A directory that goes with the test.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data");
    (place, path)
}

/// Every file below a directory: its bytes and when it was changed.
pub(crate) fn picture(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        if facts.is_dir() {
            files.insert(entry.path(), (Vec::new(), SystemTime::UNIX_EPOCH));
            files.extend(picture(&entry.path()));
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            files.insert(entry.path(), (bytes, facts.modified().unwrap()));
        }
    }
    files
}

/// Bytes of all files in a directory.
pub(crate) fn size(directory: &Path) -> usize {
    picture(directory).values().map(|(bytes, _)| bytes.len()).sum()
}
