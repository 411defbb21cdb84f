//! The floors of the house: which room may import which, and that no two files need each other.

use crate::source::{Breach, Name, Source};
use std::collections::{BTreeMap, BTreeSet};

/// The rooms of `src/` from the roof to the ground.
pub(crate) const FLOORS: &[(u32, &[&str])] = &[
    (11, &["lib", "testing"]),
    (10, &["repair", "transaction"]),
    (9, &["db"]),
    (8, &["write", "read", "maintenance"]),
    (7, &["state"]),
    (6, &["compaction", "inspect"]),
    (5, &["merge", "version"]),
    (4, &["memtable", "wal", "table", "manifest"]),
    (3, &["journal", "cache"]),
    (2, &["format"]),
    (1, &["error", "fs", "slice"]),
    (0, &["seeded", "sync"]),
];

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|&(floor, _)| floor)
}

/// The room of a file of `src/`.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    Some(inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs"))
}

/// Rooms import only from lower floors. `lib.rs` is the table of contents and may name every room.
pub(crate) fn imports_go_down(source: &Source) -> Vec<Breach> {
    let Some(own) = room(&source.path) else { return Vec::new() };
    let Some(own_floor) = floor(own) else {
        let advice = format!("give the room `{own}` a floor, here and in docs/ARCHITECTURE.md");
        return vec![source.breach(1, advice)];
    };
    let crate_names = source.names.iter().filter(|name| name.starts_with(&["crate"]));
    crate_names
        .filter_map(|name| {
            let used = name.segments.get(1)?;
            let advice = match floor(used) {
                _ if own == "lib" || used == own => return None,
                Some(used_floor) if used_floor < own_floor => return None,
                Some(used_floor) => format!(
                    "`{own}` (floor {own_floor}) must not know `{used}` (floor {used_floor}): move \
                     the type down, take a value, or let the upper room do it"
                ),
                None => format!("there is no room `{used}`: name the room that owns it"),
            };
            Some(source.breach(name.line, advice))
        })
        .collect()
}

/// Which file needs which; tests do not count.
pub(crate) struct Needs<'a> {
    files: BTreeMap<&'a str, &'a Source>,
}

impl<'a> Needs<'a> {
    pub(crate) fn new(sources: &'a [Source]) -> Needs<'a> {
        let engine = sources.iter().filter(|source| source.is_engine());
        Needs { files: engine.map(|source| (source.path.as_str(), source)).collect() }
    }

    /// The file that owns what `segments` (from `crate` on) name: the file itself, or where its
    /// door passes the name on from.
    fn owner(&self, segments: &[String]) -> Option<&'a str> {
        let mut segments = segments.to_vec();
        // A door may pass on what another door passes on, but not in circles.
        for _ in 0..4 {
            let (file, rest) = self.file_of(&segments)?;
            let Some(item) = rest.first() else { return Some(file) };
            let passed_on = |name: &&Name| {
                name.is_passed_on && name.segments.last() == Some(item) && name.segments != segments
            };
            match self.files[file].names.iter().find(passed_on) {
                Some(name) if name.starts_with(&["crate"]) => segments = name.segments.clone(),
                _ => return Some(file),
            }
        }
        None
    }

    /// The deepest file on the way of the path, and what is left of it.
    fn file_of(&self, segments: &[String]) -> Option<(&'a str, Vec<String>)> {
        for len in (2..=segments.len()).rev() {
            let place = format!("src/{}", segments[1..len].join("/"));
            for path in [format!("{place}.rs"), format!("{place}/mod.rs")] {
                if let Some((&file, _)) = self.files.get_key_value(path.as_str()) {
                    return Some((file, segments[len..].to_vec()));
                }
            }
        }
        None
    }

    fn of(&self, file: &str) -> BTreeSet<&'a str> {
        let Some(source) = self.files.get(file) else { return BTreeSet::new() };
        let names = source.names.iter().filter(|name| {
            name.starts_with(&["crate"])
                && !name.is_passed_on
                && !name.in_test
                && !source.is_test_file
        });
        names.filter_map(|name| self.owner(&name.segments)).filter(|&owner| owner != file).collect()
    }

    /// A breach for each circle that a walk through the files meets.
    pub(crate) fn circles(&self) -> Vec<Breach> {
        let mut done = BTreeSet::new();
        let mut breaches = Vec::new();
        for &file in self.files.keys() {
            self.walk(file, &mut Vec::new(), &mut done, &mut breaches);
        }
        breaches
    }

    fn walk(
        &self,
        file: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        breaches: &mut Vec<Breach>,
    ) {
        if let Some(start) = way.iter().position(|&earlier| earlier == file) {
            let circle = way[start..].join(" -> ");
            let advice = format!(
                "{circle} -> {file} is a circle: put what both need into a third file below them"
            );
            breaches.push(Breach { path: file.to_owned(), line: 1, advice });
            return;
        }
        if done.contains(file) {
            return;
        }
        way.push(file);
        for needed in self.of(file) {
            self.walk(needed, way, done, breaches);
        }
        way.pop();
        done.insert(file);
    }
}
