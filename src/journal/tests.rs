//! Goal: a journal gives back what was appended, and never fewer records without a word.
//! Method: files in memory, cut, flipped, zeroed and garbled at every place.

use crate::error::{ErrorKind, Result};
use crate::format::checksum::crc32;
use crate::format::record::{HEADER_BYTES, RecordHeader, RecordType};
use crate::fs::{Append, ReadAt, Syncer};
use crate::journal::pieces::PIECE_BYTES;
use crate::journal::{Diagnosis, Draft, End, JournalWriter, Records, Source, replay};
use crate::sync::{Arc, Mutex};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) const DATABASE: u64 = 0xdb;
pub(crate) const FILE: u64 = 7;

/// Bytes in memory that are a file. An append that would pass `room` fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Arc<Mutex<Vec<u8>>>,
    pub(crate) room: Arc<Mutex<Option<usize>>>,
    /// What was asked of `reserve`, whether there was room or not.
    pub(crate) reserved: Arc<Mutex<Vec<u64>>>,
}

impl Append for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.bytes.lock();
        let room = self.room.lock().unwrap_or(usize::MAX) - file.len();
        file.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        unreachable!("these tests sync nothing")
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.reserved.lock().push(bytes);
        match *self.room.lock() {
            Some(room) if bytes > room as u64 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn len(&self) -> u64 {
        self.bytes.lock().len() as u64
    }
}

/// A file whose reads fail from an offset on.
#[derive(Debug)]
struct Read {
    bytes: Vec<u8>,
    fails_from: u64,
}

impl ReadAt for Read {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.fails_from {
            return Err(io::Error::other("a bad sector"));
        }
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.bytes[start..start + buffer.len()]);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// A journal being made: payloads and where each record ends.
pub(crate) struct Journal {
    pub(crate) memory: Memory,
    pub(crate) writer: JournalWriter,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) ends: Vec<u64>,
}

impl Journal {
    pub(crate) fn new() -> Journal {
        let memory = Memory::default();
        let path = PathBuf::from("000007.wal");
        let writer = JournalWriter::new(Box::new(memory.clone()), path, DATABASE, FILE);
        Journal { memory, writer, payloads: Vec::new(), ends: vec![0] }
    }

    pub(crate) fn put(&mut self, payload: &[u8], synced_upto: u64) -> &mut Journal {
        append(&mut self.writer, payload, synced_upto).unwrap();
        self.payloads.push(payload.to_vec());
        self.ends.push(self.writer.end());
        self
    }

    /// Appends a record that states everything before it to be durable.
    pub(crate) fn put_synced(&mut self, payload: &[u8]) -> &mut Journal {
        self.put(payload, self.writer.end())
    }

    pub(crate) fn mark(&mut self) -> &mut Journal {
        self.writer.append_marker(self.writer.end()).unwrap();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.memory.bytes.lock().clone()
    }
}

pub(crate) fn append(writer: &mut JournalWriter, payload: &[u8], synced_upto: u64) -> Result<u64> {
    let mut record = vec![0; HEADER_BYTES];
    record.extend_from_slice(payload);
    let record_type = RecordType::Batch;
    let payload_crc = crc32(payload);
    writer.append(&mut record, &Draft { record_type, payload_crc, count: 1, seqno: 1, synced_upto })
}

/// What `ask` makes of these bytes as a file.
pub(crate) fn with_source<R>(bytes: &[u8], ask: impl FnOnce(&mut Source<'_>) -> R) -> R {
    let file = Read { bytes: bytes.to_vec(), fails_from: u64::MAX };
    ask(&mut Source {
        file: &file,
        path: Path::new("000007.wal"),
        database: DATABASE,
        file_id: FILE,
        durable_upto: 0,
        limit: u64::MAX,
        is_plausible: |_, _| true,
    })
}

/// Payloads of the batches, and how it ended.
pub(crate) fn read_with(
    bytes: &[u8],
    adjust: impl FnOnce(&mut Source<'_>),
) -> (Vec<Vec<u8>>, Result<End>) {
    with_source(bytes, |source| {
        adjust(source);
        let mut payloads = Vec::new();
        let end = replay(source, &mut |record| {
            if record.header.record_type == RecordType::Batch {
                payloads.push(record.payload.to_vec());
            }
            Ok(())
        });
        (payloads, end)
    })
}

pub(crate) fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<End>) {
    read_with(bytes, |_| {})
}

pub(crate) fn is_corruption(end: &Result<End>) -> bool {
    end.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corruption)
}

