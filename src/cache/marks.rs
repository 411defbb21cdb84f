//! Which entries of a cached block were read, and what the cache must know of a block to act on it.
//!
//! One entry of a block may be read all the time, and its neighbours never: keys that are in demand
//! lie scattered. A cache of whole blocks is then full of neighbours. So when there is no room for
//! everything, the cache marks what is read, and of a block stays what was marked.

/// Entries of one block: some of its first, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks(u16);

impl Marks {
    /// Nothing was read.
    pub(crate) const NONE: Marks = Marks(0);
    /// Everything was read, or something that has no mark of its own.
    pub(crate) const ALL: Marks = Marks(u16::MAX);
    /// A block with more entries is kept as a whole or not at all: its entries are small.
    pub(crate) const ENTRIES_MAX: usize = 15;

    /// Marks one more entry.
    pub(crate) fn add(&mut self, entry: usize) {
        *self = if entry < Marks::ENTRIES_MAX { Marks(self.0 | 1 << entry) } else { Marks::ALL };
    }

    /// Whether this entry is marked.
    pub(crate) fn has(self, entry: usize) -> bool {
        self == Marks::ALL || (entry < Marks::ENTRIES_MAX && self.0 >> entry & 1 == 1)
    }
}

/// What the cache keeps: a block, or some of its entries.
pub(crate) trait Kept: Clone + Send + Sync + 'static {
    /// Bytes of memory that it takes.
    fn memory_bytes(&self) -> usize;

    /// Whether every entry of the block is here.
    fn is_whole(&self) -> bool;

    /// Less of it: these entries. `None` if that is not worth the work. It runs under a lock, and
    /// must take less memory than before.
    fn reduced_to(&self, marks: Marks) -> Option<Self>;
}

#[cfg(test)]
mod tests {
    use crate::cache::marks::Marks;

    #[test]
    fn marks_are_of_the_first_entries_or_of_all() {
        let mut marks = Marks::NONE;
        for entry in [3, 0, 14, 3] {
            marks.add(entry);
        }
        let marked: Vec<_> = (0..20).filter(|&entry| marks.has(entry)).collect();
        assert_eq!(marked, [0, 3, 14]);
        marks.add(15);
        assert!(marks == Marks::ALL && (0..20).all(|entry| marks.has(entry)));
        assert!(!(0..20).any(|entry| Marks::NONE.has(entry)));
    }
}
