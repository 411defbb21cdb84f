//! Keys, values and ranges as a test case writes them: few letters, shared prefixes, extremes.
//!
//! A case holds these small descriptions and not the bytes, so that a failing one can be read.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Bytes of a key or of a value.
pub(crate) type Bytes = Arc<[u8]>;

/// Longest key that the engine takes, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 65_000;

/// The letters of all keys: both ends of the alphabet, and two that are neighbours.
const LETTERS: [u8; 4] = [0x00, b'a', b'b', 0xff];

/// A key: some letters, then one letter again and again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeySpec {
    pub(crate) letters: Vec<u8>,
    pub(crate) padding: usize,
}

impl KeySpec {
    pub(crate) fn bytes(&self) -> Bytes {
        let mut bytes = self.letters.clone();
        bytes.resize(bytes.len() + self.padding, b'b');
        bytes.into()
    }

    /// The `index`th of the keys that share these letters as prefix, in an order of its own.
    pub(crate) fn numbered(&self, index: usize) -> Bytes {
        let digits = (0..4).map(|digit| LETTERS[(index >> (2 * digit)) & 3]);
        self.letters.iter().copied().chain(digits).collect()
    }
}

/// Keys that can be written.
pub(crate) fn any_key() -> impl Strategy<Value = KeySpec> {
    let letters = vec(select(&LETTERS[..]), 1..=4);
    let padding = prop_oneof![
        60 => Just(0),
        4 => 1..40_usize,
        1 => 200..3_000_usize,
        1 => Just(KEY_BYTES_MAX - 4),
    ];
    (letters, padding).prop_map(|(letters, padding)| KeySpec { letters, padding })
}

/// Keys that need not be writable: empty ones and ones beyond the limit are among them.
pub(crate) fn any_bound() -> impl Strategy<Value = KeySpec> {
    let too_long = || 64_998..65_600_usize;
    let plain = |letters: Vec<u8>| KeySpec { letters, padding: 0 };
    prop_oneof![
        20 => any_key(),
        2 => Just(plain(Vec::new())),
        1 => too_long().prop_map(|padding| KeySpec { letters: vec![b'a'], padding }),
    ]
}

/// Length of a value in bytes; what is in it depends on when it was written.
pub(crate) fn any_value_len() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => Just(0_usize),
        12 => 1..20_usize,
        8 => 100..400_usize,
        2 => 1_000..6_000_usize,
        1 => 20_000..60_000_usize,
    ]
}

/// The value that is written as the `stamp`th of a run: no two of the same length are equal, and
/// every other run of 16 bytes can be compressed away.
pub(crate) fn value(stamp: u64, len: usize) -> Bytes {
    let mut state = stamp.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 16);
    bytes.extend_from_slice(&stamp.to_le_bytes()[..4]);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
    }
    bytes.truncate(len);
    bytes.into()
}

/// A range of keys, or a prefix.
#[derive(Clone, Debug)]
pub(crate) enum Span {
    Bounds(Bound<KeySpec>, Bound<KeySpec>),
    Prefix(KeySpec),
}

impl Span {
    pub(crate) fn full() -> Span {
        Span::Bounds(Bound::Unbounded, Bound::Unbounded)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self {
            Span::Prefix(prefix) => key.starts_with(&prefix.bytes()),
            Span::Bounds(start, end) => {
                let (start, end) = (bound_bytes(start), bound_bytes(end));
                let bounds = (as_slice(&start), as_slice(&end));
                RangeBounds::<[u8]>::contains(&bounds, key)
            }
        }
    }

    /// Whether a write may name these bounds.
    pub(crate) fn is_writable(&self) -> bool {
        let fits = |bound: &Bound<KeySpec>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => key.bytes().len() <= KEY_BYTES_MAX,
            Bound::Unbounded => true,
        };
        match self {
            Span::Prefix(prefix) => prefix.bytes().len() <= KEY_BYTES_MAX,
            Span::Bounds(start, end) => fits(start) && fits(end),
        }
    }
}

pub(crate) fn bound_bytes(bound: &Bound<KeySpec>) -> Bound<Bytes> {
    match bound {
        Bound::Included(key) => Bound::Included(key.bytes()),
        Bound::Excluded(key) => Bound::Excluded(key.bytes()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Any two bounds, the wrong way round and meeting ones among them.
pub(crate) fn any_range() -> impl Strategy<Value = Span> {
    let bound = || {
        prop_oneof![
            3 => any_bound().prop_map(Bound::Included),
            2 => any_bound().prop_map(Bound::Excluded),
            2 => Just(Bound::Unbounded),
        ]
    };
    (bound(), bound()).prop_map(|(start, end)| Span::Bounds(start, end))
}

/// A range, a prefix, or everything.
pub(crate) fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![
        4 => any_range(),
        2 => any_bound().prop_map(Span::Prefix),
        2 => Just(Span::full()),
    ]
}

/// Calls a method that takes a range with the type that a caller would write these bounds as.
macro_rules! with_range {
    ($start:expr, $end:expr, $range:ident => $call:expr) => {
        match ($crate::model::keys::bound_bytes($start), $crate::model::keys::bound_bytes($end)) {
            (Bound::Included(start), Bound::Excluded(end)) => {
                let $range = start..end;
                $call
            }
            (Bound::Included(start), Bound::Included(end)) => {
                let $range = start..=end;
                $call
            }
            (Bound::Included(start), Bound::Unbounded) => {
                let $range = start..;
                $call
            }
            (Bound::Unbounded, Bound::Excluded(end)) => {
                let $range = ..end;
                $call
            }
            (Bound::Unbounded, Bound::Included(end)) => {
                let $range = ..=end;
                $call
            }
            (Bound::Unbounded, Bound::Unbounded) => {
                let $range = ..;
                $call
            }
            (start, end) => {
                let $range = (start, end);
                $call
            }
        }
    };
}
pub(crate) use with_range;
