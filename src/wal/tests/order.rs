//! Which segments count, and in which order.

use crate::error::ErrorKind;
use crate::fs::{CrashProfile, FileSystem, SimulatedFileSystem};
use crate::fs::{Fault, FaultFileSystem, Operation, Trigger};
use crate::wal::report::TornTail;
use crate::wal::tests::{
    DATABASE, Log, RESERVE_BYTES, corruption, directory, read, read_with, wal,
};
use crate::wal::{KnownEnd, Room, SegmentWriter, keep_torn, prepare};
use std::path::PathBuf;

#[test]
fn batches_come_back_in_order_across_segments() {
    let mut log = Log::new();
    log.put(&[b"a", b"b"]).rotate(true).put(&[b"c"]).sync().mark().rotate(false).rotate(false);
    log.put(&[b"d", b"e", b"f"]);
    let (values, replayed) = log.read();
    let replayed = replayed.unwrap();
    assert_eq!(values, log.values);
    assert_eq!((replayed.last_seqno, replayed.replayed_batches), (6, 3));
    assert_eq!(replayed.replayed_bytes, log.payload_bytes);
    assert!(replayed.is_clean());
}

#[test]
fn a_gap_before_a_segment_drops_it_where_nothing_was_durable() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]);
    let kept = log.writer.end();
    log.put(&[b"c"]).rotate(false).put(&[b"d"]).rotate(false).put(&[b"e"]);
    let bytes = log.bytes(1);
    for (cut, count, tails) in [(kept, 2, 2), (kept + 9, 2, 3), (0, 0, 2), (20, 0, 3)] {
        let mut cut_bytes = bytes[..cut as usize].to_vec();
        cut_bytes.resize(4096, 0);
        let (values, replayed) = read(&log.with(1, &cut_bytes), &log.known);
        let replayed = replayed.unwrap();
        assert_eq!(values, log.values[..count], "cut at {cut}");
        assert_eq!(replayed.last_seqno, count as u64);
        assert_eq!(replayed.torn_tails.len(), tails, "cut at {cut}");
    }
}

#[test]
fn a_gap_before_a_segment_is_corruption_where_it_was_durable() {
    type Proof = fn(&mut Log);
    let proofs: [(&str, Proof); 4] = [
        ("the next segment says so", |log| {
            log.rotate(true).put(&[b"d"]);
        }),
        ("a record of the next segment was durable", |log| {
            let first = log.writer.syncer();
            log.rotate(false).put(&[b"d"]);
            first.sync().unwrap();
            log.sync().put(&[b"e"]);
        }),
        ("a later segment says so", |log| {
            let first = log.writer.syncer();
            log.rotate(false).put(&[b"d"]);
            first.sync().unwrap();
            log.rotate(true).put(&[b"e"]);
        }),
        ("a marker says so", |log| {
            let first = log.writer.syncer();
            log.rotate(false);
            first.sync().unwrap();
            log.sync().mark();
        }),
    ];
    for (what, proof) in proofs {
        let mut log = Log::new();
        log.put(&[b"a"]).put(&[b"b"]);
        let (kept, end) = (log.writer.end(), log.writer.end() + 9);
        log.put(&[b"c"]);
        proof(&mut log);
        for cut in [kept, end, 0, 20] {
            let mut cut_bytes = log.bytes(1)[..cut as usize].to_vec();
            cut_bytes.resize(4096, 0);
            let error = corruption(read(&log.with(1, &cut_bytes), &log.known));
            assert_eq!(error.file(), Some(&*wal(1)), "{what}, cut at {cut}");
        }
    }
}

#[test]
fn a_missing_segment_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(false).put(&[b"b"]).rotate(false).put(&[b"c"]).rotate(false);
    for id in 1..=4 {
        let fs = log.fs.copy();
        fs.remove(&wal(id)).unwrap();
        let error = corruption(read(&fs, &log.known));
        assert_eq!(error.file(), Some(&*wal(id)));
    }
}

#[test]
fn empty_segments_are_legal_at_the_end_and_where_they_were_passed_over() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    log.known.extend([2, 5]);
    prepare(&log.fs, directory(), 2, Room::once(RESERVE_BYTES)).unwrap();
    prepare(&log.fs, directory(), 9, Room::once(0)).unwrap();
    let previous = Some(log.writer.as_previous(false));
    let prepared = prepare(&log.fs, directory(), 5, Room::once(RESERVE_BYTES)).unwrap();
    log.writer = SegmentWriter::begin(prepared, DATABASE, 1, previous).unwrap();
    log.put(&[b"b"]);
    let (values, replayed) = log.read();
    let replayed = replayed.unwrap();
    assert_eq!((values, replayed.last_seqno), (log.values, 2));
    assert!(replayed.is_clean());
}

