//! The visible sequence number: how far reads see.
//!
//! Commits get their numbers in order but finish in any order. `visible` moves over the finished
//! prefix only, whole batches at a time, so a reader never sees commit k + 1 without commit k.
//!
//! Invariants: (1) tickets are drawn in the order of sequence numbers (under the commit lock);
//! (2) `visible` is the last number of a commit whose predecessors have all finished; (3) once a
//! commit failed, `visible` never moves past the one before it, and everyone behind gets the error.
//! Whoever syncs the log publishes all commits that waited for it, so that they need not wait for one
//! another too.
//! Threads: the atomic is stored (Release) under the lock and loaded (Acquire) by readers: what a
//! commit wrote into the memtable before it finished is seen by whoever sees its number.

use crate::error::{Error, Result};
use crate::format::key::Seqno;
use crate::seeded::{Bug, is_seeded};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};
use std::collections::VecDeque;

/// Orders the publication of commits.
#[derive(Debug)]
pub(crate) struct Sequence {
    visible: AtomicU64,
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug)]
struct Line {
    /// Commits between `visible` and the last drawn number, oldest first.
    waiting: VecDeque<Waiting>,
    /// Number of the first ticket in `waiting`.
    first_ticket: u64,
    /// Callers that sleep until `visible` moves.
    sleepers: usize,
    stopped: Option<Error>,
}

#[derive(Debug)]
struct Waiting {
    last: Seqno,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not all of it is in the memtable yet.
    Applying,
    /// It lacks nothing but a sync of the log.
    Applied,
    Finished,
}

/// A place in the line. It must be finished or failed; dropping it otherwise (a panic, say) fails it.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    sequence: &'a Sequence,
    number: u64,
    last: Seqno,
    settled: bool,
}

impl Sequence {
    /// Starts with everything up to `visible` published.
    pub(crate) fn new(visible: Seqno) -> Sequence {
        let line = Line { waiting: VecDeque::new(), first_ticket: 0, sleepers: 0, stopped: None };
        Sequence { visible: AtomicU64::new(visible), line: Mutex::new(line), moved: Condvar::new() }
    }

    /// The last published number.
    pub(crate) fn visible(&self) -> Seqno {
        self.visible.load(Ordering::Acquire)
    }

    /// Takes a place for a commit that ends with `last`.
    /// Requires: called in the order of sequence numbers.
    pub(crate) fn draw(&self, last: Seqno) -> Ticket<'_> {
        let mut line = self.line.lock();
        let in_order = line.waiting.back().is_none_or(|before| before.last < last);
        assert!(in_order, "tickets are drawn in the order of sequence numbers");
        line.waiting.push_back(Waiting { last, stage: Stage::Applying });
        let number = line.first_ticket + line.waiting.len() as u64 - 1;
        Ticket { sequence: self, number, last, settled: false }
    }

    /// The log is durable up to this number: publishes what waited for nothing else.
    pub(crate) fn publish_synced(&self, upto: Seqno) {
        let mut line = self.line.lock();
        for waiting in line.waiting.iter_mut().take_while(|waiting| waiting.last <= upto) {
            if waiting.stage == Stage::Applied {
                waiting.stage = Stage::Finished;
            }
        }
        self.advance(&mut line);
    }

    /// Moves `visible` over what has finished.
    fn advance(&self, line: &mut Line) {
        if line.stopped.is_some() {
            return;
        }
        let mut published = None;
        while line.waiting.front().is_some_and(|front| front.stage == Stage::Finished) {
            published = line.waiting.pop_front().map(|front| front.last);
            line.first_ticket += 1;
        }
        if let Some(last) = published {
            self.visible.store(last, Ordering::Release);
            if line.sleepers > 0 && is_seeded(Bug::OneWaiterWoken) {
                self.moved.notify_one();
            } else if line.sleepers > 0 {
                self.moved.notify_all();
            }
        }
    }

    /// Waits until `last` is visible, or the line has stopped before it.
    fn wait_for(&self, last: Seqno) -> Result<()> {
        let mut line = self.line.lock();
        loop {
            if self.visible.load(Ordering::Relaxed) >= last {
                return Ok(());
            }
            if let Some(error) = &line.stopped {
                return Err(error.clone());
            }
            line.sleepers += 1;
            self.moved.wait(&mut line);
            line.sleepers -= 1;
        }
    }

    fn stop(&self, error: &Error) {
        let mut line = self.line.lock();
        line.stopped.get_or_insert_with(|| error.clone());
        self.moved.notify_all();
    }
}

