//! A bloom filter in lines: all bits of a key are in one cache line, so that a question costs one miss.
//!
//! ```text
//! payload := hashes u8 | reserved u16, 0 | lines u32 | line of 64 bytes *
//! ```
//!
//! With `h` the hash of a key: its line is `(h >> 32) * lines >> 32`. Its bits in there come from the
//! lower half of `h`, which is multiplied by [`STEP`] modulo 2^32 once for each: the upper nine bits of
//! each product are the number of a bit. Bit x is bit x mod 8 of byte x / 8.
//!
//! The price of one line are keys that are unevenly spread over the lines: about 1 % of absent keys pass
//! at ten bits a key, where bits that are spread over the whole map let 0.8 % pass.
//!
//! Source of the idea: Putze, Sanders, Singler, "Cache-, hash- and space-efficient bloom filters", 2007.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::{Reader, put_u16, put_u32};

const LINE_BYTES: usize = 64;
const LINE_BITS: usize = LINE_BYTES * 8;

/// Most bits of a key that are believed, as many as there are [`STEPS`]: more slow a filter down, and
/// sharpen none.
const HASHES_MAX: u8 = 16;

/// The golden ratio in 32 bits. On disk: never change it.
const STEP: u32 = 0x9e37_79b9;

/// A cache line as eight numbers, the first eight bytes first.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([u64; LINE_BYTES / 8]);

/// See the module's caption.
#[derive(Debug)]
pub(crate) struct BlockedFilter {
    hashes: u8,
    lines: Box<[Line]>,
}

impl BlockedFilter {
    /// A filter of these hashes. `None` if there are too many for a filter of this kind.
    pub(crate) fn build(hashes: &[u64], bits_per_key: usize) -> Option<BlockedFilter> {
        let lines = hashes.len().checked_mul(bits_per_key)?.div_ceil(LINE_BITS).max(1);
        u32::try_from(lines).ok()?;
        // The best number of bits for a key is 0.69 of the bits it takes; lines take less.
        let count = u8::try_from(bits_per_key * 6 / 10).unwrap_or(HASHES_MAX);
        let lines = vec![Line::default(); lines].into_boxed_slice();
        let mut filter = BlockedFilter { hashes: count.clamp(1, HASHES_MAX), lines };
        for &hash in hashes {
            let (place, count) = (filter.place(hash), filter.hashes);
            if let Some(Line(words)) = filter.lines.get_mut(place) {
                for (word, bit) in bits(hash, count) {
                    if let Some(word) = words.get_mut(word) {
                        *word |= bit;
                    }
                }
            }
        }
        Some(filter)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.hashes);
        put_u16(out, 0);
        put_u32(out, u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        for Line(words) in &self.lines {
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(payload: &[u8]) -> Option<BlockedFilter> {
        let mut reader = Reader::new(payload);
        let hashes = reader.u8()?;
        let reserved = reader.u16()?;
        let count = usize::try_from(reader.u32()?).ok()?;
        let bytes = payload.get(1 + 2 + 4..)?;
        let is_sane = (1..=HASHES_MAX).contains(&hashes)
            && reserved == 0
            && count > 0
            && count.checked_mul(LINE_BYTES) == Some(bytes.len());
        if !is_sane {
            return None;
        }
        let (lines, _) = bytes.as_chunks::<LINE_BYTES>();
        let line = |bytes: &[u8; LINE_BYTES]| {
            let mut line = Line::default();
            for (word, bytes) in line.0.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            line
        };
        Some(BlockedFilter { hashes, lines: lines.iter().map(line).collect() })
    }

    /// `false` if no key with this hash is in it.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let Some(Line(words)) = self.lines.get(self.place(hash)) else { return true };
        // All bits are looked at: a branch for each would be guessed wrong half of the time.
        let missing = bits(hash, self.hashes).fold(0, |missing, (word, bit)| {
            missing | (!words.get(word).copied().unwrap_or_default() & bit)
        });
        missing == 0
    }

    /// Loads the line of a hash, and does nothing with it.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) {
        let line = self.lines.get(self.place(hash));
        std::hint::black_box(line.map_or(0, |Line([word, ..])| *word));
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// Number of the line of a hash.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let lines = u64::try_from(self.lines.len()).unwrap_or_default();
        usize::try_from(((hash >> 32) * lines) >> 32).unwrap_or_default()
    }
}

