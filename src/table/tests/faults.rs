//! Every call of the file system fails once: the error comes out, and nothing is believed after it.

use crate::error::ErrorKind;
use crate::format::range_tombstone::Fragments;
use crate::fs::{Fault, FaultFileSystem, Operation, SimulatedFileSystem, Trigger};
use crate::table::options::TableOptions;
use crate::table::reader::Fill;
use crate::table::tests::{context, open, puts, walk, write};
use crate::table::writer::TableWriter;

#[test]
fn a_writer_reports_every_failed_call() {
    let entries = puts(500);
    let mut failures = 0;
    for nth in 0.. {
        let fs = FaultFileSystem::new(SimulatedFileSystem::new());
        let context = context(&fs, 1);
        fs.set(Trigger::any().nth(nth), Fault::ALL[failures % Fault::ALL.len()]);
        let options = TableOptions { write_bytes: 4096, ..TableOptions::default() };
        let written = TableWriter::create(&context, 1, options).and_then(|mut writer| {
            for (key, seqno, kind, value) in &entries {
                writer.add(key, *seqno, *kind, value)?;
            }
            writer.finish()
        });
        if fs.hits().is_empty() {
            written.unwrap();
            break;
        }
        failures += 1;
        let error = written.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::DiskFull), "{error}");
        assert!(error.file().is_some_and(|file| file.ends_with("000001.sst")), "{error}");
    }
    assert!(failures >= 5, "create, several appends, sync: {failures}");
}

#[test]
fn a_failed_read_is_an_error_and_the_next_one_is_right() {
    let entries = puts(500);
    let fs = FaultFileSystem::new(SimulatedFileSystem::new());
    let facts = write(&context(&fs, 1), 1, TableOptions::default(), &entries, Fragments::default());
    let mut failures = 0;
    for nth in 0.. {
        let context = context(&fs, 1);
        fs.clear();
        let before = fs.hits().len();
        fs.set(Trigger::on(Operation::Read).nth(nth), Fault::Io);
        let found = open(&context, &facts).and_then(|table| walk(&table));
        if fs.hits().len() == before {
            assert_eq!(found.unwrap(), entries);
            break;
        }
        failures += 1;
        let error = found.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.file().is_some() && error.offset().is_some(), "{error}");
        let table = open(&context, &facts).unwrap();
        assert_eq!(walk(&table).unwrap(), entries);
    }
    assert!(failures >= 6, "footer, tail, several blocks: {failures}");
}

#[test]
fn a_cursor_whose_step_failed_is_not_valid_and_can_seek_again() {
    let entries = puts(2000);
    let fs = FaultFileSystem::new(SimulatedFileSystem::new());
    let context = context(&fs, 1);
    let facts = write(&context, 1, TableOptions::default(), &entries, Fragments::default());
    let table = open(&context, &facts).unwrap();
    let mut cursor = table.cursor_filling(Fill::Nothing);
    cursor.seek_first().unwrap();
    fs.set(Trigger::on(Operation::Read).sticky(), Fault::Io);
    let mut failed = None;
    while failed.is_none() && cursor.is_valid() {
        failed = cursor.next().err();
    }
    assert_eq!(failed.map(|error| error.kind()), Some(ErrorKind::Io));
    assert!(!cursor.is_valid());
    assert!(cursor.seek_last().is_err() && !cursor.is_valid());
    fs.clear();
    cursor.seek_last().unwrap();
    assert_eq!(cursor.key(), entries[1999].0);
}
