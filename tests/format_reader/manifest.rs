//! "The manifest" of the page.

use crate::bytes::{Bytes, crc32};
use crate::journal::records;
use std::collections::{BTreeMap, BTreeSet};

/// What the manifest says about a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) size: u64,
    pub(crate) entries: u64,
    pub(crate) deletes: u64,
    pub(crate) range_deletes: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) min_seqno: u64,
    pub(crate) max_seqno: u64,
    pub(crate) fingerprint: u64,
    pub(crate) largest_is_exclusive: bool,
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) database: u64,
    pub(crate) tables: BTreeMap<u64, Facts>,
    pub(crate) segments: BTreeSet<u64>,
    pub(crate) keyspaces: BTreeMap<u64, String>,
    pub(crate) clean_close: Option<(u64, u64, u64)>,
}

/// The name of the manifest.
pub(crate) fn current(file: &[u8]) -> String {
    let line = std::str::from_utf8(file).unwrap().strip_suffix('\n').unwrap();
    let (name, crc) = line.split_once(' ').unwrap();
    assert_eq!(crc, format!("{:08x}", crc32(&[name.as_bytes()])));
    name.to_owned()
}

pub(crate) fn read(file: &[u8], id: u64) -> State {
    // "magic 8 B, format version u32, database u64", in the payload behind the first header.
    let database = Bytes(&file[32 + 8 + 4..]).uint(8);
    let (records, _, _) = records(file, database, id);
    let (opening, edits) = records.split_first().unwrap();
    let mut payload = Bytes(opening.payload);
    assert_eq!((opening.kind, payload.take(8)), (1, &b"siltMAN\0"[..]));
    assert_eq!((payload.uint(4), payload.uint(8), payload.uint(8)), (1, database, id));
    let mut state = State { database, ..State::default() };
    let mut number = 0;
    for record in edits {
        if record.kind == 3 {
            continue;
        }
        assert_eq!(record.kind, 4);
        number += 1;
        assert_eq!(record.seqno, number, "edits are numbered from 1");
        let mut payload = Bytes(record.payload);
        let mut facts = Vec::new();
        while !payload.is_empty() {
            let tag = payload.uint(1);
            facts.push((tag, Bytes(payload.prefixed())));
        }
        // They become true together: what goes before what comes.
        facts.sort_by_key(|(tag, _)| *tag);
        facts.into_iter().for_each(|(tag, body)| state.take(tag, body));
    }
    state
}

impl State {
    fn take(&mut self, tag: u64, mut body: Bytes<'_>) {
        match tag {
            0x81..=0x83 => drop(body.varint()),
            0x84 => self.clean_close = None,
            0x85 => {
                let (_level, id) = (body.uint(1), body.varint());
                assert!(self.tables.remove(&id).is_some(), "only what is there is removed");
            }
            0x86 => {
                let _level = body.uint(1);
                let id = body.varint();
                assert!(self.tables.insert(id, facts(&mut body)).is_none());
            }
            0x87 => assert!(self.keyspaces.remove(&body.varint()).is_some()),
            0x88 => {
                let id = body.varint();
                let name = String::from_utf8(body.take(body.0.len()).to_vec()).unwrap();
                self.keyspaces.insert(id, name);
            }
            0x89 => assert!(self.segments.insert(body.varint())),
            0x8a => {
                let floor = body.varint();
                self.segments.retain(|&id| id >= floor);
            }
            0x8b => self.clean_close = Some((body.varint(), body.varint(), body.uint(4))),
            other => assert!(other < 0x80, "fact {other:#x} is for a newer reader"),
        }
        assert!(tag < 0x80 || body.is_empty());
    }
}

fn facts(body: &mut Bytes<'_>) -> Facts {
    let numbers = [(); 7].map(|()| body.varint());
    let [size, entries, deletes, range_deletes, raw_bytes, min_seqno, max_seqno] = numbers;
    let (fingerprint, flags) = (body.uint(4), body.uint(1));
    assert!(flags <= 1);
    Facts {
        size,
        entries,
        deletes,
        range_deletes,
        raw_bytes,
        min_seqno,
        max_seqno,
        fingerprint,
        largest_is_exclusive: flags == 1,
        smallest: body.prefixed().to_vec(),
        largest: body.prefixed().to_vec(),
    }
}
