//! Keys of 16 bytes that look random and whose rank is known.
//!
//! Entry number `rank` of `entries` has the key with that place in the sorted order, so what a scan
//! must return can be said without asking any engine. The first 8 bytes are spread evenly over all
//! of `u64` with a random distance to the next key, the other 8 are random. Three kinds of key share
//! the numbering: those that are loaded, those that are inserted later (each lies right behind the
//! loaded key of its rank) and those that never exist.

use crate::data::choice::mix;

/// Length of a key.
pub(crate) const KEY_BYTES: usize = 16;

/// A key.
pub(crate) type Key = [u8; KEY_BYTES];

/// Which of the three keys of a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Loaded,
    Inserted,
    Missing,
}

/// The keys of a data set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    stride: u64,
}

impl Keys {
    /// Requires: `entries` is at least 1.
    pub(crate) fn new(entries: u64) -> Keys {
        Keys { stride: (u64::MAX / entries) & !7 }
    }

    /// The key with this rank.
    pub(crate) fn key(&self, rank: u64, kind: Kind) -> Key {
        let room = self.stride / 2;
        let place = rank * self.stride + ((mix(rank) % room) & !3);
        let step = match kind {
            Kind::Loaded => 0,
            Kind::Inserted => 1,
            Kind::Missing => 2,
        };
        let mut key = [0; KEY_BYTES];
        key[..8].copy_from_slice(&(place + step).to_be_bytes());
        key[8..].copy_from_slice(&mix(place ^ step).to_be_bytes());
        key
    }
}

#[cfg(test)]
mod tests {
    use crate::data::keys::{Keys, Kind};

    #[test]
    fn keys_are_in_the_order_of_their_ranks() {
        for entries in [1, 2, 1000, 65_537] {
            let keys = Keys::new(entries);
            let kinds = [Kind::Loaded, Kind::Inserted, Kind::Missing];
            let all = (0..entries).flat_map(|rank| kinds.map(|kind| keys.key(rank, kind)));
            assert!(all.is_sorted_by(|left, right| left < right), "{entries} entries");
        }
    }
}
