//! Judges damaged copies of a database, and keeps count of how the cases ended.

#![expect(clippy::disallowed_types, reason = "a case that hangs takes time on the wall")]

use crate::allocations::largest_while;
use crate::crew;
use crate::damage::subject::{Names, Outcome, Subject};
use siltstone::fs::SimulatedFileSystem;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Nobody waits longer for what is left of a small database.
const PATIENCE: Duration = Duration::from_secs(1);

/// No length in a damaged file makes anybody ask for more than this at once.
const ALLOCATION_MAX: usize = 64 << 20;

/// Judges many cases, and tells how they ended.
#[derive(Default)]
pub(crate) struct Court {
    pub(crate) tally: BTreeMap<Outcome, u64>,
    pub(crate) silent: Vec<String>,
    /// Whether the case at hand is one where nobody can tell.
    pub(crate) may_roll_back: bool,
    /// Bits flipped, files cut, and cuts after which an earlier state was found.
    pub(crate) flips: u64,
    pub(crate) cuts: u64,
    pub(crate) cuts_rolled_back: u64,
    /// What the errors said of themselves.
    pub(crate) names: Names,
    /// The most bytes that a case asked for at once, and the longest that one took.
    pub(crate) largest: usize,
    pub(crate) slowest: Duration,
}

impl Court {
    pub(crate) fn judge(
        &mut self,
        subject: &Subject,
        case: String,
        damage: impl Fn(&SimulatedFileSystem),
    ) -> Option<Outcome> {
        let (judged, largest, mut took) = self.time(subject, &damage);
        if took > PATIENCE {
            // A machine may be busy for a moment; what hangs does so twice.
            took = took.min(self.time(subject, &damage).2);
        }
        self.largest = self.largest.max(largest);
        self.slowest = self.slowest.max(took);
        if largest > ALLOCATION_MAX {
            self.silent.push(format!("{} {case}: asks for {largest} bytes at once", subject.name));
        }
        if took > PATIENCE {
            self.silent.push(format!("{} {case}: takes {took:?}", subject.name));
        }
        match judged {
            Ok((outcome, names)) => {
                self.names.absorb(names);
                *self.tally.entry(outcome).or_default() += 1;
                if outcome == Outcome::RolledBack && !self.may_roll_back {
                    self.silent.push(format!("{} {case}: rolled back in silence", subject.name));
                }
                Some(outcome)
            }
            Err(text) => {
                self.silent.push(format!("{} {case}: {text}", subject.name));
                None
            }
        }
    }

    /// How one case ends, the most bytes that it asks for at once, and how long it takes.
    fn time(
        &self,
        subject: &Subject,
        damage: &impl Fn(&SimulatedFileSystem),
    ) -> (Result<(Outcome, Names), String>, usize, Duration) {
        let began = Instant::now();
        let (judged, largest) = largest_while(|| crew::judge(|| subject.judge(damage)));
        (judged, largest, began.elapsed())
    }

    /// Panics if a case was silent, so that the run counts it at once.
    pub(crate) fn cry_out(&mut self) {
        let silent = std::mem::take(&mut self.silent);
        assert!(silent.is_empty(), "{}", silent.join("; "));
    }

    pub(crate) fn absorb(&mut self, other: Court) {
        for (outcome, count) in other.tally {
            *self.tally.entry(outcome).or_default() += count;
        }
        self.silent.extend(other.silent);
        self.flips += other.flips;
        self.cuts += other.cuts;
        self.cuts_rolled_back += other.cuts_rolled_back;
        self.names.absorb(other.names);
        self.largest = self.largest.max(other.largest);
        self.slowest = self.slowest.max(other.slowest);
    }
}
