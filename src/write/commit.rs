//! The commit: from a batch to an acknowledgement.
//!
//! 1. The batch is complete and checked before it comes here; its checksum is computed first,
//!    outside every lock. If the background is behind, the caller is slowed a little here.
//! 2. Under the commit lock: health, keyspaces, room (else the segment and the memtable are swapped
//!    for new ones), then one append, which gives the sequence numbers, and a ticket.
//!    *Power goes here: a whole record or a torn tail; nobody was told.*
//! 3. Into the memtable, beside other commits.
//! 4. `Sync` only: the log is synced, once for all who wait. *Power goes here: the commit may be there.*
//! 5. Published in the order of sequence numbers, and acknowledged.
//!
//! If the sync fails, the outcome is `CommitUncertain`, the database is poisoned, and nothing from
//! that commit on is ever visible. If only the append fails (a full disk above all), the commit is
//! refused as a whole and the next one goes to a new segment, whose header says where the last one
//! ends. Until that is durable a power cut may bring the refused commit back, if the operating system
//! had written what it reported as failed; so a sync sees to it too.

use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32;
use crate::format::filename::FileName;
use crate::format::key::{Kind, Seqno};
use crate::format::ops::{self, OpsBuffer};
use crate::fs::Event;
use crate::manifest::CleanClose;
use crate::seeded::{Bug, is_seeded};
use crate::state::health::Duty;
use crate::state::keyspaces::KeyspaceCell;
use crate::state::settings::Durability;
use crate::state::store::Store;
use crate::state::view::{Parts, Sealed};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::write::apply::apply;
use crate::write::group::{Group, Position};
use crate::write::guard::PoisonOnPanic;
use crate::write::line::Line;
use crate::write::owed::Owed;
use crate::write::pressure::{Backlog, Stall, delay};
use crate::write::spare::Spare;

/// Why the log goes on in a new segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The segment or the memtable is full, or spoiled.
    Commit,
    /// Somebody asked for a flush.
    Flush,
}

/// Takes all writes of one database.
pub(crate) struct Committer {
    store: Arc<Store>,
    line: Mutex<Line>,
    group: Group,
    spare: Spare,
    owed: Owed,
}

impl Committer {
    pub(crate) fn new(store: Arc<Store>, line: Line) -> Committer {
        Committer {
            store,
            line: Mutex::new(line),
            group: Group::default(),
            spare: Spare::default(),
            owed: Owed::default(),
        }
    }

    /// The shelf that the helper fills.
    pub(crate) fn spare(&self) -> &Spare {
        &self.spare
    }

    /// Length of the current segment, in bytes.
    pub(crate) fn segment_end(&self) -> u64 {
        self.line.lock().segment_end()
    }

    /// How the log ends at this moment; more may follow.
    pub(crate) fn log_end(&self) -> CleanClose {
        self.line.lock().clean_close()
    }

    /// Commits a batch that has at least one operation. `keyspaces` are those that it writes to,
    /// the default one apart.
    ///
    /// # Errors
    /// See the caption of this file.
    pub(crate) fn commit(
        &self,
        batch: &mut OpsBuffer,
        keyspaces: &[Arc<KeyspaceCell>],
        durability: Durability,
    ) -> Result<Seqno> {
        self.store.check_write()?;
        let payload_crc = crc32(batch.payload());
        let record_bytes = batch.record_mut().len();
        self.slow_down(record_bytes);

        let mut line = self.enter_for(batch)?;
        // Only the health: which process this is was asked above, by a call of the operating system.
        self.store.health.check_write()?;
        if let Some(gone) = keyspaces.iter().find(|cell| cell.is_gone()) {
            return Err(keyspace_gone(&gone.name));
        }
        let _guard = PoisonOnPanic(&self.store);
        let placed = match line.append(batch, payload_crc) {
            // The next segment gets room from the reserve, if there is one.
            Err(error) if error.kind() == ErrorKind::DiskFull && only_deletes(batch) => {
                drop(line);
                line = self.enter_for(batch)?;
                line.append(batch, payload_crc)?
            }
            placed => placed?,
        };
        let ticket = self.store.sequence.draw(placed.last_seqno);
        let wakes_background = std::mem::take(&mut line.keeper_sleeps)
            | self.wants_spare(&mut line)
            | self.wants_reserve(&mut line);
        let Position { segment, end } = placed.position;
        self.store.fs.observe(Event::Logged { segment, seqno: placed.last_seqno, end });
        drop(line);
        if wakes_background {
            self.store.signals.ring();
        }

        if apply(&placed.memtable, batch.payload(), placed.first_seqno).is_err() {
            unreachable!("a batch holds operations that it encoded itself");
        }
        if durability == Durability::Sync && !is_seeded(Bug::AckBeforeSync) {
            ticket.note_applied();
            if let Err(error) = self.sync_to(placed.position) {
                ticket.fail(&error);
                return Err(error);
            }
        }
        ticket.finish()?;

        let counters = &self.store.counters;
        counters.commits.add(1);
        counters.wal_bytes.add(record_bytes as u64);
        let (seqno, synced) = (placed.last_seqno, durability == Durability::Sync);
        self.store.fs.observe(Event::Acknowledged { seqno, synced });
        Ok(seqno)
    }

