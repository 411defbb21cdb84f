//! Reads the files of a database with nothing but the words of docs/FORMAT.md.
//!
//! Goal: the page is enough for a stranger, and stays so. Method: a second reader, which shares no
//! code with the engine (only the public crates that the page names: crc32fast, zstd), reads what
//! the engine wrote and must come to the same entries. When this test fails after a change of the
//! format, change the page first, then this reader by the page.

#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

#[path = "format_reader/bytes.rs"]
mod bytes;
#[path = "format_reader/journal.rs"]
mod journal;
#[path = "format_reader/manifest.rs"]
mod manifest;
#[path = "format_reader/table.rs"]
mod table;

use siltstone::fs::SimulatedFileSystem;
use siltstone::{Background, Compression, Db, Options};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

/// User key and value, of everything that is there.
type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(fs: &SimulatedFileSystem) -> Options {
    Options::new()
        .file_system(fs.clone())
        .background(Background::Stepped { seed: 1 })
        .memory(1 << 20)
        .memtable_bytes(16 << 10)
        .table_bytes(16 << 10)
        .block_bytes(512)
        .compression(Compression::Zstd(3))
}

fn file(fs: &SimulatedFileSystem, name: &str) -> Vec<u8> {
    fs.read(format!("/data/{name}")).unwrap_or_else(|| panic!("there is no {name}"))
}

fn user_key(keyspace: u32, key: &[u8]) -> Vec<u8> {
    let big_endian = [24, 16, 8, 0].map(|shift| u8::try_from(keyspace >> shift & 0xff).unwrap());
    [&big_endian[..], key].concat()
}

/// What the engine says.
fn contents(db: &Db) -> Map {
    let trades = db.keyspace("trades").unwrap();
    let mut map = Map::new();
    for (id, entries) in [(0, db.iter()), (1, trades.iter())] {
        for entry in entries {
            let (key, value) = entry.unwrap();
            map.insert(user_key(id, &key), value.to_vec());
        }
    }
    map
}

fn fill(db: &Db) {
    let trades = db.keyspace("trades").unwrap();
    for number in 0..3_000_u32 {
        let key = format!("key{:05}", number.wrapping_mul(7919) % 2_000);
        match number % 5 {
            0 => db.delete(key).unwrap(),
            1 => trades.put(key, "x".repeat(200)).unwrap(),
            _ => db.put(key, format!("value {number}")).unwrap(),
        }
        if number % 1_000 == 999 {
            db.delete_range(format!("key{:05}", number / 2)..format!("key{:05}", number / 2 + 50))
                .unwrap();
        }
    }
}

/// Versions of keys and range tombstones, from tables and log together.
#[derive(Default)]
struct Found {
    /// User key, to seqno and value (`None`: deleted).
    versions: Vec<(Vec<u8>, u64, Option<Vec<u8>>)>,
    /// Start, end, seqno.
    ranges: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

impl Found {
    /// The newest version of each key, unless it is deleted or a newer range tombstone is over it.
    fn live(mut self) -> Map {
        self.versions.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let newest: BTreeMap<_, _> =
            self.versions.into_iter().map(|(key, seqno, value)| (key, (seqno, value))).collect();
        let hides = |key: &Vec<u8>, seqno: u64| {
            self.ranges.iter().any(|range| range.0 <= *key && *key < range.1 && range.2 > seqno)
        };
        let live = newest.into_iter().filter(|(key, (seqno, _))| !hides(key, *seqno));
        live.filter_map(|(key, (_, value))| Some((key, value?))).collect()
    }
}

/// Everything in the directory, by the words of the page.
fn read_directory(fs: &SimulatedFileSystem) -> (manifest::State, Found) {
    let name = manifest::current(&file(fs, "CURRENT"));
    let number: u64 = name.strip_prefix("MANIFEST-").unwrap().parse().unwrap();
    let state = manifest::read(&file(fs, &name), number);
    let mut found = Found::default();
    for (id, facts) in &state.tables {
        let bytes = file(fs, &format!("{id:06}.sst"));
        assert_eq!(bytes.len() as u64, facts.size);
        table::read(&bytes, state.database, *id, facts, &mut found);
    }
    let mut before = None;
    for id in &state.segments {
        let bytes = file(fs, &format!("{id:06}.wal"));
        before = journal::read_segment(&bytes, state.database, *id, before, &mut found);
    }
    (state, found)
}

#[test]
fn a_closed_database_is_read_by_the_words_of_the_page() {
    let fs = SimulatedFileSystem::new();
    let db = options(&fs).open("/data").unwrap();
    fill(&db);
    db.compact(..).unwrap();
    fill(&db);
    let expected = contents(&db);
    db.close().unwrap();
    let (state, found) = read_directory(&fs);
    assert!(state.tables.len() > 3 && !found.ranges.is_empty(), "there is something to read");
    assert_eq!(state.keyspaces, BTreeMap::from([(1, "trades".to_owned())]));
    assert!(state.clean_close.is_some());
    assert_eq!(found.live(), expected);
}

#[test]
fn a_database_that_was_killed_is_read_from_its_log() {
    let fs = SimulatedFileSystem::new();
    let db = options(&fs).open("/data").unwrap();
    fill(&db);
    let expected = contents(&db);
    let (state, found) = read_directory(&fs.copy());
    assert!(state.clean_close.is_none() && !state.segments.is_empty());
    assert_eq!(found.live(), expected);
}

#[test]
fn this_reader_notices_damage_too() {
    let fs = SimulatedFileSystem::new();
    let db = options(&fs).open("/data").unwrap();
    fill(&db);
    db.close().unwrap();
    let table = fs.names("/data").into_iter().find(|name| name.to_str().unwrap().ends_with(".sst"));
    fs.corrupt(std::path::Path::new("/data").join(table.unwrap()), |bytes| bytes[20] ^= 1);
    assert!(
        std::panic::catch_unwind(AssertUnwindSafe(|| read_directory(&fs))).is_err(),
        "checksums are checked"
    );
}
