//! Golden databases: directories of every published format, committed, which open for ever.
//!
//! `tests/fixtures/format-N/` holds databases that the first release of format N wrote: `closed`
//! (cleanly), `killed` (with a log to replay), `compressed`, and `blocked` (filters in lines). Each is opened from a copy and must
//! hold exactly what the story below put in. A fixture is never changed once its format is published:
//! a new format gets a folder of its own, and the old ones go on opening.
//!
//! The encoders are deterministic, so the newest folder is also compared byte by byte with what this
//! build writes. If that fails and no format changed, then the engine does other work in the same
//! story (other numbers of files, another plan): before the first release make the folder anew, by
//! setting `REGENERATE` for one run; later, leave it and end the comparison.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that fails panics, in its helpers too, and fixtures are files"
)]

use siltstone::fs::SimulatedFileSystem;
use siltstone::{Background, Batch, Compression, Db, Durability, Error, FilterKind, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes the newest folder anew instead of comparing. Committed as `false`.
const REGENERATE: bool = false;

const NEWEST: &str = "format-1";

type Files = BTreeMap<String, Vec<u8>>;
type Map = BTreeMap<(String, Vec<u8>), Vec<u8>>;

fn fixture(format: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format).join(name)
}

fn committed(format: &str, name: &str) -> Files {
    let folder = fixture(format, name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display()));
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

fn options(disk: &SimulatedFileSystem, compression: Compression) -> Options {
    Options::new()
        .file_system(disk.clone())
        .memory(2 << 20)
        .memtable_bytes(64 << 10)
        .block_bytes(512)
        .table_bytes(4 << 10)
        .compression(compression)
        // It is room, not bytes.
        .reserve_bytes(0)
        .background(Background::Stepped { seed: 1 })
}

fn value(number: u32) -> String {
    format!("value {number} ").repeat(1 + (number % 7) as usize)
}

/// Writes every kind of entry into every kind of file.
fn write_story(db: &Db) {
    let space = db.keyspace("space").unwrap();
    for number in 0..100 {
        let mut batch = Batch::new();
        batch.put(format!("key{number:03}"), value(number));
        batch.put_in(&space, number.to_le_bytes(), "");
        db.write_with(batch, Durability::Buffered).unwrap();
    }
    db.compact(..).unwrap();
    db.delete("key010").unwrap();
    db.delete_range("key020".."key040").unwrap();
    db.put("key030", "after the range").unwrap();
    db.keyspace("gone").unwrap().put("x", "y").unwrap();
    assert!(db.drop_keyspace("gone").unwrap());
    db.flush().unwrap();
    db.wait_idle().unwrap();
}

fn write_tail(db: &Db) {
    let mut batch = Batch::new();
    batch.put("tail", "1").delete("key099").delete_range("key050".."key053");
    db.write_with(batch, Durability::Sync).unwrap();
    db.put("tail2", [0, 255]).unwrap();
}

/// What the story leaves, as plain maps do it.
fn expected(has_tail: bool) -> Map {
    let mut map = Map::new();
    for number in 0..100 {
        let is_hidden = number == 10 || (20..40).contains(&number);
        let is_cut = has_tail && ((50..53).contains(&number) || number == 99);
        if !is_hidden && !is_cut {
            let key = format!("key{number:03}").into_bytes();
            map.insert((String::new(), key), value(number).into_bytes());
        }
        map.insert(("space".to_owned(), number.to_le_bytes().to_vec()), Vec::new());
    }
    map.insert((String::new(), b"key030".to_vec()), b"after the range".to_vec());
    if has_tail {
        map.insert((String::new(), b"tail".to_vec()), b"1".to_vec());
        map.insert((String::new(), b"tail2".to_vec()), vec![0, 255]);
    }
    map
}

/// The files of a database as this build writes them.
fn generate(name: &str) -> Files {
    let disk = SimulatedFileSystem::with_seed(0x5117_5701);
    let compression = match name {
        "compressed" => Compression::Zstd(1),
        _ => Compression::None,
    };
    // The first three were written when this was the only filter.
    let filter = match name {
        "blocked" => FilterKind::Blocked { bits_per_key: 10 },
        _ => FilterKind::Bloom { bits_per_key: 10 },
    };
    let db = options(&disk, compression).filter(filter).open("data").unwrap();
    write_story(&db);
    match name {
        "killed" => write_tail(&db),
        _ => db.close().unwrap(),
    }
    let read = |name: std::ffi::OsString| {
        let bytes = disk.read(Path::new("data").join(&name)).unwrap();
        (name.into_string().unwrap(), bytes)
    };
    disk.names("data").into_iter().map(read).collect()
}

