//! Operations of a batch: the payload of a WAL record.
//!
//! ```text
//! payload := op*
//! op      := kind u8 | keyspace varint | key_len varint | value_len varint | key | value
//! ```
//!
//! A batch is encoded while it is filled, so a commit copies nothing. [`OpsBuffer`] keeps room for
//! the record header in front of the payload: a record is appended with one call. Operation i of
//! a record has the record's seqno + i.
//!
//! A range delete has its start as key and its end (exclusive) as value; an empty key means the
//! start of the keyspace, an empty value its end. A drop of a keyspace has neither.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_varint, usize_to_u64};
use crate::format::key::Kind;
use crate::format::limits::{KEYSPACE_ID_MAX, USER_KEY_BYTES_MAX};
use crate::format::record::HEADER_BYTES;
use std::cell::Cell;

/// Room of a new batch: most single puts fit.
const FIRST_CAPACITY_BYTES: usize = 256;

/// A larger buffer is not kept for the next batch.
const KEPT_CAPACITY_BYTES: usize = 4096;

thread_local! {
    /// The buffer of the last batch that this thread dropped: single puts, each a batch, then
    /// allocate nothing.
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One operation, borrowed from a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub(crate) kind: Kind,
    pub(crate) keyspace: u32,
    /// The caller's key, without the keyspace id.
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// A batch being filled: room for a record header, then the encoded operations.
#[derive(Clone, Debug)]
pub(crate) struct OpsBuffer {
    bytes: Vec<u8>,
    count: usize,
}

impl OpsBuffer {
    /// An empty batch.
    pub(crate) fn new() -> OpsBuffer {
        // While a thread ends it has no such buffer any more.
        let mut bytes = KEPT.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        bytes.reserve(FIRST_CAPACITY_BYTES);
        bytes.resize(HEADER_BYTES, 0);
        OpsBuffer { bytes, count: 0 }
    }

    /// Adds an operation.
    pub(crate) fn push(&mut self, op: &Op<'_>) {
        self.bytes.push(op.kind.to_u8());
        put_varint(&mut self.bytes, u64::from(op.keyspace));
        put_varint(&mut self.bytes, usize_to_u64(op.key.len()));
        put_varint(&mut self.bytes, usize_to_u64(op.value.len()));
        self.bytes.extend_from_slice(op.key);
        self.bytes.extend_from_slice(op.value);
        self.count += 1;
    }

    /// Number of operations.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The encoded operations.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Header room and payload, to be appended as one record.
    pub(crate) fn record_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Empties the batch and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.count = 0;
    }
}

impl Drop for OpsBuffer {
    fn drop(&mut self) {
        if self.bytes.capacity() <= KEPT_CAPACITY_BYTES {
            let bytes = std::mem::take(&mut self.bytes);
            // While the thread ends there is no place to keep it in.
            KEPT.try_with(|kept| kept.set(bytes)).unwrap_or_default();
        }
    }
}

/// Walks the operations of a payload. Ends with one `Err(offset in the payload)` where the bytes
/// are not operations; a payload that was written by [`OpsBuffer`] never does.
#[derive(Clone, Debug)]
pub(crate) struct Ops<'a> {
    reader: Reader<'a>,
    broken: bool,
}

/// Reads back what [`OpsBuffer`] wrote.
pub(crate) fn decode(payload: &[u8]) -> Ops<'_> {
    Ops { reader: Reader::new(payload), broken: false }
}

impl<'a> Ops<'a> {
    fn op(&mut self) -> Option<Op<'a>> {
        let kind = Kind::from_u8(self.reader.u8()?)?;
        let keyspace = self.reader.varint_u32()?;
        let key_len = self.reader.varint_usize()?;
        let value_len = self.reader.varint_usize()?;
        if keyspace > KEYSPACE_ID_MAX || key_len > USER_KEY_BYTES_MAX {
            return None;
        }
        let key = self.reader.bytes(key_len)?;
        let value = self.reader.bytes(value_len)?;
        let is_well_formed = match kind {
            Kind::Put => !key.is_empty(),
            Kind::Delete => !key.is_empty() && value.is_empty(),
            Kind::RangeDelete => value_len <= USER_KEY_BYTES_MAX,
            Kind::DropKeyspace => key.is_empty() && value.is_empty(),
        };
        is_well_formed.then_some(Op { kind, keyspace, key, value })
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.reader.is_done() {
            return None;
        }
        let start = self.reader.position();
        let op = self.op().ok_or(start);
        self.broken = op.is_err();
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use crate::format::key::Kind;
    use crate::format::ops::{Op, OpsBuffer, decode};
    use crate::format::record::HEADER_BYTES;
    use proptest::prelude::*;

    fn any_op() -> impl Strategy<Value = (u8, u32, Vec<u8>, Vec<u8>)> {
        let key = prop::collection::vec(any::<u8>(), 1..300);
        (1..=4_u8, 0..1000_u32, key, prop::collection::vec(any::<u8>(), 0..300))
    }

    proptest! {
        #[test]
        fn operations_round_trip(ops in prop::collection::vec(any_op(), 0..50)) {
            let mut buffer = OpsBuffer::new();
            let ops: Vec<Op<'_>> = ops
                .iter()
                .map(|(kind, keyspace, key, value)| {
                    let (keyspace, key, value) = (*keyspace, &key[..], &value[..]);
                    match Kind::from_u8(*kind).unwrap() {
                        kind @ (Kind::Put | Kind::RangeDelete) => Op { kind, keyspace, key, value },
                        Kind::Delete => Op { kind: Kind::Delete, keyspace, key, value: b"" },
                        kind @ Kind::DropKeyspace => Op { kind, keyspace, key: b"", value: b"" },
                    }
                })
                .collect();
            ops.iter().for_each(|op| buffer.push(op));
            let decoded: Result<Vec<_>, _> = decode(buffer.payload()).collect();
            prop_assert_eq!(decoded, Ok(ops));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            let mut ops = decode(&bytes);
            let errors = ops.by_ref().filter(Result::is_err).count();
            prop_assert!(errors <= 1 && ops.next().is_none(), "an error is the end");
        }
    }

    #[test]
    fn a_cleared_buffer_keeps_room_for_the_header() {
        let mut buffer = OpsBuffer::new();
        buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value: b"v" });
        buffer.clear();
        assert_eq!((buffer.count(), buffer.payload()), (0, &b""[..]));
        assert_eq!(buffer.record_mut().len(), HEADER_BYTES);
    }

    #[test]
    fn a_cut_operation_is_an_error_at_its_start() {
        let mut buffer = OpsBuffer::new();
        buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"k", value: b"v" });
        let first = buffer.payload().len();
        buffer.push(&Op { kind: Kind::Put, keyspace: 0, key: b"key", value: b"value" });
        let payload = buffer.payload();
        let last = decode(&payload[..payload.len() - 1]).last();
        assert_eq!(last, Some(Err(first)));
    }
}
