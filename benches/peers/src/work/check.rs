//! Checks of answers: a fold over what a timed loop reads, and a comparison of everything.
//!
//! The fold depends on keys, values and their order, costs a nanosecond or two an entry, and is
//! computed again from the model when the clock has stopped.

use crate::data::keys::{KEY_BYTES, Kind};
use crate::data::model::{Model, Scene};
use crate::data::values::fingerprint;
use crate::engine::{Engine, Result, Scan};

/// What was read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) count: u64,
    sum: u64,
}

impl Fold {
    /// A value, by its fingerprint.
    pub(crate) fn value(&mut self, fingerprint: u64) {
        self.count += 1;
        self.sum = self.sum.rotate_left(7).wrapping_add(fingerprint);
    }

    /// An entry that a scan gave.
    pub(crate) fn entry(&mut self, key: &[u8], value: &[u8]) {
        self.value(head(key) ^ fingerprint(value));
    }

    /// The entry that a scan must give.
    pub(crate) fn expect(&mut self, scene: &Scene, rank: u64, kind: Kind, version: u8) {
        let key = scene.keys.key(rank, kind);
        self.value(head(&key) ^ scene.values.fingerprint(rank, kind, version));
    }
}

fn head(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |head| u64::from_be_bytes(*head)) ^ key.len() as u64
}

/// An error unless both are the same.
pub(crate) fn same(what: &str, found: Fold, expected: Fold) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: read {found:?}, but the right answer is {expected:?}").into())
}

/// Compares every byte of the database with the model.
pub(crate) fn everything<E: Engine>(engine: &E, scene: &Scene, model: &Model) -> Result<String> {
    let mut expected = model.from(0);
    let mut wrong: Option<String> = None;
    let mut count = 0_u64;
    let all = Scan { from: None, is_reverse: false, limit: usize::MAX };
    engine.scan(all, |key, value| {
        let next = expected.next();
        let is_right = next.is_some_and(|(rank, kind, version)| {
            key.len() == KEY_BYTES
                && key == scene.keys.key(rank, kind)
                && scene.values.is(value, rank, kind, version)
        });
        if !is_right && wrong.is_none() {
            wrong = Some(format!("entry {count} is {key:?}, but should be {next:?}"));
        }
        count += 1;
    })?;
    match (wrong, expected.next()) {
        (Some(wrong), _) => Err(wrong.into()),
        (None, Some(missing)) => {
            Err(format!("the scan ends after {count}, before {missing:?}").into())
        }
        (None, None) => Ok(format!("every byte of {count} entries")),
    }
}
