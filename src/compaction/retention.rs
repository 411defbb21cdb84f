//! May this entry go? A pure decision, made once for each entry from a frozen list of snapshots.
//!
//! The snapshots cut time into stripes: stripe 0 are all seqnos up to the oldest snapshot, stripe i
//! those behind snapshot i - 1 up to snapshot i. No reader reads between two neighbouring
//! snapshots, so of all that happened to a key inside one stripe only the last thing counts:
//! 1. The newest version of a key in a stripe hides the older ones of that stripe: they drop.
//! 2. A range tombstone hides the older entries of its own stripe, and the older range tombstones
//!    of its own stripe: they drop.
//! 3. A tombstone in stripe 0 drops where nothing older can lie below the job: what is older inside
//!    the job drops by rule 1. In a younger stripe it may still hide a version that an older
//!    snapshot keeps.
//! 4. A range tombstone in stripe 0 drops where nothing older can lie below any key of its
//!    fragment: what it hides inside the job drops by rule 2.
//! 5. A value in stripe 0 that stays is settled, in a job of the last level with nothing older below
//!    it anywhere: by rules 1 to 4 it is the oldest thing that is left of its key, range tombstones
//!    included; all readers see it, and when it was written no longer matters. Its seqno becomes
//!    [`SEQNO_SETTLED`].
//! 6. What is newer than the last snapshot of the list stays: readers may yet come in between.
//!
//! New snapshots only begin behind the last one of the list, which is what was visible when the
//! list was frozen; so the decisions hold for them too.

use crate::compaction::below::Below;
use crate::format::key::{Kind, Seqno};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::seeded::{Bug, is_seeded};

/// The seqno of settled entries: the smallest there is. 0 would be smaller, but is where cursors
/// are told to look for what lies behind all versions of a key.
pub(crate) const SEQNO_SETTLED: Seqno = 1;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays as it is.
    Keep,
    /// It stays, with [`SEQNO_SETTLED`] for its seqno.
    Settle,
    /// It goes.
    Drop,
}

/// Decides for one job. It is told the entries in the order of the job.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Ascending, without duplicates; the last is what was visible at the start.
    snapshots: Vec<Seqno>,
    /// Whether entries may be settled.
    settles: bool,
    /// The stripe of the version before, if it was of the same key.
    stripe_before: Option<usize>,
}

impl Retention {
    /// For a job whose readers, now and later, read at one of `snapshots` or behind the last.
    ///
    /// Requires: `snapshots` is strictly ascending and not empty; if `settles`, nothing older than
    /// the job lies below any of its keys.
    pub(crate) fn new(snapshots: Vec<Seqno>, settles: bool) -> Retention {
        assert!(!snapshots.is_empty(), "the list ends with what is visible");
        assert!(snapshots.is_sorted_by(|left, right| left < right), "snapshots are sorted");
        Retention { snapshots, settles, stripe_before: None }
    }

    /// The entries that follow are of another user key.
    pub(crate) fn next_key(&mut self) {
        self.stripe_before = None;
    }

    /// Decides about the next older entry of the key. `covering` are the range tombstones of the
    /// job over it, newest first; `below` tells whether something older than the job may lie below
    /// this key, and is asked only where that matters.
    ///
    /// Requires: entries of one key arrive newest first.
    pub(crate) fn judge(
        &mut self,
        entry: (Seqno, Kind),
        covering: &[Seqno],
        below: impl FnOnce() -> bool,
    ) -> Fate {
        let (seqno, kind) = entry;
        let stripe = self.stripe(seqno);
        let Some(&reader) = self.snapshots.get(stripe) else { return Fate::Keep };
        if self.stripe_before == Some(stripe) {
            return Fate::Drop;
        }
        self.stripe_before = Some(stripe);
        let newest_covering = covering.iter().find(|&&own| own <= reader);
        if newest_covering.is_some_and(|&own| own > seqno) {
            return Fate::Drop;
        }
        match kind {
            _ if stripe > 0 => Fate::Keep,
            Kind::Put if self.settles => Fate::Settle,
            Kind::Delete if !below() || is_seeded(Bug::TombstoneDroppedEarly) => Fate::Drop,
            // Range tombstones are kept apart from entries.
            Kind::Put | Kind::Delete | Kind::RangeDelete | Kind::DropKeyspace => Fate::Keep,
        }
    }

