//! Damaged, foreign and hostile files: an error with file and offset, or the same answers.
//!
//! Two kinds of damage are told apart. *Rot* changes bytes and leaves the checksums: all of it must
//! be seen. A *forged* file has right checksums over wrong bytes, as from a bug in the writer: a
//! read may then find what it finds, but nothing panics, and `verify` sees a broken promise.

use crate::error::{Error, ErrorKind};
use crate::format::checksum::{crc32, crc32_from, seed};
use crate::format::key::{Kind, SEQNO_LATEST, filter_hash};
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::format::table_facts::TableFacts;
use crate::fs::SimulatedFileSystem;
use crate::table::block::HEADER_BYTES;
use crate::table::footer::FOOTER_BYTES;
use crate::table::options::{Compression, TableOptions};
use crate::table::tests::{Entry, context, current, open, puts, walk, write};
use byteorder::{ByteOrder, LittleEndian};
use std::path::Path;

const DATABASE: u64 = 7;
const ID: u64 = 3;
const PATH: &str = "/d/000003.sst";

/// A small table with everything in it: several blocks, versions, tombstones, filter, ranges.
fn sample(compression: Compression) -> (SimulatedFileSystem, TableFacts, Vec<Entry>) {
    let fs = SimulatedFileSystem::new();
    let mut entries = puts(24);
    entries[5].2 = Kind::Delete;
    entries[5].3.clear();
    let (key, seqno, ..) = entries[9].clone();
    entries.insert(10, (key, seqno - 1, Kind::Put, b"older ".repeat(10)));
    let range = RangeTombstone { start: b"key/1".to_vec(), end: b"z".to_vec(), seqno: 4 };
    let options = TableOptions { block_bytes: 200, compression, ..TableOptions::default() };
    let facts = write(&context(&fs, DATABASE), ID, options, &entries, Fragments::build([range]));
    (fs, facts, entries)
}

/// What an error of damage must say.
fn assert_names_the_place(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Corruption, "{what}: {error}");
    assert_eq!(error.file(), Some(Path::new(PATH)), "{what}: {error}");
    assert!(error.offset().is_some(), "{what}: {error}");
}

/// Reads all of a table by all ways; every answer is right or an error that names the place.
fn assert_right_or_refused(
    fs: &SimulatedFileSystem,
    facts: &TableFacts,
    entries: &[Entry],
    what: &str,
) {
    let table = match open(&context(fs, DATABASE), facts) {
        Ok(table) => table,
        Err(error) => return assert_names_the_place(&error, what),
    };
    match walk(&table) {
        Ok(found) => assert_eq!(found, entries, "{what}"),
        Err(error) => assert_names_the_place(&error, what),
    }
    for (key, ..) in entries {
        let expected = entries.iter().find(|entry| entry.0 == *key).unwrap();
        match table.get(key, filter_hash(key), SEQNO_LATEST) {
            Ok(found) => {
                let found = found.map(|found| (found.seqno, found.kind, found.value.to_vec()));
                assert_eq!(found, Some((expected.1, expected.2, expected.3.clone())), "{what}");
            }
            Err(error) => assert_names_the_place(&error, what),
        }
    }
    match table.verify() {
        Ok(()) => panic!("{what}: every byte is under a checksum, but nothing was seen"),
        Err(error) => assert_names_the_place(&error, what),
    }
}

#[test]
fn every_flipped_byte_is_seen_and_no_answer_is_wrong() {
    for compression in [Compression::None, Compression::Zstd(3)] {
        let (fs, facts, entries) = sample(compression);
        open(&context(&fs, DATABASE), &facts).unwrap().verify().unwrap();
        for at in 0..usize::try_from(facts.size_bytes).unwrap() {
            for flip in [0x01, 0x80, 0xff] {
                let damaged = fs.copy();
                damaged.corrupt(PATH, |bytes| bytes[at] ^= flip);
                assert_right_or_refused(&damaged, &facts, &entries, &format!("byte {at}"));
            }
        }
    }
}

#[test]
fn a_file_of_another_length_is_refused() {
    let (fs, facts, _) = sample(Compression::None);
    for len in 0..facts.size_bytes {
        let damaged = fs.copy();
        damaged.truncate_raw(PATH, len);
        let cut = TableFacts { size_bytes: len, ..facts.clone() };
        for facts in [&facts, &cut] {
            let error = open(&context(&damaged, DATABASE), facts).unwrap_err();
            assert_names_the_place(&error, &format!("length {len}"));
        }
    }
    fs.corrupt(PATH, |bytes| bytes.push(0));
    assert_names_the_place(&open(&context(&fs, DATABASE), &facts).unwrap_err(), "longer");
}