fn contents(db: &Db) -> Result<Map, Error> {
    let mut map = Map::new();
    for entry in db.iter() {
        let (key, value) = entry?;
        map.insert((String::new(), key.to_vec()), value.to_vec());
    }
    for name in db.keyspaces()? {
        for entry in db.keyspace(&name)?.iter() {
            let (key, value) = entry?;
            map.insert((name.clone(), key.to_vec()), value.to_vec());
        }
    }
    Ok(map)
}

fn assert_opens(name: &str, files: &Files, expected: &Map) {
    let disk = SimulatedFileSystem::new();
    siltstone::fs::FileSystem::create_dir_all(&disk, Path::new("data")).unwrap();
    for (name, bytes) in files {
        disk.write_raw(Path::new("data").join(name), bytes.clone());
    }
    let before = disk.fingerprint();
    let db = options(&disk, Compression::None).open_read_only("data").unwrap();
    assert!(contents(&db).unwrap() == *expected, "{name} holds something else");
    db.verify().unwrap().into_result().unwrap();
    drop(db);
    assert_eq!(disk.fingerprint(), before, "{name} was only read");

    let db = options(&disk, Compression::None).open("data").unwrap();
    assert!(db.recovery_report().is_clean(), "{:?}", db.recovery_report());
    assert!(contents(&db).unwrap() == *expected, "{name} holds something else");
    assert_eq!(db.keyspaces().unwrap(), ["space"]);
    db.compact(..).unwrap();
    db.verify().unwrap().into_result().unwrap();
    assert!(contents(&db).unwrap() == *expected, "{name} holds something else when compacted");
    db.close().unwrap();
}

#[test]
fn databases_of_format_1_open_and_hold_what_was_written() {
    assert_opens("closed", &committed("format-1", "closed"), &expected(false));
    assert_opens("killed", &committed("format-1", "killed"), &expected(true));
    assert_opens("compressed", &committed("format-1", "compressed"), &expected(false));
    assert_opens("blocked", &committed("format-1", "blocked"), &expected(false));
}

#[test]
fn this_build_writes_the_bytes_of_the_newest_format() {
    for name in ["closed", "killed", "compressed", "blocked"] {
        let generated = generate(name);
        assert_eq!(generated, generate(name), "the same story makes the same bytes");
        if REGENERATE {
            let folder = fixture(NEWEST, name);
            std::fs::create_dir_all(&folder).unwrap();
            for entry in std::fs::read_dir(&folder).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
            for (file, bytes) in &generated {
                std::fs::write(folder.join(file), bytes).unwrap();
            }
        }
        // What zstd makes of the same bytes is its own affair.
        if name == "compressed" {
            continue;
        }
        let golden = committed(NEWEST, name);
        let names: Vec<_> = golden.keys().collect();
        assert_eq!(generated.keys().collect::<Vec<_>>(), names, "the files of {name}");
        for (file, bytes) in &golden {
            let differs = (0..bytes.len()).find(|&at| generated[file].get(at) != Some(&bytes[at]));
            assert_eq!(differs, None, "first different byte of {name}/{file}");
            assert_eq!(generated[file].len(), bytes.len(), "length of {name}/{file}");
        }
    }
}

#[test]
fn the_story_puts_every_kind_of_file_into_the_fixtures() {
    for name in ["closed", "killed", "compressed", "blocked"] {
        let files = committed(NEWEST, name);
        let has = |end: &str| files.keys().any(|file| file.contains(end));
        assert!(has("CURRENT") && has("MANIFEST-") && has(".sst"), "{name}: {:?}", files.keys());
        let logged = files.iter().filter(|(file, _)| file.ends_with(".wal"));
        let has_batches =
            logged.into_iter().any(|(_, bytes)| bytes.windows(4).any(|window| window == b"tail"));
        assert_eq!(has_batches, name == "killed", "{name} has a log to replay");
    }
    if REGENERATE {
        panic!("set it back to false");
    }
}
