//! Rules about all text that is committed: docs, scripts and sources alike.

use crate::source::Breach;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Most crates that a program links when it uses the engine; build-only ones do not count.
pub(crate) const LINKED_CRATES_MAX: usize = 25;

/// Names of folders that hold what machines make (`.git` may be a file).
const SKIPPED: &[&str] = &[".git", "target", "artifacts", "corpus", "results"];
/// Endings of files that are text. A name without an ending, such as `.ci/run`, is text too.
const TEXT: &[&str] = &["md", "rs", "toml", "sh", "txt", "yml", "yaml", "py", "json"];

/// A text of the repository.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository that cargo runs this test in.
pub(crate) fn root() -> PathBuf {
    let at_run_time = std::env::var_os("CARGO_MANIFEST_DIR");
    at_run_time.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// Every text file of the repository, sorted by path.
pub(crate) fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()),
            Err(error) => panic!("cannot list {}: {error}", folder.display()),
        };
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && !SKIPPED.contains(&name.as_str()) && is_text(&path) {
                texts.extend(read(&path));
            }
        }
    }
    texts.sort_by(|left, right| left.path.cmp(&right.path));
    texts
}

fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => TEXT.iter().any(|text| extension == *text),
        None => true,
    }
}

fn read(path: &Path) -> Option<Text> {
    let text = std::fs::read_to_string(path).ok()?;
    let inside = path.strip_prefix(root()).ok()?;
    let path = inside.to_string_lossy().replace('\\', "/");
    Some(Text { path, text })
}

/// No text names a place that exists on one machine only.
pub(crate) fn names_no_machine(path: &str, text: &str) -> Vec<Breach> {
    const PLACES: &[&str] = &["work", "root", "tmp", "home", "Users", "mnt"];
    let is_place = |line: &str| {
        line.match_indices('/').any(|(at, _)| {
            let before = line[..at].chars().next_back().unwrap_or(' ');
            let rest = &line[at + 1..];
            let is_start = !before.is_alphanumeric() && !"./_-*~>)}]".contains(before);
            let place = rest.split('/').next().unwrap_or_default();
            is_start && rest.len() > place.len() && PLACES.contains(&place)
        })
    };
    let advice = "name no place of one machine: use a relative path, or a temporary directory";
    let lines = text.lines().enumerate().filter(|(_, line)| is_place(line));
    lines.map(|(index, _)| breach(path, index + 1, advice)).collect()
}

/// Every document that a text names is there.
pub(crate) fn names_documents_that_exist(
    path: &str,
    text: &str,
    exists: impl Fn(&str) -> bool,
) -> Vec<Breach> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || "_-./*<>{}".contains(char);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut breaches = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split(|char| !is_name(char)) {
            let word = word.trim_matches(['.', '<', '>', '{', '}']);
            let is_document = word.ends_with(".md") && !word.contains(['*', '<', '{']);
            if !is_document || line.contains("://") {
                continue;
            }
            let beside = normal(&format!("{folder}/{word}"));
            if !exists(&beside) && !exists(&normal(word)) && !exists(&format!("docs/{word}")) {
                let advice = format!("there is no {word}: write it, or name the one that exists");
                breaches.push(breach(path, index + 1, &advice));
            }
        }
    }
    breaches
}

/// The path without `.`, `..` and a slash in front.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Lines end without spaces, and the file ends with a line end.
pub(crate) fn ends_cleanly(path: &str, text: &str) -> Vec<Breach> {
    let trailing = |line: &str| line.ends_with([' ', '\t', '\r']);
    let lines = text.lines().enumerate().filter(|(_, line)| trailing(line));
    let mut breaches: Vec<Breach> =
        lines.map(|(index, _)| breach(path, index + 1, "remove the space at the end")).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        breaches.push(breach(path, text.lines().count(), "end the file with a line end"));
    }
    breaches
}

fn breach(path: &str, line: usize, advice: &str) -> Breach {
    Breach { path: path.to_owned(), line, advice: advice.to_owned() }
}

/// The crates that a program links when it uses the engine, the engine itself left out.
pub(crate) fn linked_crates() -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--offline", "--locked", "--package", "siltstone"]);
    cargo.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = match cargo.output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => panic!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cargo does not start: {error}"),
    };
    let listing = String::from_utf8_lossy(&output);
    let names = listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("siltstone ")).collect();
    names.sort();
    names.dedup();
    names
}
