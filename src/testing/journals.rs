//! Fuzz bodies for the log and the manifest.

use crate::format::checksum::crc32;
use crate::format::filename::FileName;
use crate::format::key::Kind;
use crate::format::ops::{Op, OpsBuffer, decode};
use crate::format::record::HEADER_BYTES;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::manifest::{Edit, State, load};
use crate::testing::repair;
use crate::wal::{BatchDraft, Recovery, Replay, Room, SegmentWriter, prepare, replay};
use std::path::Path;

const DATABASE: u64 = 0xdb;
const RESERVED_BYTES: u64 = 2048;

fn directory() -> &'static Path {
    Path::new("/d")
}

/// Edits of one valid log, or, behind a first byte of 1, the bytes of its only segment.
///
/// An edit is four bytes: place (u16, over all segments), how (0 to 2: invert these bits, cut the
/// segment here, zeros from here on), and with what. Accepted if the log opens as a strict one.
#[must_use]
pub fn wal_record(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        None => false,
        Some((1, segment)) => {
            let fs = empty_disk();
            let mut repaired = segment.to_vec();
            repair::journal(&mut repaired, DATABASE, 1);
            fs.write_raw(path(1), segment);
            let as_it_is = replayed(&fs, &[1], Recovery::Strict).is_some();
            fs.write_raw(path(1), repaired);
            let in_part = replayed(&fs, &[1], Recovery::PointInTime);
            let whole = replayed(&fs, &[1], Recovery::Strict);
            if let (Some(whole), Some(in_part)) = (&whole, &in_part) {
                assert_eq!(whole, in_part, "what opens strictly is all there is");
            }
            as_it_is || whole.is_some()
        }
        Some((_, edits)) => edited_log(edits),
    }
}

fn edited_log(edits: &[u8]) -> bool {
    let (fs, written) = valid_log();
    let ids = [1, 2, 3];
    let mut segments = ids.map(|id| fs.read(path(id)).unwrap_or_default());
    for edit in edits.as_chunks::<4>().0 {
        let mut at = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        for segment in &mut segments {
            if at >= segment.len() {
                at -= segment.len();
                continue;
            }
            match edit[2] {
                0 => segment[at] ^= edit[3],
                1 => segment.truncate(at),
                2 => segment[at..].fill(0),
                _ => {}
            }
            break;
        }
    }
    for (id, segment) in ids.into_iter().zip(segments) {
        fs.write_raw(path(id), segment);
    }
    let strict = replayed(&fs, &ids, Recovery::Strict);
    let in_part =
        replayed(&fs, &ids, Recovery::PointInTime).expect("any log counts up to some point");
    for values in strict.iter().chain([&in_part]) {
        assert!(written.starts_with(values), "a log gives back what was written, up to a point");
    }
    if let Some(values) = &strict {
        assert_eq!(values, &in_part, "what opens strictly is all there is");
    }
    strict.is_some()
}

/// The batches of the log, each as the values of its operations; `None` if it is damaged.
fn replayed(
    fs: &SimulatedFileSystem,
    ids: &[u64],
    recovery: Recovery,
) -> Option<Vec<Vec<Vec<u8>>>> {
    let request = Replay {
        fs,
        directory: directory(),
        database: DATABASE,
        floor: 1,
        known: ids,
        present: ids,
        clean_close: None,
        recovery,
    };
    let (mut batches, mut last_seqno) = (Vec::new(), None);
    let report = replay(&request, &mut |batch| {
        assert!(last_seqno.is_none_or(|last| batch.first_seqno > last), "seqnos ascend");
        let ops: Vec<_> = decode(batch.payload).map(|op| op.expect("replay checked it")).collect();
        last_seqno = Some(batch.first_seqno + ops.len() as u64 - 1);
        batches.push(ops.iter().map(|op| op.value.to_vec()).collect());
        Ok(())
    });
    let report = report.ok()?;
    assert_eq!(report.replayed_batches, batches.len() as u64, "the report counts them");
    Some(batches)
}

fn path(id: u64) -> std::path::PathBuf {
    FileName::Wal(id).in_directory(directory())
}

fn empty_disk() -> SimulatedFileSystem {
    let fs = SimulatedFileSystem::new();
    fs.restart_history(false);
    fs.create_dir_all(directory()).expect("an empty disk");
    fs
}

/// Three segments: synced as a whole, synced in part, not synced; and their batches.
pub(crate) fn valid_log() -> (SimulatedFileSystem, Vec<Vec<Vec<u8>>>) {
    let (fs, mut written) = (empty_disk(), Vec::new());
    let (mut previous, mut last_seqno) = (None, 0);
    for id in 1..=3 {
        let prepared =
            prepare(&fs, directory(), id, Room::once(RESERVED_BYTES)).expect("a healthy disk");
        let writer = SegmentWriter::begin(prepared, DATABASE, last_seqno, previous);
        let mut writer = writer.expect("a healthy disk");
        for number in 0..3_u64 {
            let values: Vec<Vec<u8>> =
                (0..=number).map(|own| format!("{id}.{number}.{own}").into_bytes()).collect();
            let mut batch = OpsBuffer::new();
            for value in &values {
                batch.push(&Op { kind: Kind::Put, keyspace: 0, key: b"key", value });
            }
            let synced_upto = if id < 3 && number == 2 { writer.end() } else { 0 };
            let draft = BatchDraft {
                payload_crc: crc32(batch.payload()),
                count: u32::try_from(values.len()).unwrap_or(0),
                first_seqno: last_seqno + 1,
                synced_upto,
            };
            writer.append(batch.record_mut(), &draft).expect("a healthy disk");
            last_seqno += values.len() as u64;
            written.push(values);
        }
        previous = Some(writer.as_previous(id == 1));
    }
    (fs, written)
}

/// The payload of an edit of the manifest. Accepted if it also can be true of a new database.
#[must_use]
pub fn manifest_edit(bytes: &[u8]) -> bool {
    let Ok(edit) = Edit::decode(bytes) else { return false };
    let mut again = Vec::new();
    edit.encode(&mut again);
    assert_eq!(Edit::decode(&again), Ok(edit.clone()), "an edit says the same when told again");
    let mut state = State::new(DATABASE);
    let before = state.clone();
    if state.apply(&edit).is_err() {
        assert_eq!(state, before, "an edit that cannot be changes nothing");
        return false;
    }
    let mut copy = State::new(DATABASE);
    copy.apply(&state.to_edit()).expect("a state can be told as one edit");
    assert_eq!(copy, state, "and is the same state then");
    true
}

/// A whole manifest, once as it is and once with its checksums made right.
#[must_use]
pub fn manifest(bytes: &[u8]) -> bool {
    let number = bytes.get(HEADER_BYTES + 12..).and_then(|rest| rest.first_chunk());
    let database = number.map_or(0, |raw| u64::from_le_bytes(*raw));
    let mut repaired = bytes.to_vec();
    repair::journal(&mut repaired, database, 1);
    let fs = empty_disk();
    [bytes, &repaired].into_iter().fold(false, |is_accepted, bytes| {
        fs.write_raw(FileName::Manifest(1).in_directory(directory()), bytes);
        let Ok(loaded) = load(&fs, directory(), 1) else { return is_accepted };
        assert!(loaded.bytes + loaded.torn_bytes <= bytes.len() as u64, "it read what is there");
        let mut copy = State::with_format(loaded.state.database(), loaded.state.format());
        copy.apply(&loaded.state.to_edit()).expect("a state can be told as one edit");
        assert_eq!(copy, loaded.state, "and is the same state then");
        true
    })
}
