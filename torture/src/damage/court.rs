//! Judges damaged copies of a database, and keeps count of how the cases ended.

use crate::crew;
use crate::damage::subject::{Outcome, Subject};
use siltstone::fs::SimulatedFileSystem;
use std::collections::BTreeMap;

/// Judges many cases, and tells how they ended.
#[derive(Default)]
pub(crate) struct Court {
    pub(crate) tally: BTreeMap<Outcome, u64>,
    pub(crate) silent: Vec<String>,
    /// Whether the case at hand is one where nobody can tell.
    pub(crate) may_roll_back: bool,
}

impl Court {
    pub(crate) fn judge(
        &mut self,
        subject: &Subject,
        case: String,
        damage: impl FnOnce(&SimulatedFileSystem),
    ) -> Option<Outcome> {
        match crew::judge(|| subject.judge(damage)) {
            Ok(outcome) => {
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
    }
}
