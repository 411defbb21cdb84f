//! An interval of user keys, with the two kinds of end that tables have.

use crate::format::table_facts::TableFacts;
use crate::sync::Arc;
use std::cmp::Ordering;

/// From `start` (inside) to `end` (inside or not). Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    /// Whether `end` itself is outside.
    pub(crate) end_exclusive: bool,
}

impl Span {
    /// The bounds of a table.
    pub(crate) fn of(table: &TableFacts) -> Span {
        Span {
            start: table.smallest.clone(),
            end: table.largest.clone(),
            end_exclusive: table.largest_exclusive,
        }
    }

    /// The smallest span around all of these tables; `None` if there are none.
    pub(crate) fn around<'a>(
        tables: impl IntoIterator<Item = &'a Arc<TableFacts>>,
    ) -> Option<Span> {
        let mut tables = tables.into_iter();
        let mut span = Span::of(tables.next()?);
        for table in tables {
            span.include(&Span::of(table));
        }
        Some(span)
    }

    /// Grows until it contains `other` as well.
    pub(crate) fn include(&mut self, other: &Span) {
        if other.start < self.start {
            self.start.clone_from(&other.start);
        }
        if self.compare_ends(other) == Ordering::Less {
            self.end.clone_from(&other.end);
            self.end_exclusive = other.end_exclusive;
        }
    }

    /// The order of ends: an inclusive end lies behind the exclusive one at the same key.
    pub(crate) fn compare_ends(&self, other: &Span) -> Ordering {
        (self.end.as_slice(), !self.end_exclusive)
            .cmp(&(other.end.as_slice(), !other.end_exclusive))
    }

    /// Whether all of it is smaller than this user key.
    pub(crate) fn ends_before(&self, user_key: &[u8]) -> bool {
        if self.end_exclusive {
            self.end.as_slice() <= user_key
        } else {
            self.end.as_slice() < user_key
        }
    }

    /// Whether both share a user key.
    pub(crate) fn overlaps(&self, other: &Span) -> bool {
        !self.ends_before(&other.start) && !other.ends_before(&self.start)
    }

    /// Whether it shares a user key with the bounds of this table.
    pub(crate) fn touches(&self, table: &TableFacts) -> bool {
        !self.ends_before(&table.smallest) && !table.ends_before(&self.start)
    }
}

/// The tables of a sorted level that share a user key with `span`.
pub(crate) fn touched<'a>(tables: &'a [Arc<TableFacts>], span: &Span) -> &'a [Arc<TableFacts>] {
    let from = tables.partition_point(|table| table.ends_before(&span.start));
    let count = tables[from..].partition_point(|table| !span.ends_before(&table.smallest));
    &tables[from..from + count]
}

#[cfg(test)]
mod tests {
    use crate::compaction::span::Span;

    fn span(start: &str, end: &str, end_exclusive: bool) -> Span {
        Span { start: start.into(), end: end.into(), end_exclusive }
    }

    #[test]
    fn an_inclusive_end_lies_behind_an_exclusive_one() {
        let mut grown = span("b", "d", true);
        grown.include(&span("c", "d", false));
        assert_eq!(grown, span("b", "d", false));
        grown.include(&span("a", "d", true));
        assert_eq!(grown, span("a", "d", false));
    }

    #[test]
    fn spans_that_meet_at_an_exclusive_end_do_not_overlap() {
        assert!(!span("a", "c", true).overlaps(&span("c", "d", false)));
        assert!(span("a", "c", false).overlaps(&span("c", "d", false)));
        assert!(span("c", "d", false).overlaps(&span("a", "c", false)));
    }
}
