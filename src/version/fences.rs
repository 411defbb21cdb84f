//! Finds the table of a level that may hold a key, with few cache misses.
//!
//! A binary search over handles would follow three pointers for each step. Here the smallest keys
//! of a level stand as numbers side by side: the eight bytes behind the prefix that all of them
//! share. Only where such heads are equal are keys compared.

use crate::format::key::{head, order};
use std::cmp::Ordering;

/// The smallest keys of the tables of one level, which are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fences {
    /// What all smallest keys begin with.
    prefix: Vec<u8>,
    /// The next eight bytes of each, as a number that sorts like them.
    heads: Vec<u64>,
}

impl Fences {
    /// Requires: `smallest` is sorted.
    pub(crate) fn new(smallest: &[&[u8]]) -> Fences {
        let (Some(first), Some(last)) = (smallest.first(), smallest.last()) else {
            return Fences::default();
        };
        // Sorted keys share what the first and the last share.
        let shared = first.iter().zip(last.iter()).take_while(|(a, b)| a == b).count();
        let heads = smallest.iter().map(|key| head(&key[shared..])).collect();
        Fences { prefix: first[..shared].to_vec(), heads }
    }

    /// The last index whose smallest key is at most `key`. `smallest` gives the keys again.
    pub(crate) fn find<'a>(
        &self,
        key: &[u8],
        smallest: impl Fn(usize) -> &'a [u8],
    ) -> Option<usize> {
        let shared = self.prefix.len().min(key.len());
        let count = match order(&key[..shared], &self.prefix) {
            Ordering::Less => 0,
            Ordering::Greater => self.heads.len(),
            Ordering::Equal => {
                let wanted = head(&key[shared..]);
                let below = self.heads.partition_point(|&head| head < wanted);
                let equal = self.heads[below..].partition_point(|&head| head == wanted);
                below + count_while(equal, |index| order(smallest(below + index), key).is_le())
            }
        };
        count.checked_sub(1)
    }
}

/// How many of `0..len` fulfil a condition that holds for the first ones only.
fn count_while(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use crate::version::fences::Fences;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fence_found_is_the_one_of_a_plain_search(
            prefix in vec(0..3_u8, 0..12),
            keys in btree_set(vec(0..3_u8, 0..12), 0..40),
            probes in vec((any::<bool>(), vec(0..3_u8, 0..14)), 1..40),
        ) {
            let keys: Vec<_> = keys.iter().map(|key| [&prefix[..], key].concat()).collect();
            let smallest: Vec<_> = keys.iter().map(Vec::as_slice).collect();
            let fences = Fences::new(&smallest);
            for (has_prefix, probe) in probes {
                let probe = if has_prefix { [&prefix[..], &probe].concat() } else { probe };
                let plain = smallest.iter().rposition(|key| *key <= probe.as_slice());
                prop_assert_eq!(fences.find(&probe, |index| smallest[index]), plain);
            }
        }
    }

    #[test]
    fn zeros_at_the_end_of_a_key_count() {
        let smallest: Vec<&[u8]> = vec![b"a", b"a\0", b"a\0\0", b"b"];
        let fences = Fences::new(&smallest);
        for (index, key) in smallest.iter().enumerate() {
            assert_eq!(fences.find(key, |index| smallest[index]), Some(index));
        }
        assert_eq!(fences.find(b"", |index| smallest[index]), None);
        assert_eq!(fences.find(b"z", |index| smallest[index]), Some(3));
    }
}
