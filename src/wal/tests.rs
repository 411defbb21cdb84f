//! Goal: the log gives back a prefix of what was appended, at least everything durable, and tells
//! what it drops; or it says `Corruption`. Never anything else.
//! Method: logs of several segments on a simulated disk, cut, flipped, swapped and crashed.

use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32;
use crate::format::key::{Kind, Seqno};
use crate::format::ops::{Op, OpsBuffer, decode};
use crate::format::record::{HEADER_BYTES, Place, RecordHeader};
use crate::fs::{CrashProfile, FileSystem, SimulatedFileSystem};
use crate::wal::{
    BatchDraft, KnownEnd, Recovery, Replay, Replayed, SegmentWriter, keep_torn, prepare, replay,
};
use std::path::{Path, PathBuf};

const DATABASE: u64 = 0xdb;
const RESERVE_BYTES: u64 = 4096;

/// A log being written, by the rules that the rooms above keep.
struct Log {
    fs: SimulatedFileSystem,
    writer: SegmentWriter,
    known: Vec<u64>,
    /// The value of every operation; that of seqno s is at s - 1.
    values: Vec<Vec<u8>>,
    /// Up to here everything is durable: in the segment, and as a seqno.
    synced: u64,
    synced_seqno: Seqno,
}

fn directory() -> &'static Path {
    Path::new("/db")
}

fn wal(id: u64) -> PathBuf {
    directory().join(format!("{id:06}.wal"))
}

impl Log {
    fn new() -> Log {
        let fs = SimulatedFileSystem::new();
        fs.create_dir_all(directory()).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        let prepared = prepare(&fs, directory(), 1, RESERVE_BYTES).unwrap();
        let writer = SegmentWriter::begin(prepared, DATABASE, 0, None).unwrap();
        Log { fs, writer, known: vec![1], values: Vec::new(), synced: 0, synced_seqno: 0 }
    }

    /// A batch with one put for each value.
    fn put(&mut self, values: &[&[u8]]) -> &mut Log {
        let mut buffer = OpsBuffer::new();
        for value in values {
            buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value });
            self.values.push(value.to_vec());
        }
        let draft = BatchDraft {
            payload_crc: crc32(buffer.payload()),
            count: u32::try_from(values.len()).unwrap(),
            first_seqno: self.writer.last_seqno() + 1,
            synced_upto: self.synced,
        };
        self.writer.append(buffer.record_mut(), &draft).unwrap();
        self
    }

    fn sync(&mut self) -> &mut Log {
        self.writer.syncer().sync().unwrap();
        (self.synced, self.synced_seqno) = (self.writer.end(), self.writer.last_seqno());
        self
    }

    fn mark(&mut self) -> &mut Log {
        self.writer.append_marker(self.synced).unwrap();
        self
    }

    /// Switches to the next segment; the old one is synced first, or never.
    fn rotate(&mut self, durable: bool) -> &mut Log {
        if durable {
            self.sync();
        }
        let id = self.writer.id() + 1;
        let prepared = prepare(&self.fs, directory(), id, RESERVE_BYTES).unwrap();
        self.known.push(id);
        let previous = Some(self.writer.as_previous(durable));
        let last_seqno = self.writer.last_seqno();
        self.writer = SegmentWriter::begin(prepared, DATABASE, last_seqno, previous).unwrap();
        self.synced = 0;
        self
    }

    fn bytes(&self, id: u64) -> Vec<u8> {
        self.fs.read(wal(id)).unwrap()
    }

    fn read(&self) -> (Vec<Vec<u8>>, Result<Replayed>) {
        read(&self.fs, &self.known)
    }

    /// A copy of the disk in which one segment has other bytes.
    fn with(&self, id: u64, bytes: &[u8]) -> SimulatedFileSystem {
        let fs = self.fs.copy();
        fs.write_raw(wal(id), bytes);
        fs
    }
}

