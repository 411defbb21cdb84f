//! What a fuzz target does with its bytes: decode them, and hold the decoder to its promises.
//!
//! A body panics when a promise is broken, and otherwise says whether the bytes were what they
//! claim to be. One promise is common to all: the formats have one spelling, so whatever decodes
//! encodes to the same bytes again.

use crate::format::checksum::{crc32_from, seed};
use crate::format::codec::Reader;
use crate::format::filename::FileName;
use crate::format::key::SEQNO_LATEST;
use crate::format::ops::{OpsBuffer, decode};
use crate::format::range_tombstone::Fragments;
use crate::format::record::{HEADER_BYTES, Place, RecordHeader};
use crate::format::table_facts::TableFacts;
use std::ffi::OsStr;

/// A name in a database directory.
#[must_use]
pub fn filename(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(name) = FileName::parse(OsStr::new(text)) else { return false };
    assert_eq!(name.to_string(), text, "a file has one name");
    true
}

/// The payload of a batch: operations.
#[must_use]
pub fn ops(bytes: &[u8]) -> bool {
    let mut again = OpsBuffer::new();
    let mut broken_at = None;
    for op in decode(bytes) {
        assert_eq!(broken_at, None, "nothing is decoded behind the first error");
        match op {
            Ok(op) => again.push(&op),
            Err(offset) => broken_at = Some(offset),
        }
    }
    let whole = &bytes[..broken_at.unwrap_or(bytes.len())];
    assert_eq!(again.payload(), whole, "operations encode to the bytes that they came from");
    broken_at.is_none()
}

/// A block of range tombstones.
#[must_use]
pub fn range_tombstone(bytes: &[u8]) -> bool {
    const FRAGMENTED_AGAIN_MAX: u64 = 1_000;
    let fragments = match Fragments::decode(bytes) {
        Ok(fragments) => fragments,
        Err(offset) => {
            assert!(offset < bytes.len(), "an error is somewhere in the bytes");
            return false;
        }
    };
    let mut again = Vec::new();
    fragments.encode(&mut again);
    assert_eq!(again, bytes, "fragments encode to the bytes that they came from");
    for fragment in fragments.iter() {
        let newest = fragments.covering(&fragment.start, SEQNO_LATEST);
        assert_eq!(newest, fragment.newest_at(SEQNO_LATEST), "a fragment covers its start");
        let behind = fragments.at(&fragment.end).map(|next| next.start.as_slice());
        assert!(behind.is_none_or(|start| start == fragment.end), "an end is exclusive");
    }
    // A tombstone is repeated with its bounds, so a few bytes can stand for many.
    if fragments.count() <= FRAGMENTED_AGAIN_MAX && bytes.len() <= 1 << 12 {
        let rebuilt = Fragments::build(fragments.tombstones());
        for fragment in fragments.iter() {
            let newest = rebuilt.covering(&fragment.start, SEQNO_LATEST);
            assert_eq!(newest, fragment.newest_at(SEQNO_LATEST), "cutting again changes nothing");
        }
    }
    true
}

/// A record: header and payload. The header crc is made right first, because no fuzzer finds one.
#[must_use]
pub fn record(bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
    let place = Place { database: 1, file: 2, offset: 3, chain: 4 };
    let place_crc = crc32_from(seed(1, 2, 3), &place.chain.to_le_bytes());
    let mut header = *header;
    let crc = crc32_from(place_crc, &header[4..]);
    header[..4].copy_from_slice(&crc.to_le_bytes());

    let elsewhere = Place { offset: 2, ..place };
    assert_eq!(RecordHeader::decode(&header, &elsewhere), None, "a record has one place");
    let Some(decoded) = RecordHeader::decode(&header, &place) else { return false };
    let mut again = [0; HEADER_BYTES];
    assert_eq!(decoded.encode_into(&mut again, &place), crc, "the crc is the next link");
    assert_eq!(again, header, "a header encodes to the bytes that it came from");
    decoded.matches(payload)
}

/// What a manifest says about a table.
#[must_use]
pub fn table_facts(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    let Some(facts) = TableFacts::decode(&mut reader) else { return false };
    let mut again = Vec::new();
    facts.encode(&mut again);
    assert_eq!(again, bytes[..reader.position()], "facts encode to the bytes they came from");
    assert!(facts.contains(&facts.smallest), "a table contains its smallest key");
    assert!(facts.overlaps(&facts), "a table overlaps itself");
    assert_eq!(facts.contains(&facts.largest), !facts.largest_exclusive, "an end is exclusive");
    reader.is_done()
}
