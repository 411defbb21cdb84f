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
    background: BTreeMap<Duty, Error>,
    /// How many failures there were in all.
    failures: u64,
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

    /// Notes how the last attempt of a background duty went.
    pub(crate) fn note_background(&self, duty: Duty, outcome: Result<()>) {
        let mut causes = self.causes.lock();
        match outcome {
            Ok(()) => drop(causes.background.remove(&duty)),
            Err(error) => {
                causes.failures += 1;
                causes.background.insert(duty, error);
            }
        }
    }

    /// The cause that stopped writes, if any.
    pub(crate) fn poison_cause(&self) -> Option<Error> {
        self.causes.lock().poison.clone()
    }

    /// How many failures of background duties there were so far. Whoever begins to wait takes it, so
    /// as not to give up because of a failure whose reason may be gone.
    pub(crate) fn background_failures(&self) -> u64 {
        self.causes.lock().failures
    }

    /// The failure that a background duty is trying to get over, if there was one since `failures`
    /// was taken.
    pub(crate) fn background_error(&self, duty: Duty, failures: u64) -> Option<Error> {
        let causes = self.causes.lock();
        causes.background.get(&duty).filter(|_| causes.failures > failures).cloned()
    }

    /// The failure of any background duty, if there was one since `failures` was taken.
    pub(crate) fn any_background_error(&self, failures: u64) -> Option<Error> {
        let causes = self.causes.lock();
        causes.background.values().next().filter(|_| causes.failures > failures).cloned()
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
    use crate::state::health::Health;
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
