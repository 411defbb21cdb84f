//! `silt verify` and `silt repair`: what they say of whole and of damaged databases, and that they
//! change neither.

use crate::run::Place;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A database with a table and a log.
fn filled(place: &Place) {
    let lines: String = (0..2_000).map(|number| format!("key-{number:05}\tvalue\n")).collect();
    place.silt_with_input(&["import", "--durability", "buffered"], lines.as_bytes()).text();
    place.silt(&["compact"]).text();
    place.silt(&["put", "last", "one"]).text();
}

fn files(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = place.path("db").read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn table(place: &Place) -> String {
    let is_table = |path: &PathBuf| path.extension().is_some_and(|end| end == "sst");
    let path = files(place).into_keys().find(is_table).unwrap();
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn flip(place: &Place, name: &str, offset: usize) {
    let mut bytes = place.read(name);
    bytes[offset] ^= 0x10;
    place.write(name, bytes);
}

#[test]
fn a_whole_database_is_verified_and_a_damaged_one_told_place_by_place() {
    let place = Place::new();
    filled(&place);
    let whole = place.silt(&["verify"]);
    assert!(whole.text().starts_with("no damage in ") && whole.stderr.is_empty(), "{whole:?}");
    assert!(whole.text().contains("2,001 entries in tables"), "{whole:?}");

    let name = format!("db/{}", table(&place));
    flip(&place, &name, 100);
    flip(&place, &name, 6_000);
    let before = files(&place);
    let damaged = place.silt(&["verify"]);
    damaged.fails(3, "nothing was changed");
    let told = String::from_utf8(damaged.stdout.clone()).unwrap();
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("damaged")).collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].contains(&format!("{}, offset 0: ", table(&place))), "{told}");
    assert!(lines.iter().all(|line| line.contains("keys from ")), "{told}");
    assert_eq!(files(&place), before, "a verification writes nothing");
}

#[test]
fn a_program_can_read_what_is_damaged() {
    let place = Place::new();
    filled(&place);
    flip(&place, &format!("db/{}", table(&place)), 100);
    let ran = place.silt(&["verify", "--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let lines = ran.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let facts: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    let damage = &facts[0]["damage"];
    assert_eq!(damage["offset"], 0);
    assert!(damage["file"].as_str().unwrap().ends_with(".sst"), "{damage}");
    assert_eq!(damage["keys"]["from"]["keyspace"], 0, "{damage}");
    assert_eq!(facts.last().unwrap()["verified"]["damages"], 1);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"], "corruption");
}

#[test]
fn a_database_in_use_is_not_verified_from_outside() {
    let place = Place::new();
    let db = siltstone::Db::open(place.path("db")).unwrap();
    place.silt(&["verify"]).fails(4, "open");
    db.close().unwrap();
    place.silt(&["verify"]).text();
}

#[test]
fn a_rate_is_kept() {
    let place = Place::new();
    let db = siltstone::Db::open(place.path("db")).unwrap();
    let mut batch = siltstone::Batch::new();
    batch.put("noise", noise(1_200_000));
    db.write(batch).unwrap();
    db.close().unwrap();
    let started = Instant::now();
    place.silt(&["verify", "--rate", "1"]).text();
    assert!(started.elapsed() > Duration::from_secs(1), "{:?}", started.elapsed());
    place.silt(&["verify", "--rate", "0"]).fails(2, "0 is not in 1..=1000000");
}

#[test]
fn a_damaged_database_becomes_a_whole_one() {
    let place = Place::new();
    filled(&place);
    place.silt(&["repair", "db", "same"]).text();
    let all = place.silt(&["scan"]).text().to_owned();
    assert_eq!(place.silt(&["--db", "same", "scan"]).text(), all);

    flip(&place, &format!("db/{}", table(&place)), 6_000);
    let before = files(&place);
    let ran = place.silt(&["repair", "db", "new"]);
    ran.fails(3, "look at the ranges above");
    let told = String::from_utf8(ran.stdout.clone()).unwrap();
    assert!(told.starts_with("lost      keys from "), "{told}");
    assert_eq!(files(&place), before, "a repair writes nothing into the old directory");
    let left = place.silt(&["--db", "new", "scan"]).text().to_owned();
    let count = left.lines().count();
    assert!((1_500..2_001).contains(&count), "{count}");
    assert!(left.lines().all(|line| all.lines().any(|own| own == line)), "nothing is invented");
    assert!(told.contains(&format!("{} entries certain", grouped(count))), "{told}");
    place.silt(&["--db", "new", "verify"]).text();

    place.silt(&["repair", "db", "new"]).fails(2, "name another one");
    place.silt(&["--db", "db", "repair", "db", "x"]).fails(2, "leave --db out");
    let ran = place.silt(&["repair", "db", "newer", "--json"]);
    let first = ran.stdout.split(|&byte| byte == b'\n').next().unwrap();
    let facts: Value = serde_json::from_slice(first).unwrap();
    assert_eq!((ran.code, &facts["doubt"]["is_lost"]), (3, &true.into()), "{ran:?}");
}

/// Digits in groups of three.
fn grouped(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

/// Bytes that no compression makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}
