//! A worker in the hands of whoever runs it: what is done when it meets a full disk, and what the
//! health hears of it.
//!
//! On a full disk room is made, once, and the worker tries again; nobody hears of it if that helps. An
//! error that stands is noted, until the worker gets over it, and told to the worker too, so that it
//! can tell those who wait for it.

use crate::error::{ErrorKind, Result};
use crate::maintenance::reserve;
use crate::state::health::Duty;
use crate::state::store::Store;
use crate::state::worker::{Step, Worker};
use crate::sync::Arc;

/// One worker.
pub(crate) struct Hand {
    worker: Box<dyn Worker>,
    /// Whether room was made for the attempt that is under way.
    has_made_room: bool,
    /// Whether a failure of its duty may stand.
    has_failed: bool,
}

impl Hand {
    pub(crate) fn new(worker: Box<dyn Worker>) -> Hand {
        // The open may have noted a failure.
        Hand { worker, has_made_room: false, has_failed: true }
    }

    pub(crate) fn duty(&self) -> Duty {
        self.worker.duty()
    }

    /// Lets it do a step.
    ///
    /// # Errors
    /// Those of the worker, a full disk only if no room could be made, or if that did not help.
    pub(crate) fn step(&mut self, store: &Arc<Store>) -> Result<Step> {
        let began = store.signals.hurries();
        let times = store.reserve.times_given_up();
        let outcome = self.worker.step();
        let is_under_way = matches!(outcome, Ok(Step::Worked));
        let meets_full_disk =
            outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::DiskFull);
        if meets_full_disk && !self.has_made_room && reserve::make_room(store, times) {
            self.has_made_room = true;
            return Ok(Step::Worked);
        }
        self.has_made_room &= is_under_way;
        match &outcome {
            Err(error) => {
                self.worker.failed(error);
                self.has_failed = true;
                store.health.note_failure(self.duty(), began, error.clone());
                store.signals.ring();
            }
            Ok(Step::Worked) => {}
            Ok(_) => {
                let is_news =
                    std::mem::take(&mut self.has_failed) && store.health.note_recovery(self.duty());
                store.signals.ring_if(is_news);
            }
        }
        outcome
    }
}
