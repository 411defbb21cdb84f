//! Whether writes may go on, and the first cause if not.
//!
//! Invariants: (1) the first cause stays; (2) a poisoned or closed database never becomes healthy
//! again; (3) whoever waits for anything looks here each time it wakes, so no one waits for ever.

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, Ordering};
use std::collections::BTreeMap;

const HEALTHY: u8 = 0;
const POISONED: u8 = 1;
const CLOSING: u8 = 2;
const CLOSED: u8 = 3;

/// A kind of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// Sealed memtables become tables.
    Flush,
    /// Tables are merged.
    Compaction,
    /// Segments are prepared, the idle log is marked.
    Log,
    /// Files that nothing needs are deleted.
    Cleanup,
}

/// The state of one database handle's life.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// One of the constants above. Stored (Release) after `causes` was filled under its lock.
    level: AtomicU8,
    causes: Mutex<Causes>,
}

#[derive(Debug, Default)]
struct Causes {
    poison: Option<Error>,
    /// The last failure of each background duty, until the duty succeeds again.
    background: BTreeMap<Duty, Failure>,
}

#[derive(Debug)]
struct Failure {
    /// How many hurries there had been when the attempt began.
    began: u64,
    error: Error,
}

impl Health {
    /// Whether a write may begin.
    ///
    /// # Errors
    /// `Closed` after close, `Poisoned` with the first cause after a failed sync.
    pub(crate) fn check_write(&self) -> Result<()> {
        match self.level.load(Ordering::Acquire) {
            HEALTHY => Ok(()),
            CLOSING | CLOSED => Err(Error::closed()),
            _ => Err(self.poisoned_error()),
        }
    }

    /// Whether a read may begin: a poisoned database still answers.
    ///
    /// # Errors
    /// `Closed` after close.
    pub(crate) fn check_read(&self) -> Result<()> {
        match self.level.load(Ordering::Acquire) {
            CLOSED => Err(Error::closed()),
            _ => Ok(()),
        }
    }

    /// Whether background work may go on: after `close` began it still may, to finish the flush.
    ///
    /// # Errors
    /// `Poisoned` with the first cause after a failed sync.
    pub(crate) fn check_background(&self) -> Result<()> {
        if self.poison_cause().is_none() {
            return Ok(());
        }
        Err(self.poisoned_error())
    }

    /// Stops all writes for good. Returns the error that writers get from now on.
    pub(crate) fn poison(&self, cause: &Error) -> Error {
        let mut causes = self.causes.lock();
        causes.poison.get_or_insert_with(|| cause.clone());
        // In one step: a close that comes in between must not be taken back. Who finds another level
        // than healthy leaves it.
        let (ordering, otherwise) = (Ordering::Release, Ordering::Relaxed);
        self.level.compare_exchange(HEALTHY, POISONED, ordering, otherwise).ok();
        drop(causes);
        self.poisoned_error()
    }

    /// Refuses writes from now on; what is under way may finish. Returns whether this call was the
    /// first to do so.
    pub(crate) fn begin_close(&self) -> bool {
        self.level.fetch_max(CLOSING, Ordering::AcqRel) < CLOSING
    }

    /// Ends the life: reads are refused too.
    pub(crate) fn close(&self) {
        self.level.store(CLOSED, Ordering::Release);
    }

    /// Notes that an attempt of a background duty failed, which began after so many hurries.
    pub(crate) fn note_failure(&self, duty: Duty, began: u64, error: Error) {
        self.causes.lock().background.insert(duty, Failure { began, error });
    }

    /// Notes that a background duty is over its failure. Returns whether there was one.
    pub(crate) fn note_recovery(&self, duty: Duty) -> bool {
        self.causes.lock().background.remove(&duty).is_some()
    }

    /// The cause that stopped writes, if any.
    pub(crate) fn poison_cause(&self) -> Option<Error> {
        self.causes.lock().poison.clone()
    }

    /// The failure that a background duty is trying to get over, if the attempt began since the ticket
    /// was drawn. Whoever waits names the ticket of the own hurry, so as not to give up because of an
    /// attempt whose reason to fail may be gone; 0 asks for any failure that stands.
    pub(crate) fn background_error(&self, duty: Duty, ticket: u64) -> Option<Error> {
        let causes = self.causes.lock();
        let failure = causes.background.get(&duty).filter(|failure| failure.began >= ticket);
        failure.map(|failure| failure.error.clone())
    }

    /// The same of any background duty.
    pub(crate) fn any_background_error(&self, ticket: u64) -> Option<Error> {
        let causes = self.causes.lock();
        let failure = causes.background.values().find(|failure| failure.began >= ticket);
        failure.map(|failure| failure.error.clone())
    }

    fn poisoned_error(&self) -> Error {
        let what = "an earlier failure stopped all writes; reopen the database";
        match &self.causes.lock().poison {
            Some(cause) => Error::caused_by(ErrorKind::Poisoned, what, cause),
            None => Error::plain(ErrorKind::Poisoned, what),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, ErrorKind};
    use crate::state::health::{Duty, Health};
    use std::path::Path;

    #[test]
    fn the_first_cause_stays() {
        let health = Health::default();
        assert!(health.check_write().is_ok());
        health.poison(&Error::corruption(Path::new("first"), 0, "one"));
        health.poison(&Error::corruption(Path::new("second"), 0, "two"));
        let error = health.check_write().unwrap_err();
        assert_eq!((error.kind(), error.file()), (ErrorKind::Poisoned, Some(Path::new("first"))));
        assert!(health.check_read().is_ok(), "reads go on");
    }

    #[test]
    fn a_failure_concerns_those_who_waited_when_the_attempt_began() {
        let health = Health::default();
        let error = || Error::corruption(Path::new("file"), 0, "what");
        health.note_failure(Duty::Log, 4, error());
        for (ticket, concerns) in [(0, true), (4, true), (5, false)] {
            assert_eq!(health.background_error(Duty::Log, ticket).is_some(), concerns);
            assert_eq!(health.any_background_error(ticket).is_some(), concerns);
            assert!(health.background_error(Duty::Flush, ticket).is_none());
        }
        health.note_failure(Duty::Log, 5, error());
        assert!(health.background_error(Duty::Log, 5).is_some(), "the next attempt does");
        assert!(health.note_recovery(Duty::Log) && !health.note_recovery(Duty::Log));
        assert!(health.any_background_error(0).is_none());
    }

    #[test]
    fn closed_is_the_end() {
        let health = Health::default();
        assert!(health.begin_close() && !health.begin_close());
        assert!(health.check_read().is_ok(), "reads go on until the end");
        health.close();
        health.poison(&Error::closed());
        assert_eq!(health.check_write().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(health.check_read().unwrap_err().kind(), ErrorKind::Closed);
    }
}
