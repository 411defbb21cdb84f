//! Runs workers a step at a time, in an order that a seed chooses: no threads, no chance.
//!
//! One seed and one sequence of calls by one user thread give one sequence of calls to the file
//! system. So a test that found something can be run again, and every point of it can be crashed at.

use crate::maintenance::hand::Hand;
use crate::state::signals::Stepper;
use crate::state::store::Store;
use crate::state::worker::{Step, Worker};
use crate::sync::{Arc, Mutex, Weak};
use std::fmt;

/// The workers of one database without threads.
pub(crate) struct SeededStepper {
    /// Weak, because the store's signals hold the stepper.
    store: Weak<Store>,
    inner: Mutex<Inner>,
}

struct Inner {
    hands: Vec<Hand>,
    random: u64,
}

impl SeededStepper {
    pub(crate) fn new(
        store: &Arc<Store>,
        seed: u64,
        workers: Vec<Box<dyn Worker>>,
    ) -> SeededStepper {
        let hands = workers.into_iter().map(Hand::new).collect();
        let inner = Mutex::new(Inner { hands, random: seed });
        SeededStepper { store: Arc::downgrade(store), inner }
    }

    /// After a call of the user: lets the seed decide whether the background moves, and how far.
    pub(crate) fn maybe_step(&self) {
        let steps = match self.inner.lock().next_random() % 8 {
            0 => 4,
            1 => 1,
            _ => 0,
        };
        for _ in 0..steps {
            self.step();
        }
    }

    /// Drops the workers: nothing moves from now on.
    pub(crate) fn stop(&self) {
        let hands = std::mem::take(&mut self.inner.lock().hands);
        drop(hands);
    }
}

impl Stepper for SeededStepper {
    fn step(&self) -> bool {
        let Some(store) = self.store.upgrade() else { return false };
        let mut inner = self.inner.lock();
        let count = inner.hands.len();
        if count == 0 {
            return false;
        }
        let first = usize::try_from(inner.next_random() % count as u64).unwrap_or(0);
        let mut progressed = false;
        for turn in 0..count {
            let hand = &mut inner.hands[(first + turn) % count];
            match hand.step(&store) {
                Ok(Step::Worked | Step::Finished) => {
                    progressed = true;
                    break;
                }
                // A failure is noted, and the next turn tries again.
                Ok(Step::Idle) | Err(_) => {}
                // Time passes only when somebody lets it.
                Ok(Step::IdleFor(time)) => store.fs.sleep(time / count as u32),
            }
        }
        progressed
    }
}

impl Inner {
    /// SplitMix64: small, and the same everywhere.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl fmt::Debug for SeededStepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededStepper").finish_non_exhaustive()
    }
}
