//! Bytes of a manifest are cut off, flipped or replaced: the answer is the right state or an error
//! that names the file, and never another state.

use crate::error::{ErrorKind, Reason};
use crate::format::checksum::crc32;
use crate::format::limits::FORMAT_VERSION;
use crate::format::record::{HEADER_BYTES, RecordType};
use crate::fs::{FileKind, FileSystem, SimulatedFileSystem};
use crate::journal::{Draft, JournalWriter};
use crate::manifest::edit::{DecodeError, Edit};
use crate::manifest::load::{Loaded, load};
use crate::manifest::opening::Opening;
use crate::manifest::state::State;
use crate::manifest::tests::history_after;
use crate::manifest::writer::ManifestWriter;
use crate::sync::Arc;
use std::path::Path;

const PATH: &str = "/MANIFEST-000001";

/// A manifest with its bytes up to the last record, and the states with the length at which each is complete.
struct Sample {
    bytes: Vec<u8>,
    states: Vec<(usize, State)>,
}

fn sample(is_settled: bool) -> Sample {
    let disk = SimulatedFileSystem::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let mut state = State::new(7);
    state.apply(&Edit { next_file: Some(2), ..Edit::default() }).unwrap();
    let mut writer = ManifestWriter::create(&fs, Path::new("/"), 1, &state).unwrap();
    let end = |writer: &ManifestWriter| usize::try_from(writer.bytes()).unwrap();
    let mut states = vec![(end(&writer), state.clone())];
    for edit in history_after(state.clone(), 5, 8) {
        state.apply(&edit).unwrap();
        writer.append(&edit).unwrap();
        states.push((end(&writer), state.clone()));
    }
    if is_settled {
        writer.settle().unwrap();
    }
    let mut bytes = disk.read(PATH).unwrap();
    let room = bytes.split_off(end(&writer));
    assert!(room.iter().all(|&byte| byte == 0), "behind the records is nothing but room");
    Sample { bytes, states }
}

fn load_bytes(bytes: &[u8]) -> crate::error::Result<Loaded> {
    let disk = SimulatedFileSystem::new();
    disk.write_raw(PATH, bytes);
    load(&disk, Path::new("/"), 1)
}

