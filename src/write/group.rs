//! Group commit: one sync of the log serves every commit that was appended before it began.
//!
//! The first caller that needs a sync leads: it syncs for all who have appended before the sync begins.
//! Those who come later form the next group: they append, insert into the memtable, and wait; when
//! the sync returns, one of them is woken to lead the next one, and the others sleep on. So with n
//! threads a device flush is shared by about n commits, nobody is woken for nothing, and one thread alone
//! never waits for company that is not there.
//!
//! Invariants: (1) `durable` never says more than syncs have returned for; (2) there is one leader
//! at a time, and if somebody waits while there is none, one of those who wait has been woken; (3) after
//! a failed sync nothing is ever durable again: everyone gets the error, and the sync is not retried,
//! because the kernel may have dropped the dirty pages.

use crate::error::{Error, ErrorKind, Result};
use crate::seeded::{Bug, is_seeded};
use crate::sync::{Condvar, Mutex, thread};

/// A position in the whole log: segments in the order of their numbers, bytes inside a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) end: u64,
}

/// Who leads, who waits, and how far the log is durable.
#[derive(Debug, Default)]
pub(crate) struct Group {
    state: Mutex<State>,
    /// Where the two groups sleep that there can be: the one that is served by the current or next sync,
    /// and the one after it.
    done: [Condvar; 2],
}

#[derive(Debug, Default)]
struct State {
    durable: Position,
    leading: bool,
    /// Whether the leader has stopped gathering: who comes now may be too late for its sync.
    syncing: bool,
    /// Which of the two groups the current or next sync serves.
    turn: usize,
    waiting: [Waiting; 2],
    /// How many are likely to come, beside the leader: those who have just been served, and those who wait.
    company: usize,
    failed: Option<Error>,
}

/// Those who sleep in one group.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    count: usize,
    /// No later than what any of them waits for.
    first: Position,
}

impl State {
    /// The group of somebody who comes now.
    fn group_now(&self) -> usize {
        if self.syncing { 1 - self.turn } else { self.turn }
    }
}

/// Steps of yielding that a leader spends on company that the last group promised. A yield is about
/// a microsecond, a sync more than a hundred.
const PATIENCE_YIELDS: usize = 64;

impl Group {
    /// Returns when the log is durable up to `target`. `sync` makes it durable as far as it has been
    /// appended, and returns that position.
    ///
    /// # Errors
    /// `CommitUncertain` with the cause if the sync failed, now or before.
    pub(crate) fn sync_to(
        &self,
        target: Position,
        sync: impl Fn() -> Result<Position>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.durable >= target {
                return Ok(());
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.leading {
                let group = state.group_now();
                let own = &mut state.waiting[group];
                own.first = if own.count == 0 { target } else { own.first.min(target) };
                own.count += 1;
                self.done[group].wait(&mut state);
                state.waiting[group].count -= 1;
                continue;
            }
            state.leading = true;
            let company = state.company;
            drop(state);
            let lead = Lead { group: self };
            self.gather(company);
            let outcome = sync();
            lead.end(outcome);
            state = self.state.lock();
        }
    }

    /// How far the log is known to be durable.
    #[cfg(test)]
    fn durable(&self) -> Position {
        self.state.lock().durable
    }

    /// Lets those append who are likely to come, and closes the group.
    fn gather(&self, company: usize) {
        for step in 0.. {
            let mut state = self.state.lock();
            if state.waiting[state.turn].count >= company || step == PATIENCE_YIELDS {
                state.syncing = true;
                return;
            }
            drop(state);
            thread::yield_now();
        }
    }

    fn finish(&self, outcome: Result<Position>) {
        let mut state = self.state.lock();
        let served = state.turn;
        let next = 1 - served;
        (state.leading, state.syncing, state.turn) = (false, false, next);
        state.company = state.waiting[served].count + state.waiting[next].count;
        let mut wakes_next_group = true;
        match outcome {
            Err(_) if is_seeded(Bug::PoisonForgotten) => {}
            Ok(position) => {
                state.durable = state.durable.max(position);
                // Some may have appended in time and come too late to be seen.
                wakes_next_group = state.waiting[next].first <= state.durable;
            }
            Err(cause) => {
                let what = "the log could not be synced, so it is unknown whether this commit \
                            survives; reopen the database and look before repeating it";
                let error = Error::caused_by(ErrorKind::CommitUncertain, what, &cause);
                state.failed.get_or_insert(error);
            }
        }
        self.done[served].notify_all();
        if wakes_next_group {
            self.done[next].notify_all();
        } else {
            self.done[next].notify_one();
        }
    }
}

/// The duty of the leader: to end, whatever happens, so that nobody waits for ever.
struct Lead<'a> {
    group: &'a Group,
}

impl Lead<'_> {
    fn end(self, outcome: Result<Position>) {
        self.group.finish(outcome);
        std::mem::forget(self);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let what = "the thread that synced the log for others panicked";
        self.group.finish(Err(Error::plain(ErrorKind::Io, what)));
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, ErrorKind};
    use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    use crate::sync::thread;
    use crate::write::group::{Group, Position};

    fn at(end: u64) -> Position {
        Position { segment: 1, end }
    }

    #[test]
    fn what_is_durable_needs_no_sync() {
        let group = Group::default();
        group.sync_to(at(5), || Ok(at(9))).unwrap();
        group.sync_to(at(9), || panic!("already durable")).unwrap();
        assert_eq!(group.durable(), at(9));
    }

    #[test]
    fn waiters_share_syncs() {
        let (group, appended, syncs) = (Group::default(), AtomicU64::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let own = appended.fetch_add(1, Ordering::SeqCst) + 1;
                        let sync = || {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(at(appended.load(Ordering::SeqCst)))
                        };
                        group.sync_to(at(own), sync).unwrap();
                        assert!(group.durable() >= at(own));
                    }
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) <= 1600);
        assert_eq!(group.durable(), at(1600));
    }

    #[test]
    fn a_failed_sync_is_never_tried_again() {
        let group = Group::default();
        let error = group.sync_to(at(1), || Err(Error::closed())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUncertain);
        let again = group.sync_to(at(2), || panic!("no second sync")).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::CommitUncertain);
    }

    #[test]
    fn a_leader_that_panics_wakes_the_others() {
        let (group, begun) = (Group::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                group.sync_to(at(1), || {
                    begun.store(true, Ordering::SeqCst);
                    panic!("on purpose")
                })
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            assert!(group.sync_to(at(2), || Ok(at(2))).is_err());
            assert!(leader.join().is_err());
        });
    }
}
