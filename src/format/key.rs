//! Keys inside the engine, and the order of entries.
//!
//! ```text
//! user key     := keyspace id (u32, big-endian) | the caller's key
//! internal key := user key, seqno, kind
//! ```
//!
//! Below `db/` every key is a user key: with the keyspace id in front, all keyspaces are one tree.
//! Entries sort by user key ascending, then by seqno descending, so that the newest version of a
//! key is met first. (user key, seqno) is unique: operation i of a batch has its own seqno.

use crate::format::limits::{KEYSPACE_ID_MAX, SEQNO_MAX};
use byteorder::{BigEndian, ByteOrder};
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_64;

/// The moment of a write: strictly increasing over the life of a database, 1 for the first.
pub(crate) type Seqno = u64;

/// Reads everything that was ever written.
pub(crate) const SEQNO_LATEST: Seqno = SEQNO_MAX;

/// Length of the keyspace id in front of a user key.
pub(crate) const KEYSPACE_ID_BYTES: usize = 4;

/// A user key up to this length is short.
const SHORT_USER_KEY_BYTES: usize = 64;

/// The keyspace of `db.put` and `db.get`.
pub(crate) const DEFAULT_KEYSPACE: u32 = 0;

/// What an entry says about its key. On disk: never change a number, never reuse one.
///
/// Reserved for later: 5 merge operand, 6 reference to a value elsewhere, 7 put with an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key has no value: a tombstone.
    Delete = 2,
    /// All keys from this one to the one in the value (exclusive) have none: a range tombstone.
    /// In the log only; memtables and tables keep range tombstones apart from entries.
    RangeDelete = 3,
    /// The whole keyspace is gone for ever. In the log only; it acts as a range tombstone.
    DropKeyspace = 4,
}

impl Kind {
    /// The kind with this number, if there is one.
    pub(crate) fn from_u8(number: u8) -> Option<Kind> {
        match number {
            1 => Some(Kind::Put),
            2 => Some(Kind::Delete),
            3 => Some(Kind::RangeDelete),
            4 => Some(Kind::DropKeyspace),
            _ => None,
        }
    }

    /// Its number on disk.
    pub(crate) const fn to_u8(self) -> u8 {
        self as u8
    }
}

/// Writes the user key of `key` in `keyspace` over `out`.
pub(crate) fn write_user_key(out: &mut Vec<u8>, keyspace: u32, key: &[u8]) {
    out.clear();
    out.reserve(KEYSPACE_ID_BYTES + key.len());
    out.extend_from_slice(&keyspace_prefix(keyspace));
    out.extend_from_slice(key);
}

/// The user key of `key` in `keyspace`.
pub(crate) fn user_key(keyspace: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(KEYSPACE_ID_BYTES + key.len());
    write_user_key(&mut out, keyspace, key);
    out
}

/// Calls `act` with the user key of `key` in `keyspace`. A short one is put together on the stack: a read
/// asks the allocator for nothing.
#[inline]
pub(crate) fn with_user_key<R>(keyspace: u32, key: &[u8], act: impl FnOnce(&[u8]) -> R) -> R {
    let mut room = [0; SHORT_USER_KEY_BYTES];
    let Some(own) = room.get_mut(..KEYSPACE_ID_BYTES + key.len()) else {
        return act(&user_key(keyspace, key));
    };
    let (prefix, rest) = own.split_at_mut(KEYSPACE_ID_BYTES);
    prefix.copy_from_slice(&keyspace_prefix(keyspace));
    rest.copy_from_slice(key);
    act(own)
}

/// The first bytes of every user key of `keyspace`; also the smallest bound of the keyspace.
pub(crate) fn keyspace_prefix(keyspace: u32) -> [u8; KEYSPACE_ID_BYTES] {
    let mut prefix = [0; KEYSPACE_ID_BYTES];
    BigEndian::write_u32(&mut prefix, keyspace);
    prefix
}

/// The first user key behind `keyspace`. Requires: `keyspace` is at most `KEYSPACE_ID_MAX`.
pub(crate) fn keyspace_end(keyspace: u32) -> [u8; KEYSPACE_ID_BYTES] {
    assert!(keyspace <= KEYSPACE_ID_MAX, "keyspace ids end before the largest u32");
    keyspace_prefix(keyspace + 1)
}

/// The hash of a user key for all filters. On disk: never change it.
pub(crate) fn filter_hash(user_key: &[u8]) -> u64 {
    xxh3_64(user_key)
}

/// The first eight bytes of a key as a number that sorts like them: most comparisons end here.
#[inline]
pub(crate) fn head(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => BigEndian::read_u64(first),
        None => {
            let place = |(at, &byte): (usize, &u8)| u64::from(byte) << (56 - 8 * at);
            key.iter().enumerate().map(place).sum()
        }
    }
}

