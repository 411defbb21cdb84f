//! The edit: what one record of the manifest says. Facts, never intents.
//!
//! ```text
//! edit := fact*
//! fact := tag u8 | len varint | bytes[len]
//!
//! 0x81 next file      id varint                 every file id below it was given out
//! 0x82 last seqno     seqno varint              every seqno up to it was given out
//! 0x83 next keyspace  id varint                 every keyspace id below it was given out
//! 0x84 opened         (empty)                   the clean close before is history
//! 0x85 table removed  level u8, id varint
//! 0x86 table added    level u8, table facts     see format/table_facts.rs
//! 0x87 keyspace dropped  id varint
//! 0x88 keyspace created  id varint, name (the rest)
//! 0x89 segment        id varint                 this WAL segment exists; it may be empty
//! 0x8a WAL floor      id varint                 no segment below it is needed
//! 0x8b clean close    segment varint, length varint, chain u32
//! ```
//!
//! Never change a number, never reuse one. The high bit says that a reader that does not know the
//! tag must refuse the manifest; a fact with an unknown tag below 0x80 is skipped. Facts of one
//! edit are true together, so their order says nothing; the order of writing is the one above. A
//! fact that can be true only once (the counters, the floor, `opened`, the clean close) stands at
//! most once in an edit.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_prefixed, put_u32, put_varint};
use crate::format::key::Seqno;
use crate::format::limits::KEYSPACE_NAME_BYTES_MAX;
use crate::format::table_facts::TableFacts;

const TAG_NEXT_FILE: u8 = 0x81;
const TAG_LAST_SEQNO: u8 = 0x82;
const TAG_NEXT_KEYSPACE: u8 = 0x83;
const TAG_OPENED: u8 = 0x84;
const TAG_REMOVED: u8 = 0x85;
const TAG_ADDED: u8 = 0x86;
const TAG_KEYSPACE_DROPPED: u8 = 0x87;
const TAG_KEYSPACE_CREATED: u8 = 0x88;
const TAG_SEGMENT: u8 = 0x89;
const TAG_WAL_FLOOR: u8 = 0x8a;
const TAG_CLEAN_CLOSE: u8 = 0x8b;

/// A tag with this bit may not be skipped.
const MUST_UNDERSTAND: u8 = 0x80;

/// A keyspace and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyspaceFacts {
    pub(crate) id: u32,
    /// 1 to [`KEYSPACE_NAME_BYTES_MAX`] bytes.
    pub(crate) name: String,
}

/// Where the WAL ended when the database was closed in good order: a log that is shorter, longer
/// or different is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanClose {
    /// The newest segment.
    pub(crate) segment: u64,
    /// Its length up to the end of its last record, in bytes.
    pub(crate) length: u64,
    /// The header crc of its last record.
    pub(crate) chain: u32,
}

/// Facts that become true together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Tables that now exist, with their level. A table that moves is removed and added at once.
    pub(crate) added: Vec<(u8, TableFacts)>,
    /// Level and id of tables that are no longer part of the database.
    pub(crate) removed: Vec<(u8, u64)>,
    /// Every file id below it was given out.
    pub(crate) next_file: Option<u64>,
    /// Every seqno up to it was given out.
    pub(crate) last_seqno: Option<Seqno>,
    /// No WAL segment below it is needed.
    pub(crate) wal_floor: Option<u64>,
    /// WAL segments that now exist, maybe still empty.
    pub(crate) segments: Vec<u64>,
    pub(crate) keyspaces_created: Vec<KeyspaceFacts>,
    pub(crate) keyspaces_dropped: Vec<u32>,
    /// Every keyspace id below it was given out.
    pub(crate) next_keyspace: Option<u32>,
    /// The database was closed in good order.
    pub(crate) clean_close: Option<CleanClose>,
    /// The database was opened for writing: an earlier clean close is history.
    pub(crate) opened: bool,
}

/// Why bytes are not an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// The fact that begins at `position` cannot be.
    Malformed { position: usize },
    /// A newer version wrote a fact that must not be skipped.
    UnknownFact { tag: u8 },
}

