//! Runs every fuzz body over the committed seeds, and over damaged copies of them.
//!
//! A seed whose name begins with `valid` must be accepted, one with `broken` must not: so a body
//! that sees nothing, because its decoder refuses everything, is noticed.

use crate::testing::database::database;
use crate::testing::random::Random;
use crate::testing::targets::TARGETS;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Seeds up to this length are also tried with each bit flipped and cut at each byte; but not
/// scripts, whose bytes are no format.
const DAMAGED_BYTES_MAX: usize = 512;

fn fuzz_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Names and contents of the files in a folder; folders have no content.
fn list(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("no {}", folder.display()));
    let named = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap_or_default())
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

#[test]
fn every_body_keeps_its_promises_on_all_seeds_and_their_damaged_copies() {
    for (target, body) in TARGETS {
        let seeds = list(fuzz_folder().join("corpus").join(target));
        for (name, bytes) in &seeds {
            let is_accepted = body(bytes);
            assert!(is_accepted || !name.starts_with("valid"), "{target}/{name} is refused");
            assert!(!is_accepted || !name.starts_with("broken"), "{target}/{name} is accepted");
            if bytes.len() > DAMAGED_BYTES_MAX || *target == "database" {
                continue;
            }
            let mut damaged = bytes.clone();
            for bit in 0..bytes.len() * 8 {
                damaged[bit / 8] ^= 1 << (bit % 8);
                let _: bool = body(&damaged);
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            for len in 0..bytes.len() {
                let _: bool = body(&bytes[..len]);
            }
        }
        let has = |prefix: &str| seeds.iter().any(|(name, _)| name.starts_with(prefix));
        assert!(has("valid") && has("broken"), "{target} needs a valid and a broken seed");
    }
}

#[test]
fn bodies_targets_and_corpus_have_the_same_names() {
    let bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |files: Vec<(String, Vec<u8>)>, ending: &str| -> BTreeSet<String> {
        files.into_iter().map(|(name, _)| name.trim_end_matches(ending).to_owned()).collect()
    };
    assert_eq!(names(list(fuzz_folder().join("corpus")), ""), bodies);
    assert_eq!(names(list(fuzz_folder().join("fuzz_targets")), ".rs"), bodies);
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for name in &bodies {
        let path = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&path), "fuzz/Cargo.toml has no target {name}");
    }
}

#[test]
fn a_database_keeps_its_promises_through_random_scripts() {
    /// More by hand, for a night.
    const SCRIPTS: u64 = 1_000;
    for seed in 0..SCRIPTS {
        let mut random = Random(seed);
        let len = random.below(600);
        let script: Vec<u8> = (0..len).map(|_| random.byte() % 0xff).collect();
        let outcome = std::panic::catch_unwind(|| database(&script));
        assert!(outcome.is_ok(), "script {seed}");
    }
}
