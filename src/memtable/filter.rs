//! Says of most absent keys that a memtable does not have them, at the price of one cache miss.
//!
//! A search of the index costs ten misses and more, and most gets look for what lies in a table, or
//! nowhere. The filter is a bloom filter in words: all bits of a key are in one word of 64 bits, which
//! a writer changes and a reader loads at once. Words come in pages, and a page is made for the first
//! key in it: so nobody waits for a whole filter to be zeroed, and an empty memtable has none.
//!
//! Invariant: a bit that is set stays set. Relaxed everywhere: a key is added before its seqno is
//! published, and whoever learns of the seqno sees what came before.

use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Bytes of entries for a word: three or four of a hundred bytes share one. Then one absent key in
/// two hundred passes.
const ENTRY_BYTES_A_WORD: usize = 512;

/// Bits of a key.
const BITS: u32 = 5;

/// Words of a page: 4 KiB.
const PAGE_WORDS: usize = 512;

type Page = Box<[AtomicU64]>;

/// See the module's caption.
pub(crate) struct KeyFilter {
    words: usize,
    pages: Box<[OnceLock<Page>]>,
}

impl KeyFilter {
    /// A filter that suits a memtable of this size.
    pub(crate) fn new(memtable_bytes: usize) -> KeyFilter {
        let words = memtable_bytes.div_ceil(ENTRY_BYTES_A_WORD).max(1);
        let pages = (0..words.div_ceil(PAGE_WORDS)).map(|_| OnceLock::new()).collect();
        KeyFilter { words, pages }
    }

    /// Adds a key by its `filter_hash`.
    pub(crate) fn add(&self, hash: u64) {
        let (page, word) = self.place(hash);
        let page = self.pages[page].get_or_init(|| {
            let words = self.words.min(PAGE_WORDS);
            (0..words).map(|_| AtomicU64::new(0)).collect()
        });
        let bits = bits(hash);
        // A key that is written again finds its bits, and need not take the line for itself.
        if page[word].load(Ordering::Relaxed) & bits != bits {
            page[word].fetch_or(bits, Ordering::Relaxed);
        }
    }

    /// `false` if no key with this hash was added.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let (page, word) = self.place(hash);
        let bits = bits(hash);
        self.pages[page].get().is_some_and(|page| page[word].load(Ordering::Relaxed) & bits == bits)
    }

    /// Memory of all pages, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.words * size_of::<u64>()
    }

    /// The page of a hash, and the word in it: from the upper half of the hash.
    #[inline]
    fn place(&self, hash: u64) -> (usize, usize) {
        let word = ((u128::from(hash) * self.words as u128) >> u64::BITS) as usize;
        (word / PAGE_WORDS, word % PAGE_WORDS)
    }
}

/// The bits of a hash: six bits of its lower half choose each.
#[inline]
fn bits(hash: u64) -> u64 {
    (0..BITS).fold(0, |bits, turn| bits | (1 << ((hash >> (6 * turn)) & 63)))
}

#[cfg(test)]
mod tests {
    use crate::format::key::filter_hash;
    use crate::memtable::filter::KeyFilter;

    fn hash(number: u64) -> u64 {
        filter_hash(&number.to_le_bytes())
    }

    #[test]
    fn a_filter_denies_no_key_and_lets_few_absent_ones_pass() {
        const BYTES: usize = if cfg!(miri) { 64 << 10 } else { 64 << 20 };
        let filter = KeyFilter::new(BYTES);
        let keys = BYTES as u64 / 150;
        (0..keys).for_each(|number| filter.add(hash(number)));
        assert!((0..keys).all(|number| filter.may_contain(hash(number))));
        let wrong = (keys..2 * keys).filter(|&number| filter.may_contain(hash(number))).count();
        assert!(wrong as u64 * 150 < keys, "{wrong} of {keys}");
        assert_eq!(filter.memory_bytes(), BYTES / 64);
    }

    #[test]
    fn a_filter_of_any_size_denies_no_key() {
        for memtable_bytes in [0, 1, 512, 513, 4 << 10, 511 << 9, 512 << 9, 513 << 9, 3 << 20] {
            let filter = KeyFilter::new(memtable_bytes);
            assert!((0..100).all(|number| !filter.may_contain(hash(number))), "nothing was added");
            let keys = if cfg!(miri) { 100 } else { 3_000 };
            (0..keys).for_each(|number| filter.add(hash(number)));
            assert!((0..keys).all(|number| filter.may_contain(hash(number))), "{memtable_bytes}");
        }
        let filter = KeyFilter::new(1 << 20);
        for extreme in [0, 1, u64::MAX, 1 << 32, u64::MAX << 32] {
            filter.add(extreme);
            assert!(filter.may_contain(extreme));
        }
    }
}
