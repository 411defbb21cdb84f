//! The filter of a table: says of most absent keys that they are absent.
//!
//! ```text
//! payload := kind u8 | what the kind says
//! kind 1  := the bytes of the bloomfilter crate: a Bloom<u64> over filter_hash(user key)
//! kind 2  := lines, see `blocked`
//! ```
//!
//! A filter knows user keys, whatever their versions, and nothing of range tombstones: those are
//! asked whatever the filter says. Every key of the table is in it; a key that is not passes with
//! a small probability. One hash of a key serves all filters and memtables.
//!
//! The seed of the bloom filter is constant, so that the same entries make the same file. Its
//! halves differ: with equal ones both hashes are the same, and four times as many absent keys pass.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::key::filter_hash;
use crate::table::blocked::BlockedFilter;
use crate::table::options::FilterKind;
use bloomfilter::Bloom;
use std::fmt;

/// On disk: never change a number, never reuse one.
const KIND_BLOOM: u8 = 1;
const KIND_BLOCKED: u8 = 2;

const SEED: [u8; 32] = *b"siltstone bloom: two halves vary";

/// Most hash functions that are believed: the best number for 40 bits a key is 28.
const HASHES_MAX: u32 = 64;
const BITS_PER_KEY_MAX: u32 = 64;

/// A hash as the bloom filter takes it. `Bloom` hashes the bytes of a number as they stand in memory;
/// the file is to be the same on every machine, so they are put into little-endian order first.
fn as_item(hash: u64) -> u64 {
    hash.to_le()
}

/// Collects the hashes of the keys of a table.
#[derive(Debug)]
pub(crate) struct FilterBuilder {
    kind: FilterKind,
    hashes: Vec<u64>,
}

impl FilterBuilder {
    pub(crate) fn new(kind: FilterKind) -> FilterBuilder {
        FilterBuilder { kind, hashes: Vec::new() }
    }

    /// Adds a key, which should be new.
    pub(crate) fn add(&mut self, user_key: &[u8]) {
        if !matches!(self.kind, FilterKind::None) {
            self.hashes.push(filter_hash(user_key));
        }
    }

    /// Length of the payload, about.
    pub(crate) fn size_bytes(&self) -> usize {
        match self.kind {
            FilterKind::None => 0,
            FilterKind::Bloom { bits_per_key } | FilterKind::Blocked { bits_per_key } => {
                bitmap_bytes(bits_per_key, self.hashes.len())
            }
        }
    }

    /// The payload; `None` if the table is to have no filter, or has no keys.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        let bits_per_key = match self.kind {
            FilterKind::None => 0,
            FilterKind::Bloom { bits_per_key } | FilterKind::Blocked { bits_per_key } => {
                bits_per_key
            }
        };
        if self.hashes.is_empty() || bits_per_key == 0 {
            return None;
        }
        if matches!(self.kind, FilterKind::Blocked { .. }) {
            let bits = usize::try_from(bits_per_key.min(BITS_PER_KEY_MAX)).unwrap_or_default();
            let mut payload = vec![KIND_BLOCKED];
            BlockedFilter::build(&self.hashes, bits)?.encode(&mut payload);
            return Some(payload);
        }
        let keys = self.hashes.len();
        // No filter is better than none at all when it cannot be made: reads are slower.
        let mut bloom =
            Bloom::<u64>::new_with_seed(bitmap_bytes(bits_per_key, keys), keys, &SEED).ok()?;
        for hash in &self.hashes {
            bloom.set(&as_item(*hash));
        }
        let mut payload = vec![KIND_BLOOM];
        payload.extend_from_slice(bloom.as_slice());
        Some(payload)
    }
}

fn bitmap_bytes(bits_per_key: u32, keys: usize) -> usize {
    let bits = usize::try_from(bits_per_key.min(BITS_PER_KEY_MAX)).unwrap_or_default();
    keys.saturating_mul(bits).div_ceil(8).max(8)
}

/// A loaded filter.
pub(crate) enum Filter {
    Bloom(Bloom<u64>),
    Blocked(BlockedFilter),
}

