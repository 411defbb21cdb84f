//! Which keys a command works on: `--from`, `--to` and `--prefix` as one range.

use std::ops::Bound;

/// A range of keys whose ends are known only at run time.
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The keys that are at least `from`, below `to`, and begin with `prefix`.
pub(crate) fn bounds(from: Option<Vec<u8>>, to: Option<Vec<u8>>, prefix: Option<&[u8]>) -> Bounds {
    let (first, after) = match prefix {
        Some(prefix) => (Some(prefix.to_vec()), after_prefix(prefix)),
        None => (None, None),
    };
    // `None < Some`, so the larger start is simply the maximum; an absent end is the largest.
    let start = from.max(first);
    let end = match (to, after) {
        (Some(to), Some(after)) => Some(to.min(after)),
        (to, after) => to.or(after),
    };
    (start.map_or(Bound::Unbounded, Bound::Included), end.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The smallest key above all keys that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// Whether the range is empty whatever the database holds.
pub(crate) fn is_empty(bounds: &Bounds) -> bool {
    match bounds {
        (Bound::Included(start), Bound::Excluded(end)) => start >= end,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::bounds::{bounds, is_empty};
    use std::ops::{Bound, RangeBounds};

    fn holds(from: Option<&str>, to: Option<&str>, prefix: Option<&[u8]>, key: &[u8]) -> bool {
        let owned = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let range = bounds(owned(from), owned(to), prefix);
        !is_empty(&range) && range.contains(&key.to_vec())
    }

    #[test]
    fn the_three_limits_hold_together() {
        for from in [None, Some("ab"), Some("c")] {
            for to in [None, Some("b"), Some("abz"), Some("")] {
                for prefix in [None, Some(&b""[..]), Some(b"a"), Some(b"ab\xff"), Some(b"\xff")] {
                    for key in [&b"a"[..], b"ab", b"abc", b"ab\xff", b"ab\xff\xff", b"b", b"\xff"] {
                        let wanted = from.is_none_or(|from| key >= from.as_bytes())
                            && to.is_none_or(|to| key < to.as_bytes())
                            && prefix.is_none_or(|prefix| key.starts_with(prefix));
                        let case = (from, to, prefix, key);
                        assert_eq!(holds(from, to, prefix, key), wanted, "{case:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_limit_is_the_whole_database() {
        assert_eq!(bounds(None, None, None), (Bound::Unbounded, Bound::Unbounded));
    }
}
