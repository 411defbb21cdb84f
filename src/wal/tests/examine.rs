//! Segments by themselves, as a verification and a repair see them.

use crate::format::checksum::crc32;
use crate::format::key::{Kind, Seqno};
use crate::format::limits::SEQNO_MAX;
use crate::format::ops::{Op, OpsBuffer};
use crate::format::record::{HEADER_BYTES, RecordType};
use crate::fs::{FileKind, FileSystem, SimulatedFileSystem};
use crate::wal::BatchDraft;
use crate::wal::examine::{SegmentBegin, SegmentFile, SegmentRead, begin, examine};
use crate::wal::segment::Opening;
use crate::wal::tests::damage::forged;
use crate::wal::tests::{DATABASE, Log, wal};

/// What is handed out: the first seqno, and whether a gap lies before it.
type Given = Vec<(Seqno, bool)>;

fn with<R>(fs: &SimulatedFileSystem, id: u64, ask: impl FnOnce(&SegmentFile<'_>) -> R) -> R {
    let file = fs.open(&wal(id), FileKind::Wal).unwrap();
    ask(&SegmentFile { file: &*file, path: &wal(id), database: DATABASE, segment: id })
}

fn examined(fs: &SimulatedFileSystem, id: u64) -> (SegmentRead, Given) {
    let mut given = Given::new();
    let mut take = |seqno, _: &[u8], is_behind_gap| given.push((seqno, is_behind_gap));
    let read = with(fs, id, |segment| examine(segment, u64::MAX, &mut take));
    (read, given)
}

fn begun(fs: &SimulatedFileSystem, id: u64) -> Option<SegmentBegin> {
    with(fs, id, |segment| begin(segment).unwrap())
}

fn one_put() -> OpsBuffer {
    let mut buffer = OpsBuffer::new();
    buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value: b"v" });
    buffer
}

/// Segment 1 with one more record behind its end.
fn with_record(
    log: &Log,
    of: (RecordType, u32),
    seqno: u64,
    payload: &[u8],
) -> SimulatedFileSystem {
    let (end, chain) = (log.writer.end(), log.writer.chain());
    let record = forged(of, seqno, payload, (1, end, chain));
    let mut bytes = log.bytes(1);
    bytes[end as usize..][..record.len()].copy_from_slice(&record);
    log.with(1, &bytes)
}

#[test]
fn a_whole_segment_gives_its_batches_and_tells_how_it_begins() {
    let mut log = Log::new();
    log.put(&[b"a", b"b"]).put(&[b"c"]).sync().mark();
    let previous = Some(log.writer.as_previous(true));
    log.rotate(true).put(&[b"d"]);
    let (read, given) = examined(&log.fs, 1);
    assert_eq!((read.batches, read.last_seqno, read.torn), (2, Some(3), None));
    assert_eq!((read.gaps, given), (vec![], vec![(1, false), (3, false)]));
    let first = SegmentBegin { database: DATABASE, previous: None, first_seqno: 1 };
    assert_eq!(begun(&log.fs, 1), Some(first));
    assert_eq!(begun(&log.fs, 2), Some(SegmentBegin { previous, first_seqno: 4, ..first }));
}

#[test]
fn a_segment_without_a_whole_opening_does_not_tell() {
    let log = Log::new();
    let mut bytes = log.bytes(1);
    bytes[HEADER_BYTES + 20] ^= 1;
    assert_eq!(begun(&log.with(1, &bytes), 1), None);
    assert_eq!(begun(&log.with(1, &[]), 1), None);
    // The payload of an opening under another type of record.
    let payload = Opening { database: DATABASE, segment: 1, previous: None }.to_record();
    let stranger = forged((RecordType::Marker, 0), 1, &payload[HEADER_BYTES..], (1, 0, 0));
    assert_eq!(begun(&log.with(1, &stranger), 1), None);
}

