//! The rules of the house that neither the compiler nor clippy can see, as tests.
//!
//! Every rule is a function over one file's path and text (or over all files, where it must be).
//! Here the rules meet the repository; in `tidy/proof.rs` each of them meets a breach of its own
//! and must catch it. A message says where, and what to do instead. docs/ARCHITECTURE.md has the
//! same rules as prose.

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/proof.rs"]
mod proof;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tokens.rs"]
mod tokens;

use crate::source::{Breach, Source};

/// Every Rust source of the repository, but for rooms that have a caption only and wait for their
/// content while `src/lib.rs` says that the house is being built.
fn sources() -> Vec<Source> {
    let texts = text::texts();
    let is_rust = |path: &str| path.ends_with(".rs");
    let is_being_built = |text: &str| is_house_being_built() && text.trim() == "//! (being built)";
    let rust = texts.iter().filter(|text| is_rust(&text.path) && !is_being_built(&text.text));
    let mut sources: Vec<_> = rust.map(|text| Source::new(&text.path, &text.text)).collect();
    let places: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        source.is_test_file |= places.iter().any(|place| {
            let rest = source.path.strip_prefix(place.as_str()).unwrap_or_default();
            rest == ".rs" || rest.starts_with('/')
        });
    }
    sources
}

fn is_house_being_built() -> bool {
    let lib = std::fs::read_to_string(text::root().join("src/lib.rs")).unwrap_or_default();
    lib.contains("the house is being built")
}

fn assert_none(breaches: &[Breach]) {
    let list = |breach: &Breach| format!("\n{}:{}: {}", breach.path, breach.line, breach.advice);
    assert!(breaches.is_empty(), "{}\n", breaches.iter().map(list).collect::<String>());
}

#[test]
fn every_source_keeps_the_rules_of_the_house() {
    let sources = sources();
    assert!(sources.len() > 20, "the walk over the repository finds its sources");
    let each = |source| rules::RULES.iter().flat_map(move |rule| rule(source));
    assert_none(&sources.iter().flat_map(each).collect::<Vec<_>>());
}

#[test]
fn imports_go_down_the_floors() {
    assert_none(&sources().iter().flat_map(floors::imports_go_down).collect::<Vec<_>>());
}

#[test]
fn no_file_needs_itself_in_a_circle() {
    assert_none(&floors::Needs::new(&sources()).circles());
}

#[test]
fn only_cleanup_removes_files() {
    assert_none(&rules::only_cleanup_removes(&sources()));
}

#[test]
fn every_room_stands_on_its_floor_in_the_architecture() {
    let root = text::root();
    let plan = std::fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap_or_default();
    for (floor, rooms) in floors::FLOORS {
        let number = floor.to_string();
        let lines = plan.lines().map(|line| line.split(|char: char| !is_name(char)));
        let words: Vec<_> = lines.map(|words| words.filter(|word| !word.is_empty())).collect();
        let listed = words.into_iter().filter(|words| words.clone().next() == Some(&number));
        let listed: Vec<&str> = listed.flatten().collect();
        let missing: Vec<_> = rooms.iter().filter(|room| !listed.contains(room)).collect();
        assert!(missing.is_empty(), "list {missing:?} on floor {floor} in docs/ARCHITECTURE.md");
    }
}

fn is_name(char: char) -> bool {
    char == '_' || char.is_ascii_alphanumeric()
}

#[test]
fn the_text_of_the_repository_is_clean() {
    let root = text::root();
    let exists = |path: &str| root.join(path).is_file();
    let each = |text: &text::Text| {
        let mut breaches = text::names_no_machine(&text.path, &text.text);
        breaches.extend(text::names_documents_that_exist(&text.path, &text.text, exists));
        breaches.extend(text::ends_cleanly(&text.path, &text.text));
        breaches
    };
    // The proofs hold breaches on purpose.
    let texts = text::texts().into_iter().filter(|text| text.path != "tests/tidy/proof.rs");
    assert_none(&texts.flat_map(|text| each(&text)).collect::<Vec<_>>());
}

#[test]
fn documents_quote_limits_as_they_are() {
    let texts = text::texts();
    let constants = limits::constants(texts.iter().filter(|text| text.path.starts_with("src/")));
    let documents = texts.iter().filter(|text| text.path.ends_with(".md"));
    let quoted: Vec<_> = documents.flat_map(limits::quotes).collect();
    assert!(quoted.len() >= 5, "docs/FORMAT.md quotes limits as `NAME` = number");
    assert_none(&quoted.iter().filter_map(|quote| quote.check(&constants)).collect::<Vec<_>>());
}

#[test]
fn few_crates_are_linked_into_a_user() {
    let linked = text::linked_crates();
    assert!(linked.len() >= 9, "cargo tree lists the dependencies: {linked:?}");
    assert!(
        linked.len() <= text::LINKED_CRATES_MAX,
        "{} crates: do without the newest one, or take one out: {linked:#?}",
        linked.len()
    );
}
