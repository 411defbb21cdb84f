//! Goal: a writer never appends where it does not know what stands, and takes room before it needs it.
//! Method: files in memory with little room.

use crate::error::ErrorKind;
use crate::format::record::HEADER_BYTES;
use crate::journal::JournalWriter;
use crate::journal::marker::MARKER_PAYLOAD_BYTES;
use crate::journal::tests::{DATABASE, FILE, Journal, Memory, append, is_torn, read};
use std::path::PathBuf;

#[test]
fn after_a_failed_append_the_writer_refuses_everything() {
    let memory = Memory::default();
    *memory.room.lock() = Some(100);
    let path = PathBuf::from("000007.wal");
    let mut writer = JournalWriter::new(Box::new(memory.clone()), path, DATABASE, FILE);
    append(&mut writer, &[7; 20], 0).unwrap();
    let good = (writer.end(), writer.chain());
    let first = append(&mut writer, &[8; 60], 0).unwrap_err();
    assert_eq!((first.kind(), first.offset()), (ErrorKind::DiskFull, Some(52)));
    // There is room again, but what stands behind the last record is not known.
    *memory.room.lock() = None;
    let second = append(&mut writer, b"", 0).unwrap_err();
    assert_eq!(second.to_string(), first.to_string());
    assert!(writer.append_marker(0).is_err());
    assert_eq!((writer.end(), writer.chain()), good);
    assert_eq!(memory.bytes.lock().len(), 100, "nothing was appended behind the partial record");
    let (payloads, end) = read(&memory.bytes.lock());
    assert_eq!((payloads.len(), is_torn(&end)), (1, true));
}

#[test]
fn room_is_taken_for_a_record_and_the_marker_behind_it() {
    const RECORD: u64 = 1000;
    let mut journal = Journal::new();
    journal.put(b"what is there already", 0);
    let end = journal.writer.end();
    let marked = |end: u64| end + (HEADER_BYTES + MARKER_PAYLOAD_BYTES) as u64;
    let asked = |journal: &Journal| std::mem::take(&mut *journal.memory.reserved.lock());

    journal.writer.reserve_record(RECORD as usize).unwrap();
    assert_eq!(asked(&journal), [4096], "whole steps where there is room");
    // Where there is not, what it takes, and that to the byte.
    let exactly = marked(end + RECORD);
    *journal.memory.room.lock() = Some(exactly as usize);
    journal.writer.reserve_record(RECORD as usize).unwrap();
    assert_eq!(asked(&journal), [4096, exactly]);
    *journal.memory.room.lock() = Some(exactly as usize - 1);
    let error = journal.writer.reserve_record(RECORD as usize).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::DiskFull, Some(end)));

    asked(&journal);
    *journal.memory.room.lock() = Some(marked(end) as usize);
    journal.writer.reserve_marker().unwrap();
    assert_eq!(asked(&journal), [marked(end)]);
    *journal.memory.room.lock() = Some(marked(end) as usize - 1);
    assert_eq!(journal.writer.reserve_marker().unwrap_err().kind(), ErrorKind::DiskFull);
    // Nothing was written, and the writer goes on.
    *journal.memory.room.lock() = None;
    journal.writer.reserve(1 << 30);
    assert_eq!(asked(&journal).last(), Some(&(1 << 30)));
    journal.put(b"and goes on", 0);
}