impl Filter {
    /// Reads a payload. `Err` says which rule is broken.
    pub(crate) fn decode(payload: &[u8]) -> Result<Filter, &'static str> {
        match payload.split_first() {
            Some((&KIND_BLOOM, bytes)) => {
                let bloom = Bloom::from_slice(bytes).map_err(|_| "a filter is damaged")?;
                // Without bits the crate would divide by zero.
                let is_sane = bloom.len() >= 8
                    && (1..=HASHES_MAX).contains(&bloom.number_of_hash_functions())
                    && bloom.seed() == SEED;
                if is_sane { Ok(Filter::Bloom(bloom)) } else { Err("a filter is damaged") }
            }
            Some((&KIND_BLOCKED, bytes)) => {
                BlockedFilter::decode(bytes).map(Filter::Blocked).ok_or("a filter is damaged")
            }
            _ => Err("a filter is of an unknown kind"),
        }
    }

    /// `false` if no key with this hash was added.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        match self {
            Filter::Bloom(bloom) => bloom.check(&as_item(hash)),
            Filter::Blocked(lines) => lines.may_contain(hash),
        }
    }

    /// Loads what a question for this hash looks at first, and does nothing with it.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) {
        if let Filter::Blocked(lines) = self {
            lines.touch(hash);
        }
    }

    /// Heap memory in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Filter::Bloom(bloom) => bloom.as_slice().len(),
            Filter::Blocked(lines) => lines.memory_bytes(),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("bytes", &self.memory_bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::key::filter_hash;
    use crate::table::filter::{Filter, FilterBuilder};
    use crate::table::options::FilterKind;
    use proptest::prelude::*;

    fn payload(keys: impl Iterator<Item = u64>, bits_per_key: u32) -> Vec<u8> {
        let mut builder = FilterBuilder::new(FilterKind::Bloom { bits_per_key });
        keys.for_each(|key| builder.add(&key.to_le_bytes()));
        builder.finish().unwrap()
    }

    #[test]
    fn a_filter_never_denies_a_key_and_rarely_lets_another_through() {
        let keys = 20_000;
        let filter = Filter::decode(&payload(0..keys, 10)).unwrap();
        let passes = |key: &u64| filter.may_contain(filter_hash(&key.to_le_bytes()));
        assert!((0..keys).all(|key| passes(&key)));
        let wrong = (keys..2 * keys).filter(passes).count();
        assert!(wrong < 250, "{wrong} of {keys}: 0.8 % were expected");
    }

    /// How many of twice as many strangers pass a filter of so many keys, which knows all of them.
    fn passing(kind: FilterKind, keys: u64) -> usize {
        let mut builder = FilterBuilder::new(kind);
        (0..keys).for_each(|key| builder.add(&key.to_le_bytes()));
        let filter = Filter::decode(&builder.finish().unwrap()).unwrap();
        let passes = |key: &u64| filter.may_contain(filter_hash(&key.to_le_bytes()));
        assert!((0..keys).all(|key| passes(&key)), "{kind:?} denies a key");
        (keys..3 * keys).filter(passes).count()
    }

    /// The crate's filter is the oracle: on the same keys both must know all, and the blocked one may let
    /// a few more strangers through.
    #[test]
    fn a_blocked_filter_does_what_the_bloom_filter_does() {
        for bits_per_key in [5, 10, 16] {
            let bloom = passing(FilterKind::Bloom { bits_per_key }, 50_000);
            let blocked = passing(FilterKind::Blocked { bits_per_key }, 50_000);
            assert!(blocked < bloom * 3 / 2 + 100, "{bits_per_key} bits: {blocked}, {bloom}");
        }
    }

    #[test]
    fn above_the_last_level_hardly_a_stranger_passes() {
        for kind in [FilterKind::default(), FilterKind::Bloom { bits_per_key: 10 }] {
            let [last, above] = [kind, kind.above_last_level()].map(|kind| passing(kind, 100_000));
            assert!(above * 8 < last && above < 300, "{kind:?}: {above}, {last}");
        }
        for none in [FilterKind::None, FilterKind::Blocked { bits_per_key: 0 }] {
            assert_eq!(none.above_last_level(), none, "who wants no filter gets none");
        }
    }

    #[test]
    fn a_filter_has_the_same_bytes_on_every_machine() {
        let mut expected = vec![1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0];
        expected.extend_from_slice(b"siltstone bloom: two halves vary");
        expected.extend_from_slice(&[206, 211, 60, 239, 121, 154, 230, 56]);
        assert_eq!(payload(0..3, 10), expected);
    }

    #[test]
    fn the_same_keys_make_the_same_bytes() {
        assert_eq!(payload(0..100, 10), payload(0..100, 10));
    }

    #[test]
    fn few_bits_and_few_keys_make_a_filter_too() {
        for bits in [1, 2, 64, 1000] {
            let filter = Filter::decode(&payload(0..1, bits)).unwrap();
            assert!(filter.may_contain(filter_hash(&0_u64.to_le_bytes())));
        }
        assert_eq!(FilterBuilder::new(FilterKind::Bloom { bits_per_key: 10 }).finish(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>, hash: u64) {
            if let Ok(filter) = Filter::decode(&bytes) {
                filter.may_contain(hash);
            }
        }

        #[test]
        fn a_damaged_filter_answers_or_is_refused(at in 0..60_usize, byte: u8, hash: u64) {
            let mut payload = payload(0..10, 10);
            if let Some(own) = payload.get_mut(at) {
                *own = byte;
            }
            if let Ok(filter) = Filter::decode(&payload) {
                filter.may_contain(hash);
            }
        }
    }
}