/// The powers of [`STEP`], the first one first: so no product waits for the one before it.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would panic there")]
const STEPS: [u32; 16] = {
    let mut steps = [STEP; 16];
    let mut power = 1;
    while power < steps.len() {
        steps[power] = STEP.wrapping_mul(steps[power - 1]);
        power += 1;
    }
    steps
};

/// The bits of a hash: the number of the word, and the bit in it.
#[inline]
fn bits(hash: u64, count: u8) -> impl Iterator<Item = (usize, u64)> {
    let low = u32::try_from(hash & 0xffff_ffff).unwrap_or_default();
    STEPS.iter().take(usize::from(count)).map(move |&step| {
        let bit = low.wrapping_mul(step) >> 23;
        (usize::try_from(bit >> 6).unwrap_or_default(), 1 << (bit & 63))
    })
}

#[cfg(test)]
mod tests {
    use crate::table::blocked::{BlockedFilter, bits};
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn hash(number: u64) -> u64 {
        xxh3_64(&number.to_le_bytes())
    }

    fn filter(keys: u64, bits_per_key: usize) -> BlockedFilter {
        let hashes: Vec<u64> = (0..keys).map(hash).collect();
        BlockedFilter::build(&hashes, bits_per_key).unwrap()
    }

    #[test]
    fn one_in_a_hundred_absent_keys_passes_at_ten_bits() {
        let keys = 100_000;
        let filter = filter(keys, 10);
        assert!((0..keys).all(|number| filter.may_contain(hash(number))));
        let wrong = (keys..2 * keys).filter(|&number| filter.may_contain(hash(number))).count();
        assert!((800..1_150).contains(&wrong), "{wrong} of {keys}");
        assert!(filter.memory_bytes() < 10 * 100_000 / 8 + 128);
    }

    #[test]
    fn the_bytes_are_the_same_everywhere() {
        let mut payload = Vec::new();
        filter(3, 10).encode(&mut payload);
        assert_eq!(payload.len(), 7 + 64);
        assert_eq!(payload[..7], [6, 0, 0, 1, 0, 0, 0]);
        let is_set = |&bit: &u64| {
            let (byte, bit) = (usize::try_from(bit / 8).unwrap(), bit % 8);
            payload[7 + byte] >> bit & 1 == 1
        };
        let set: Vec<u64> = (0..512).filter(is_set).collect();
        // Worked out again from the caption, another way.
        let product = |hash: u64, times: u32| {
            (0..times).fold(hash % (1 << 32), |state, _| state * 0x9e37_79b9 % (1 << 32))
        };
        let expected: std::collections::BTreeSet<u64> = (0..3)
            .flat_map(|number| (1..=6).map(move |times| (number, times)))
            .map(|(number, times)| product(hash(number), times) / (1 << 23))
            .collect();
        assert_eq!(set, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_bits_of_a_key_are_those_of_the_caption() {
        for (hash, count) in [(hash(1), 6), (hash(2), 9), (hash(3), 16), (u64::MAX, 16)] {
            let mut state = hash % (1 << 32);
            let expected = (0..count).map(|_| {
                state = state * 0x9e37_79b9 % (1 << 32);
                state / (1 << 23)
            });
            let place = |(word, bit): (usize, u64)| {
                u64::try_from(word).unwrap() * 64 + u64::from(bit.trailing_zeros())
            };
            let found = bits(hash, count).map(place);
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_denies_no_key(
            keys in prop::collection::vec(any::<u64>(), 1..300),
            bits_per_key in 1..40_usize,
            other: u64,
        ) {
            let built = BlockedFilter::build(&keys, bits_per_key).unwrap();
            let mut payload = Vec::new();
            built.encode(&mut payload);
            let read = BlockedFilter::decode(&payload).unwrap();
            prop_assert!(keys.iter().all(|&key| read.may_contain(key)));
            prop_assert_eq!(read.may_contain(other), built.may_contain(other));
            prop_assert!(BlockedFilter::decode(&payload[..payload.len() - 1]).is_none());
        }

        #[test]
        fn any_bytes_are_refused_or_answer(bytes: Vec<u8>, hash: u64) {
            if let Some(filter) = BlockedFilter::decode(&bytes) {
                let _answer = filter.may_contain(hash);
            }
        }
    }
}
