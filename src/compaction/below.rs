//! Where older data can lie that a job does not read.
//!
//! A tombstone may go only where nothing older is left for it to hide. What is older than a job's
//! inputs and not among them lies in deeper levels, or in older runs of level 0; their tables'
//! bounds, joined, are all that is known without reading, and all that is needed.

use crate::compaction::span::Span;
use std::cmp::Ordering;

/// A set of user keys that may have older versions outside the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    /// Any key may: nothing was looked at.
    Everywhere,
    /// Only keys in these spans, which are sorted and disjoint.
    Within(Vec<Span>),
}

impl Below {
    /// Joins spans, in any order.
    pub(crate) fn within(mut spans: Vec<Span>) -> Below {
        spans.sort_unstable_by(|left, right| left.start.cmp(&right.start));
        let mut joined: Vec<Span> = Vec::new();
        for span in spans {
            match joined.last_mut() {
                Some(last) if last.overlaps(&span) => last.include(&span),
                _ => joined.push(span),
            }
        }
        Below::Within(joined)
    }

    /// Whether no key has older versions outside the job.
    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, Below::Within(spans) if spans.is_empty())
    }

    /// Whether older versions of this user key may lie outside the job.
    pub(crate) fn may_hold(&self, user_key: &[u8]) -> bool {
        self.may_touch(user_key, |span| span.start.as_slice().cmp(user_key) != Ordering::Greater)
    }

    /// Whether older versions of any key of `[start, end)` may lie outside the job.
    pub(crate) fn may_hold_any(&self, start: &[u8], end: &[u8]) -> bool {
        self.may_touch(start, |span| span.start.as_slice() < end)
    }

    fn may_touch(&self, from: &[u8], begins_in_time: impl Fn(&Span) -> bool) -> bool {
        match self {
            Below::Everywhere => true,
            Below::Within(spans) => {
                let first = spans.partition_point(|span| span.ends_before(from));
                spans.get(first).is_some_and(begins_in_time)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::compaction::below::Below;
    use crate::compaction::span::Span;

    fn span(start: &str, end: &str, end_exclusive: bool) -> Span {
        Span { start: start.into(), end: end.into(), end_exclusive }
    }

    #[test]
    fn keys_between_the_spans_have_nothing_below() {
        let below = Below::within(vec![
            span("p", "r", true),
            span("b", "d", true),
            span("c", "f", false),
            span("f", "f", false),
        ]);
        for (key, expected) in
            [("a", false), ("b", true), ("f", true), ("fa", false), ("q", true), ("r", false)]
        {
            assert_eq!(below.may_hold(key.as_bytes()), expected, "{key}");
        }
        let joined = vec![span("b", "f", false), span("p", "r", true)];
        assert_eq!(below, Below::Within(joined), "spans that share a key are one");
        assert!(!below.may_hold_any(b"g", b"p") && below.may_hold_any(b"g", b"pa"));
        assert!(below.may_hold_any(b"f", b"g") && !below.may_hold_any(b"fa", b"g"));
        assert!(!below.may_hold_any(b"r", b"z"));
        assert!(Below::within(Vec::new()).is_nowhere() && !below.is_nowhere());
        assert!(
            !Below::Everywhere.is_nowhere()
                && Below::Everywhere.may_hold(b"a")
                && Below::Everywhere.may_hold_any(b"a", b"b")
        );
    }
}