fn read_with(
    fs: &SimulatedFileSystem,
    known: &[u64],
    adjust: impl FnOnce(&mut Replay<'_>),
) -> (Vec<Vec<u8>>, Result<Replayed>) {
    let present: Vec<u64> = fs
        .names(directory())
        .iter()
        .filter_map(|name| name.to_str().unwrap().strip_suffix(".wal")?.parse().ok())
        .collect();
    let mut request = Replay {
        fs,
        directory: directory(),
        database: DATABASE,
        floor: 1,
        known,
        present: &present,
        clean_close: None,
        recovery: Recovery::Strict,
    };
    adjust(&mut request);
    let mut values = Vec::new();
    let replayed = replay(&request, &mut |batch| {
        assert_eq!(batch.first_seqno, values.len() as u64 + 1);
        values.extend(decode(batch.payload).map(|op| op.unwrap().value.to_vec()));
        assert_eq!(values.len() as u64, batch.first_seqno + u64::from(batch.count) - 1);
        Ok(())
    });
    (values, replayed)
}

fn read(fs: &SimulatedFileSystem, known: &[u64]) -> (Vec<Vec<u8>>, Result<Replayed>) {
    read_with(fs, known, |_| {})
}

#[track_caller]
fn corruption(read: (Vec<Vec<u8>>, Result<Replayed>)) -> Error {
    let error = read.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert!(error.file().is_some() && error.offset().is_some());
    error
}

#[test]
fn batches_come_back_in_order_across_segments() {
    let mut log = Log::new();
    log.put(&[b"a", b"b"]).rotate(true).put(&[b"c"]).sync().mark().rotate(false).rotate(false);
    log.put(&[b"d", b"e", b"f"]);
    let (values, replayed) = log.read();
    let replayed = replayed.unwrap();
    assert_eq!(values, log.values);
    assert_eq!(replayed.segments, [(1, 2), (2, 3), (3, 3), (4, 6)]);
    assert_eq!((replayed.last_seqno, replayed.report.replayed_batches), (6, 3));
    assert!(replayed.report.is_clean());
}

#[test]
fn a_last_segment_cut_at_any_byte_gives_the_batches_before_the_cut() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(true);
    let mut ends = vec![(0, 1), (log.writer.end(), 1)];
    for values in [&[&b"bb~"[..], b"cc~"][..], &[b"dd~"], &[b"", b"eeee~"]] {
        log.put(values);
        ends.push((log.writer.end(), log.values.len()));
    }
    let bytes = log.bytes(2);
    for cut in 0..=log.writer.end() {
        for room in [0, 700] {
            // Zeros that were cut and are zeros again were not lost.
            let lost = bytes[cut as usize..].iter().take(room);
            let cut = cut + lost.take_while(|&&byte| byte == 0).count() as u64;
            let cut = cut.min(log.writer.end());
            let mut cut_bytes = bytes[..cut as usize].to_vec();
            cut_bytes.resize(cut as usize + room, 0);
            let (values, replayed) = read(&log.with(2, &cut_bytes), &log.known);
            let replayed = replayed.unwrap();
            let &(end, count) = ends.iter().rfind(|&&(end, _)| end <= cut).unwrap();
            assert_eq!(values, log.values[..count], "cut at {cut}");
            assert_eq!(replayed.last_seqno, count as u64);
            assert_eq!(replayed.report.is_clean(), end == cut, "cut at {cut}");
            if let [tail] = &replayed.report.torn_tails[..] {
                assert_eq!((&tail.file, tail.offset), (&wal(2), end));
                assert!(tail.bytes > 0 && tail.bytes <= cut - end);
                assert_eq!(tail.last_seqno, count as u64);
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_any_segment_never_costs_a_batch_in_silence() {
    let mut log = Log::new();
    log.put(&[b"aaa"]).rotate(true).put(&[b"b1~", b"b2~"]).rotate(false).put(&[b"ccc"]);
    for id in 1..=3 {
        let mut bytes = log.bytes(id);
        let written = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        bytes.truncate(written + 40);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (values, replayed) = read(&log.with(id, &bytes), &log.known);
            match replayed {
                Ok(_) => {
                    assert_eq!(values, log.values, "segment {id} bit {bit}");
                    assert!(bit / 8 >= written, "segment {id} bit {bit}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption),
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
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
        assert_eq!(replayed.report.torn_tails.len(), tails, "cut at {cut}");
    }
}

#[test]
fn a_gap_before_a_segment_is_corruption_where_it_was_durable() {
    type Proof = fn(&mut Log);
    let proofs: [(&str, Proof); 4] = [
        ("the next segment says so", |log| drop(log.rotate(true).put(&[b"d"]))),
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
fn segments_that_changed_places_are_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).sync().put(&[b"b"]).rotate(true).put(&[b"c"]).sync().mark();
    let fs = log.fs.copy();
    fs.write_raw(wal(1), log.bytes(2));
    fs.write_raw(wal(2), log.bytes(1));
    corruption(read(&fs, &log.known));
}

#[test]
fn a_copy_of_a_segment_under_another_number_adds_nothing() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(true).put(&[b"b"]).sync().mark();
    let fs = log.fs.copy();
    fs.write_raw(wal(3), log.bytes(2));
    let (values, replayed) = read(&fs, &log.known);
    assert_eq!(values, log.values);
    assert_eq!(replayed.unwrap().report.torn_tails[0].file, wal(3));
    let over_durable = log.with(1, &log.bytes(2));
    corruption(read(&over_durable, &log.known));
}

#[test]
fn an_older_state_of_a_durable_segment_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).sync();
    let old = log.bytes(1);
    log.put(&[b"b"]).rotate(true).put(&[b"c"]);
    corruption(read(&log.with(1, &old), &log.known));
}

#[test]
fn empty_segments_are_legal_at_the_end_and_where_they_were_passed_over() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    log.known.extend([2, 5]);
    prepare(&log.fs, directory(), 2, RESERVE_BYTES).unwrap();
    prepare(&log.fs, directory(), 9, 0).unwrap();
    let previous = Some(log.writer.as_previous(false));
    let prepared = prepare(&log.fs, directory(), 5, RESERVE_BYTES).unwrap();
    log.writer = SegmentWriter::begin(prepared, DATABASE, 1, previous).unwrap();
    log.put(&[b"b"]);
    let (values, replayed) = log.read();
    let replayed = replayed.unwrap();
    assert_eq!((values, replayed.segments), (log.values, vec![(1, 1), (5, 2)]));
    assert!(replayed.report.is_clean());
}

#[test]
fn what_a_failed_append_left_behind_is_ignored() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let end = log.writer.end() as usize;
    log.rotate(true).put(&[b"b"]);
    let mut bytes = log.bytes(1);
    bytes[end..end + 200].fill(0xab);
    let (values, replayed) = read(&log.with(1, &bytes), &log.known);
    assert_eq!(values, log.values);
    assert!(replayed.unwrap().report.is_clean());
}

#[test]
fn a_segment_with_batches_that_nothing_follows_from_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).rotate(true).put(&[b"b"]);
    // A third segment that claims to follow the first.
    let mut other = Log::new();
    other.put(&[b"a"]).sync().synced = 0;
    let prepared = prepare(&other.fs, directory(), 3, RESERVE_BYTES).unwrap();
    let previous = Some(other.writer.as_previous(true));
    other.writer = SegmentWriter::begin(prepared, DATABASE, 1, previous).unwrap();
    other.put(&[b"x"]);
    let fs = log.with(3, &other.bytes(3));
    let error = corruption(read(&fs, &[1, 2, 3]));
    assert_eq!(error.file(), Some(&*wal(2)));
}

