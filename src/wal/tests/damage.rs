//! Damage inside the segments: found, told, and never a wrong batch.

use crate::error::ErrorKind;
use crate::format::checksum::crc32;
use crate::format::key::Kind;
use crate::format::limits::SEQNO_MAX;
use crate::format::ops::{Op, OpsBuffer};
use crate::format::record::{HEADER_BYTES, Place, RecordHeader, RecordType};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::wal::segment::Opening;
use crate::wal::tests::{
    DATABASE, Log, RESERVE_BYTES, corruption, directory, read, read_with, wal,
};
use crate::wal::{BatchDraft, KnownEnd, Recovery, Room, SegmentWriter, prepare};

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
            assert_eq!(replayed.is_clean(), end == cut, "cut at {cut}");
            if let [tail] = &replayed.torn_tails[..] {
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
    assert_eq!(replayed.unwrap().torn_tails[0].file, wal(3));
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
fn what_a_failed_append_left_behind_is_ignored() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let end = log.writer.end() as usize;
    log.rotate(true).put(&[b"b"]);
    let mut bytes = log.bytes(1);
    bytes[end..end + 200].fill(0xab);
    let (values, replayed) = read(&log.with(1, &bytes), &log.known);
    assert_eq!(values, log.values);
    assert!(replayed.unwrap().is_clean());
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
fn point_in_time_ends_the_log_at_the_first_damage_and_tells() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]).rotate(true).put(&[b"c"]).rotate(true).put(&[b"d"]).sync();
    let lenient = |fs: &SimulatedFileSystem| {
        let (values, replayed) =
            read_with(fs, &log.known, |request| request.recovery = Recovery::PointInTime);
        (values, replayed.unwrap().torn_tails)
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
fn a_segment_of_a_newer_format_is_unsupported() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    // A valid opening of version 9, made by hand.
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(directory()).unwrap();
    let prepared = prepare(&fs, directory(), 1, Room::once(0)).unwrap();
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

/// A whole record as no writer appends it: of any type, with any seqno, anywhere.
pub(crate) fn forged(
    (record_type, count): (RecordType, u32),
    seqno: u64,
    payload: &[u8],
    (file, offset, chain): (u64, u64, u32),
) -> Vec<u8> {
    let header = RecordHeader {
        header_crc: 0,
        payload_len: u32::try_from(payload.len()).unwrap(),
        payload_crc: crc32(payload),
        count,
        record_type,
        seqno,
        synced_upto: 0,
    };
    let mut record = vec![0; HEADER_BYTES];
    let place = Place { database: DATABASE, file, offset, chain };
    header.encode_into(record.first_chunk_mut().unwrap(), &place);
    record.extend_from_slice(payload);
    record
}

#[test]
fn an_opening_in_the_middle_of_a_segment_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let (end, chain) = (log.writer.end(), log.writer.chain());
    let opening = Opening { database: DATABASE, segment: 1, previous: None }.to_record();
    for seqno in [1, 2, 3] {
        let mut bytes = log.bytes(1);
        let record =
            forged((RecordType::Opening, 0), seqno, &opening[HEADER_BYTES..], (1, end, chain));
        bytes[end as usize..][..record.len()].copy_from_slice(&record);
        assert_eq!(corruption(read(&log.with(1, &bytes), &log.known)).offset(), Some(end));
    }
}

/// A number may be passed over; then nobody needs what its file holds. At the end it may be the log.
#[test]
fn a_segment_without_an_opening_is_damage_only_at_the_end() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let stranger = forged((RecordType::Marker, 0), 2, &[0; 8], (2, 0, 0));
    let previous = Some(log.writer.as_previous(false));
    let prepared = prepare(&log.fs, directory(), 3, Room::once(0)).unwrap();
    log.known = vec![1, 3];
    let at_the_end = log.with(2, &stranger);
    at_the_end.remove(&wal(3)).unwrap();
    assert_eq!(corruption(read(&at_the_end, &[1])).file(), Some(&*wal(2)));
    log.writer = SegmentWriter::begin(prepared, DATABASE, 1, previous).unwrap();
    log.put(&[b"b"]);
    let (values, replayed) = read(&log.with(2, &stranger), &log.known);
    assert_eq!(values, log.values);
    assert!(replayed.unwrap().is_clean());
}

#[test]
fn a_log_may_be_closed_in_a_segment_that_was_not_begun() {
    let mut log = Log::new();
    log.put(&[b"a"]).sync();
    prepare(&log.fs, directory(), 2, Room::once(RESERVE_BYTES)).unwrap();
    log.known.push(2);
    let end = KnownEnd { segment: 2, length: 0, chain: 0 };
    let (values, replayed) =
        read_with(&log.fs, &log.known, |request| request.clean_close = Some(end));
    assert_eq!(values, log.values);
    assert!(replayed.unwrap().is_clean());
}

#[test]
fn a_batch_that_does_not_go_on_with_the_next_seqno_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]);
    let (end, chain) = (log.writer.end(), log.writer.chain());
    let mut buffer = OpsBuffer::new();
    buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value: b"c" });
    for seqno in [0, 1, 2, 3, 4, 5, SEQNO_MAX, u64::MAX >> 8] {
        let record = forged((RecordType::Batch, 1), seqno, buffer.payload(), (1, end, chain));
        let mut bytes = log.bytes(1);
        bytes[end as usize..][..record.len()].copy_from_slice(&record);
        let (values, replayed) = read(&log.with(1, &bytes), &log.known);
        match seqno {
            3 => assert_eq!((values.len(), replayed.unwrap().last_seqno), (3, 3)),
            _ => assert_eq!(corruption((values, replayed)).offset(), Some(end), "seqno {seqno}"),
        }
    }
}

#[test]
fn a_segment_that_begins_with_a_seqno_that_was_used_is_corruption() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]);
    let previous = Some(log.writer.as_previous(false));
    let opening = Opening { database: DATABASE, segment: 2, previous }.to_record();
    for seqno in [0, 1, 2, 3, 4, SEQNO_MAX, SEQNO_MAX + 1] {
        let record = forged((RecordType::Opening, 0), seqno, &opening[HEADER_BYTES..], (2, 0, 0));
        let read = read(&log.with(2, &record), &[1, 2]);
        match seqno {
            // Numbers may be left out between two segments.
            3..=SEQNO_MAX => assert!(read.1.unwrap().is_clean(), "seqno {seqno}"),
            _ => assert_eq!(corruption(read).file(), Some(&*wal(2)), "seqno {seqno}"),
        }
    }
}