#[test]
fn blocks_that_changed_places_are_seen() {
    let fs = SimulatedFileSystem::new();
    // Entries of equal length make blocks of equal length.
    let entries: Vec<Entry> =
        (0..9_u8).map(|i| (vec![b'k', i], 5, Kind::Put, vec![i; 100])).collect();
    let options = TableOptions { block_bytes: 250, ..TableOptions::default() };
    let facts = write(&context(&fs, DATABASE), ID, options, &entries, Fragments::default());
    let bytes = fs.read(PATH).unwrap();
    let places = block_places(&bytes);
    assert_eq!(places[0].1, places[1].1, "the test needs blocks of equal length");
    fs.corrupt(PATH, |bytes| {
        let (first, second) = bytes.split_at_mut(places[1].0);
        first.swap_with_slice(&mut second[..places[0].1]);
    });
    let table = open(&context(&fs, DATABASE), &facts).unwrap();
    assert_names_the_place(&walk(&table).unwrap_err(), "swapped");
    let error = table.get(b"k\0", filter_hash(b"k\0"), SEQNO_LATEST).unwrap_err();
    assert_eq!(error.offset(), Some(0));
}

#[test]
fn a_table_of_another_place_is_refused() {
    let (fs, facts, _) = sample(Compression::None);
    let refused = |database, facts: &TableFacts, expected: &str| {
        let error = open(&context(&fs, database), facts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(DATABASE + 1, &facts, "another database");
    fs.write_raw("/d/000004.sst", fs.read(PATH).unwrap());
    refused(DATABASE, &TableFacts { id: 4, ..facts.clone() }, "another number");
    refused(DATABASE, &TableFacts { id: 5, ..facts.clone() }, "missing");
    let other = TableFacts { fingerprint: facts.fingerprint ^ 1, ..facts.clone() };
    refused(DATABASE, &other, "not the one");
    let other = TableFacts { entries: facts.entries + 1, ..facts.clone() };
    refused(DATABASE, &other, "not what the manifest says");
}

/// Offset and length of each block of a file, headers included.
fn block_places(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut places, mut at) = (Vec::new(), 0);
    while at < bytes.len() - FOOTER_BYTES {
        let stored_len = LittleEndian::read_u32(&bytes[at + 4..at + 8]);
        let len = HEADER_BYTES + usize::try_from(stored_len).unwrap();
        places.push((at, len));
        at += len;
    }
    places
}

/// Changes a file and makes all checksums right again; returns facts that fit it.
fn forge(
    fs: &SimulatedFileSystem,
    facts: &TableFacts,
    change: impl FnOnce(&mut Vec<u8>),
) -> TableFacts {
    let mut facts = facts.clone();
    fs.corrupt(PATH, |bytes| {
        let places = block_places(bytes);
        change(bytes);
        let mut blocks_crc = 0;
        for (at, len) in places {
            let crc = crc32_from(seed(DATABASE, ID, at as u64), &bytes[at + 4..at + len]);
            LittleEndian::write_u32(&mut bytes[at..at + 4], crc);
            blocks_crc = crc32_from(blocks_crc, &crc.to_le_bytes());
        }
        let footer = bytes.len() - FOOTER_BYTES;
        LittleEndian::write_u32(&mut bytes[footer + 48..footer + 52], blocks_crc);
        facts.fingerprint = crc32(&bytes[footer..footer + 60]);
        LittleEndian::write_u32(&mut bytes[footer + 60..], facts.fingerprint);
    });
    facts
}

/// Reads everything and ignores the answers: only a panic is wrong.
fn read_all(fs: &SimulatedFileSystem, facts: &TableFacts, entries: &[Entry]) {
    let Ok(table) = open(&context(fs, DATABASE), facts) else { return };
    drop(table.verify());
    drop(walk(&table));
    let mut cursor = table.cursor();
    for (key, seqno, ..) in entries {
        drop(table.get(key, filter_hash(key), *seqno));
        if cursor.seek(key, *seqno).is_ok() && cursor.is_valid() {
            drop(current(&cursor));
            drop(cursor.prev());
        }
        drop(cursor.seek_back(key, *seqno));
    }
}

#[test]
fn a_forged_file_never_panics() {
    for compression in [Compression::None, Compression::Zstd(3)] {
        let (fs, facts, entries) = sample(compression);
        for at in 0..usize::try_from(facts.size_bytes).unwrap() {
            for flip in [0x01, 0x02, 0x10, 0x80, 0xff] {
                let forged = fs.copy();
                let facts = forge(&forged, &facts, |bytes| bytes[at] ^= flip);
                read_all(&forged, &facts, &entries);
            }
        }
    }
}

#[test]
fn blocks_that_are_out_of_order_are_seen_by_a_walk() {
    let fs = SimulatedFileSystem::new();
    let mut entries = puts(99);
    // All of one length, so that blocks are too.
    entries.iter_mut().for_each(|entry| entry.3 = b"value".to_vec());
    let options = TableOptions { block_bytes: 200, ..TableOptions::default() };
    let context = context(&fs, DATABASE);
    let facts = write(&context, ID, options, &entries, Fragments::default());
    let facts = forge(&fs, &facts, |bytes| {
        let places = block_places(bytes);
        let one = places[0];
        let other = *places[2..].iter().find(|place| place.1 == one.1).unwrap();
        let (head, tail) = bytes.split_at_mut(other.0);
        head[one.0..one.0 + one.1].swap_with_slice(&mut tail[..other.1]);
    });
    let table = open(&context, &facts).unwrap();
    let mut cursor = table.cursor();
    cursor.seek_first().unwrap();
    let forward = loop {
        if let Err(error) = cursor.next() {
            break error;
        }
        assert!(cursor.is_valid(), "the whole table was walked");
    };
    cursor.seek_last().unwrap();
    let backward = loop {
        if let Err(error) = cursor.prev() {
            break error;
        }
        assert!(cursor.is_valid(), "the whole table was walked");
    };
    let seek = entries.iter().find_map(|(key, seqno, ..)| cursor.seek_back(key, *seqno).err());
    for error in [forward, backward, seek.unwrap()] {
        assert_names_the_place(&error, "a walk");
        assert!(error.to_string().contains("not in order"), "{error}");
        assert!(!cursor.is_valid() || cursor.seek_first().is_ok());
    }
}

/// Forges the sample, and expects `verify` to see it.
fn assert_verify_sees(expected: &str, change: impl FnOnce(&mut Vec<u8>, &[(usize, usize)])) {
    let (fs, facts, _) = sample(Compression::None);
    let facts = forge(&fs, &facts, |bytes| {
        let places = block_places(bytes);
        change(bytes, &places);
    });
    let table = open(&context(&fs, DATABASE), &facts);
    let error = table.and_then(|table| table.verify()).unwrap_err();
    assert_names_the_place(&error, expected);
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn verify_sees_every_broken_promise() {
    let payload = |places: &[(usize, usize)], block: usize| places[block].0 + HEADER_BYTES;
    assert_verify_sees("not sorted", |bytes, places| {
        // What is left of the keys of the first block behind their prefix.
        let suffixes = b"01234";
        let found = bytes[..places[0].1].windows(5).rposition(|window| window == suffixes);
        bytes[found.unwrap()] = b'9';
    });
    assert_verify_sees("flags", |bytes, places| bytes[payload(places, 0) + 4] &= !2);
    assert_verify_sees("properties", |bytes, places| bytes[payload(places, 0) + 8] ^= 0x40);
    assert_verify_sees("denies", |bytes, places| {
        let filter = places.iter().position(|place| bytes[place.0 + 12] == 4).unwrap();
        let (at, len) = places[filter];
        bytes[at + HEADER_BYTES + 46..at + len].fill(0);
    });
}

#[test]
fn a_block_whose_checksum_is_right_but_not_the_one_of_the_footer_is_seen() {
    let (fs, facts, _) = sample(Compression::None);
    let original = fs.read(PATH).unwrap();
    let footer = original.len() - FOOTER_BYTES;
    forge(&fs, &facts, |bytes| {
        // The last byte of the first block belongs to a value.
        let (at, len) = block_places(bytes)[0];
        bytes[at + len - 1] ^= 1;
    });
    fs.corrupt(PATH, |bytes| bytes[footer..].copy_from_slice(&original[footer..]));
    let table = open(&context(&fs, DATABASE), &facts).unwrap();
    let error = table.verify().unwrap_err();
    assert_names_the_place(&error, "blocks crc");
    assert!(error.to_string().contains("those of the footer"), "{error}");
}

#[test]
fn a_length_that_no_block_can_have_is_refused_before_memory_is_taken() {
    let fs = SimulatedFileSystem::new();
    let entries = [(b"k".to_vec(), 1, Kind::Put, vec![b'x'; 4000])];
    let options = TableOptions { compression: Compression::Zstd(3), ..TableOptions::default() };
    let facts = write(&context(&fs, DATABASE), ID, options, &entries, Fragments::default());
    for (raw_len, expected) in [(u32::MAX, "contradict"), (4_001, "decompress")] {
        let forged = fs.copy();
        let facts = forge(&forged, &facts, |bytes| {
            // The lengths stand in the header of the data block and in its handle in the index.
            let lengths = bytes[4..12].to_vec();
            let places: Vec<usize> =
                (0..bytes.len() - 8).filter(|&at| bytes[at..at + 8] == lengths[..]).collect();
            assert_eq!((bytes[13], places.len()), (1, 2), "compressed data, plain index");
            for at in places {
                LittleEndian::write_u32(&mut bytes[at + 4..at + 8], raw_len);
            }
        });
        let error = open(&context(&forged, DATABASE), &facts).and_then(|table| walk(&table));
        let error = error.unwrap_err();
        assert_names_the_place(&error, "raw length");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