pub(crate) fn is_torn(end: &Result<End>) -> bool {
    matches!(end, Ok(End::Torn { .. }))
}

/// Bytes without a pattern. Each has two bits set at least, so no single flip makes it zero.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.to_le_bytes()[6] | 3
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_was_appended_is_read_back() {
    let mut journal = Journal::new();
    journal.put(b"one", 0).put(b"", 0).put_synced(&noise(3 * PIECE_BYTES, 1)).mark().put(b"x", 3);
    let (payloads, end) = read(&journal.bytes());
    assert_eq!(payloads, journal.payloads);
    let (offset, chain) = (journal.writer.end(), journal.writer.chain());
    assert_eq!(end.unwrap(), End::Clean { offset, chain });
}

#[test]
fn zeros_behind_the_last_record_are_reserved_room() {
    let mut journal = Journal::new();
    journal.put(b"one", 0);
    let (offset, chain) = (journal.writer.end(), journal.writer.chain());
    for room in [1, 31, 32, 600, PIECE_BYTES + 5] {
        let mut bytes = journal.bytes();
        bytes.resize(bytes.len() + room, 0);
        let (payloads, end) = read(&bytes);
        assert_eq!((payloads.len(), end.unwrap()), (1, End::Clean { offset, chain }));
    }
    for empty in [vec![], vec![0; 4096]] {
        assert_eq!(read(&empty).1.unwrap(), End::Clean { offset: 0, chain: 0 });
    }
}

#[test]
fn a_file_cut_at_any_byte_gives_the_whole_records_before_the_cut() {
    let mut journal = Journal::new();
    for len in [0, 1, 40, 7, 600, 0, 33] {
        journal.put(&noise(len, len as u64), 0);
    }
    let bytes = journal.bytes();
    for cut in 0..=bytes.len() {
        for room in [0, 2000] {
            // Zeros that were cut and are zeros again were not lost.
            let zeros = bytes[cut..].iter().take(room).take_while(|&&byte| byte == 0).count();
            let cut = cut + zeros;
            let whole = journal.ends.iter().rposition(|&end| end <= cut as u64).unwrap();
            let mut cut_bytes = bytes[..cut].to_vec();
            cut_bytes.resize(cut + room, 0);
            let (payloads, end) = read(&cut_bytes);
            assert_eq!(payloads, journal.payloads[..whole], "cut at {cut}");
            let is_clean = journal.ends[whole] == cut as u64;
            let end = end.unwrap();
            assert_eq!(matches!(end, End::Clean { .. }), is_clean, "cut at {cut}: {end:?}");
        }
    }
}