#[test]
fn a_manifest_that_was_cut_has_the_edits_that_are_whole() {
    let Sample { bytes, states } = sample(true);
    for len in 0..=bytes.len() {
        let whole = states.iter().rev().find(|(end, _)| *end <= len);
        match (load_bytes(&bytes[..len]), whole) {
            (Ok(loaded), Some((_, state))) => assert_eq!(loaded.state, *state, "cut at {len}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Corruption, "cut at {len}"),
            (other, _) => panic!("cut at {len}: {other:?}"),
        }
    }
}

#[test]
fn a_torn_last_edit_is_reported() {
    let Sample { bytes, states } = sample(false);
    let (end, _) = states[states.len() - 2];
    let loaded = load_bytes(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(loaded.bytes, end as u64);
    assert_eq!(loaded.torn_bytes, (bytes.len() - 1 - end) as u64);
}

#[test]
fn no_flipped_bit_gives_another_state() {
    for is_settled in [false, true] {
        let Sample { mut bytes, states } = sample(is_settled);
        let (_, state) = &states[states.len() - 1];
        // Reserved room, in which a bit can be flipped too.
        bytes.resize(bytes.len() + 70, 0);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match load_bytes(&damaged) {
                Ok(loaded) => assert_eq!(loaded.state, *state, "bit {bit}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corruption, "bit {bit}: {error}");
                    assert_eq!(error.file(), Some(Path::new(PATH)), "bit {bit}: {error}");
                    assert!(error.offset().is_some(), "bit {bit}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_settled_edit_is_never_dropped() {
    let Sample { bytes, states } = sample(true);
    let (start, _) = states[states.len() - 2];
    let (end, _) = states[states.len() - 1];
    for at in start..end {
        for garbage in [0x00, 0xff, 0x5a] {
            let mut damaged = bytes.clone();
            damaged[at..end].fill(garbage);
            if damaged != bytes {
                let error = load_bytes(&damaged).expect_err("a durable edit is damaged");
                assert_eq!(error.kind(), ErrorKind::Corruption, "from {at}: {error}");
            }
        }
    }
}

#[test]
fn garbage_is_never_a_manifest() {
    for len in [0, 1, 59, 60, 4096] {
        for byte in [0x00, 0xff] {
            let error = load_bytes(&vec![byte; len]).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Corruption, Some(0)));
        }
    }
}

#[test]
fn a_manifest_belongs_to_its_name() {
    let Sample { bytes, .. } = sample(true);
    let disk = SimulatedFileSystem::new();
    disk.write_raw("/MANIFEST-000002", bytes);
    assert_eq!(load(&disk, Path::new("/"), 2).unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn a_missing_manifest_is_corruption() {
    let error = load(&SimulatedFileSystem::new(), Path::new("/"), 1).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Corruption, Some(0)));
    assert_eq!(error.file(), Some(Path::new(PATH)));
}

/// A manifest whose records are given as they are.
fn written(records: &[(RecordType, u64, Vec<u8>)]) -> Vec<u8> {
    let disk = SimulatedFileSystem::new();
    let file = disk.create_new(Path::new(PATH), FileKind::Manifest).unwrap();
    let mut journal = JournalWriter::new(file, PATH.into(), 7, 1);
    for (record_type, seqno, payload) in records {
        let mut record = vec![0; HEADER_BYTES];
        record.extend_from_slice(payload);
        let (record_type, payload_crc) = (*record_type, crc32(payload));
        let draft = Draft { record_type, payload_crc, count: 0, seqno: *seqno, synced_upto: 0 };
        journal.append(&mut record, &draft).unwrap();
    }
    disk.read(PATH).unwrap()
}

fn opening(format: u32) -> (RecordType, u64, Vec<u8>) {
    let mut payload = Vec::new();
    Opening { format, database: 7, manifest: 1 }.encode(&mut payload);
    (RecordType::Opening, 0, payload)
}

fn edit(number: u64, payload: &[u8]) -> (RecordType, u64, Vec<u8>) {
    (RecordType::Edit, number, payload.to_vec())
}

#[test]
fn a_newer_format_is_told_before_anything_else() {
    let (record_type, seqno, mut payload) = opening(FORMAT_VERSION + 1);
    payload.extend_from_slice(b"and what a later version has to say");
    let mut bytes = written(&[(record_type, seqno, payload), edit(9, b"unknown")]);
    bytes.extend_from_slice(&[0xee; 100]);
    let error = load_bytes(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let reason = Reason::NewerFormat { found: FORMAT_VERSION + 1, max: FORMAT_VERSION };
    assert_eq!(error.reason(), &reason);
}

#[test]
fn records_that_cannot_follow_are_corruption() {
    let refusal = |records: &[_]| {
        let error = load_bytes(&written(records)).unwrap_err();
        (error.kind(), error.to_string())
    };
    let is_refused = |records: &[_], why: &str| {
        let (kind, what) = refusal(records);
        assert_eq!(kind, ErrorKind::Corruption, "{what}");
        assert!(what.contains(why), "{what}");
    };
    let offset_of = |records: &[_]| load_bytes(&written(records)).unwrap_err().offset();
    let first = || opening(FORMAT_VERSION);
    let begin = written(&[first()]).len();
    assert!(load_bytes(&written(&[first(), edit(1, &[])])).is_ok());
    is_refused(&[opening(0), edit(1, &[])], "contradicts its name");
    is_refused(&[edit(1, &[])], "cut off");
    is_refused(&[first()], "snapshot");
    is_refused(&[first(), edit(2, &[])], "edit 1 of the manifest is missing");
    is_refused(&[first(), edit(1, &[]), edit(1, &[])], "edit 2 of the manifest is missing");
    is_refused(&[first(), first()], "out of its place");
    is_refused(&[first(), (RecordType::Batch, 1, vec![])], "out of its place");
    is_refused(&[first(), edit(1, &[0x81])], "malformed");
    // Which byte it is: behind a whole fact, or behind a whole edit too.
    let malformed = [0x82, 1, 7, 0x81];
    let at = (begin + HEADER_BYTES + 3) as u64;
    let position = Edit::decode(&malformed).unwrap_err();
    assert_eq!(position, DecodeError::Malformed { position: 3 });
    assert_eq!(offset_of(&[first(), edit(1, &malformed)]), Some(at));
    let behind = at + HEADER_BYTES as u64;
    assert_eq!(offset_of(&[first(), edit(1, &[]), edit(2, &malformed)]), Some(behind));
    is_refused(&[first(), edit(1, &[0x89, 1, 9])], "contradicts itself: segment 9");
    let (kind, what) = refusal(&[first(), edit(1, &[0xfe, 0])]);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(what.contains("tag 0xfe"), "{what}");
}
