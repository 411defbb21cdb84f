//! Which moments are still being read: compaction keeps what they need.
//!
//! Invariant: a moment is registered under the same lock under which a job freezes the list, and
//! both read `visible` inside it. So a snapshot taken after a job began is at or above the
//! `visible` that the job froze, and the job keeps the newest version at that point too.

use crate::format::key::Seqno;
use crate::seeded::{Bug, is_seeded};
use crate::state::sequence::Sequence;
use crate::sync::{Arc, Mutex};
use std::collections::BTreeMap;

/// The registered moments, each with the number of its holders.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    held: Mutex<BTreeMap<Seqno, usize>>,
}

/// Holds a moment until dropped.
#[derive(Debug)]
pub(crate) struct HeldMoment {
    snapshots: Arc<Snapshots>,
    seqno: Seqno,
}

impl Snapshots {
    /// Registers the present moment.
    pub(crate) fn hold(self: &Arc<Snapshots>, sequence: &Sequence) -> HeldMoment {
        let mut held = self.held.lock();
        let seqno = sequence.visible();
        *held.entry(seqno).or_insert(0) += 1;
        HeldMoment { snapshots: Arc::clone(self), seqno }
    }

    /// All registered moments and the present one, ascending: what a job must respect.
    pub(crate) fn freeze(&self, sequence: &Sequence) -> Vec<Seqno> {
        let held = self.held.lock();
        let visible = sequence.visible();
        let mut moments: Vec<Seqno> = held.keys().copied().collect();
        if is_seeded(Bug::SnapshotIgnoredByRetention) {
            moments.clear();
        }
        if moments.last() != Some(&visible) {
            moments.push(visible);
        }
        moments
    }

    /// How many moments are held.
    pub(crate) fn count(&self) -> usize {
        self.held.lock().values().sum()
    }
}

impl HeldMoment {
    pub(crate) fn seqno(&self) -> Seqno {
        self.seqno
    }
}

impl Drop for HeldMoment {
    fn drop(&mut self) {
        let mut held = self.snapshots.held.lock();
        if let Some(holders) = held.get_mut(&self.seqno) {
            *holders -= 1;
            if *holders == 0 {
                held.remove(&self.seqno);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::state::sequence::Sequence;
    use crate::state::snapshots::Snapshots;
    use crate::sync::Arc;

    #[test]
    fn a_frozen_list_has_every_held_moment_and_the_present() {
        let (snapshots, sequence) = (Arc::new(Snapshots::default()), Sequence::new(5));
        let at_five = snapshots.hold(&sequence);
        let also_five = snapshots.hold(&sequence);
        sequence.draw(9).finish().unwrap();
        assert_eq!(snapshots.freeze(&sequence), [5, 9]);
        drop(at_five);
        assert_eq!((snapshots.freeze(&sequence), also_five.seqno()), (vec![5, 9], 5));
        drop(also_five);
        assert_eq!((snapshots.freeze(&sequence), snapshots.count()), (vec![9], 0));
    }
}