#[test]
fn a_flipped_bit_never_costs_a_record_in_silence() {
    let mut journal = Journal::new();
    journal.put(&noise(30, 1), 0).put(&noise(300, 2), 0).put_synced(&noise(9, 3));
    journal.put(&noise(700, 4), 0).put(b"", 0).put(&noise(50, 5), 0);
    let mut bytes = journal.bytes();
    let written = bytes.len();
    bytes.resize(written + 700, 0);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (payloads, end) = read(&bytes);
        let is_told = is_corruption(&end);
        assert!(is_told || (payloads == journal.payloads && bit / 8 >= written), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_flipped_bit_behind_a_marker_is_found_by_the_marker_too() {
    // Two flipped bits, so that no repair explains them: only the marker can tell.
    let mut journal = Journal::new();
    journal.put(&noise(30, 1), 0).put(&noise(100, 2), 0).mark();
    let bytes = journal.bytes();
    let (start, end) = (journal.ends[0] as usize, journal.ends[2] as usize);
    for first in (start..end).step_by(3) {
        for second in (first + 1..end).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[first] ^= 0x10;
            damaged[second] ^= 0x02;
            assert!(is_corruption(&read(&damaged).1), "bytes {first} and {second}");
        }
    }
}

#[test]
fn a_lost_sector_below_a_later_synced_upto_is_rot() {
    let mut journal = Journal::new();
    journal.put(&noise(2000, 1), 0).put(&noise(2000, 2), 0).put(&noise(100, 3), 0);
    let synced = journal.ends[3];
    journal.put(&noise(100, 4), synced).put(&noise(10, 5), synced);
    let bytes = journal.bytes();
    for garbage in [vec![0; 512], noise(512, 9)] {
        for sector in 0..journal.ends[3] as usize / 512 {
            let mut damaged = bytes.clone();
            damaged[sector * 512..][..512].copy_from_slice(&garbage);
            assert!(is_corruption(&read(&damaged).1), "sector {sector}");
        }
    }
}

#[test]
fn sectors_lost_among_records_that_were_never_synced_are_a_tear() {
    let mut journal = Journal::new();
    journal.put(&noise(400, 1), 0).put_synced(&noise(1500, 2));
    let synced = journal.ends[1];
    for seed in 3..20 {
        journal.put(&noise(300, seed), synced);
    }
    let bytes = journal.bytes();
    for lost in synced as usize / 512 + 1..bytes.len() / 512 {
        let mut torn = bytes.clone();
        torn[lost * 512..][..512].fill(0);
        let (payloads, end) = read(&torn);
        let whole = journal.ends.iter().rposition(|&end| end <= lost as u64 * 512).unwrap();
        assert_eq!(payloads, journal.payloads[..whole]);
        assert!(is_torn(&end), "sector {lost}: {end:?}");
    }
}

#[test]
fn a_bit_alone_in_a_lost_sector_is_a_tear() {
    // The second record's payload reaches into the next sector with one byte that has one bit.
    let mut journal = Journal::new();
    let mut payload = noise(512 - 2 * HEADER_BYTES - 40, 1);
    payload.push(0x20);
    journal.put(&noise(40, 2), 0).put(&payload, 0);
    let mut bytes = journal.bytes();
    assert_eq!(bytes.len(), 513);
    bytes[512] = 0;
    bytes.resize(2048, 0);
    let (payloads, end) = read(&bytes);
    assert_eq!(payloads.len(), 1);
    assert!(is_torn(&end));
    bytes[511] ^= 1;
    bytes[512] = 0x20;
    assert!(is_corruption(&read(&bytes).1), "the same in a full sector is rot");
}

#[test]
fn a_last_byte_of_one_bit_that_is_missing_is_a_cut_append() {
    let mut journal = Journal::new();
    journal.put(&noise(40, 1), 0).put(b"ends with a blank ", 0);
    let mut bytes = journal.bytes();
    let last = bytes.len() - 1;
    bytes[last] = 0;
    bytes.resize(600, 0);
    assert!(is_torn(&read(&bytes).1));
    assert!(is_torn(&read(&bytes[..last]).1));
}

#[test]
fn a_length_that_the_caller_knows_to_be_durable_cannot_end_early() {
    let mut journal = Journal::new();
    journal.put(&noise(40, 1), 0).put(&noise(90, 2), 0);
    let bytes = journal.bytes();
    let durable = bytes.len() as u64;
    for cut in 0..bytes.len() {
        for room in [0, 100] {
            let mut cut_bytes = bytes[..cut].to_vec();
            cut_bytes.resize(cut + room, 0);
            let (_, end) = read_with(&cut_bytes, |source| source.durable_upto = durable);
            assert!(is_corruption(&end), "cut at {cut}");
        }
    }
    let (_, end) = read_with(&bytes, |source| source.durable_upto = durable);
    assert!(matches!(end, Ok(End::Clean { .. })));
}

#[test]
fn bytes_beyond_the_limit_do_not_count() {
    let mut journal = Journal::new();
    journal.put(b"one", 0).put(b"two", 0);
    let mut bytes = journal.bytes();
    bytes.extend(noise(900, 1));
    let (payloads, end) = read_with(&bytes, |source| source.limit = journal.ends[2]);
    assert_eq!(payloads, journal.payloads);
    assert!(matches!(end, Ok(End::Clean { .. })));
    assert!(is_torn(&read(&bytes).1));
}

#[test]
fn records_inside_a_value_are_not_believed() {
    let mut inner = Journal::new();
    inner.put(&noise(60, 1), 0).put_synced(&noise(60, 2)).put_synced(&noise(20, 3)).mark();
    inner.put_synced(&noise(20, 4)).mark();
    let embedded = inner.bytes();
    let mut journal = Journal::new();
    journal.put(b"first", 0);
    let mut payload = noise(700, 5);
    payload.extend_from_slice(&embedded);
    payload.extend(noise(900, 6));
    journal.put(&payload, 0).put(&embedded, 0);
    let bytes = journal.bytes();
    assert_eq!(read(&bytes).0, journal.payloads);
    // A tear of the record that holds them is a tear, wherever it is cut.
    for cut in (journal.ends[1] as usize + 1..bytes.len()).step_by(5) {
        let (_, end) = read(&bytes[..cut]);
        assert!(!is_corruption(&end), "cut at {cut}");
    }
    let mut torn = bytes.clone();
    torn[200..600].fill(0);
    assert!(is_torn(&read(&torn).1));
}

#[test]
fn a_record_of_another_place_is_not_believed() {
    let mut journal = Journal::new();
    journal.put(&noise(20, 1), 0).put_synced(&noise(20, 2)).mark();
    for (database, file_id) in [(DATABASE + 1, FILE), (DATABASE, FILE + 1)] {
        let (payloads, end) = read_with(&journal.bytes(), |source| {
            (source.database, source.file_id) = (database, file_id);
        });
        assert_eq!(payloads.len(), 0);
        assert!(is_torn(&end), "the file holds nothing of this journal");
    }
}

#[test]
fn a_huge_length_is_not_believed() {
    let mut journal = Journal::new();
    journal.put(b"one", 0).put(b"two", 0);
    let mut bytes = journal.bytes();
    let start = journal.ends[1] as usize;
    bytes[start + 4..start + 8].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let (payloads, end) = read(&bytes);
    assert_eq!(payloads.len(), 1);
    assert!(is_torn(&end), "thirty wrong bits are no single flip: {end:?}");
    // A valid header with a length beyond the end of the file is a cut record.
    let mut long = Journal::new();
    long.put(&noise(PIECE_BYTES, 3), 0);
    assert!(is_torn(&read(&long.bytes()[..100]).1));
}

#[test]
fn a_read_error_is_an_error_and_no_end() {
    let mut journal = Journal::new();
    journal.put(&noise(100, 1), 0).put(&noise(2 * PIECE_BYTES, 2), 0).put(&noise(100, 3), 0);
    let bytes = journal.bytes();
    for fails_from in [0, 50, PIECE_BYTES as u64 + 9, bytes.len() as u64 - 1] {
        let file = Read { bytes: bytes.clone(), fails_from };
        let source = Source {
            file: &file,
            path: Path::new("000007.wal"),
            database: DATABASE,
            file_id: FILE,
            durable_upto: 0,
            limit: u64::MAX,
            is_plausible: |_, _| true,
        };
        let error = replay(&source, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.file(), Some(Path::new("000007.wal")));
        assert!(error.offset().is_some());
    }
}

#[test]
fn the_diagnosis_names_where_and_how_much() {
    let mut journal = Journal::new();
    journal.put(b"one", 0).put(&noise(100, 1), 0);
    let mut bytes = journal.bytes();
    let len = bytes.len();
    bytes[len - 20] ^= 4;
    bytes.resize(len + 300, 0);
    let file = Read { bytes, fails_from: u64::MAX };
    let source = Source {
        file: &file,
        path: Path::new("000007.wal"),
        database: DATABASE,
        file_id: FILE,
        durable_upto: 0,
        limit: u64::MAX,
        is_plausible: |_: &RecordHeader, _: &[u8]| true,
    };
    let mut records = Records::new(&source);
    while records.next().unwrap().is_some() {}
    match records.end().unwrap() {
        Diagnosis::Rot { offset, bytes_after, .. } => {
            assert_eq!((offset, bytes_after), (journal.ends[1], len as u64 - journal.ends[1]));
        }
        Diagnosis::Ended(end) => panic!("{end:?}"),
    }
}

#[test]
fn a_walk_knows_where_it_stands() {
    let mut journal = Journal::new();
    journal.put(&noise(100, 1), 0).put(&noise(3, 2), 0);
    let chain = journal.writer.chain();
    let mut bytes = journal.bytes();
    let end = bytes.len() as u64;
    bytes.resize(bytes.len() + 50, 0);
    bytes.push(7);
    with_source(&bytes, |source| {
        let mut records = Records::new(source);
        assert_eq!((records.offset(), records.chain()), (0, 0));
        while records.next().unwrap().is_some() {}
        assert_eq!((records.offset(), records.chain()), (end, chain));
        assert_eq!(records.written_after(end).unwrap(), 51);
        assert_eq!(records.written_after(end + 50).unwrap(), 1);
        assert_eq!(records.written_after(end + 51).unwrap(), 0);
    });
}
