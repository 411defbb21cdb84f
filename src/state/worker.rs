//! What every background worker has in common: one bounded step at a time.

use crate::error::{Error, Result};
use crate::state::health::Duty;
use std::time::Duration;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A part of something; call again.
    Worked,
    /// The last part of something: whatever failed before is over. Call again.
    Finished,
    /// Nothing to do until the bell rings.
    Idle,
    /// Nothing to do until the bell rings or this much time has passed.
    IdleFor(Duration),
}

/// One kind of background work. A step is short (a block or so) and never waits for another worker.
pub(crate) trait Worker: Send {
    /// Which duty it does.
    fn duty(&self) -> Duty;

    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// The attempt failed and nothing of it counts. The caller notes the error and calls again later.
    fn step(&mut self) -> Result<Step>;

    /// Is told that the error of the last step stands: whoever waits for this worker should hear of it.
    /// Not called if the caller could do something about it and tries again at once.
    fn failed(&mut self, _error: &Error) {}
}
