//! Proof that the rules fire: each meets one breach, and one text that looks like a breach.

use crate::floors::{Needs, imports_go_down};
use crate::limits::{constants, quotes};
use crate::rules::{RULES, only_cleanup_removes};
use crate::source::{Breach, Source};
use crate::text::{Text, ends_cleanly, names_documents_that_exist, names_no_machine};

const CAPTION: &str = "//! A file with a caption.\n";

fn advice(breaches: &[Breach]) -> String {
    breaches.iter().map(|breach| format!("{}\n", breach.advice)).collect()
}

fn broken(path: &str, code: &str) -> String {
    let source = Source::new(path, &format!("{CAPTION}{code}\n"));
    let mut breaches: Vec<_> = RULES.iter().flat_map(|rule| rule(&source)).collect();
    breaches.extend(imports_go_down(&source));
    breaches.extend(only_cleanup_removes(std::slice::from_ref(&source)));
    advice(&breaches)
}

#[track_caller]
fn assert_caught(path: &str, code: &str, expected: &str) {
    let advice = broken(path, code);
    assert!(advice.contains(expected), "{code:?} in {path} got the advice {advice:?}");
}

#[track_caller]
fn assert_clean(path: &str, code: &str) {
    assert_eq!(broken(path, code), "", "{code:?} in {path} is clean");
}

fn circles(files: &[(&str, &str)]) -> String {
    let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    advice(&Needs::new(&sources).circles())
}

#[test]
fn a_file_without_caption_is_caught() {
    let source = Source::new("src/wal/a.rs", "use std::io;\n");
    let breaches: Vec<_> = RULES.iter().flat_map(|rule| rule(&source)).collect();
    assert!(advice(&breaches).contains("caption"));
    assert_clean("src/wal/a.rs", "use std::io;");
}

#[test]
fn a_file_of_501_lines_is_caught() {
    assert_clean("src/wal/a.rs", &"\n".repeat(498));
    assert_caught("src/wal/a.rs", &"\n".repeat(500), "two concepts");
}

#[test]
fn names_that_say_nothing_are_caught() {
    for path in ["src/wal/utils.rs", "src/common/a.rs", "src/wal/types.rs", "cli/src/helpers.rs"] {
        assert_caught(path, "", "name the file after its concept");
    }
    for path in ["src/wal/reader_v2.rs", "src/wal/reader_old.rs", "tests/session4.rs"] {
        assert_caught(path, "", "name the file after its concept");
    }
    assert_caught("src/wal/a.rs", "mod utils {}", "name the file after its concept");
    assert_clean("src/format/crc32.rs", "mod newest;");
}

#[test]
fn a_door_with_furniture_is_caught() {
    assert_caught("src/wal/mod.rs", "fn open() {}", "a door holds");
    assert_caught("src/lib.rs", "pub mod fs { fn open() {} }", "a door holds");
    assert_clean("src/wal/tests/mod.rs", "fn open() {}");
    assert_caught("src/wal/mod.rs", &"mod a;\n".repeat(120), "a door is thin");
    assert_clean(
        "src/wal/mod.rs",
        "pub(crate) mod a;\n#[cfg(test)]\nmod tests;\npub(crate) use crate::wal::a::{B, C};",
    );
    assert_clean(
        "src/lib.rs",
        "#![deny(x)]\npub use crate::error::Error;\n#[cfg(doctest)]\nmod r {}",
    );
}

#[test]
fn an_import_without_the_owning_room_is_caught() {
    assert_caught("src/wal/a.rs", "use crate::Error;", "name the room that owns it");
    assert_caught("src/wal/a.rs", "use crate::{error::Error, Slice};", "name the room that owns");
    assert_caught("src/wal/a.rs", "use super::b::B;", "name the room");
    assert_caught("src/wal/a.rs", "mod tests { use super::*; }", "name the room");
    assert_caught("src/wal/a.rs", "use self::b::B;", "name the room");
    assert_caught("src/wal/a.rs", "use crate::error::*;", "a glob");
    assert_caught("src/wal/a.rs", "fn f() -> crate::Result<()> {}", "name the room that owns it");
    assert_clean("src/wal/a.rs", "use crate::error::{Error, Result};\npub(crate) struct A;");
    assert_clean("src/wal/a.rs", "// use crate::Error\nconst A: &str = \"use super::b::B;\";");
    assert_clean("tests/model.rs", "use crate::plan;");
}

#[test]
fn an_import_from_above_or_beside_is_caught() {
    assert_caught("src/format/a.rs", "use crate::table::handle::Handle;", "floor 4");
    assert_caught("src/merge/a.rs", "use crate::version::shape::Shape;", "floor 5");
    assert_caught("src/wal/a.rs", "fn f(db: &crate::db::handle::Db) {}", "floor 9");
    assert_caught("src/wal/a.rs", "use crate::cellar::wine::Wine;", "there is no room");
    assert_caught("src/cellar/a.rs", "", "give the room `cellar` a floor");
    assert_clean("src/slice.rs", "use crate::sync::Arc;");
    assert_clean("src/wal/a.rs", "use crate::wal::b::B;\nuse crate::journal::writer::W;");
}