impl Ticket<'_> {
    /// The commit is in the memtable, and may be published as soon as its record is durable.
    pub(crate) fn note_applied(&self) {
        self.set(&mut self.sequence.line.lock(), Stage::Applied);
    }

    fn set(&self, line: &mut Line, stage: Stage) {
        let index = usize::try_from(self.number.wrapping_sub(line.first_ticket));
        // If it is no longer in the line, it was published.
        if let Some(own) = index.ok().and_then(|index| line.waiting.get_mut(index)) {
            own.stage = stage;
        }
    }

    /// The commit is complete: publishes it as soon as all before it are, and returns then.
    ///
    /// # Errors
    /// The error of the commit before it that failed: this one will never be visible either.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.settled = true;
        if self.sequence.visible() >= self.last {
            // Whoever synced the log has published it.
            return Ok(());
        }
        let mut line = self.sequence.line.lock();
        self.set(&mut line, Stage::Finished);
        if is_seeded(Bug::PublishOutOfOrder) {
            self.sequence.visible.fetch_max(self.last, Ordering::AcqRel);
            return Ok(());
        }
        self.sequence.advance(&mut line);
        drop(line);
        if self.sequence.visible() >= self.last {
            return Ok(());
        }
        self.sequence.wait_for(self.last)
    }

    /// The commit failed: nothing from it on will ever be visible.
    pub(crate) fn fail(mut self, error: &Error) {
        self.settled = true;
        self.sequence.stop(error);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let what = "a commit ended in a panic; nothing after it can be published";
            self.sequence.stop(&Error::plain(crate::error::ErrorKind::Poisoned, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::state::sequence::Sequence;
    use crate::sync::thread;

    #[test]
    fn a_sync_publishes_what_waited_for_nothing_else() {
        let sequence = Sequence::new(0);
        let tickets = [1, 2, 3, 4, 5].map(|last| sequence.draw(last));
        for applied in [0, 1, 3, 4] {
            tickets[applied].note_applied();
        }
        sequence.publish_synced(4);
        assert_eq!(sequence.visible(), 2, "the third is not in the memtable yet");
        let [first, second, third, fourth, fifth] = tickets;
        third.finish().unwrap();
        assert_eq!(sequence.visible(), 4, "the fourth was synced with the others");
        for ticket in [fourth, first, second] {
            ticket.finish().unwrap();
        }
        assert_eq!(sequence.visible(), 4, "nobody has synced the fifth");
        fifth.finish().unwrap();
        assert_eq!(sequence.visible(), 5);
    }

    #[test]
    fn nothing_is_visible_before_its_predecessors() {
        let sequence = Sequence::new(10);
        let first = sequence.draw(12);
        let second = sequence.draw(13);
        thread::scope(|scope| {
            let handle = scope.spawn(|| second.finish());
            assert_eq!(sequence.visible(), 10);
            first.finish().unwrap();
            handle.join().unwrap().unwrap();
        });
        assert_eq!(sequence.visible(), 13);
    }

    #[test]
    fn a_failed_commit_stops_the_line_for_good() {
        let sequence = Sequence::new(0);
        let (first, second, third) = (sequence.draw(1), sequence.draw(2), sequence.draw(3));
        first.finish().unwrap();
        second.fail(&Error::closed());
        assert!(third.finish().is_err());
        assert!(sequence.draw(4).finish().is_err());
        assert_eq!(sequence.visible(), 1);
    }

    #[test]
    fn a_dropped_ticket_stops_the_line() {
        let sequence = Sequence::new(0);
        drop(sequence.draw(1));
        assert!(sequence.draw(2).finish().is_err());
        assert_eq!(sequence.visible(), 0);
    }
}
