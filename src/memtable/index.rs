//! Keeps the entries of a memtable in order, and hides from the rest of the room how it does so.
//!
//! The arrangement: a lock-free skiplist (crossbeam's) of small slots. A slot has the first bytes
//! of its user key as numbers, so that most comparisons do not leave the node; the whole key and
//! the value lie in the arena: `value_len u32 | user key | value`.
//!
//! Invariants: (1) entries are only ever added, and no two have the same user key and seqno;
//! (2) a slot in the list points to bytes in the arena beside the list, written before the slot
//! was inserted.
//!
//! Invariant 1 is why the skiplist may run without epochs, under `epoch::unprotected`: memory is
//! reclaimed late only for nodes that are removed or replaced, and there are none. It is kept by
//! using no method that removes, and `get_or_insert` instead of `insert`, which would replace.
#![expect(unsafe_code, reason = "the skiplist runs without epochs; slots point into the arena")]

use crate::format::key::{KEYSPACE_ID_BYTES, Kind, SEQNO_LATEST, Seqno, head};
use crate::memtable::arena::Arena;
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use crossbeam_epoch::Guard;
use crossbeam_skiplist::base::{Entry, SkipList};
use std::cmp::Ordering;
use std::ops::Bound;
use std::slice;

/// Memory of a node about, in bytes: a slot, the counter and a tower of two on average, malloc.
pub(crate) const NODE_BYTES: usize = size_of::<Slot>() + 8 + 2 * 8 + 8;

/// Bytes of a user key that a slot holds itself: the keyspace id and two heads.
const SLOT_KEY_BYTES: usize = KEYSPACE_ID_BYTES + 16;

const VALUE_LEN_BYTES: usize = 4;

/// See the module's caption.
pub(crate) struct Index {
    list: SkipList<Slot, ()>,
    arena: Arena,
}

/// An entry of the index, and the way to its neighbours.
#[derive(Clone)]
pub(crate) struct Position<'a>(Entry<'a, 'a, Slot, ()>);

/// What the skiplist sorts: user key ascending, then seqno descending.
struct Slot {
    /// The user key's bytes 4 to 20 as numbers, zeros behind a shorter key.
    heads: [u64; 2],
    /// The whole user key: in the arena, or, while searching, the caller's.
    user_key: *const u8,
    /// `seqno << 8 | kind`.
    seqno_and_kind: u64,
    user_key_len: u32,
    /// The user key's first four bytes as a number.
    keyspace: u32,
}

// SAFETY: the bytes behind the pointer are never written again (invariant 2 of the arena's users).
unsafe impl Send for Slot {}
// SAFETY: as above; a shared slot is only read.
unsafe impl Sync for Slot {}

/// Requires: nothing is ever removed from or replaced in the list that it is used with.
fn no_epoch() -> &'static Guard {
    // SAFETY: this guard delays no destruction; by invariant 1 there is none before the list is
    // dropped as a whole, and then nobody borrows it.
    unsafe { crossbeam_epoch::unprotected() }
}

impl Index {
    pub(crate) fn new() -> Index {
        Index {
            list: SkipList::new(crossbeam_epoch::default_collector().clone()),
            arena: Arena::new(),
        }
    }

    /// Number of entries; exact when no insert is under way.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds an entry. Requires: there is none with this user key and seqno.
    pub(crate) fn insert(&self, user_key: &[u8], seqno: Seqno, kind: Kind, value: &[u8]) {
        assert!(seqno <= SEQNO_LATEST, "a seqno leaves the upper byte free");
        let Ok(value_len) = u32::try_from(value.len()) else {
            unreachable!("a batch, and so a value, has less than 2 GiB");
        };
        let mut prefix = [0; VALUE_LEN_BYTES];
        LittleEndian::write_u32(&mut prefix, value_len);
        let stored = self.arena.store([&prefix, user_key, value]);
        let stored_key = &stored[VALUE_LEN_BYTES..][..user_key.len()];
        let slot = Slot::new(stored_key, seqno, kind.to_u8());
        let own_key = slot.user_key;
        let entry = self.list.get_or_insert(slot, (), no_epoch());
        // The reference that came with `entry` is not given back: without removals nobody asks
        // for the count of a node, and a decrement is a write to shared memory.
        assert!(
            entry.key().user_key == own_key,
            "two entries with the same key and seqno {seqno} in one memtable"
        );
    }