#[test]
fn circles_between_files_are_caught() {
    let a = ("src/wal/a.rs", "use crate::wal::b::B;");
    let b = ("src/wal/b.rs", "use crate::wal::c::C;");
    assert_eq!(circles(&[a, b, ("src/wal/c.rs", "")]), "");
    assert!(circles(&[a, b, ("src/wal/c.rs", "use crate::wal::a::A;")]).contains("is a circle"));
    let by_path = ("src/wal/c.rs", "fn f() { crate::wal::a::f() }");
    assert!(circles(&[a, b, by_path]).contains("is a circle"));
    let in_test = ("src/wal/c.rs", "#[cfg(test)]\nmod tests { use crate::wal::a::A; }");
    assert_eq!(circles(&[a, b, in_test]), "");
}

#[test]
fn a_door_hides_no_circle_and_makes_none() {
    let door = ("src/wal/mod.rs", "mod a; mod b; pub(crate) use crate::wal::a::A;");
    let a = ("src/wal/a.rs", "use crate::wal::b::B;");
    assert_eq!(circles(&[door, a, ("src/wal/b.rs", "")]), "");
    let b = ("src/wal/b.rs", "use crate::wal::A;");
    assert!(circles(&[door, a, b]).contains("src/wal/a.rs -> src/wal/b.rs -> src/wal/a.rs"));
}

#[test]
fn a_way_around_the_seam_is_caught() {
    assert_caught("src/wal/a.rs", "use std::fs;", "only fs/os.rs");
    assert_caught("src/wal/a.rs", "use std::{fs::File, io};", "only fs/os.rs");
    assert_caught("src/wal/a.rs", "fn f() { std::fs::read(p); }", "only fs/os.rs");
    assert_caught("src/fs/lint.rs", "use rustix::fs::fsync;", "only fs/os.rs");
    assert_clean("src/fs/os.rs", "use std::fs::File;");
    assert_clean("src/wal/a.rs", "#[cfg(test)]\nmod tests { use std::fs; }\n/* std::fs */");
}

#[test]
fn a_removal_outside_of_cleanup_is_caught() {
    let advice = "only maintenance/cleanup.rs";
    assert_caught("src/wal/a.rs", "fn f() { self.fs.remove(&path)?; }", advice);
    assert_caught("src/wal/a.rs", "fn f() { context.fs().clone().remove(&path)?; }", advice);
    assert_caught("src/wal/a.rs", "fn f() { FileSystem::remove(x, &path)?; }", advice);
    let typed = "fn f(disk: &Arc<dyn FileSystem>) { disk.remove(path)?; }";
    assert_caught("src/wal/a.rs", typed, advice);
    let returned = "fn disk(&self) -> &dyn FileSystem { x }\nfn g() { self.disk().remove(p); }";
    assert_caught("src/wal/a.rs", returned, advice);
    let renamed = "fn f() { let disk = Arc::clone(&self.fs); disk.remove(path)?; }";
    assert_caught("src/wal/a.rs", renamed, advice);
    assert_clean("src/maintenance/cleanup.rs", "fn f() { self.fs.remove(&path)?; }");
    assert_clean("src/wal/a.rs", "fn f() { self.map.remove(&key); list.remove(0); }");
    assert_clean("src/wal/a.rs", "#[cfg(test)]\nmod tests { fn f() { fs.remove(p); } }");
}

#[test]
fn unsafe_in_a_new_place_or_without_a_word_is_caught() {
    let open = "#![expect(unsafe_code, reason = \"r\")]\n";
    assert_caught("src/wal/a.rs", "fn f() { unsafe { g() } }", "write it without unsafe");
    assert_caught("src/memtable/arena.rs", "fn f() { unsafe { g() } }", "say why at the top");
    let bare = format!("{open}fn f() {{\n// a comment\nunsafe {{ g() }} }}");
    assert_caught("src/memtable/arena.rs", &bare, "// SAFETY:");
    let far = format!("{open}// SAFETY: of another block\nlet a = 1;\nlet b = unsafe {{ g() }};");
    assert_caught("src/memtable/arena.rs", &far, "// SAFETY:");
    let good = format!(
        "{open}// SAFETY: the chunk lives as long\n// as self.\nlet a =\n    unsafe {{ g() }};"
    );
    assert_clean("src/memtable/arena.rs", &good);
    assert_clean("src/wal/a.rs", "// unsafe is not needed here");
}

#[test]
fn clocks_chance_and_random_order_are_caught() {
    assert_caught("src/wal/a.rs", "use std::time::Instant;", "FileSystem::monotonic");
    assert_caught("src/wal/a.rs", "let t = std::time::SystemTime::now();", "unix_time");
    assert_caught("src/wal/a.rs", "use std::hash::RandomState;", "FileSystem::random");
    assert_caught("src/wal/a.rs", "use std::collections::HashMap;", "BTreeMap");
    assert_clean("src/fs/os.rs", "use std::time::Instant;");
    assert_clean("src/wal/a.rs", "use std::time::Duration;");
    assert_clean("src/wal/a.rs", "#[cfg(test)]\nmod tests { use std::collections::HashMap; }");
}

