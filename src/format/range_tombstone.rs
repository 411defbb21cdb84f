//! Range tombstones: what `delete_range` leaves, cut into fragments that do not overlap.
//!
//! ```text
//! block    := fragment*                        (sorted, disjoint; payload of a table block)
//! fragment := start prefixed | end prefixed | n varint | seqno varint * n (strictly descending)
//! ```
//!
//! A tombstone `[start, end) @ seqno` hides every entry of a key in the range with a smaller seqno.
//! [`Fragments`] is the form in which all readers use them: between two neighbouring bounds the set
//! of tombstones is constant, so one binary search answers for a key. (Pebble and RocksDB fragment
//! them in the same way.)

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_prefixed, put_varint, usize_to_u64};
use crate::format::key::Seqno;
use crate::format::limits::USER_KEY_BYTES_MAX;

/// One range tombstone over user keys; `start < end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RangeTombstone {
    pub(crate) start: Vec<u8>,
    /// Exclusive.
    pub(crate) end: Vec<u8>,
    pub(crate) seqno: Seqno,
}

/// A piece of the key space and the seqnos of all tombstones that cover it, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) start: Vec<u8>,
    /// Exclusive.
    pub(crate) end: Vec<u8>,
    pub(crate) seqnos: Vec<Seqno>,
}

/// Sorted, disjoint fragments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragments {
    fragments: Vec<Fragment>,
}

impl Fragment {
    /// The newest tombstone of this fragment that a reader at `seqno` sees.
    pub(crate) fn newest_at(&self, seqno: Seqno) -> Option<Seqno> {
        self.seqnos.iter().copied().find(|&own| own <= seqno)
    }
}

impl Fragments {
    /// Cuts tombstones, in any order, into fragments. Empty ranges are ignored.
    pub(crate) fn build(tombstones: impl IntoIterator<Item = RangeTombstone>) -> Fragments {
        let mut tombstones: Vec<_> =
            tombstones.into_iter().filter(|tombstone| tombstone.start < tombstone.end).collect();
        tombstones.sort_unstable();
        let mut bounds: Vec<Vec<u8>> = tombstones
            .iter()
            .flat_map(|tombstone| [tombstone.start.clone(), tombstone.end.clone()])
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut fragments: Vec<Fragment> = Vec::new();
        let mut live: Vec<(Vec<u8>, Seqno)> = Vec::new();
        let mut arriving = tombstones.into_iter().peekable();
        for pair in bounds.windows(2) {
            let [start, end] = pair else { continue };
            live.retain(|(live_end, _)| live_end > start);
            while let Some(tombstone) = arriving.next_if(|next| next.start <= *start) {
                live.push((tombstone.end, tombstone.seqno));
            }
            if live.is_empty() {
                continue;
            }
            let mut seqnos: Vec<Seqno> = live.iter().map(|&(_, seqno)| seqno).collect();
            seqnos.sort_unstable_by(|left, right| right.cmp(left));
            seqnos.dedup();
            push_joined(
                &mut fragments,
                Fragment { start: start.clone(), end: end.clone(), seqnos },
            );
        }
        Fragments { fragments }
    }

    /// The fragments, in order.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Fragment> {
        self.fragments.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// Number of (fragment, seqno) pairs.
    pub(crate) fn count(&self) -> u64 {
        self.fragments.iter().map(|fragment| usize_to_u64(fragment.seqnos.len())).sum()
    }

    /// The fragment whose range contains `user_key`.
    pub(crate) fn at(&self, user_key: &[u8]) -> Option<&Fragment> {
        let after = self.first_ending_after(user_key);
        self.fragments.get(after).filter(|fragment| fragment.start.as_slice() <= user_key)
    }

    /// Index of the first fragment that ends behind `user_key`: the one that contains it, or the
    /// next one.
    pub(crate) fn first_ending_after(&self, user_key: &[u8]) -> usize {
        self.fragments.partition_point(|fragment| fragment.end.as_slice() <= user_key)
    }

    /// The fragment with this index.
    pub(crate) fn get(&self, index: usize) -> Option<&Fragment> {
        self.fragments.get(index)
    }

    /// The newest tombstone over `user_key` that a reader at `seqno` sees.
    pub(crate) fn covering(&self, user_key: &[u8], seqno: Seqno) -> Option<Seqno> {
        self.at(user_key)?.newest_at(seqno)
    }