#[test]
fn a_segment_with_batches_that_nothing_follows_from_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(true).put(&[b"b"]);
    // A third segment that claims to follow the first.
    let mut other = Log::new();
    other.put(&[b"a"]).sync().synced = 0;
    let prepared = prepare(&other.fs, directory(), 3, Room::once(RESERVE_BYTES)).unwrap();
    let previous = Some(other.writer.as_previous(true));
    other.writer = SegmentWriter::begin(prepared, DATABASE, 1, previous).unwrap();
    other.put(&[b"x"]);
    let fs = log.with(3, &other.bytes(3));
    let error = corruption(read(&fs, &[1, 2, 3]));
    assert_eq!(error.file(), Some(&*wal(2)));
}

#[test]
fn a_clean_close_must_be_found_as_it_was_left() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(true).put(&[b"b"]).sync().mark().sync();
    let (segment, length, chain) = (2, log.writer.end(), log.writer.chain());
    let end = KnownEnd { segment, length, chain };
    let read_closed = |fs: &SimulatedFileSystem, known: &[u64], end: KnownEnd| {
        read_with(fs, known, |request| request.clean_close = Some(end))
    };
    let (values, replayed) = read_closed(&log.fs, &log.known, end);
    assert_eq!((values, replayed.unwrap().is_clean()), (log.values.clone(), true));
    let bytes = log.bytes(2);
    for cut in 0..length as usize {
        let mut cut_bytes = bytes[..cut].to_vec();
        cut_bytes.resize(4096, 0);
        if cut_bytes[..length as usize] != bytes[..length as usize] {
            corruption(read_closed(&log.with(2, &cut_bytes), &log.known, end));
        }
    }
    corruption(read_closed(&log.fs, &log.known, KnownEnd { chain: chain ^ 1, ..end }));
    log.rotate(true).put(&[b"c"]);
    corruption(read_closed(&log.fs, &log.known, end));
}

/// A log whose second and last batch lacks its end: the disk, the bytes of the segment, and what was
/// dropped.
fn torn(last: &[u8]) -> (SimulatedFileSystem, Vec<u8>, TornTail) {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[last]);
    let mut bytes = log.bytes(1);
    let end = log.writer.end() as usize;
    bytes[end - 6..].fill(0);
    let fs = log.with(1, &bytes);
    let tail = read(&fs, &log.known).1.unwrap().torn_tails.remove(0);
    (fs, bytes, tail)
}

#[test]
fn dropped_bytes_are_kept_beside_older_copies() {
    let (fs, bytes, tail) = torn(b"bcd");
    let expected = &bytes[tail.offset as usize..][..tail.bytes as usize];
    for name in ["/db/lost/000001.wal.tail", "/db/lost/000001.wal.tail-1"] {
        assert_eq!(keep_torn(&fs, directory(), &tail).unwrap(), Some(PathBuf::from(name)));
        let after = fs.crash(CrashProfile::StrictPosix, 1);
        assert_eq!(after.read(name).unwrap(), expected);
        assert_eq!(after.read(wal(1)).unwrap(), bytes);
    }
}

#[test]
fn a_long_tail_is_kept_whole() {
    let value: Vec<u8> = (0..700_000_u32).map(|index| (index % 251) as u8).collect();
    let (fs, bytes, tail) = torn(&value);
    assert!(tail.offset > 0 && tail.bytes > 690_000, "{tail:?}");
    let kept = keep_torn(&fs, directory(), &tail).unwrap().unwrap();
    assert!(fs.read(kept).unwrap() == bytes[tail.offset as usize..][..tail.bytes as usize]);
}

#[test]
fn a_copy_that_cannot_be_created_says_why() {
    let (fs, _, tail) = torn(b"bcd");
    let faulty = FaultFileSystem::new(fs);
    faulty.set(Trigger::on(Operation::CreateNew), Fault::NoSpace);
    let error = keep_torn(&faulty, directory(), &tail).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    assert_eq!(error.file().unwrap(), directory().join("lost/000001.wal.tail"));
    assert_eq!(faulty.hits().len(), 1, "it did not look for another name");
}

/// A disk that is nearly full would keep a piece of the marker, which looks like a torn commit.
#[test]
fn a_marker_that_has_no_room_leaves_nothing_behind() {
    let mut log = Log::new();
    let begin = log.writer.end();
    log.put(&[b""]);
    let overhead = log.writer.end() - begin;
    // Ten bytes of the reserved room are left, and nothing of the disk.
    let rest = RESERVE_BYTES - log.writer.end() - overhead - 10;
    log.put(&[&vec![b'x'; usize::try_from(rest).unwrap()]]).sync();
    log.fs.set_capacity(Some(1 << 20));
    let used = (1 << 20) - log.fs.free_space(directory()).unwrap();
    log.fs.set_capacity(Some(used));
    let (end, before) = (log.writer.end(), log.bytes(1));
    assert_eq!(log.writer.reserve_marker().unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!((log.writer.end(), log.bytes(1)), (end, before));
    log.fs.set_capacity(None);
    log.writer.reserve_marker().unwrap();
    log.mark().put(&[b"more"]);
    let (values, replayed) = log.read();
    assert!(values == log.values && replayed.unwrap().is_clean());
}
