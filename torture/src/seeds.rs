//! Failing seeds: kept in `torture/seeds/`, and played first by every later run.

#![expect(clippy::disallowed_methods, reason = "a file of this tool, not of a database")]

use std::fs;
use std::path::PathBuf;

/// The environment variable that switches a seeded bug on.
pub const SEEDED_BUG: &str = "SILTSTONE_SEEDED_BUG";

fn file_of(suite: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(format!("{suite}.txt"))
}

/// The seeds of a text: a number at the start of a line, anything behind a `#`.
fn parse(text: &str) -> Vec<u64> {
    let number = |line: &str| line.split('#').next()?.trim().parse().ok();
    text.lines().filter_map(number).collect()
}

/// The seeds that once failed in this suite.
#[must_use]
pub fn saved(suite: &str) -> Vec<u64> {
    fs::read_to_string(file_of(suite)).map(|text| parse(&text)).unwrap_or_default()
}

/// Keeps a failing seed, unless it is kept already. Returns what could not be done.
pub fn save(suite: &str, seed: u64, what: &str) -> Result<(), String> {
    if std::env::var_os(SEEDED_BUG).is_some() {
        // What fails with a bug that was switched on is no finding.
        return Ok(());
    }
    let path = file_of(suite);
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    if parse(&text).contains(&seed) {
        return Ok(());
    }
    let what: String = what.lines().next().unwrap_or_default().chars().take(120).collect();
    text.push_str(&format!("{seed} # {what}\n"));
    fs::write(&path, text).map_err(|error| format!("cannot keep the seed in {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use crate::seeds::parse;

    #[test]
    fn a_line_is_a_seed_and_what_it_broke() {
        assert_eq!(parse("17 # lost a commit\n\n# a note\n 4\nx\n"), [17, 4]);
    }
}
