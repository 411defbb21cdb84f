//! The bytes of an entry in the arena, and its key in the form in which the index compares it.
//!
//! A record is `seqno << 8 | kind u64 | key_len u32 | value_len u32 | user key | value`, written
//! once, before anyone else knows of it. A slot has the first bytes of a user key as numbers, so
//! that most comparisons do not leave the structure that is searched.
//!
//! Invariant: whoever holds a record or a slot borrows, or owns a share of, what holds its bytes.
#![expect(unsafe_code, reason = "records and slots name bytes in the arena by their address")]

use crate::format::key::{KEYSPACE_ID_BYTES, Kind, SEQNO_LATEST, Seqno, head};
use crate::memtable::arena::Arena;
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ptr;
use std::slice;

/// Bytes of a record before its user key.
pub(crate) const RECORD_HEADER_BYTES: usize = 16;

/// Bytes of a user key that a slot holds itself: the keyspace id and two heads.
const SLOT_KEY_BYTES: usize = KEYSPACE_ID_BYTES + 16;

/// An entry in the arena.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    start: *const u8,
    arena: PhantomData<&'a [u8]>,
}

/// What the index sorts: user key ascending, then seqno descending.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// The user key's bytes 4 to 20 as numbers, zeros behind a shorter key.
    pub(crate) heads: [u64; 2],
    /// The whole user key: in the arena, or, while searching, the caller's.
    user_key: *const u8,
    seqno: Seqno,
    user_key_len: u32,
    /// The user key's first four bytes as a number.
    pub(crate) keyspace: u32,
}

// SAFETY: the bytes behind the pointer are never written again once a slot names them.
unsafe impl Send for Slot {}
// SAFETY: as above; a shared slot is only read.
unsafe impl Sync for Slot {}

impl<'a> Record<'a> {
    /// Puts an entry into the arena. The user key comes in two parts, so that nobody has to join
    /// a keyspace id and a key first.
    pub(crate) fn store(
        arena: &'a Arena,
        user_key: [&[u8]; 2],
        seqno: Seqno,
        kind: Kind,
        value: &[u8],
    ) -> Record<'a> {
        assert!(seqno <= SEQNO_LATEST, "a seqno leaves the upper byte free");
        let (Ok(key_len), Ok(value_len)) =
            (u32::try_from(user_key[0].len() + user_key[1].len()), u32::try_from(value.len()))
        else {
            unreachable!("a batch, and so a key or a value, has less than 2 GiB");
        };
        let mut header = [0; RECORD_HEADER_BYTES];
        LittleEndian::write_u64(&mut header[..8], seqno << 8 | u64::from(kind.to_u8()));
        LittleEndian::write_u32(&mut header[8..12], key_len);
        LittleEndian::write_u32(&mut header[12..], value_len);
        let start = arena.store([&header, user_key[0], user_key[1], value]).as_ptr();
        Record { start, arena: PhantomData }
    }

    /// Its address, by which `at` finds it again.
    pub(crate) fn address(self) -> *mut u8 {
        self.start.cast_mut()
    }

    /// The record at an address; `None` for null.
    ///
    /// # Safety
    /// The address is null or that of a record that was stored before, seen by this thread, in an
    /// arena that lives for `'a`.
    pub(crate) unsafe fn at(address: *const u8) -> Option<Record<'a>> {
        (!address.is_null()).then_some(Record { start: address, arena: PhantomData })
    }

    fn header(self) -> &'a [u8] {
        // SAFETY: a record begins with its header, and its bytes live for 'a.
        unsafe { slice::from_raw_parts(self.start, RECORD_HEADER_BYTES) }
    }

    fn key_len(self) -> usize {
        LittleEndian::read_u32(&self.header()[8..12]) as usize
    }

    pub(crate) fn user_key(self) -> &'a [u8] {
        // SAFETY: the key begins behind the header.
        let start = unsafe { self.start.add(RECORD_HEADER_BYTES) };
        // SAFETY: it has the length that the header says, and lives like it.
        unsafe { slice::from_raw_parts(start, self.key_len()) }
    }

    pub(crate) fn value(self) -> &'a [u8] {
        let len = LittleEndian::read_u32(&self.header()[12..]) as usize;
        // SAFETY: the value begins where the key ends.
        let start = unsafe { self.start.add(RECORD_HEADER_BYTES + self.key_len()) };
        // SAFETY: it has the length that the header says, and lives like it.
        unsafe { slice::from_raw_parts(start, len) }
    }

    pub(crate) fn seqno(self) -> Seqno {
        LittleEndian::read_u64(self.header()) >> 8
    }

    pub(crate) fn kind(self) -> Kind {
        match self.header()[0] == Kind::Delete.to_u8() {
            true => Kind::Delete,
            false => Kind::Put,
        }
    }

    pub(crate) fn slot(self) -> Slot {
        Slot::new(self.user_key(), self.seqno())
    }
}

