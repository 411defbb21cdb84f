//! The oracle: what a database may show after a crash, and whether it does.
//!
//! Accepted is exactly the state after the first `count` events, for one count between the last
//! event that was promised and the last one that was begun. No half batch, no hole, nothing invented.

use crate::crash::story::{Contents, Entries, Story, What};
use siltstone::fs::CrashProfile;
use siltstone::{Db, Keyspace, RecoveryReport};
use std::collections::{BTreeMap, BTreeSet};

/// Keys to ask for, by keyspace.
pub(crate) type Keys = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// What may be found after a crash at one moment.
pub(crate) struct Candidates {
    /// Events that a killed process must have left, and that a power cut must have.
    after_kill: usize,
    after_power_cut: usize,
    /// Possible contents with the number of events in them, and the last sequence number.
    possible: Vec<Candidate>,
}

struct Candidate {
    count: usize,
    seqno: u64,
    contents: Contents,
}

impl Candidates {
    pub(crate) fn at(story: &Story, moment: usize) -> Candidates {
        let events = &story.events;
        let last = |is: &dyn Fn(usize) -> bool| (0..events.len()).rfind(|&at| is(at));
        let upto = |found: Option<usize>| found.map_or(0, |at| at + 1);
        // A keyspace that was created says nothing about the commits before it.
        let is_commit = |at: usize| !matches!(events[at].what, What::Create(_));
        let after_power_cut = upto(last(&|at| is_commit(at) && events[at].durable <= moment));
        let after_kill = upto(last(&|at| is_commit(at) && events[at].acknowledged <= moment));
        let begun = upto(last(&|at| events[at].started < moment));
        let is_creating = events.iter().any(|event| {
            let is_create = matches!(event.what, What::Create(_));
            is_create && event.started < moment && moment < event.acknowledged
        });
        let mut possible = Vec::new();
        for count in after_power_cut..=begun {
            let seqno = count.checked_sub(1).map_or(0, |at| events[at].seqno);
            for in_flight in [false, true].into_iter().take(1 + usize::from(is_creating)) {
                let contents = story.contents(count, moment, in_flight);
                possible.push(Candidate { count, seqno, contents });
            }
        }
        Candidates { after_kill, after_power_cut, possible }
    }

    /// Whether these contents are one of the states that must and may be there; if the log was
    /// replayed up to `last_seqno`, it is the state of that number.
    pub(crate) fn accept(
        &self,
        profile: CrashProfile,
        found: &Contents,
        last_seqno: Option<u64>,
    ) -> bool {
        let is_kill = profile == CrashProfile::Kill;
        let least = if is_kill { self.after_kill } else { self.after_power_cut };
        self.possible.iter().any(|candidate| {
            let has_seqno = last_seqno.is_none_or(|seqno| seqno == candidate.seqno);
            candidate.count >= least && has_seqno && candidate.contents == *found
        })
    }

    /// What was expected, for a message.
    pub(crate) fn describe(&self) -> String {
        let of = |it: &Candidate| format!("after {}: {}", it.count, summary(&it.contents));
        let possible: Vec<_> = self.possible.iter().map(of).collect();
        let least = (self.after_kill, self.after_power_cut);
        format!("least (kill, power) {least:?}\n  {}", possible.join("\n  "))
    }
}

/// Contents in one line.
pub(crate) fn summary(contents: &Contents) -> String {
    let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        let start: String = String::from_utf8_lossy(&value[..value.len().min(12)]).into_owned();
        format!("{}={start:?}/{}", String::from_utf8_lossy(key), value.len())
    };
    let keyspace = |(name, entries): (&String, &Entries)| {
        let entries: Vec<_> = entries.iter().map(entry).collect();
        format!("{name:?}{{{}}}", entries.join(" "))
    };
    contents.iter().map(keyspace).collect()
}

/// Reads everything in every way, and checks that all ways agree.
pub(crate) fn shown(db: &Db, keys: &Keys) -> Contents {
    let none = BTreeSet::new();
    let of = |name: &String| keys.get(name).unwrap_or(&none);
    let root = String::new();
    // The default keyspace is read through the handle of the database.
    let mut contents = Contents::new();
    let entries = walk(db.iter(), db.iter());
    check_gets(|key| db.get(key).unwrap().map(|value| value.to_vec()), &entries, of(&root));
    contents.insert(root, entries);
    for name in db.keyspaces().unwrap() {
        let keyspace: Keyspace = db.keyspace(&name).unwrap();
        let entries = walk(keyspace.iter(), keyspace.iter());
        let get = |key: &[u8]| keyspace.get(key).unwrap().map(|value| value.to_vec());
        check_gets(get, &entries, of(&name));
        contents.insert(name, entries);
    }
    contents
}

fn walk(forwards: siltstone::Iter, backwards: siltstone::Iter) -> Entries {
    let owned = |entry: siltstone::Result<(siltstone::Slice, siltstone::Slice)>| {
        let (key, value) = entry.unwrap();
        (key.to_vec(), value.to_vec())
    };
    let forwards: Vec<_> = forwards.map(owned).collect();
    let mut backwards: Vec<_> = backwards.rev().map(owned).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards, "a scan backwards is a scan forwards reversed");
    assert!(forwards.is_sorted_by(|a, b| a.0 < b.0), "a scan is in order");
    forwards.into_iter().collect()
}

fn check_gets(get: impl Fn(&[u8]) -> Option<Vec<u8>>, entries: &Entries, keys: &BTreeSet<Vec<u8>>) {
    for key in entries.keys().chain(keys) {
        assert_eq!(get(key), entries.get(key).cloned(), "a get agrees with the scan");
    }
}

/// What the report of a recovery says is what happened: what was dropped is kept.
pub(crate) fn check_report(
    report: &RecoveryReport,
    kept: impl Fn(&std::path::Path) -> Option<u64>,
) {
    for torn in &report.torn_tails {
        // Nothing is replayed behind what was dropped.
        assert_eq!(torn.last_seqno, report.last_seqno, "{torn:?}");
        assert!(!torn.reason.is_empty());
        match &torn.kept_in {
            Some(path) => assert_eq!(kept(path), Some(torn.bytes), "{torn:?}"),
            None => assert_eq!(torn.bytes, 0, "{torn:?}"),
        }
    }
    assert_eq!(report.is_clean(), report.torn_tails.is_empty());
    assert_eq!(report.replayed_batches == 0, report.replayed_bytes == 0);
}
