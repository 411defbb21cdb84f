//! "Journals: the record" and "The log" of the page.

use crate::bytes::{Bytes, crc32};
use crate::{Found, user_key};

pub(crate) struct Record<'a> {
    pub(crate) kind: u64,
    pub(crate) count: u64,
    pub(crate) seqno: u64,
    pub(crate) payload: &'a [u8],
}

/// The records of a journal up to the zeros or the end; also where it ends and its chain value.
pub(crate) fn records(file: &[u8], database: u64, id: u64) -> (Vec<Record<'_>>, u64, u64) {
    let (mut records, mut offset, mut chain) = (Vec::new(), 0, 0);
    while file.len() >= offset + 32 && file[offset..offset + 32] != [0; 32] {
        let mut header = Bytes(&file[offset..offset + 32]);
        let header_crc = header.uint(4);
        let place = [database, id, offset as u64].map(u64::to_le_bytes).concat();
        let before = u32::try_from(chain).unwrap().to_le_bytes();
        assert_eq!(header_crc, crc32(&[&place, &before, header.0]), "at {offset} of {id}");
        let (len, payload_crc) = (header.len_of(4), header.uint(4));
        let (count, kind, seqno) = (header.uint(3), header.uint(1), header.uint(8));
        assert!(header.uint(8) <= offset as u64, "only what is before can be durable");
        let payload = &file[offset + 32..offset + 32 + len];
        assert_eq!(payload_crc, crc32(&[payload]));
        records.push(Record { kind, count, seqno, payload });
        (chain, offset) = (header_crc, offset + 32 + len);
    }
    assert!(file[offset..].iter().all(|byte| *byte == 0), "zeros to the end of the file");
    (records, offset as u64, chain)
}

/// What the next segment says about one: number, length, last seqno, chain value.
pub(crate) type End = (u64, u64, u64, u64);

/// Adds the operations of a segment. Gives back its end, or that of the one before if it is empty.
pub(crate) fn read_segment(
    file: &[u8],
    database: u64,
    id: u64,
    before: Option<End>,
    found: &mut Found,
) -> Option<End> {
    let (records, length, chain) = records(file, database, id);
    let Some((opening, records)) = records.split_first() else { return before };
    assert_eq!(opening.kind, 1);
    let mut payload = Bytes(opening.payload);
    assert_eq!(payload.take(8), b"siltWAL\0");
    assert_eq!(payload.uint(4), 1, "format version");
    let flags = payload.uint(4);
    assert_eq!((payload.uint(8), payload.uint(8)), (database, id));
    let previous = (payload.uint(8), payload.uint(8), payload.uint(8), payload.uint(4));
    if let Some(before) = before {
        assert_eq!((flags & 1, previous), (1, before), "it links to the segment before");
    }
    assert_eq!(payload.uint(4), 0);
    let mut next = opening.seqno;
    for record in records {
        match record.kind {
            2 => {
                assert_eq!(record.seqno, next, "no gap in seqnos");
                read_batch(record, found);
                next += record.count;
            }
            3 => {
                let mut place = Bytes(record.payload);
                assert_eq!((place.uint(8), place.uint(8)), (database, id));
            }
            other => panic!("a record of type {other} in the log"),
        }
    }
    Some((id, length, next - 1, chain))
}

fn read_batch(record: &Record<'_>, found: &mut Found) {
    let (mut payload, mut seqno) = (Bytes(record.payload), record.seqno);
    while !payload.is_empty() {
        let kind = payload.uint(1);
        let keyspace = u32::try_from(payload.varint()).unwrap();
        let (key_len, value_len) = (payload.varint(), payload.varint());
        let key = payload.take(usize::try_from(key_len).unwrap());
        let value = payload.take(usize::try_from(value_len).unwrap()).to_vec();
        let end_of_keyspace = || user_key(keyspace + 1, b"");
        match kind {
            1 => found.versions.push((user_key(keyspace, key), seqno, Some(value))),
            2 => found.versions.push((user_key(keyspace, key), seqno, None)),
            3 => {
                let end =
                    if value.is_empty() { end_of_keyspace() } else { user_key(keyspace, &value) };
                found.ranges.push((user_key(keyspace, key), end, seqno));
            }
            4 => found.ranges.push((user_key(keyspace, b""), end_of_keyspace(), seqno)),
            other => panic!("an operation of kind {other}"),
        }
        seqno += 1;
    }
    assert_eq!(seqno - record.seqno, record.count);
}