#[test]
fn a_batch_that_does_not_hold_what_it_counts_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let mut buffer = OpsBuffer::new();
    buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value: b"v" });
    let payload_crc = crc32(buffer.payload());
    let draft = BatchDraft { payload_crc, count: 2, first_seqno: 2, synced_upto: 0 };
    let offset = log.writer.end();
    log.writer.append(buffer.record_mut(), &draft).unwrap();
    assert_eq!(corruption(log.read()).offset(), Some(offset));
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
    assert_eq!((values, replayed.unwrap().report.is_clean()), (log.values.clone(), true));
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

#[test]
fn point_in_time_ends_the_log_at_the_first_damage_and_tells() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]).rotate(true).put(&[b"c"]).rotate(true).put(&[b"d"]).sync();
    let lenient = |fs: &SimulatedFileSystem| {
        let (values, replayed) =
            read_with(fs, &log.known, |request| request.recovery = Recovery::PointInTime);
        (values, replayed.unwrap().report.torn_tails)
    };
    for (id, kept) in [(1, 1), (2, 2), (3, 3)] {
        let mut bytes = log.bytes(id);
        let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        bytes[last] ^= 0x40;
        let fs = log.with(id, &bytes);
        corruption(read(&fs, &log.known));
        let (values, tails) = lenient(&fs);
        assert_eq!(values, log.values[..kept]);
        assert_eq!(tails.len(), 4 - id as usize);
    }
    let fs = log.fs.copy();
    fs.remove(&wal(2)).unwrap();
    let (values, tails) = lenient(&fs);
    assert_eq!((values.len(), tails.len()), (2, 2), "{tails:?}");
}

