//! Ends the process when a case hangs: nothing else can, and a test that never ends is no finding.

#![expect(clippy::print_stderr, reason = "the last words of the process")]

use crate::bounds::Bounds;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Watches the hands of a crew.
pub(crate) struct Watchdog {
    bounds: Bounds,
    hands: Vec<Hand>,
    working: AtomicUsize,
}

/// The case that a hand is at, and when it began, in milliseconds since the run began.
struct Hand {
    number: AtomicU64,
    began: AtomicU64,
}

impl Watchdog {
    pub(crate) fn new(bounds: &Bounds) -> Watchdog {
        let hand = |_| Hand { number: AtomicU64::new(0), began: AtomicU64::new(u64::MAX) };
        let hands = (0..bounds.threads).map(hand).collect();
        Watchdog { bounds: *bounds, hands, working: AtomicUsize::new(bounds.threads) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.bounds.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A hand begins a case.
    pub(crate) fn note(&self, hand: usize, number: u64) {
        self.hands[hand].number.store(number, Ordering::Relaxed);
        self.hands[hand].began.store(self.now(), Ordering::Relaxed);
    }

    /// A hand has nothing more to do.
    pub(crate) fn leave(&self, hand: usize) {
        self.hands[hand].began.store(u64::MAX, Ordering::Relaxed);
        self.working.fetch_sub(1, Ordering::Relaxed);
    }

    /// Looks until all hands have left. A case that takes too long ends the process with status 1.
    pub(crate) fn watch(&self) {
        let hang = u64::try_from(self.bounds.hang.as_millis()).unwrap_or(u64::MAX);
        while self.working.load(Ordering::Relaxed) > 0 {
            for hand in &self.hands {
                let began = hand.began.load(Ordering::Relaxed);
                if self.now().saturating_sub(began) > hang {
                    let number = hand.number.load(Ordering::Relaxed);
                    eprintln!("case {number} hangs: it takes longer than {hang} ms");
                    std::process::exit(1);
                }
            }
            thread::park_timeout(INTERVAL);
        }
    }
}