#[test]
fn behind_damage_batches_are_given_as_such() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let start = log.writer.end();
    log.put(&[b"bb"]);
    let end = log.writer.end();
    log.put(&[b"c"]).put(&[b"d"]);
    let mut bytes = log.bytes(1);
    bytes[start as usize + HEADER_BYTES] ^= 0xff;
    bytes[start as usize + HEADER_BYTES + 3] ^= 0xff;
    let (read, given) = examined(&log.with(1, &bytes), 1);
    assert_eq!(given, [(1, false), (3, true), (4, true)]);
    assert_eq!((read.batches, read.last_seqno, read.torn), (3, Some(4), None));
    let gaps: Vec<_> = read.gaps.iter().map(|gap| (gap.offset, gap.bytes)).collect();
    assert_eq!(gaps, [(start, end - start)], "a seqno that is missing there is no second one");
}

#[test]
fn a_torn_end_is_told_apart() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let (start, mut bytes) = (log.writer.end(), log.put(&[b"bcdef"]).bytes(1));
    let end = log.writer.end();
    bytes[end as usize - 4..].fill(0);
    let (read, given) = examined(&log.with(1, &bytes), 1);
    assert_eq!((read.gaps, given), (vec![], vec![(1, false)]));
    assert_eq!(read.torn, Some((start, end - start - 4)));
}

#[test]
fn a_batch_out_of_order_is_told_and_given() {
    let mut log = Log::new();
    log.put(&[b"a"]).put(&[b"b"]);
    for seqno in [1, 2, 3, 4, SEQNO_MAX] {
        let fs = with_record(&log, (RecordType::Batch, 1), seqno, one_put().payload());
        let (read, given) = examined(&fs, 1);
        let is_right = seqno == 3;
        assert_eq!(given, [(1, false), (2, false), (seqno, !is_right)]);
        assert_eq!((read.batches, read.last_seqno), (3, Some(seqno)));
        let offsets: Vec<_> = read.gaps.iter().map(|gap| (gap.offset, gap.bytes)).collect();
        let expected = if is_right { vec![] } else { vec![(log.writer.end(), 0)] };
        assert_eq!(offsets, expected, "seqno {seqno}");
    }
    // Right by its place, but the numbers end there.
    let payload = Opening { database: DATABASE, segment: 1, previous: None }.to_record();
    let opening = forged((RecordType::Opening, 0), SEQNO_MAX, &payload[HEADER_BYTES..], (1, 0, 0));
    let chain = u32::from_le_bytes(*opening.first_chunk().unwrap());
    let place = (1, opening.len() as u64, chain);
    let last = forged((RecordType::Batch, 1), SEQNO_MAX, one_put().payload(), place);
    let (read, _) = examined(&log.with(1, &[opening, last].concat()), 1);
    assert_eq!((read.batches, read.gaps.len()), (1, 1));
}

#[test]
fn a_record_that_is_no_batch_of_the_log_is_told() {
    let mut log = Log::new();
    log.put(&[b"a"]);
    let end = log.writer.end();
    let opening = Opening { database: DATABASE, segment: 1, previous: None }.to_record();
    let opening = &opening[HEADER_BYTES..];
    for (of, payload) in [(RecordType::Opening, opening), (RecordType::Edit, &b"edit"[..])] {
        let (read, given) = examined(&with_record(&log, (of, 0), 2, payload), 1);
        assert_eq!((read.batches, given), (1, vec![(1, false)]), "{of:?}");
        assert_eq!((read.gaps.len(), read.gaps[0].offset), (1, end), "{of:?}");
    }
    // It holds one operation and counts two; what follows it goes on behind the two.
    let mut buffer = one_put();
    let payload_crc = crc32(buffer.payload());
    let draft = BatchDraft { payload_crc, count: 2, first_seqno: 2, synced_upto: 0 };
    log.writer.append(buffer.record_mut(), &draft).unwrap();
    let (read, given) = examined(&log.fs, 1);
    assert_eq!((read.batches, read.last_seqno, given), (1, Some(1), vec![(1, false)]));
    assert_eq!((read.gaps.len(), read.gaps[0].offset), (1, end));
}