impl Slot {
    /// The slot of a stored entry, or of a bound to search with; it must not outlive the key.
    pub(crate) fn new(user_key: &[u8], seqno: Seqno) -> Slot {
        let Ok(user_key_len) = u32::try_from(user_key.len()) else {
            unreachable!("a user key has less than 64 KiB");
        };
        let (keyspace, key) = match user_key.split_first_chunk::<KEYSPACE_ID_BYTES>() {
            Some((keyspace, key)) => (BigEndian::read_u32(keyspace), key),
            None => {
                let mut padded = [0; KEYSPACE_ID_BYTES];
                padded[..user_key.len()].copy_from_slice(user_key);
                (BigEndian::read_u32(&padded), &user_key[user_key.len()..])
            }
        };
        let heads = [head(key), head(key.get(8..).unwrap_or_default())];
        Slot { heads, user_key: user_key.as_ptr(), seqno, user_key_len, keyspace }
    }

    /// Not behind any entry of this keyspace.
    pub(crate) fn least_of(keyspace: u32) -> Slot {
        let user_key = ptr::NonNull::dangling().as_ptr();
        Slot { heads: [0; 2], user_key, seqno: Seqno::MAX, user_key_len: 0, keyspace }
    }

    fn user_key(&self) -> &[u8] {
        // SAFETY: the pointer and the length are those of a key that outlives the slot: it is in
        // the arena, or belongs to a caller whose search drops the slot before it returns.
        unsafe { slice::from_raw_parts(self.user_key, self.user_key_len as usize) }
    }

    /// How the entry behind `record` compares to this slot, if both agree in keyspace and heads.
    pub(crate) fn compare_record_beyond_heads(&self, record: Record<'_>) -> Ordering {
        beyond_heads(record.user_key(), self.user_key())
            .then_with(|| self.seqno.cmp(&record.seqno()))
    }
}

/// The order of two user keys that agree as far as slots hold them.
fn beyond_heads(left: &[u8], right: &[u8]) -> Ordering {
    // If one of them ends inside the heads, then the other one begins with it (the zeros behind it
    // are bytes of the other one, or padding too): the shorter one is smaller.
    if left.len().min(right.len()) <= SLOT_KEY_BYTES {
        return left.len().cmp(&right.len());
    }
    left[SLOT_KEY_BYTES..].cmp(&right[SLOT_KEY_BYTES..])
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> Ordering {
        self.keyspace
            .cmp(&other.keyspace)
            .then_with(|| self.heads.cmp(&other.heads))
            .then_with(|| beyond_heads(self.user_key(), other.user_key()))
            .then_with(|| other.seqno.cmp(&self.seqno))
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Slot) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Slot) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Slot {}

#[cfg(test)]
mod tests {
    use crate::format::key::{Kind, compare};
    use crate::memtable::arena::Arena;
    use crate::memtable::record::{Record, Slot};
    use proptest::prelude::*;

    /// Keys that often agree in their first bytes, and end or go on in zeros.
    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(0..2_u8, 0..26),
            (0..30_usize, prop::collection::vec(0..2_u8, 0..4)).prop_map(|(zeros, end)| [
                vec![0; zeros],
                end
            ]
            .concat()),
            prop::collection::vec(any::<u8>(), 0..26),
        ]
    }

    proptest! {
        #[test]
        fn slots_and_records_sort_like_internal_keys(
            left in (any_key(), 1..3_u64),
            right in (any_key(), 1..3_u64),
        ) {
            let slots = (Slot::new(&left.0, left.1), Slot::new(&right.0, right.1));
            let order = compare((&left.0, left.1), (&right.0, right.1));
            prop_assert_eq!(slots.0.cmp(&slots.1), order);
            let arena = Arena::new();
            let record = Record::store(&arena, [&left.0, b""], left.1, Kind::Put, b"");
            if (slots.0.keyspace, slots.0.heads) == (slots.1.keyspace, slots.1.heads) {
                prop_assert_eq!(slots.1.compare_record_beyond_heads(record), order);
            }
            prop_assert!(Slot::least_of(slots.0.keyspace) <= slots.0);
        }
    }

    #[test]
    fn a_record_gives_back_what_was_stored() {
        let arena = Arena::new();
        let record = Record::store(&arena, [b"0000", b"key"], 77, Kind::Delete, b"value");
        assert_eq!((record.user_key(), record.value()), (&b"0000key"[..], &b"value"[..]));
        assert_eq!((record.seqno(), record.kind()), (77, Kind::Delete));
    }
}
