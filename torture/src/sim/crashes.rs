//! Ends a life of a story, and begins the next one.

use crate::crew;
use crate::sim::model::{States, told};
use crate::sim::story::{fault, options};
use crate::sim::world::World;
use siltstone::fs::{CrashProfile, FaultFileSystem, SimulatedFileSystem};
use siltstone::{Db, Keyspace};

/// Calls of an open that may fail: about as many as it makes.
const CALLS_OF_AN_OPEN: u64 = 40;

impl World {
    /// The power goes, now or in the middle of the operation before.
    pub(crate) fn crash(&mut self) {
        let profile = *self.random.choose(&CrashProfile::ALL);
        let (now, began) = (self.disk.history_len(), self.before.1);
        let mut moment = now;
        if self.random.one_in(2) && began < now {
            moment = began + self.random.index(now - began);
        }
        let _note = crew::note(format!("{profile:?} at {moment} of {now}"));
        self.end_life();
        let seed = self.random.next();
        self.disk = self.disk.crash_at(moment, profile, seed);
        let is_inside = moment < now;
        if is_inside {
            // Whatever the operation promised at its end was not promised yet.
            self.states = self.before.0.clone().and(self.states.clone());
            self.hits.crashes_inside += 1;
        }
        self.hits.crashes += 1;
        self.reopen(profile == CrashProfile::Kill && !is_inside);
    }

    /// The handles of the old disk go; how that ends is of no interest any more: a crash leaves the
    /// disk as it was before.
    pub(crate) fn end_life(&mut self) {
        self.failed = self.faults.hits();
        self.hits.faults += self.failed.len() as u64;
        self.held.clear();
        if let Some((db, other)) = self.open.take() {
            let stats = db.stats();
            self.hits.flushes += stats.flushes;
            self.hits.compactions += stats.compactions;
            drop(other);
            drop(db.close());
        }
        self.faults.clear();
    }

    /// A new life, perhaps after others that ended inside their open. `is_whole` says that nothing
    /// which was written can be lost.
    pub(crate) fn reopen(&mut self, mut is_whole: bool) {
        self.disk.set_capacity(None);
        self.disk.restart_history(true);
        self.hits.lives += 1;
        self.options = options(&mut self.random);
        if self.random.one_in(4) {
            self.fail_to_open();
        }
        while self.random.one_in(4) {
            let profile = *self.random.choose(&CrashProfile::ALL);
            let _note = crew::note(format!("an open cut by {profile:?}"));
            self.cut_an_open(profile);
            is_whole &= profile == CrashProfile::Kill;
        }
        let tables = tables(&self.disk);
        self.faults = FaultFileSystem::new(self.disk.clone());
        self.open = Some(open(&self.options.clone().file_system(self.faults.clone())));
        self.was_limited = false;
        self.check_opened(is_whole, &tables);
        self.before = (self.states.clone(), self.disk.history_len());
    }

    /// An open that meets a fault: it fails in words, or it does not.
    fn fail_to_open(&mut self) {
        let (trigger, how) = fault(&mut self.random, CALLS_OF_AN_OPEN);
        let _note = crew::note(format!("an open with {how:?} at {trigger:?}"));
        self.faults = FaultFileSystem::new(self.disk.clone());
        self.faults.set(trigger, how);
        let opened = self.options.clone().file_system(self.faults.clone()).open("/data");
        match self.judge(opened) {
            None => self.hits.opens_failed += 1,
            Some(db) => drop(db.close()),
        }
        self.failed.extend(self.faults.hits());
        self.hits.faults += self.faults.hits().len() as u64;
        self.faults.clear();
        let seen = self.disk.fingerprint();
        self.trace(seen);
    }

    /// An open that the power cuts at one of its calls: nobody has seen anything yet.
    fn cut_an_open(&mut self, profile: CrashProfile) {
        self.disk.restart_history(true);
        let opened = self.options.clone().file_system(self.disk.clone()).open("/data");
        let len = self.disk.history_len();
        let db = opened.unwrap_or_else(|error| panic!("a healthy disk opens: {error}"));
        drop(db.close());
        let (moment, seed) = (self.random.index(len + 1), self.random.next());
        self.disk = self.disk.crash_at(moment, profile, seed);
        self.hits.nested += 1;
    }

    /// Finds out which of the possible states it is. From then on it is the only one: an open makes
    /// durable what it shows.
    fn check_opened(&mut self, is_whole: bool, tables_before: &[String]) {
        let found = self.contents();
        // After a failed sync the system may drop what it had, even while the machine runs on.
        let is_whole = is_whole && self.failed.is_empty();
        let is_right = self.states.accepts(&found, is_whole);
        let possible = if is_right { String::new() } else { self.states.told() };
        let failed = &self.failed;
        assert!(
            is_right,
            "it holds {}; whole: {is_whole}; the states were {possible}; failed {failed:?}",
            told(&found)
        );
        self.hits.commits_lost += self.states.lost(&found) as u64;
        let report = self.db().recovery_report().clone();
        let is_gap = |reason: &str| reason == "the segment before it ends early";
        let gaps = report.torn_tails.iter().filter(|torn| is_gap(torn.reason)).count();
        self.hits.gaps += u64::from(gaps > 0);
        self.hits.torn_tails += u64::from(report.torn_tails.len() > gaps);
        self.hits.replays += u64::from(report.replayed_batches > 0);
        let after = tables(&self.disk);
        let is_swept = tables_before.iter().any(|table| !after.contains(table));
        self.hits.orphan_tables += u64::from(is_swept);
        self.trace((told(&found), report.last_seqno));
        self.states = States::of(found);
    }
}

fn tables(disk: &SimulatedFileSystem) -> Vec<String> {
    let names = disk.names("/data").into_iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".sst")).collect()
}

fn open(options: &siltstone::Options) -> (Db, Keyspace) {
    let db = options.open("/data");
    let db = db.unwrap_or_else(|error| panic!("a healthy disk opens: {error}"));
    let other = db.keyspace("other").expect("a healthy disk");
    (db, other)
}
