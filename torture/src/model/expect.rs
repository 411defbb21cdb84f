//! What a map of a life says must be found, and whether it is.

use crate::model::keys::value;
use siltstone::{Iter, Slice};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The number of a write, and the length of its value: `value` makes the bytes of both.
pub(crate) type Written = (u64, usize);

pub(crate) type Map = BTreeMap<Vec<u8>, Written>;

pub(crate) fn entry((key, written): (&Vec<u8>, &Written)) -> (Vec<u8>, Vec<u8>) {
    (key.clone(), value(written.0, written.1).to_vec())
}

pub(crate) fn assert_entry(
    found: Option<siltstone::Result<(Slice, Slice)>>,
    expected: Option<(&Vec<u8>, &Written)>,
) {
    let found = found.transpose().unwrap();
    let found = found.map(|(key, value)| (key.to_vec(), value.to_vec()));
    assert!(found == expected.map(entry), "found {found:?}, expected {expected:?}");
}

pub(crate) fn assert_scan(
    mut iter: Iter,
    map: &Map,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    from_back: bool,
    steps: usize,
) {
    let mut expected = map.range::<[u8], _>(bounds);
    for _ in 0..steps {
        let (found, expected) = match from_back {
            true => (iter.next_back(), expected.next_back()),
            false => (iter.next(), expected.next()),
        };
        assert_entry(found, expected);
        if expected.is_none() {
            return;
        }
    }
}

/// A get found what the map has, or nothing.
pub(crate) fn assert_value(key: &[u8], found: Option<Slice>, expected: Option<&Written>) {
    let expected = expected.map(|written| value(written.0, written.1));
    let is_right = found.as_deref() == expected.as_deref();
    assert!(
        is_right,
        "{}: {:?}, not {:?}",
        key.escape_ascii(),
        found.map(short),
        expected.map(short)
    );
}

/// Length and beginning of some bytes.
fn short(bytes: impl AsRef<[u8]>) -> (usize, Vec<u8>) {
    let bytes = bytes.as_ref();
    (bytes.len(), bytes[..bytes.len().min(12)].to_vec())
}