    /// The range tombstones that stay, of all those that the job reads.
    pub(crate) fn surviving(&self, read: &Fragments, below: &Below) -> Fragments {
        let mut staying = Vec::new();
        for fragment in read.iter() {
            let mut stripe_before = None;
            for &seqno in &fragment.seqnos {
                let stripe = self.stripe(seqno);
                let is_hidden = stripe_before == Some(stripe) && stripe < self.snapshots.len();
                stripe_before = Some(stripe);
                let is_spent = stripe == 0 && !below.may_hold_any(&fragment.start, &fragment.end);
                if !is_hidden && !is_spent {
                    let (start, end) = (fragment.start.clone(), fragment.end.clone());
                    staying.push(RangeTombstone { start, end, seqno });
                }
            }
        }
        Fragments::build(staying)
    }

    fn stripe(&self, seqno: Seqno) -> usize {
        self.snapshots.partition_point(|&snapshot| snapshot < seqno)
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::below::Below;
    use crate::compaction::retention::{Fate, Retention, SEQNO_SETTLED};
    use crate::compaction::span::Span;
    use crate::format::key::{Kind, Seqno};
    use crate::format::range_tombstone::{Fragments, RangeTombstone};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What was written to a range of keys; the seqno of the i-th write is i + 1.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Write {
        Put(u8),
        Delete(u8),
        DeleteRange(u8, u8),
    }

    /// One part of the tree: entries by key, seqno and kind, with the write that a value came
    /// from; and range tombstones.
    #[derive(Clone, Debug, Default)]
    struct Part {
        entries: Vec<(u8, Seqno, Kind, Seqno)>,
        tombstones: Vec<RangeTombstone>,
    }

    impl Part {
        fn write(&mut self, write: Write, seqno: Seqno) {
            match write {
                Write::Put(key) => self.entries.push((key, seqno, Kind::Put, seqno)),
                Write::Delete(key) => self.entries.push((key, seqno, Kind::Delete, seqno)),
                Write::DeleteRange(start, end) => {
                    let (start, end) = (vec![start], vec![end]);
                    self.tombstones.push(RangeTombstone { start, end, seqno });
                }
            }
        }
    }

    /// What a reader at `seqno` sees, naively.
    fn visible(parts: &[&Part], seqno: Seqno) -> BTreeMap<u8, Seqno> {
        let mut newest: BTreeMap<u8, (Seqno, Kind, Seqno)> = BTreeMap::new();
        for &(key, own, kind, written) in parts.iter().flat_map(|part| &part.entries) {
            if own <= seqno && newest.get(&key).is_none_or(|known| known.0 < own) {
                newest.insert(key, (own, kind, written));
            }
        }
        let hidden = |key: u8, own: Seqno| {
            parts.iter().flat_map(|part| &part.tombstones).any(|tombstone| {
                (own + 1..=seqno).contains(&tombstone.seqno)
                    && tombstone.start[..] <= [key][..]
                    && [key][..] < tombstone.end[..]
            })
        };
        newest
            .into_iter()
            .filter(|&(key, (own, kind, _))| kind == Kind::Put && !hidden(key, own))
            .map(|(key, (_, _, written))| (key, written))
            .collect()
    }

    fn compact(job: &Part, snapshots: &[Seqno], below: &Below) -> Part {
        let mut retention = Retention::new(snapshots.to_vec(), below.is_nowhere());
        let read = Fragments::build(job.tombstones.clone());
        let surviving = retention.surviving(&read, below);
        let mut entries = job.entries.clone();
        entries.sort_by_key(|&(key, seqno, ..)| (key, Seqno::MAX - seqno));
        let mut out = Part { entries: Vec::new(), tombstones: surviving.tombstones().collect() };
        let mut last = None;
        for (key, seqno, kind, written) in entries {
            if last.replace(key) != Some(key) {
                retention.next_key();
            }
            let seqnos = |fragments: &Fragments| {
                fragments.at(&[key]).map(|found| found.seqnos.clone()).unwrap_or_default()
            };
            match retention.judge((seqno, kind), &seqnos(&read), || below.may_hold(&[key])) {
                Fate::Keep => out.entries.push((key, seqno, kind, written)),
                Fate::Settle => out.entries.push((key, SEQNO_SETTLED, kind, written)),
                Fate::Drop => {}
            }
        }
        out
    }

    /// Compacts the writes from `from` to `to`; the older ones lie below, the newer ones above.
    fn check(writes: &[Write], snapshots: &[Seqno], job: (usize, usize), spans: &[(u8, u8)]) {
        let spans: Vec<Span> = spans
            .iter()
            .map(|&(start, end)| Span { start: vec![start], end: vec![end], end_exclusive: false })
            .collect();
        let below = Below::within(spans);
        let mut parts = [Part::default(), Part::default(), Part::default()];
        for (index, (&write, seqno)) in writes.iter().zip(1..).enumerate() {
            let part = usize::from(index >= job.0) + usize::from(index >= job.1);
            let fits = match write {
                Write::Put(key) | Write::Delete(key) => below.may_hold(&[key]),
                Write::DeleteRange(start, end) => {
                    start < end && (start..end).all(|key| below.may_hold(&[key]))
                }
            };
            if part > 0 || fits {
                parts[part].write(write, seqno);
            }
        }
        let after = compact(&parts[1], snapshots, &below);
        let newest = *snapshots.last().unwrap();
        let later = newest..=newest.max(writes.len() as Seqno);
        for reader in snapshots.iter().copied().chain(later) {
            let expected = visible(&[&parts[0], &parts[1], &parts[2]], reader);
            let found = visible(&[&parts[0], &after, &parts[2]], reader);
            assert_eq!(found, expected, "{writes:?} {snapshots:?} {job:?} {below:?} @{reader}");
        }
        let mut unique: Vec<_> =
            after.entries.iter().map(|&(key, seqno, ..)| (key, seqno)).collect();
        unique.dedup();
        assert_eq!(unique.len(), after.entries.len(), "key and seqno are unique");
        if snapshots[0] >= writes.len() as Seqno && below == Below::within(Vec::new()) {
            let is_settled =
                |entry: &(u8, Seqno, Kind, Seqno)| (entry.1, entry.2) == (SEQNO_SETTLED, Kind::Put);
            assert!(after.entries.iter().all(is_settled), "nothing is kept for nobody");
            assert!(after.tombstones.is_empty());
        }
    }

    #[test]
    fn every_history_of_one_key_looks_the_same_to_every_reader() {
        const WRITES: [Write; 3] = [Write::Put(5), Write::Delete(5), Write::DeleteRange(5, 6)];
        let length = 5_u32;
        for number in 0..3_usize.pow(length) {
            let writes: Vec<Write> =
                (0..length).map(|place| WRITES[number / 3_usize.pow(place) % 3]).collect();
            for mask in 1..1_u64 << (length + 1) {
                let snapshots: Vec<Seqno> =
                    (0..=u64::from(length)).filter(|bit| mask >> bit & 1 == 1).collect();
                for from in 0..length as usize {
                    for to in from + 1..=length as usize {
                        check(&writes, &snapshots, (from, to), &[(5, 5)][..from.min(1)]);
                    }
                }
            }
        }
    }

    fn any_write() -> impl Strategy<Value = Write> {
        prop_oneof![
            (0..8_u8).prop_map(Write::Put),
            (0..8_u8).prop_map(Write::Delete),
            (0..8_u8, 0..9_u8).prop_map(|(start, end)| Write::DeleteRange(start, end)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_reader_sees_the_same_after_a_compaction(
            writes in prop::collection::vec(any_write(), 1..40),
            mut snapshots in prop::collection::vec(0..42_u64, 1..6),
            cuts: (prop::sample::Index, prop::sample::Index),
            spans in prop::collection::vec((0..8_u8, 0..4_u8), 0..3),
        ) {
            snapshots.sort_unstable();
            snapshots.dedup();
            let (a, b) = (cuts.0.index(writes.len() + 1), cuts.1.index(writes.len() + 1));
            let spans: Vec<_> = spans.into_iter().map(|(from, len)| (from, from + len)).collect();
            check(&writes, &snapshots, (a.min(b), a.max(b)), &spans);
        }
    }

    #[test]
    fn a_tombstone_stays_while_an_older_snapshot_keeps_what_it_hides() {
        let fates = |snapshots: &[Seqno], below: bool| {
            let mut retention = Retention::new(snapshots.to_vec(), !below);
            [(9, Kind::Delete), (5, Kind::Put), (3, Kind::Put)]
                .map(|entry| retention.judge(entry, &[], || below))
        };
        assert_eq!(fates(&[9], false), [Fate::Drop, Fate::Drop, Fate::Drop]);
        assert_eq!(fates(&[9], true), [Fate::Keep, Fate::Drop, Fate::Drop]);
        assert_eq!(fates(&[6, 9], false), [Fate::Keep, Fate::Settle, Fate::Drop]);
        assert_eq!(fates(&[3, 6, 9], false), [Fate::Keep, Fate::Keep, Fate::Settle]);
        assert_eq!(fates(&[2], false), [Fate::Keep, Fate::Keep, Fate::Keep]);
    }
}
