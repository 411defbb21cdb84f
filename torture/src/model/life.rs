//! Opening, closing and crashing: what a life of the database leaves to the next.

use crate::model::coverage::add;
use crate::model::keys::Span;
use crate::model::run::{NAMES, Run, Slot};
use crate::model::world::World;
use siltstone::fs::{CrashProfile, LintFileSystem};
use siltstone::{Background, ErrorKind};

impl Run<'_> {
    /// Opens the database, and takes a handle of every keyspace that must be there.
    pub(crate) fn open(&mut self) {
        self.openings += 1;
        let options = self.setup().options().file_system(self.fs.clone());
        let glimpse = (self.openings > 1).then(|| {
            self.db = Some(options.open_read_only("data").unwrap());
            self.take_handles();
            let glimpse = self.found();
            (self.slots, self.db) = ([None, None, None], None);
            glimpse
        });
        self.db = Some(options.open("data").unwrap());
        self.take_handles();
        let refused = [options.open("data"), options.open_read_only("data")];
        let is_locked =
            |again: siltstone::Result<_>| again.unwrap_err().kind() == ErrorKind::Locked;
        assert!(refused.into_iter().all(is_locked), "a writer is alone");
        if let Some(glimpse) = glimpse {
            assert!(self.found() == glimpse, "a reader saw something else before the recovery");
        }
    }

    /// Takes a handle of every keyspace, each of which must be there.
    fn take_handles(&mut self) {
        let db = self.db();
        assert_eq!(db.keyspaces().unwrap(), self.names());
        let slot = |index: usize| {
            let keyspace =
                |incarnation| Slot { keyspace: db.keyspace(NAMES[index]).unwrap(), incarnation };
            self.existing[index].map(keyspace)
        };
        self.slots = std::array::from_fn(slot);
    }

    /// Lets go of everything that keeps the database open.
    pub(crate) fn end_life(&mut self) {
        if let Some(db) = &self.db {
            self.coverage.look(&db.stats());
            self.coverage.count(&db.stats());
        }
        self.iters.clear();
        self.cursors.clear();
        self.snapshots.clear();
        self.stale.clear();
        self.slots = [None, None, None];
        self.db = None;
    }

    /// Closes; every handle that is still there must say so, once and for ever.
    pub(crate) fn close_and_reopen(&mut self) {
        let db = self.db().clone();
        db.close().unwrap();
        db.close().unwrap();
        let is_closed = |kind: Option<ErrorKind>| assert_eq!(kind, Some(ErrorKind::Closed));
        is_closed(db.put("a", "b").err().map(|error| error.kind()));
        is_closed(db.get("a").err().map(|error| error.kind()));
        is_closed(db.flush().err().map(|error| error.kind()));
        is_closed(db.sync().err().map(|error| error.kind()));
        is_closed(db.keyspace("new").err().map(|error| error.kind()));
        is_closed(db.iter().next().and_then(|entry| entry.err()).map(|error| error.kind()));
        is_closed(db.cursor(..).next().err().map(|error| error.kind()));
        for slot in self.slots.iter().flatten() {
            is_closed(slot.keyspace.get("a").err().map(|error| error.kind()));
        }
        // One that has given everything has ended.
        for held in self.iters.iter_mut().filter(|held| !held.rest.is_empty()) {
            let next = held.iter.next();
            is_closed(next.and_then(|entry| entry.err()).map(|error| error.kind()));
        }
        for held in &mut self.cursors {
            is_closed(held.cursor.next().err().map(|error| error.kind()));
        }
        for (snapshot, _) in &self.snapshots {
            is_closed(snapshot.get("a").err().map(|error| error.kind()));
        }
        drop(db);
        self.coverage.clean_closes.set(self.coverage.clean_closes.get() + 1);
        self.end_life();
        self.open();
        assert!(self.db().recovery_report().torn_tails.is_empty());
        self.check_nothing_is_lost();
    }

    pub(crate) fn drop_and_reopen(&mut self) {
        self.end_life();
        self.open();
        self.check_nothing_is_lost();
    }

    pub(crate) fn crash(&mut self, profile: CrashProfile, seed: u64) {
        let disk = self.disk.crash(profile, seed);
        disk.restart_history(false);
        self.end_life();
        self.disk = disk;
        self.fs = LintFileSystem::new(self.disk.clone());
        self.open();
        add(&self.coverage.crashes, 1);
        if profile == CrashProfile::Kill {
            self.check_nothing_is_lost();
            return;
        }
        let found = self.found();
        let lost = self.chronicle.fall_back(&found);
        let lost = lost.unwrap_or_else(|| panic!("after {profile:?} no prefix of the commits"));
        add(&self.coverage.commits_lost, lost);
        // What was taken back has given its numbers back, too.
        self.last_seqno = 0;
    }

    fn check_nothing_is_lost(&mut self) {
        assert!(self.found() == self.chronicle.now, "something acknowledged is not there");
        // What an open shows is durable.
        self.chronicle.commit(true);
    }

    /// Everything that the database holds.
    fn found(&self) -> World {
        let mut found = World::new();
        let root = self.db().iter();
        let mut all = vec![(0, root)];
        for slot in self.slots.iter().flatten() {
            found.create(slot.incarnation);
            all.push((slot.incarnation, slot.keyspace.iter()));
        }
        for (space, entries) in all {
            for entry in entries {
                let (key, value) = entry.unwrap();
                found.put(space, key.to_vec().into(), value.to_vec().into());
            }
        }
        found
    }

    pub(crate) fn wait_idle(&mut self) {
        self.db().wait_idle().unwrap();
        let stats = self.db().stats();
        assert_eq!(stats.memtables, 1, "{stats:?}");
        self.coverage.look(&stats);
        // Threads may still hold the view of a moment ago.
        let is_alone = self.iters.is_empty() && self.cursors.is_empty();
        if is_alone && matches!(self.setup().background, Background::Stepped { .. }) {
            let names = self.disk.names("data");
            let tables = names.iter().filter(|name| name.to_string_lossy().ends_with(".sst"));
            assert_eq!(tables.count(), stats.tables, "files of tables: {names:?}");
        }
        assert_eq!(self.db().iter().count(), self.chronicle.now.entries(0, &Span::full()).len());
    }
}