/// The first sixteen bytes of a key, as [`head`].
#[inline]
pub(crate) fn wide_head(key: &[u8]) -> u128 {
    let behind = match (key.get(8..).and_then(<[u8]>::first_chunk::<8>), key.last_chunk::<8>()) {
        (Some(behind), _) => BigEndian::read_u64(behind),
        // The last eight bytes, without those that the first eight have too.
        (None, Some(last)) if key.len() > 8 => BigEndian::read_u64(last) << (8 * (16 - key.len())),
        _ => 0,
    };
    u128::from(head(key)) << 64 | u128::from(behind)
}

/// The order of two keys: that of their bytes, and the shorter one first.
///
/// The library's comparison reads 32 bytes at once, also of shorter keys. A key that is asked for was
/// written a moment ago in smaller pieces, and such a load waits for all of them: measured, half
/// of the time of a point read.
#[inline]
pub(crate) fn order(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while let (Some((one, left_rest)), Some((other, right_rest))) =
        (left.split_first_chunk::<8>(), right.split_first_chunk::<8>())
    {
        let (one, other) = (BigEndian::read_u64(one), BigEndian::read_u64(other));
        if one != other {
            return one.cmp(&other);
        }
        (left, right) = (left_rest, right_rest);
    }
    // One of them has less than eight bytes left. Equal heads: it is what the other one begins with.
    head(left).cmp(&head(right)).then_with(|| left.len().cmp(&right.len()))
}

/// What is left of a key behind a prefix; as [`slice::strip_prefix`], but see [`order`].
#[inline]
pub(crate) fn behind<'a>(key: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = key.split_at_checked(prefix.len())?;
    order(start, prefix).is_eq().then_some(rest)
}

/// The order of entries: user key ascending, then seqno descending.
pub(crate) fn compare(left: (&[u8], Seqno), right: (&[u8], Seqno)) -> Ordering {
    order(left.0, right.0).then_with(|| right.1.cmp(&left.1))
}

#[cfg(test)]
mod tests {
    use crate::format::key::{
        Kind, SHORT_USER_KEY_BYTES, compare, head, keyspace_end, user_key, wide_head, with_user_key,
    };
    use proptest::prelude::*;
    use std::cmp::Ordering;

    proptest! {
        #[test]
        fn heads_never_contradict_the_order_of_keys(
            shared in prop::collection::vec(any::<u8>(), 0..18),
            left in prop::collection::vec(0..3_u8, 0..10),
            right in prop::collection::vec(0..3_u8, 0..10),
        ) {
            let [left, right] = [left, right].map(|rest| [&shared[..], &rest].concat());
            match head(&left).cmp(&head(&right)) {
                Ordering::Equal => {}
                decided => prop_assert_eq!(decided, left.cmp(&right)),
            }
            match wide_head(&left).cmp(&wide_head(&right)) {
                Ordering::Equal => {}
                decided => prop_assert_eq!(decided, left.cmp(&right)),
            }
        }

        #[test]
        fn a_user_key_is_the_same_wherever_it_is_put_together(
            keyspace: u32, key in prop::collection::vec(any::<u8>(), 0..2 * SHORT_USER_KEY_BYTES),
        ) {
            let is_same = with_user_key(keyspace, &key, |own| own == user_key(keyspace, &key));
            prop_assert!(is_same);
        }

        #[test]
        fn user_keys_sort_by_keyspace_then_key(a: (u32, Vec<u8>), b: (u32, Vec<u8>)) {
            let order = user_key(a.0, &a.1).cmp(&user_key(b.0, &b.1));
            prop_assert_eq!(order, a.cmp(&b));
        }
    }

    #[test]
    fn newer_versions_come_first() {
        assert_eq!(compare((b"a", 9), (b"a", 8)), Ordering::Less);
        assert_eq!(compare((b"a", 1), (b"b", 8)), Ordering::Less);
    }

    #[test]
    fn a_keyspace_ends_where_the_next_begins() {
        assert!(user_key(7, &[0xff; 100])[..] < keyspace_end(7)[..]);
        assert_eq!(keyspace_end(7), [0, 0, 0, 8]);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for (number, kind) in
            [(1, Kind::Put), (2, Kind::Delete), (3, Kind::RangeDelete), (4, Kind::DropKeyspace)]
        {
            assert_eq!((Kind::from_u8(number), kind.to_u8()), (Some(kind), number));
        }
        assert_eq!((Kind::from_u8(0), Kind::from_u8(5)), (None, None));
    }
}