impl Edit {
    /// Appends the edit.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut fact = FactWriter { out, body: Vec::new() };
        let counters = [
            (TAG_NEXT_FILE, self.next_file),
            (TAG_LAST_SEQNO, self.last_seqno),
            (TAG_NEXT_KEYSPACE, self.next_keyspace.map(u64::from)),
        ];
        for (tag, value) in counters {
            if let Some(value) = value {
                fact.put(tag, |body| put_varint(body, value));
            }
        }
        if self.opened {
            fact.put(TAG_OPENED, |_| {});
        }
        for &(level, id) in &self.removed {
            fact.put(TAG_REMOVED, |body| {
                body.push(level);
                put_varint(body, id);
            });
        }
        for (level, table) in &self.added {
            fact.put(TAG_ADDED, |body| {
                body.push(*level);
                table.encode(body);
            });
        }
        for &id in &self.keyspaces_dropped {
            fact.put(TAG_KEYSPACE_DROPPED, |body| put_varint(body, u64::from(id)));
        }
        for keyspace in &self.keyspaces_created {
            fact.put(TAG_KEYSPACE_CREATED, |body| {
                put_varint(body, u64::from(keyspace.id));
                body.extend_from_slice(keyspace.name.as_bytes());
            });
        }
        for &id in &self.segments {
            fact.put(TAG_SEGMENT, |body| put_varint(body, id));
        }
        if let Some(id) = self.wal_floor {
            fact.put(TAG_WAL_FLOOR, |body| put_varint(body, id));
        }
        if let Some(close) = &self.clean_close {
            fact.put(TAG_CLEAN_CLOSE, |body| {
                put_varint(body, close.segment);
                put_varint(body, close.length);
                put_u32(body, close.chain);
            });
        }
    }

    /// Reads an edit back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Edit, DecodeError> {
        let mut edit = Edit::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_done() {
            let malformed = DecodeError::Malformed { position: reader.position() };
            let tag = reader.u8().ok_or(malformed)?;
            let mut body = Reader::new(reader.prefixed().ok_or(malformed)?);
            match edit.take_fact(tag, &mut body) {
                Taken::Fact(Some(())) if body.is_done() => {}
                Taken::Fact(_) => return Err(malformed),
                Taken::Unknown if tag & MUST_UNDERSTAND == 0 => {}
                Taken::Unknown => return Err(DecodeError::UnknownFact { tag }),
            }
        }
        Ok(edit)
    }

    fn take_fact(&mut self, tag: u8, body: &mut Reader<'_>) -> Taken {
        Taken::Fact(match tag {
            TAG_NEXT_FILE => once(&mut self.next_file, body.varint()),
            TAG_LAST_SEQNO => once(&mut self.last_seqno, body.varint()),
            TAG_NEXT_KEYSPACE => once(&mut self.next_keyspace, body.varint_u32()),
            TAG_OPENED if self.opened => None,
            TAG_OPENED => {
                self.opened = true;
                Some(())
            }
            TAG_REMOVED => removed(body).map(|fact| self.removed.push(fact)),
            TAG_ADDED => added(body).map(|fact| self.added.push(fact)),
            TAG_KEYSPACE_DROPPED => body.varint_u32().map(|id| self.keyspaces_dropped.push(id)),
            TAG_KEYSPACE_CREATED => keyspace(body).map(|fact| self.keyspaces_created.push(fact)),
            TAG_SEGMENT => body.varint().map(|id| self.segments.push(id)),
            TAG_WAL_FLOOR => once(&mut self.wal_floor, body.varint()),
            TAG_CLEAN_CLOSE => once(&mut self.clean_close, clean_close(body)),
            _ => return Taken::Unknown,
        })
    }
}

enum Taken {
    /// `None`: the bytes are not what the tag says.
    Fact(Option<()>),
    Unknown,
}

/// Frames facts: the body is built first, because its length stands before it.
struct FactWriter<'a> {
    out: &'a mut Vec<u8>,
    body: Vec<u8>,
}

impl FactWriter<'_> {
    fn put(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.body.clear();
        write(&mut self.body);
        self.out.push(tag);
        put_prefixed(self.out, &self.body);
    }
}

fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value?);
    Some(())
}

fn removed(body: &mut Reader<'_>) -> Option<(u8, u64)> {
    Some((body.u8()?, body.varint()?))
}

fn added(body: &mut Reader<'_>) -> Option<(u8, TableFacts)> {
    Some((body.u8()?, TableFacts::decode(body)?))
}

fn keyspace(body: &mut Reader<'_>) -> Option<KeyspaceFacts> {
    let id = body.varint_u32()?;
    let name = body.rest();
    let name_fits = (1..=KEYSPACE_NAME_BYTES_MAX).contains(&name.len());
    let name = std::str::from_utf8(name).ok()?.to_owned();
    name_fits.then_some(KeyspaceFacts { id, name })
}

fn clean_close(body: &mut Reader<'_>) -> Option<CleanClose> {
    Some(CleanClose { segment: body.varint()?, length: body.varint()?, chain: body.u32()? })
}

#[cfg(test)]
mod tests {
    use crate::format::table_facts::TableFacts;
    use crate::manifest::edit::{CleanClose, DecodeError, Edit, KeyspaceFacts};
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;