    /// Makes every commit so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.store.check_write()?;
        if !is_seeded(Bug::RefusedCommitLeft) {
            self.leave_refused()?;
        }
        let position = self.line.lock().position();
        self.sync_to(position)
    }

    /// Puts a durable end before what a failed append may have left: from now on no power cut brings
    /// a refused commit back.
    fn leave_refused(&self) -> Result<()> {
        let line = self.line.lock();
        if !line.may_hold_refused() {
            return Ok(());
        }
        let segment = line.memtable().segment();
        drop(line);
        let position = self.leave(segment, Cause::Flush)?.position();
        self.sync_to(position)
    }

    /// Seals the active memtable if it holds anything. Returns the last sequence number that has to
    /// be in a table for everything up to now to be in tables.
    pub(crate) fn seal(&self) -> Result<Seqno> {
        self.leave_refused()?;
        let mut line = self.line.lock();
        if !line.is_empty() {
            let segment = line.memtable().segment();
            drop(line);
            line = self.leave(segment, Cause::Flush)?;
        }
        Ok(line.last_seqno())
    }

    /// If nothing was committed since `last`: makes the log durable and marks its end, so that the
    /// last commit is no longer the last record. Returns whether the log now ends with a marker.
    pub(crate) fn mark_if_idle(&self, last: Seqno) -> Result<bool> {
        let position = {
            let line = self.line.lock();
            if line.last_seqno() != last {
                return Ok(false);
            }
            if !line.needs_marker() {
                return Ok(true);
            }
            line.position()
        };
        self.sync_to(position)?;
        let mut line = self.line.lock();
        if line.position() != position {
            return Ok(false);
        }
        let marked = match line.append_marker() {
            // It waits for room, as it waited for rest.
            Err(error) if error.kind() == ErrorKind::DiskFull => return Ok(false),
            marked => marked?,
        };
        drop(line);
        self.sync_to(marked)?;
        Ok(true)
    }

    /// Lets go of the segments whose files were deleted. That frees their room, which can take many
    /// milliseconds: no commit should have to do it, and none waits meanwhile.
    pub(crate) fn close_deleted(&self) {
        let deleted = self.line.lock().give_up(self.store.gauges.log_floor());
        drop(deleted);
    }

    /// If `last` is still the last commit, the next one will ring the bell. Returns whether it will.
    pub(crate) fn ring_at_next_commit(&self, last: Seqno) -> bool {
        let mut line = self.line.lock();
        line.keeper_sleeps = line.last_seqno() == last;
        line.keeper_sleeps
    }

    /// Makes the log durable for good and says how it ends. No commit may follow.
    pub(crate) fn end(&self) -> Result<CleanClose> {
        let position = self.line.lock().position();
        self.sync_to(position)?;
        let mut line = self.line.lock();
        if line.needs_marker() {
            let marked = line.append_marker()?;
            drop(line);
            self.sync_to(marked)?;
            line = self.line.lock();
        }
        Ok(line.clean_close())
    }

    /// Why writers are slowed right now.
    pub(crate) fn stall(&self) -> Stall {
        if self.spare.is_wanted() && self.line.lock().is_spoiled() {
            return Stall::Segment;
        }
        delay(&self.backlog(), 4096).1
    }

    /// Enters the line when there is room for a batch. If the reserve is low, that is for deletes.
    fn enter_for(&self, batch: &mut OpsBuffer) -> Result<MutexGuard<'_, Line>> {
        let record_bytes = batch.record_mut().len();
        loop {
            let line = self.enter(record_bytes)?;
            let is_for_all = !self.store.reserve.is_low() || is_seeded(Bug::ReserveUsedByPuts);
            if is_for_all || only_deletes(batch) {
                return Ok(line);
            }
            drop(line);
            self.wait_for_reserve()?;
        }
    }

    /// Waits until the reserve was made again.
    ///
    /// # Errors
    /// `DiskFull` if there is no room for that now.
    fn wait_for_reserve(&self) -> Result<()> {
        let store = &*self.store;
        let ticket = store.signals.hurry();
        store.reserve.ask();
        store.signals.ring();
        store.signals.wait_until(|| {
            if let Err(error) = store.health.check_write() {
                return Some(Err(error));
            }
            if !store.reserve.is_low() {
                return Some(Ok(()));
            }
            if store.reserve.was_tried_since(ticket) {
                return Some(Err(store.reserve.refusal()));
            }
            store.health.background_error(Duty::Cleanup, ticket).map(Err)
        })
    }

    /// Enters the line when there is room for a record of this size.
    fn enter(&self, record_bytes: usize) -> Result<MutexGuard<'_, Line>> {
        let settings = &self.store.settings;
        let line = self.line.lock();
        let end_after = line.segment_end().saturating_add(record_bytes as u64);
        let is_full = line.memtable().size_bytes() >= settings.memtable_bytes
            || end_after > settings.segment_bytes;
        if !line.is_spoiled() && (!is_full || line.is_empty()) {
            return Ok(line);
        }
        let segment = line.memtable().segment();
        drop(line);
        self.leave(segment, Cause::Commit)
    }

    /// Enters the line when it has gone on from `segment` to a new one with a new memtable: makes it
    /// go, unless another commit does.
    fn leave(&self, segment: u64, cause: Cause) -> Result<MutexGuard<'_, Line>> {
        loop {
            let mut line = self.line.lock();
            self.store.health.check_background()?;
            if line.memtable().segment() != segment {
                return Ok(line);
            }
            let has_room = self.has_room(cause);
            if has_room && let Some(prepared) = self.spare.take() {
                let last_seqno = match is_seeded(Bug::RotateLosesWriter) {
                    true => self.store.sequence.visible(),
                    false => line.last_seqno(),
                };
                let has_entries = !line.is_empty();
                let memtable = line.rotate(prepared, &self.store)?;
                self.store.view.swap(|view| {
                    let memtable_before = Arc::clone(&view.active);
                    let sealed = Sealed { memtable: memtable_before, last_seqno };
                    let newest = has_entries.then_some(sealed);
                    let sealed = newest.into_iter().chain(view.sealed.iter().cloned());
                    let (sealed, version) = (sealed.collect::<Vec<_>>(), Arc::clone(&view.version));
                    // Inside the swap, so that a flush meanwhile is not overwritten by older figures.
                    self.store.gauges.note_shape(sealed.len(), version.level(0).len());
                    Parts { active: memtable, sealed, version }
                });
                self.store.signals.ring();
                return Ok(line);
            }
            drop(line);
            self.wait_for_room(segment, cause, has_room)?;
        }
    }

    /// Waits until a segment is ready (if that is what lacks) or a memtable was flushed.
    fn wait_for_room(&self, segment: u64, cause: Cause, lacks_segment: bool) -> Result<()> {
        let store = &*self.store;
        let began = store.fs.monotonic();
        if lacks_segment {
            self.spare.want();
        }
        let ticket = store.signals.hurry();
        let outcome = store.signals.wait_until(|| {
            if let Err(error) = store.health.check_background() {
                return Some(Err(error));
            }
            // Another commit may have taken the spare and gone on with it: then so can this one.
            if self.line.lock().memtable().segment() != segment {
                return Some(Ok(()));
            }
            let (is_there, duty) = match lacks_segment {
                true => (self.spare.is_worth_a_look(), Duty::Log),
                false if store.gauges.sealed() < store.settings.sealed_max => {
                    (self.has_room(cause), Duty::Compaction)
                }
                false => (self.has_room(cause), Duty::Flush),
            };
            if is_there {
                return Some(Ok(()));
            }
            store.health.background_error(duty, ticket).map(Err)
        });
        let waited = store.fs.monotonic().saturating_sub(began);
        store.counters.stalled_nanos.add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        outcome
    }

    /// Whether the background is near enough for one more memtable to be sealed. A flush that somebody
    /// asked for does not wait for the runs to be merged; nor does anything on a full disk, where there
    /// may be no room to merge them before deletes are among them.
    fn has_room(&self, cause: Cause) -> bool {
        let Store { gauges, settings, .. } = &*self.store;
        gauges.sealed() < settings.sealed_max
            && (gauges.runs() < settings.runs_hard || cause == Cause::Flush || !self.can_merge())
    }

    /// Whether it may help to wait for runs to be merged.
    fn can_merge(&self) -> bool {
        let failed = || self.store.health.background_error(Duty::Compaction, 0);
        !self.store.reserve.is_low()
            && failed().is_none_or(|error| error.kind() != ErrorKind::DiskFull)
    }

    /// Asks for the next segment when this one has been begun in earnest.
    fn wants_spare(&self, line: &mut Line) -> bool {
        let settings = &self.store.settings;
        if line.asked_for_spare
            || (line.segment_end() < settings.segment_bytes / 4
                && line.memtable().size_bytes() < settings.memtable_bytes / 4)
        {
            return false;
        }
        line.asked_for_spare = true;
        self.spare.want()
    }

    /// Asks for a larger reserve when the log has outgrown it.
    fn wants_reserve(&self, line: &mut Line) -> bool {
        let end = line.segment_end();
        if end <= line.reserve_until {
            return false;
        }
        line.reserve_until = self.store.settings.reserved_log_bytes(end);
        self.store.reserve.want(self.store.reserve_bytes(line.reserve_until))
    }

    /// Lets go of what the reserve has more than the log needs now. For when nobody writes.
    pub(crate) fn lower_reserve(&self) {
        let mut line = self.line.lock();
        // Those that wait for the flusher were longer.
        if self.store.gauges.sealed() > 0 {
            return;
        }
        let until = self.store.settings.reserved_log_bytes(line.segment_end());
        if self.store.reserve.lower(self.store.reserve_bytes(until)) {
            line.reserve_until = until;
            drop(line);
            self.store.signals.ring();
        }
    }

    fn sync_to(&self, position: Position) -> Result<()> {
        self.group.sync_to(position, || {
            let _guard = PoisonOnPanic(&self.store);
            let plan = self.line.lock().plan_sync();
            let mut outcome = plan.run();
            if outcome.is_err() && is_seeded(Bug::RetryFailedSync) {
                outcome = plan.run();
            }
            let outcome = outcome.map_err(|(segment, source)| {
                let path = FileName::Wal(segment).in_directory(&self.store.directory);
                Error::io("sync the log", &path, source)
            });
            match outcome {
                Ok(position) => {
                    self.line.lock().forget_synced(&plan);
                    self.store.sequence.publish_synced(plan.last_seqno);
                    self.store.counters.wal_syncs.add(1);
                    Ok(position)
                }
                Err(error) => {
                    if !is_seeded(Bug::PoisonForgotten) {
                        self.store.poison(&error);
                    }
                    Err(error)
                }
            }
        })
    }

    /// Slows the caller as far as the background is behind.
    fn slow_down(&self, bytes: usize) {
        let gauges = &self.store.gauges;
        if gauges.sealed() == 0 && gauges.runs() < self.store.settings.runs_soft {
            return;
        }
        let (delay, _) = delay(&self.backlog(), bytes);
        if delay.is_zero() {
            return;
        }
        if let Some(mine) = self.owed.add(delay) {
            let began = self.store.fs.monotonic();
            self.store.fs.sleep(mine);
            let slept = self.store.fs.monotonic().saturating_sub(began);
            self.owed.note_slept(mine, slept);
            let nanos = u64::try_from(slept.as_nanos()).unwrap_or(u64::MAX);
            self.store.counters.stalled_nanos.add(nanos);
        }
    }

    fn backlog(&self) -> Backlog {
        let (gauges, settings) = (&self.store.gauges, &self.store.settings);
        let filled = self.store.view.load().active.size_bytes() as f64;
        let part = (filled / settings.memtable_bytes as f64).min(1.0);
        let runs = gauges.runs();
        let is_waiting = runs >= settings.runs_soft && self.can_merge();
        Backlog {
            memtables: gauges.sealed() as f64 + part,
            memtables_max: settings.sealed_max as f64 + 1.0,
            flush_rate: gauges.flush_rate().get() as f64,
            runs: if is_waiting { runs as f64 } else { 0.0 },
            runs_soft: settings.runs_soft as f64,
            runs_hard: settings.runs_hard as f64,
            compaction_rate: gauges.compaction_rate().get() as f64,
        }
    }
}

/// Whether a batch does nothing but delete.
fn only_deletes(batch: &OpsBuffer) -> bool {
    ops::decode(batch.payload()).flatten().all(|op| op.kind != Kind::Put)
}

/// The error of a handle whose keyspace was dropped.
pub(crate) fn keyspace_gone(name: &str) -> Error {
    let what = format!("the keyspace {name:?} was dropped, or belongs to another database");
    Error::invalid(crate::error::Reason::KeyspaceGone, what)
}