#[test]
fn dropped_bytes_are_kept_beside_older_copies() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"bcd"]);
    let mut bytes = log.bytes(1);
    let end = log.writer.end() as usize;
    bytes[end - 6..].fill(0);
    let fs = log.with(1, &bytes);
    let tail = read(&fs, &log.known).1.unwrap().report.torn_tails.remove(0);
    let expected = &bytes[tail.offset as usize..][..tail.bytes as usize];
    for name in ["/db/lost/000001.wal.tail", "/db/lost/000001.wal.tail-1"] {
        assert_eq!(keep_torn(&fs, directory(), &tail).unwrap(), Some(PathBuf::from(name)));
        let after = fs.crash(CrashProfile::StrictPosix, 1);
        assert_eq!(after.read(name).unwrap(), expected);
        assert_eq!(after.read(wal(1)).unwrap(), bytes);
    }
}

#[test]
fn a_segment_of_a_newer_format_is_unsupported() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    // A valid opening of version 9, made by hand.
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(directory()).unwrap();
    let prepared = prepare(&fs, directory(), 1, 0).unwrap();
    let writer = SegmentWriter::begin(prepared, DATABASE, 0, None).unwrap();
    let mut bytes = fs.read(wal(1)).unwrap();
    bytes[40] = 9;
    bytes.truncate(writer.end() as usize);
    let place = Place { database: DATABASE, file: 1, offset: 0, chain: 0 };
    let header = RecordHeader::decode(bytes.first_chunk().unwrap(), &place).unwrap();
    let payload_crc = crc32(&bytes[HEADER_BYTES..]);
    RecordHeader { payload_crc, ..header }.encode_into(bytes.first_chunk_mut().unwrap(), &place);
    let error = read(&log.with(1, &bytes), &log.known).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % sides
    }
}

#[test]
fn after_any_crash_the_log_is_a_prefix_with_everything_durable() {
    let (mut torn, mut dropped_segments, mut whole) = (0, 0, 0);
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut log = Log::new();
        let mut unsynced = Vec::new();
        for _ in 0..dice.roll(14) {
            match dice.roll(8) {
                0 => {
                    unsynced.push(log.writer.syncer());
                    log.rotate(false);
                }
                1 | 2 => {
                    // A segment is durable only after all before it.
                    unsynced.drain(..).for_each(|syncer| syncer.sync().unwrap());
                    log.sync();
                    if dice.roll(2) == 0 {
                        log.mark();
                    }
                }
                _ => {
                    let len = [3, 40, 300, 1500][dice.roll(4) as usize];
                    let value: Vec<u8> = (0..len).map(|_| dice.roll(255) as u8 + 1).collect();
                    let values = [&value[..], b"second"];
                    log.put(&values[..1 + dice.roll(2) as usize]);
                }
            }
        }
        for profile in CrashProfile::ALL {
            let fs = log.fs.crash(profile, seed);
            let (values, replayed) = read(&fs, &log.known);
            let context = format!("seed {seed}, {profile:?}");
            let replayed = replayed.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(values, log.values[..values.len()], "{context}");
            assert!(values.len() as u64 >= log.synced_seqno, "{context}");
            assert_eq!(replayed.last_seqno, values.len() as u64, "{context}");
            torn += usize::from(!replayed.report.is_clean());
            dropped_segments += usize::from(replayed.report.torn_tails.len() > 1);
            whole += usize::from(values.len() == log.values.len());
        }
    }
    assert!(
        torn > 100 && dropped_segments > 20 && whole > 500,
        "{torn} {dropped_segments} {whole}"
    );
}