    fn any_table() -> impl Strategy<Value = TableFacts> {
        let numbers = (any::<[u64; 5]>(), any::<u32>(), 1..9_u64, any::<bool>());
        (numbers, vec(any::<u8>(), 0..20), vec(any::<u8>(), 1..20)).prop_map(
            |((n, fingerprint, entries, largest_exclusive), smallest, more)| TableFacts {
                id: n[0],
                size_bytes: n[1],
                entries,
                deletes: entries / 2,
                range_deletes: n[2],
                raw_bytes: n[3],
                min_seqno: n[4] / 2,
                max_seqno: n[4],
                fingerprint,
                largest: [smallest.as_slice(), more.as_slice()].concat(),
                smallest,
                largest_exclusive,
            },
        )
    }

    prop_compose! {
        fn any_edit()(
            added in vec((any::<u8>(), any_table()), 0..4),
            removed in vec(any::<(u8, u64)>(), 0..4),
            counters in any::<(Option<u64>, Option<u64>, Option<u64>, Option<u32>, bool)>(),
            segments in vec(any::<u64>(), 0..3),
            created in vec((any::<u32>(), "[a-zß]{1,20}"), 0..3),
            keyspaces_dropped in vec(any::<u32>(), 0..3),
            close in of(any::<(u64, u64, u32)>()),
        ) -> Edit {
            let (next_file, last_seqno, wal_floor, next_keyspace, opened) = counters;
            Edit {
                added, removed, next_file, last_seqno, wal_floor, segments,
                keyspaces_created:
                    created.into_iter().map(|(id, name)| KeyspaceFacts { id, name }).collect(),
                keyspaces_dropped, next_keyspace,
                clean_close: close
                    .map(|(segment, length, chain)| CleanClose { segment, length, chain }),
                opened,
            }
        }
    }

    fn encoded(edit: &Edit) -> Vec<u8> {
        let mut out = Vec::new();
        edit.encode(&mut out);
        out
    }

    proptest! {
        #[test]
        fn an_edit_round_trips(edit in any_edit()) {
            prop_assert_eq!(Edit::decode(&encoded(&edit)), Ok(edit));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            drop(Edit::decode(&bytes));
        }

        #[test]
        fn a_damaged_edit_decodes_without_panic(
            edit in any_edit(), at: prop::sample::Index, byte: u8,
        ) {
            let mut bytes = encoded(&edit);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                drop(Edit::decode(&bytes));
            }
        }

        #[test]
        fn facts_of_a_later_version_are_skipped_where_the_tag_allows(
            edit in any_edit(), tag in 0..0x80_u8, body in vec(any::<u8>(), 0..100),
        ) {
            let mut bytes = vec![tag, u8::try_from(body.len()).unwrap()];
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(&encoded(&edit));
            prop_assert_eq!(Edit::decode(&bytes), Ok(edit));
        }
    }

    #[test]
    fn an_unknown_fact_that_matters_is_refused() {
        assert_eq!(Edit::decode(&[0xff, 0]), Err(DecodeError::UnknownFact { tag: 0xff }));
    }

    #[test]
    fn facts_that_cannot_be_are_refused() {
        let malformed = |bytes: &[u8], position| {
            assert_eq!(Edit::decode(bytes), Err(DecodeError::Malformed { position }), "{bytes:?}");
        };
        malformed(&[0x81], 0); // no length
        malformed(&[0x81, 2, 9], 0); // cut off
        malformed(&[0x81, 0], 0); // no number
        malformed(&[0x81, 2, 9, 9], 0); // bytes left over
        malformed(&[0x84, 1, 0], 0);
        malformed(&[0x81, 1, 9, 0x81, 1, 9], 3); // twice
        malformed(&[0x84, 0, 0x84, 0], 2); // twice
        malformed(&[0x88, 1, 4], 0); // no name
        malformed(&[0x88, 2, 4, 0xff], 0); // not UTF-8
        malformed(&[0x83, 6, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], 0);
    }

    #[test]
    fn the_numbers_on_disk_never_change() {
        let edit = Edit {
            removed: vec![(2, 300)],
            next_file: Some(5),
            last_seqno: Some(6),
            wal_floor: Some(7),
            segments: vec![8],
            keyspaces_created: vec![KeyspaceFacts { id: 9, name: "n".to_owned() }],
            keyspaces_dropped: vec![10],
            next_keyspace: Some(11),
            clean_close: Some(CleanClose { segment: 1, length: 2, chain: 0x0403_0201 }),
            opened: true,
            added: Vec::new(),
        };
        let bytes = [
            &[0x81, 1, 5, 0x82, 1, 6, 0x83, 1, 11, 0x84, 0, 0x85, 3, 2, 0xac, 2, 0x87, 1, 10][..],
            &[0x88, 2, 9, b'n', 0x89, 1, 8, 0x8a, 1, 7, 0x8b, 6, 1, 2, 1, 2, 3, 4],
        ]
        .concat();
        assert_eq!(encoded(&edit), bytes);
    }
}
