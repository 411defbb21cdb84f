//! Iterators and cursors that are held open over later operations, each with what it has still to give.

use crate::model::keys::Bytes;
use crate::model::ops::CursorMove;
use siltstone::{Cursor, Iter, Slice};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An open iterator, and what it has still to give.
pub(crate) struct HeldIter {
    pub(crate) iter: Iter,
    pub(crate) rest: VecDeque<(Bytes, Bytes)>,
    pub(crate) is_stale: bool,
}

/// An open cursor, everything in its range, and how many entries lie before its gap.
pub(crate) struct HeldCursor {
    pub(crate) cursor: Cursor,
    pub(crate) entries: Vec<(Bytes, Bytes)>,
    pub(crate) gap: usize,
}

impl HeldIter {
    /// Takes one entry from the front or the back, and checks it.
    pub(crate) fn advance(&mut self, forward: bool) -> Option<(Slice, Slice)> {
        let found = if forward { self.iter.next() } else { self.iter.next_back() };
        let found = found.transpose().unwrap();
        let expected = if forward { self.rest.pop_front() } else { self.rest.pop_back() };
        assert_entry(found.as_ref().map(|(key, value)| (&**key, &**value)), expected.as_ref());
        found
    }
}

impl HeldCursor {
    /// Makes a move of one or more steps, and checks each.
    pub(crate) fn make(&mut self, step: &CursorMove, transcript: &mut Vec<u64>) {
        let entries = &self.entries;
        match step {
            CursorMove::Next(count) => {
                for _ in 0..*count {
                    let expected = entries.get(self.gap);
                    let found = self.cursor.next().unwrap();
                    assert_entry(found, expected);
                    transcript.push(fingerprint(&found));
                    self.gap += usize::from(expected.is_some());
                }
            }
            CursorMove::Prev(count) => {
                for _ in 0..*count {
                    let expected = self.gap.checked_sub(1).map(|before| &entries[before]);
                    let found = self.cursor.prev().unwrap();
                    assert_entry(found, expected);
                    transcript.push(fingerprint(&found));
                    self.gap -= usize::from(expected.is_some());
                }
            }
            CursorMove::Seek(key) => {
                let key = key.bytes();
                self.cursor.seek(&key);
                self.gap = entries.partition_point(|(before, _)| *before < key);
            }
            CursorMove::SeekToStart => {
                self.cursor.seek_to_start();
                self.gap = 0;
            }
            CursorMove::SeekToEnd => {
                self.cursor.seek_to_end();
                self.gap = entries.len();
            }
        }
    }
}

pub(crate) fn assert_entry(found: Option<(&[u8], &[u8])>, expected: Option<&(Bytes, Bytes)>) {
    let expected = expected.map(|(key, value)| (&**key, &**value));
    if found != expected {
        let show = |entry: Option<(&[u8], &[u8])>| {
            entry.map(|(key, value)| (short(Some(key)), short(Some(value))))
        };
        panic!("found {:?}, expected {:?}", show(found), show(expected));
    }
}

/// The beginning of some bytes, and how many there are: enough to tell what was found.
pub(crate) fn short(bytes: Option<&[u8]>) -> Option<(usize, Vec<u8>)> {
    bytes.map(|bytes| (bytes.len(), bytes[..bytes.len().min(12)].to_vec()))
}

pub(crate) fn fingerprint(read: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.hash(&mut hasher);
    hasher.finish()
}