    /// The tombstones again, one for each fragment and seqno.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = RangeTombstone> + '_ {
        self.fragments.iter().flat_map(|fragment| {
            fragment.seqnos.iter().map(|&seqno| RangeTombstone {
                start: fragment.start.clone(),
                end: fragment.end.clone(),
                seqno,
            })
        })
    }

    /// The part of the fragments inside `[start, end)`; `None` is no bound.
    pub(crate) fn cut(&self, start: Option<&[u8]>, end: Option<&[u8]>) -> Fragments {
        let fragments = self.fragments.iter().filter_map(|fragment| {
            let from = start.map_or(&fragment.start[..], |start| start.max(&fragment.start[..]));
            let to = end.map_or(&fragment.end[..], |end| end.min(&fragment.end[..]));
            (from < to).then(|| Fragment {
                start: from.to_vec(),
                end: to.to_vec(),
                seqnos: fragment.seqnos.clone(),
            })
        });
        Fragments { fragments: fragments.collect() }
    }

    /// Heap memory, about, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let one = |fragment: &Fragment| {
            size_of::<Fragment>()
                + fragment.start.len()
                + fragment.end.len()
                + fragment.seqnos.len() * size_of::<Seqno>()
        };
        self.fragments.iter().map(one).sum()
    }

    /// Appends the fragments.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for fragment in &self.fragments {
            put_prefixed(out, &fragment.start);
            put_prefixed(out, &fragment.end);
            put_varint(out, usize_to_u64(fragment.seqnos.len()));
            for &seqno in &fragment.seqnos {
                put_varint(out, seqno);
            }
        }
    }

    /// Reads fragments that fill `bytes`; `Err(offset)` where they break a rule.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Fragments, usize> {
        let mut reader = Reader::new(bytes);
        let mut fragments: Vec<Fragment> = Vec::new();
        while !reader.is_done() {
            let offset = reader.position();
            let fragment = decode_one(&mut reader).ok_or(offset)?;
            if fragments.last().is_some_and(|last| last.end > fragment.start) {
                return Err(offset);
            }
            fragments.push(fragment);
        }
        Ok(Fragments { fragments })
    }
}

/// Neighbours with the same tombstones are one fragment.
fn push_joined(fragments: &mut Vec<Fragment>, next: Fragment) {
    match fragments.last_mut() {
        Some(last) if last.end == next.start && last.seqnos == next.seqnos => last.end = next.end,
        _ => fragments.push(next),
    }
}

fn decode_one(reader: &mut Reader<'_>) -> Option<Fragment> {
    let start = reader.prefixed()?;
    let end = reader.prefixed()?;
    let count = reader.varint_usize()?;
    // Each seqno takes at least a byte, so a lying count cannot cause a large allocation.
    if start >= end || end.len() > USER_KEY_BYTES_MAX || count == 0 || count > reader.remaining() {
        return None;
    }
    let mut seqnos = Vec::with_capacity(count);
    for _ in 0..count {
        let seqno = reader.varint()?;
        if seqnos.last().is_some_and(|&last| last <= seqno) {
            return None;
        }
        seqnos.push(seqno);
    }
    Some(Fragment { start: start.to_vec(), end: end.to_vec(), seqnos })
}

#[cfg(test)]
mod tests {
    use crate::format::range_tombstone::{Fragments, RangeTombstone};
    use proptest::prelude::*;

    fn any_tombstones() -> impl Strategy<Value = Vec<RangeTombstone>> {
        let one = (0..20_u8, 0..20_u8, 1..9_u64).prop_map(|(start, end, seqno)| RangeTombstone {
            start: vec![start],
            end: vec![end],
            seqno,
        });
        prop::collection::vec(one, 0..12)
    }

    fn naive(tombstones: &[RangeTombstone], key: &[u8], seqno: u64) -> Option<u64> {
        let covers = |t: &&RangeTombstone| t.start[..] <= *key && *key < t.end[..];
        tombstones.iter().filter(covers).map(|t| t.seqno).filter(|&own| own <= seqno).max()
    }

    proptest! {
        #[test]
        fn fragments_answer_like_the_tombstones(
            tombstones in any_tombstones(), start in 0..20_u8, end in 0..20_u8,
        ) {
            let fragments = Fragments::build(tombstones.clone());
            let cut = fragments.cut(Some(&[start]), Some(&[end]));
            for key in 0..21_u8 {
                for seqno in 0..10 {
                    let expected = naive(&tombstones, &[key], seqno);
                    prop_assert_eq!(fragments.covering(&[key], seqno), expected);
                    let inside = (start..end).contains(&key);
                    prop_assert_eq!(cut.covering(&[key], seqno), expected.filter(|_| inside));
                }
            }
            prop_assert_eq!(Fragments::build(fragments.tombstones()), fragments);
        }

        #[test]
        fn fragments_round_trip(tombstones in any_tombstones()) {
            let fragments = Fragments::build(tombstones);
            let mut out = Vec::new();
            fragments.encode(&mut out);
            prop_assert_eq!(Fragments::decode(&out), Ok(fragments));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            drop(Fragments::decode(&bytes));
        }
    }
}
