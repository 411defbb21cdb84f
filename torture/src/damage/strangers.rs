//! Files that are not ours, and opens that are refused.

use crate::damage::files::{remove, subjects};
use crate::damage::subject::{contents, options, story};
use siltstone::ErrorKind;
use std::path::Path;

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
    for subject in subjects(&story(1)) {
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
    let subject = story(1).killed;
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
