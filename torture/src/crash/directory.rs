//! The files of a database, seen from outside: nothing is left behind, no number is used twice.

use crate::crash::story::HOME;
use siltstone::Db;
use siltstone::fs::SimulatedFileSystem;
use std::collections::BTreeSet;
use std::ops::Range;

/// The names in the directory, sorted.
pub(crate) fn names(disk: &SimulatedFileSystem) -> Vec<String> {
    disk.names(HOME).into_iter().map(|name| name.into_string().unwrap()).collect()
}

/// The names with this ending.
pub(crate) fn ending(disk: &SimulatedFileSystem, ending: &str) -> Vec<String> {
    names(disk).into_iter().filter(|name| name.ends_with(ending)).collect()
}

/// Every file with its bytes, also those in `lost/`. The lock holds nothing and belongs to nobody.
#[cfg(test)]
pub(crate) fn files(disk: &SimulatedFileSystem) -> std::collections::BTreeMap<String, Vec<u8>> {
    let lost = std::path::Path::new(HOME).join("lost");
    let kept = disk.names(&lost).into_iter().map(|name| format!("lost/{}", name.display()));
    let all =
        names(disk).into_iter().chain(kept).filter(|name| name != "LOCK" && name != "RESERVE");
    let read =
        |name: String| Some((name.clone(), disk.read(std::path::Path::new(HOME).join(name))?));
    all.filter_map(read).collect()
}

/// Right after an open the directory holds what the database needs, and nothing else.
pub(crate) fn check_tidy(disk: &SimulatedFileSystem, db: &Db) {
    let all = names(disk);
    let is_one_of_ours = |name: &&String| {
        name.ends_with(".sst")
            || name.ends_with(".wal")
            || name.starts_with("MANIFEST-")
            || ["CURRENT", "LOCK", "RESERVE", "lost"].contains(&name.as_str())
    };
    let strangers: Vec<_> = all.iter().filter(|name| !is_one_of_ours(name)).collect();
    assert!(strangers.is_empty(), "left behind: {strangers:?}");
    let count = |is: fn(&str) -> bool| all.iter().filter(|name| is(name)).count();
    assert_eq!(count(|name| name.starts_with("MANIFEST-")), 1, "{all:?}");
    assert_eq!(count(|name| name.ends_with(".wal")), 1, "{all:?}");
    assert_eq!(count(|name| name.ends_with(".sst")), db.stats().tables, "{all:?}");
}

/// The numbered files that were created in a part of the history, in order.
pub(crate) fn created(disk: &SimulatedFileSystem, moments: Range<usize>) -> Vec<String> {
    moments.filter_map(|moment| created_at(&disk.describe(moment))).collect()
}

fn created_at(what: &str) -> Option<String> {
    let path = what.strip_prefix("create ")?;
    let name = path.strip_prefix(HOME)?.strip_prefix('/')?;
    let is_numbered = !["LOCK", "RESERVE"].contains(&name) && !name.starts_with("lost/");
    is_numbered.then(|| name.to_owned())
}

/// For every moment how many files of `created` had a durable name by then: none of these numbers
/// may ever be given again.
#[derive(Debug, Default)]
pub(crate) struct Burnt {
    created: Vec<String>,
    durable: Vec<usize>,
}

impl Burnt {
    pub(crate) fn of(disk: &SimulatedFileSystem) -> Burnt {
        let mut burnt = Burnt { created: Vec::new(), durable: vec![0] };
        let directory_synced = format!("sync directory {HOME}");
        for moment in 0..disk.history_len() {
            let what = disk.describe(moment);
            burnt.created.extend(created_at(&what));
            let synced = what == directory_synced;
            let before = burnt.durable[moment];
            burnt.durable.push(if synced { burnt.created.len() } else { before });
        }
        let different: BTreeSet<_> = burnt.created.iter().collect();
        assert_eq!(different.len(), burnt.created.len(), "a number was given twice");
        burnt
    }

    pub(crate) fn at(&self, moment: usize) -> &[String] {
        &self.created[..self.durable[moment]]
    }
}
