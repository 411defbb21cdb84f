//! Goal: the log gives back a prefix of what was appended, at least everything durable, and tells
//! what it drops; or it says `Corruption`. Never anything else.
//! Method: logs of several segments on a simulated disk, cut, flipped, swapped and crashed.

mod crash;
mod damage;
mod examine;
mod order;

use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32;
use crate::format::key::{Kind, Seqno};
use crate::format::ops::{Op, OpsBuffer, decode};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::wal::{
    BatchDraft, Recovery, RecoveryReport, Replay, Room, SegmentWriter, prepare, replay,
};
use std::path::{Path, PathBuf};

pub(crate) const DATABASE: u64 = 0xdb;
pub(crate) const RESERVE_BYTES: u64 = 4096;

/// A log being written, by the rules that the rooms above keep.
pub(crate) struct Log {
    pub(crate) fs: SimulatedFileSystem,
    pub(crate) writer: SegmentWriter,
    pub(crate) known: Vec<u64>,
    /// The value of every operation; that of seqno s is at s - 1.
    pub(crate) values: Vec<Vec<u8>>,
    /// Of all batches together.
    pub(crate) payload_bytes: u64,
    /// Up to here everything is durable: in the segment, and as a seqno.
    pub(crate) synced: u64,
    pub(crate) synced_seqno: Seqno,
}

pub(crate) fn directory() -> &'static Path {
    Path::new("/db")
}

pub(crate) fn wal(id: u64) -> PathBuf {
    directory().join(format!("{id:06}.wal"))
}

impl Log {
    pub(crate) fn new() -> Log {
        let fs = SimulatedFileSystem::new();
        fs.create_dir_all(directory()).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        let prepared = prepare(&fs, directory(), 1, Room::once(RESERVE_BYTES)).unwrap();
        let writer = SegmentWriter::begin(prepared, DATABASE, 0, None).unwrap();
        Log {
            fs,
            writer,
            known: vec![1],
            values: Vec::new(),
            payload_bytes: 0,
            synced: 0,
            synced_seqno: 0,
        }
    }

    /// A batch with one put for each value.
    pub(crate) fn put(&mut self, values: &[&[u8]]) -> &mut Log {
        let mut buffer = OpsBuffer::new();
        for value in values {
            buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value });
            self.values.push(value.to_vec());
        }
        self.payload_bytes += buffer.payload().len() as u64;
        let draft = BatchDraft {
            payload_crc: crc32(buffer.payload()),
            count: u32::try_from(values.len()).unwrap(),
            first_seqno: self.writer.last_seqno() + 1,
            synced_upto: self.synced,
        };
        self.writer.append(buffer.record_mut(), &draft).unwrap();
        self
    }

    pub(crate) fn sync(&mut self) -> &mut Log {
        self.writer.syncer().sync().unwrap();
        (self.synced, self.synced_seqno) = (self.writer.end(), self.writer.last_seqno());
        self
    }

    pub(crate) fn mark(&mut self) -> &mut Log {
        self.writer.append_marker(self.synced).unwrap();
        self
    }

    /// Switches to the next segment; the old one is synced first, or never.
    pub(crate) fn rotate(&mut self, durable: bool) -> &mut Log {
        if durable {
            self.sync();
        }
        let id = self.writer.id() + 1;
        let prepared = prepare(&self.fs, directory(), id, Room::once(RESERVE_BYTES)).unwrap();
        self.known.push(id);
        let previous = Some(self.writer.as_previous(durable));
        let last_seqno = self.writer.last_seqno();
        self.writer = SegmentWriter::begin(prepared, DATABASE, last_seqno, previous).unwrap();
        self.synced = 0;
        self
    }

    pub(crate) fn bytes(&self, id: u64) -> Vec<u8> {
        self.fs.read(wal(id)).unwrap()
    }

    pub(crate) fn read(&self) -> (Vec<Vec<u8>>, Result<RecoveryReport>) {
        read(&self.fs, &self.known)
    }

    /// A copy of the disk in which one segment has other bytes.
    pub(crate) fn with(&self, id: u64, bytes: &[u8]) -> SimulatedFileSystem {
        let fs = self.fs.copy();
        fs.write_raw(wal(id), bytes);
        fs
    }
}

pub(crate) fn read_with(
    fs: &SimulatedFileSystem,
    known: &[u64],
    adjust: impl FnOnce(&mut Replay<'_>),
) -> (Vec<Vec<u8>>, Result<RecoveryReport>) {
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
        Ok(())
    });
    (values, replayed)
}

pub(crate) fn read(
    fs: &SimulatedFileSystem,
    known: &[u64],
) -> (Vec<Vec<u8>>, Result<RecoveryReport>) {
    read_with(fs, known, |_| {})
}

#[track_caller]
pub(crate) fn corruption(read: (Vec<Vec<u8>>, Result<RecoveryReport>)) -> Error {
    let error = read.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert!(error.file().is_some() && error.offset().is_some());
    error
}
