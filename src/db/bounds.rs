//! Ranges of keys, as a caller writes them and as the engine uses them.

use crate::error::{Error, Reason, Result};
use crate::format::key::{keyspace_end, keyspace_prefix, user_key};
use crate::format::limits::KEY_BYTES_MAX;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// A range of keys: `"a".."f"`, `"a"..`, `..="f"`, `..`, or a pair of [`Bound`]s.
///
/// It is a trait of its own, and not `RangeBounds`, so that `db.range(..)` needs no type annotation.
/// A range whose start lies behind its end is empty.
///
/// ```
/// use std::ops::Bound;
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// for key in ["a", "b", "c"] {
///     db.put(key, "")?;
/// }
/// assert_eq!(db.range("a".."c").count(), 2);
/// assert_eq!(db.range("b"..="c").count(), 2);
/// assert_eq!(db.range(..).count(), 3);
/// assert_eq!(db.range((Bound::Excluded("a"), Bound::Unbounded)).count(), 2);
/// assert_eq!(db.range("c".."a").count(), 0);
/// # Ok::<(), siltstone::Error>(())
/// ```
pub trait KeyRange {
    /// Where the range begins.
    fn start(&self) -> Bound<&[u8]>;

    /// Where the range ends.
    fn end(&self) -> Bound<&[u8]>;
}

macro_rules! key_range {
    ($range:ty, $self:ident => $start:expr, $end:expr) => {
        impl<K: AsRef<[u8]>> KeyRange for $range {
            fn start(&$self) -> Bound<&[u8]> {
                $start
            }

            fn end(&$self) -> Bound<&[u8]> {
                $end
            }
        }
    };
}

key_range!(Range<K>, self => Bound::Included(self.start.as_ref()), Bound::Excluded(self.end.as_ref()));
key_range!(RangeInclusive<K>, self => Bound::Included((*self).start().as_ref()), Bound::Included((*self).end().as_ref()));
key_range!(RangeFrom<K>, self => Bound::Included(self.start.as_ref()), Bound::Unbounded);
key_range!(RangeTo<K>, self => Bound::Unbounded, Bound::Excluded(self.end.as_ref()));
key_range!(RangeToInclusive<K>, self => Bound::Unbounded, Bound::Included(self.end.as_ref()));
key_range!((Bound<K>, Bound<K>), self => as_bytes(&self.0), as_bytes(&self.1));

impl KeyRange for RangeFull {
    fn start(&self) -> Bound<&[u8]> {
        Bound::Unbounded
    }

    fn end(&self) -> Bound<&[u8]> {
        Bound::Unbounded
    }
}

fn as_bytes<K: AsRef<[u8]>>(bound: &Bound<K>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key.as_ref()),
        Bound::Excluded(key) => Bound::Excluded(key.as_ref()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// A half-open range of caller's keys; `None` as end is the end of the keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HalfOpen {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

impl HalfOpen {
    /// Between a key and the next one lies nothing but the key itself with a zero byte behind it.
    pub(crate) fn of(range: &(impl KeyRange + ?Sized)) -> HalfOpen {
        let start = match range.start() {
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => successor(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end() {
            Bound::Included(key) => Some(successor(key)),
            Bound::Excluded(key) => Some(key.to_vec()),
            Bound::Unbounded => None,
        };
        HalfOpen { start, end }
    }

    /// All keys that begin with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> HalfOpen {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return HalfOpen { start: prefix.to_vec(), end: Some(end) };
            }
        }
        // Nothing but 0xff bytes (or nothing at all): the range goes on to the end.
        HalfOpen { start: prefix.to_vec(), end: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// The same range as user keys of a keyspace, end exclusive.
    pub(crate) fn in_keyspace(&self, keyspace: u32) -> (Vec<u8>, Vec<u8>) {
        let start = match &self.start[..] {
            [] => keyspace_prefix(keyspace).to_vec(),
            start => user_key(keyspace, start),
        };
        let end = match &self.end {
            None => keyspace_end(keyspace).to_vec(),
            Some(end) => user_key(keyspace, end),
        };
        (start, end)
    }

    /// Whether the bounds may be written to the log.
    ///
    /// # Errors
    /// A bound is longer than a key may be.
    pub(crate) fn check(&self) -> Result<()> {
        let longest = self.start.len().max(self.end.as_ref().map_or(0, Vec::len));
        // An excluded start or an included end is one byte longer than the key it was made of.
        if longest > KEY_BYTES_MAX + 1 {
            return Err(key_too_large(longest));
        }
        Ok(())
    }
}

fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Checks a key that is about to be written.
pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0 => {
            let what = format!("a key has 1 to {KEY_BYTES_MAX} bytes; this one is empty");
            Err(Error::invalid(Reason::KeyEmpty, what))
        }
        1..=KEY_BYTES_MAX => Ok(()),
        len => Err(key_too_large(len)),
    }
}

fn key_too_large(len: usize) -> Error {
    let what = format!("a key has 1 to {KEY_BYTES_MAX} bytes; this one has {len}");
    Error::invalid(Reason::KeyTooLarge { len, max: KEY_BYTES_MAX }, what)
}

#[cfg(test)]
mod tests {
    use crate::db::bounds::{HalfOpen, KeyRange};
    use proptest::prelude::*;
    use std::ops::Bound;

    fn contains(range: &HalfOpen, key: &[u8]) -> bool {
        *range.start <= *key && range.end.as_ref().is_none_or(|end| *key < **end)
    }

    proptest! {
        #[test]
        fn a_prefix_is_exact(prefix in prop::collection::vec(250..=255_u8, 0..4), key: Vec<u8>) {
            let range = HalfOpen::prefix(&prefix);
            prop_assert_eq!(contains(&range, &key), key.starts_with(&prefix));
            let longer = [&prefix[..], &key[..]].concat();
            prop_assert!(contains(&range, &longer));
        }

        #[test]
        fn half_open_ranges_hold_what_the_bounds_say(
            start in 0..3_u8, end in 0..3_u8, from: Vec<u8>, to: Vec<u8>, key: Vec<u8>,
        ) {
            let bound = |kind: u8, key: &Vec<u8>| match kind {
                0 => Bound::Included(key.clone()),
                1 => Bound::Excluded(key.clone()),
                _ => Bound::Unbounded,
            };
            let bounds = (bound(start, &from), bound(end, &to));
            let expected = std::ops::RangeBounds::contains(&bounds, &key);
            prop_assert_eq!(contains(&HalfOpen::of(&bounds), &key), expected);
        }
    }

    #[test]
    fn every_kind_of_range_is_a_key_range() {
        let all: [&dyn KeyRange; 6] =
            [&("a".."b"), &("a"..="b"), &("a"..), &(.."b"), &(..="b"), &..];
        let ends: Vec<Option<Vec<u8>>> = all.iter().map(|range| HalfOpen::of(*range).end).collect();
        let (b, after_b) = (Some(b"b".to_vec()), Some(b"b\0".to_vec()));
        assert_eq!(ends, [b.clone(), after_b.clone(), None, b, after_b, None]);
    }

    #[test]
    fn a_range_in_a_keyspace_stays_inside_it() {
        let all = HalfOpen::of(&..).in_keyspace(3);
        assert_eq!(all, (vec![0, 0, 0, 3], vec![0, 0, 0, 4]));
        assert_eq!(HalfOpen::of(&("a"..)).in_keyspace(3).0, [0, 0, 0, 3, b'a']);
    }
}
