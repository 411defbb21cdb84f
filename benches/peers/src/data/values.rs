//! Values that compress to about half and tell whose they are.
//!
//! A value begins with an 8-byte stamp, a mix of the rank, the kind of its key and a version; the rest
//! is a piece of a pool, cut where the stamp says. The pool is made as db_bench makes its: 50 random
//! bytes, twice. Whoever reads a value can so check every byte of it without any list.

use crate::data::choice::{Chance, mix};
use crate::data::keys::Kind;

const POOL_BYTES: usize = 1 << 20;
const PIECE_BYTES: usize = 100;

/// Makes and checks values of one length.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pool: Vec<u8>,
    len: usize,
}

impl Values {
    /// Requires: `len` is at least 16.
    pub(crate) fn new(len: usize) -> Values {
        let mut chance = Chance::new(0x7661_6c75);
        let mut pool = Vec::with_capacity(POOL_BYTES + len);
        while pool.len() < POOL_BYTES + len {
            let piece: [u8; PIECE_BYTES / 2] = std::array::from_fn(|_| chance.next() as u8);
            pool.extend_from_slice(&piece);
            pool.extend_from_slice(&piece);
        }
        Values { pool, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes the value into `buffer`.
    pub(crate) fn fill(&self, buffer: &mut Vec<u8>, rank: u64, kind: Kind, version: u8) {
        let stamp = stamp(rank, kind, version);
        buffer.clear();
        buffer.extend_from_slice(&stamp.to_le_bytes());
        buffer.extend_from_slice(self.rest(stamp));
    }

    /// Whether `value` is this one, to the last byte.
    pub(crate) fn is(&self, value: &[u8], rank: u64, kind: Kind, version: u8) -> bool {
        let stamp = stamp(rank, kind, version);
        value.len() == self.len
            && value[..8] == stamp.to_le_bytes()
            && &value[8..] == self.rest(stamp)
    }

    /// What [`fingerprint`] gives for this value.
    pub(crate) fn fingerprint(&self, rank: u64, kind: Kind, version: u8) -> u64 {
        let stamp = stamp(rank, kind, version);
        let rest = self.rest(stamp);
        let last = rest.last_chunk().expect("a value has 16 bytes");
        combine(stamp, u64::from_le_bytes(*last), self.len)
    }

    fn rest(&self, stamp: u64) -> &[u8] {
        let at = (stamp >> 40) as usize % POOL_BYTES;
        &self.pool[at..at + self.len - 8]
    }
}

fn stamp(rank: u64, kind: Kind, version: u8) -> u64 {
    mix(rank | (kind as u64) << 40 | u64::from(version) << 48)
}

/// A number that depends on the first and last bytes and the length of a value: cheap enough to be
/// taken of every value that a timed loop reads.
pub(crate) fn fingerprint(value: &[u8]) -> u64 {
    match (value.first_chunk(), value.last_chunk()) {
        (Some(first), Some(last)) => {
            combine(u64::from_le_bytes(*first), u64::from_le_bytes(*last), value.len())
        }
        _ => value.len() as u64,
    }
}

fn combine(first: u64, last: u64, len: usize) -> u64 {
    first ^ last.rotate_left(23) ^ len as u64
}

#[cfg(test)]
mod tests {
    use crate::data::keys::Kind;
    use crate::data::values::{Values, fingerprint};

    #[test]
    fn a_value_is_itself_and_no_other() {
        let values = Values::new(100);
        let mut value = Vec::new();
        values.fill(&mut value, 7, Kind::Loaded, 1);
        assert_eq!(value.len(), 100);
        assert!(values.is(&value, 7, Kind::Loaded, 1));
        assert_eq!(values.fingerprint(7, Kind::Loaded, 1), fingerprint(&value));
        for (rank, kind, version) in
            [(8, Kind::Loaded, 1), (7, Kind::Inserted, 1), (7, Kind::Loaded, 2)]
        {
            assert!(!values.is(&value, rank, kind, version));
            assert_ne!(values.fingerprint(rank, kind, version), fingerprint(&value));
        }
        for at in 0..value.len() {
            let mut spoiled = value.clone();
            spoiled[at] ^= 1;
            assert!(!values.is(&spoiled, 7, Kind::Loaded, 1), "byte {at}");
        }
    }
}
