//! What an examination tells: flaws, and what could be read beside them.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::key::{Kind, Seqno};
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use std::borrow::Cow;

/// User keys from `start` on, up to `end` (exclusive; `None`: without end).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

impl Span {
    /// Every user key.
    pub(crate) fn everything() -> Span {
        Span { start: Vec::new(), end: None }
    }

    /// The bounds of a table.
    pub(crate) fn of_facts(facts: &TableFacts) -> Span {
        let largest = &facts.largest;
        let end = if facts.largest_exclusive { largest.clone() } else { behind(largest) };
        Span { start: facts.smallest.clone(), end: Some(end) }
    }

    /// From `first` to `last`, both included.
    pub(crate) fn inclusive(first: &[u8], last: &[u8]) -> Span {
        Span { start: first.to_vec(), end: Some(behind(last)) }
    }
}

/// The smallest key that sorts behind `key`.
pub(crate) fn behind(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// Something in a table that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) offset: u64,
    pub(crate) what: Cow<'static, str>,
    /// The keys about which the table can no longer say everything; `None` if its entries and range
    /// tombstones do not suffer.
    pub(crate) keys: Option<Span>,
}

/// Hears what an examination finds, in the order of the file.
pub(crate) trait Witness {
    /// Something is not as it should be.
    fn flaw(&mut self, flaw: Flaw);

    /// An entry of a block whose checksum was right.
    fn entry(&mut self, _user_key: &[u8], _seqno: Seqno, _kind: Kind, _value: &[u8]) {}

    /// The range tombstones, from a block whose checksum was right.
    fn range_tombstones(&mut self, _fragments: &Fragments) {}
}