    /// The first entry at or behind (`user_key`, `seqno`).
    pub(crate) fn seek(&self, user_key: &[u8], seqno: Seqno) -> Option<Position<'_>> {
        let bound = Slot::new(user_key, seqno, 0);
        self.list.lower_bound(Bound::Included(&bound), no_epoch()).map(Position)
    }

    /// The last entry before (`user_key`, `seqno`).
    pub(crate) fn seek_back(&self, user_key: &[u8], seqno: Seqno) -> Option<Position<'_>> {
        let bound = Slot::new(user_key, seqno, 0);
        self.list.upper_bound(Bound::Excluded(&bound), no_epoch()).map(Position)
    }

    pub(crate) fn first(&self) -> Option<Position<'_>> {
        self.list.front(no_epoch()).map(Position)
    }

    pub(crate) fn last(&self) -> Option<Position<'_>> {
        self.list.back(no_epoch()).map(Position)
    }
}

impl<'a> Position<'a> {
    pub(crate) fn next(&self) -> Option<Position<'a>> {
        self.0.next().map(Position)
    }

    /// A search from the top of the list: much dearer than `next`.
    pub(crate) fn prev(&self) -> Option<Position<'a>> {
        self.0.prev().map(Position)
    }

    fn slot(&self) -> &'a Slot {
        self.0.key()
    }

    pub(crate) fn user_key(&self) -> &'a [u8] {
        self.slot().user_key()
    }

    pub(crate) fn seqno(&self) -> Seqno {
        self.slot().seqno()
    }

    pub(crate) fn kind(&self) -> Kind {
        if self.slot().seqno_and_kind & 0xff == u64::from(Kind::Delete.to_u8()) {
            Kind::Delete
        } else {
            Kind::Put
        }
    }

    pub(crate) fn value(&self) -> &'a [u8] {
        let user_key = self.user_key();
        // SAFETY: by invariant 2 the key of a slot in the list has the value's length before it.
        let prefix = unsafe { user_key.as_ptr().sub(VALUE_LEN_BYTES) };
        // SAFETY: as above, and the arena keeps these bytes as long as the list, so for 'a.
        let prefix = unsafe { slice::from_raw_parts(prefix, VALUE_LEN_BYTES) };
        // SAFETY: by invariant 2 the value begins where the key ends.
        let value = unsafe { user_key.as_ptr().add(user_key.len()) };
        // SAFETY: it has the length that stands before the key, and lives like the key.
        unsafe { slice::from_raw_parts(value, LittleEndian::read_u32(prefix) as usize) }
    }
}

impl Slot {
    /// The slot of a stored entry, or of a bound to search with; it must not outlive the key.
    fn new(user_key: &[u8], seqno: Seqno, kind: u8) -> Slot {
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
        let seqno_and_kind = seqno << 8 | u64::from(kind);
        Slot { heads, user_key: user_key.as_ptr(), seqno_and_kind, user_key_len, keyspace }
    }

    fn user_key(&self) -> &[u8] {
        // SAFETY: the pointer and the length are those of a key that outlives the slot: by
        // invariant 2 for slots in the list, and bounds are dropped before their search returns.
        unsafe { slice::from_raw_parts(self.user_key, self.user_key_len as usize) }
    }

    fn seqno(&self) -> Seqno {
        self.seqno_and_kind >> 8
    }

    /// The order of two user keys that agree as far as slots hold them.
    fn compare_beyond_heads(&self, other: &Slot) -> Ordering {
        // If one of them ends inside the heads, then the other one begins with it (the zeros
        // behind it are bytes of the other one, or padding too): the shorter one is smaller.
        if self.user_key_len.min(other.user_key_len) as usize <= SLOT_KEY_BYTES {
            return self.user_key_len.cmp(&other.user_key_len);
        }
        self.user_key()[SLOT_KEY_BYTES..].cmp(&other.user_key()[SLOT_KEY_BYTES..])
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> Ordering {
        self.keyspace
            .cmp(&other.keyspace)
            .then_with(|| self.heads.cmp(&other.heads))
            .then_with(|| self.compare_beyond_heads(other))
            .then_with(|| other.seqno().cmp(&self.seqno()))
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
    use crate::format::key::compare;
    use crate::memtable::index::Slot;
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
        fn slots_sort_like_internal_keys(
            left in (any_key(), 1..3_u64),
            right in (any_key(), 1..3_u64),
        ) {
            let slots = (Slot::new(&left.0, left.1, 1), Slot::new(&right.0, right.1, 2));
            let order = compare((&left.0, left.1), (&right.0, right.1));
            prop_assert_eq!(slots.0.cmp(&slots.1), order);
        }
    }
}