#[test]
fn locks_and_threads_from_elsewhere_are_caught() {
    for code in [
        "use std::sync::Mutex;",
        "use std::sync::{Arc, OnceLock};",
        "use std::sync::atomic::AtomicU64;",
        "use std::sync;\nfn f() { sync::Mutex::new(1); }",
        "use parking_lot::RwLock;",
        "fn f() { std::thread::yield_now(); }",
    ] {
        assert_caught("src/wal/a.rs", code, "import it from `crate::sync`");
    }
    assert_clean("src/wal/a.rs", "use crate::sync::Mutex;\nuse std::sync::Arc;");
    assert_clean("src/sync/mod.rs", "pub(crate) use parking_lot::Mutex;");
    assert_clean("src/seeded.rs", "use std::sync::atomic::AtomicUsize;");
}

#[test]
fn an_allow_is_caught() {
    assert_caught("src/wal/a.rs", "#[allow(dead_code)]\nfn f() {}", "use `#[expect");
    assert_caught("tests/a.rs", "#![cfg_attr(test, allow(dead_code))]", "use `#[expect");
    assert_clean(
        "src/wal/a.rs",
        "fn allow(x: u8) {}\n#[expect(dead_code, reason = \"r\")]\nmod b;",
    );
}

#[test]
fn promises_for_later_are_caught() {
    assert_caught("src/wal/a.rs", "// TODO: sync", "do it now");
    assert_caught("src/wal/a.rs", "/// FIXME", "do it now");
    assert_caught("src/wal/a.rs", "fn f() { todo!() }", "do it now");
    assert_clean("src/wal/a.rs", "// What is left to do: nothing.\nlet todo = \"TODO\";");
}

#[test]
fn code_in_comments_is_caught() {
    assert_caught("src/wal/a.rs", "// let a = 1;", "the history keeps code");
    assert_caught("src/wal/a.rs", "/*\nfn f() {\n*/", "the history keeps code");
    assert_clean("src/wal/a.rs", "// let the caller decide\n/// let a = 1;\nfn f() {}");
}

#[test]
fn a_decoder_without_strict_lints_is_caught() {
    let decoder = "pub(crate) fn decode(bytes: &[u8]) {}";
    assert_caught("src/wal/a.rs", decoder, "bytes from disk are not trusted");
    let lints = "clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions";
    assert_clean("src/wal/a.rs", &format!("#![deny({lints})]\n{decoder}"));
}

#[test]
fn machine_paths_lost_documents_and_loose_ends_are_caught() {
    for line in ["see /work/a.txt", "`/tmp/db`", "--out=/home/me/x", "(/root/a)", "\"/Users/a/b\""]
    {
        assert_eq!(names_no_machine("a.md", line).len(), 1, "{line}");
    }
    for line in ["target/tmp/a", "a/work/b", "https://example.org/tmp/a", "read/write", "~/tmp/x"] {
        assert_eq!(names_no_machine("a.md", line).len(), 0, "{line}");
    }
    let exists = |path: &str| path == "docs/FORMAT.md" || path == "README.md";
    let named = |path, text| names_documents_that_exist(path, text, exists).len();
    assert_eq!(named("docs/a.md", "see FORMAT.md, docs/FORMAT.md and [r](../README.md)"), 0);
    assert_eq!(named("src/a.rs", "//! see docs/NOWHERE.md"), 1);
    assert_eq!(ends_cleanly("a.md", "a \nb").len(), 2);
    assert_eq!(ends_cleanly("a.md", "a\nb\n").len(), 0);
}

#[test]
fn a_limit_that_is_quoted_wrong_is_caught() {
    let code = "const A: usize = 65_000;\nconst B: u32 = (1 << 24) - 1;\nconst C: usize = f();";
    let text = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
    let constants = constants([text("src/a.rs", code)].iter());
    let check = |line: &str| {
        let quotes = quotes(&text("docs/a.md", line));
        assert_eq!(quotes.len(), 1, "{line}");
        advice(&quotes.iter().filter_map(|quote| quote.check(&constants)).collect::<Vec<_>>())
    };
    assert_eq!(check("at most `A` = 65,000 bytes"), "");
    assert_eq!(check("at most `B` = 16,777,215, that is"), "");
    assert!(check("at most `A` = 65,536 bytes").contains("quote it as it is"));
    assert!(check("at most `C` = 1").contains("there is no constant"));
}

#[test]
fn a_module_for_tests_only_is_test_code() {
    let door = Source::new("src/wal/mod.rs", "mod a;\n#[cfg(test)]\nmod model;");
    assert_eq!(door.test_modules(), ["src/wal/model"]);
    let lib = Source::new("src/lib.rs", "#[cfg(any(test, fuzzing))]\nmod testing;");
    assert_eq!(lib.test_modules(), [""; 0]);
}
