//! Subjects for micro benchmarks: one structure each, made of the real parts, with what a read or a
//! write does to it as a method. `benches/micro` times them.

use crate::cache::{Budget, Cache};
use crate::format::key::{Kind, SEQNO_LATEST, filter_hash};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::memtable::Memtable;
use crate::merge::{Cursor, MergingCursor, RunCursor, Source};
use crate::sync::Arc;
use crate::table::data_block::DataBlock;
use crate::table::data_block_builder::DataBlockBuilder;
use crate::table::filter::{Filter, FilterBuilder};
use crate::table::{FilterKind, Handle, TableContext, TableOptions, TableWriter};
use std::path::Path;

/// A user key of the default keyspace: its id, then 16 bytes.
pub type UserKey = [u8; 20];

const VALUE: [u8; 100] = [0x5a; 100];

/// The key of a number. Making it takes longer than some of the things that are timed.
#[must_use]
pub fn user_key(number: u64) -> UserKey {
    let mut key = *b"\0\0\0\0k000000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev().take(15) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// One data block as a reader holds it. Its keys are the even numbers.
pub struct BlockSubject {
    block: DataBlock,
    entries: u64,
}

impl BlockSubject {
    /// A block of about so many bytes.
    #[must_use]
    pub fn new(block_bytes: usize) -> BlockSubject {
        let (mut builder, mut entries) = (DataBlockBuilder::new(), 0);
        while builder.size_bytes() + VALUE.len() < block_bytes {
            builder.add(&user_key(entries * 2), 1, Kind::Put, &VALUE);
            entries += 1;
        }
        let mut payload = Vec::new();
        builder.finish(&mut payload);
        let block = DataBlock::parse(&payload).expect("what is built is a block");
        BlockSubject { block, entries }
    }

    /// Numbers below this are worth a search.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        self.entries * 2
    }

    /// Searches the block for a key, and tells where its entry is or would be.
    #[must_use]
    pub fn seek(&self, key: &UserKey) -> usize {
        self.block.seek(key, SEQNO_LATEST)
    }
}

/// The filter of a table with so many keys: the even numbers.
pub struct FilterSubject(Filter);

impl FilterSubject {
    /// Builds the filter, as writing a table does, and loads it, as opening the table does.
    #[must_use]
    pub fn new(kind: FilterKind, keys: u64) -> FilterSubject {
        let mut builder = FilterBuilder::new(kind);
        for number in 0..keys {
            builder.add(&user_key(number * 2));
        }
        let payload = builder.finish().expect("a kind that is a filter");
        FilterSubject(Filter::decode(&payload).expect("what is built is a filter"))
    }

    /// Hashes a key and asks the filter for it, as a point read does.
    #[must_use]
    pub fn may_contain(&self, key: &UserKey) -> bool {
        self.0.may_contain(filter_hash(key))
    }
}

/// A memtable that is being filled.
pub struct MemtableSubject {
    memtable: Arc<Memtable>,
    seqno: u64,
}

impl Default for MemtableSubject {
    fn default() -> MemtableSubject {
        MemtableSubject { memtable: Arc::new(Memtable::new(1)), seqno: 0 }
    }
}

impl MemtableSubject {
    /// Inserts an entry of 16 + 100 bytes under a number.
    pub fn insert(&mut self, number: u64) {
        self.seqno += 1;
        self.memtable.insert(&user_key(number), self.seqno, Kind::Put, &VALUE);
    }

    /// Whether a key was inserted.
    #[must_use]
    pub fn contains(&self, key: &UserKey) -> bool {
        self.memtable.get(key, filter_hash(key), SEQNO_LATEST).is_some()
    }

    /// Walks all entries, in either direction, and counts them.
    #[must_use]
    pub fn walk(&self, forward: bool) -> u64 {
        walk(self.memtable.cursor(), forward)
    }
}

/// Several sorted runs, each one table in the cache, to be merged.
pub struct MergeSubject {
    runs: Vec<Arc<[Arc<Handle>]>>,
}

impl MergeSubject {
    /// Runs over `entries` numbers. Each number goes to the run that `run_of` names for it; the
    /// first run is the newest.
    #[must_use]
    pub fn new(entries: u64, runs: usize, run_of: impl Fn(u64) -> usize) -> MergeSubject {
        let (fs, directory) = (SimulatedFileSystem::new(), Path::new("/d"));
        fs.restart_history(false);
        fs.create_dir_all(directory).expect("an empty disk");
        let cache = Cache::new(Budget::new(1 << 30));
        let context = TableContext::new(Arc::new(fs), directory.to_owned(), 7, cache);
        let table = |run: usize| {
            let options = TableOptions::default();
            let mut writer =
                TableWriter::create(&context, run as u64 + 1, options).expect("a new table");
            for number in (0..entries).filter(|&number| run_of(number) == run) {
                let seqno = (runs - run) as u64;
                writer.add(&user_key(number), seqno, Kind::Put, &VALUE).expect("an entry");
            }
            let facts = writer.finish().expect("a table");
            Arc::from([Handle::new(&context, facts)])
        };
        MergeSubject { runs: (0..runs).map(table).collect() }
    }

    /// Merges all runs, in either direction, and counts the entries.
    #[must_use]
    pub fn walk(&self, forward: bool) -> u64 {
        let source = |run: &Arc<[Arc<Handle>]>| Source::Run(RunCursor::new(Arc::clone(run)));
        walk(MergingCursor::new(self.runs.iter().map(source).collect::<Vec<Source>>()), forward)
    }
}

fn walk(mut cursor: impl Cursor, forward: bool) -> u64 {
    let begun = if forward { cursor.seek_first() } else { cursor.seek_last() };
    begun.expect("memory can be read");
    let (mut entries, mut bytes) = (0, 0);
    while cursor.is_valid() {
        entries += 1;
        bytes += cursor.key().len() + cursor.value().len();
        let moved = if forward { cursor.next() } else { cursor.prev() };
        moved.expect("memory can be read");
    }
    assert_eq!(bytes as u64, entries * (size_of::<UserKey>() + VALUE.len()) as u64);
    entries
}

#[cfg(test)]
mod tests {
    use crate::table::FilterKind;
    use crate::testing::micro::{
        BlockSubject, FilterSubject, MemtableSubject, MergeSubject, user_key,
    };

    #[test]
    fn subjects_hold_what_they_say() {
        let block = BlockSubject::new(8 << 10);
        assert!(block.numbers() > 100);
        assert_eq!((block.seek(&user_key(20)), block.seek(&user_key(21))), (10, 11));

        let filter = FilterSubject::new(FilterKind::default(), 1_000);
        assert!((0..1_000).all(|number| filter.may_contain(&user_key(number * 2))));
        let passes = |number: &u64| filter.may_contain(&user_key(number * 2 + 1));
        assert!((0..1_000).filter(passes).count() < 50);

        let mut memtable = MemtableSubject::default();
        (0..100).for_each(|number| memtable.insert(number * 7 % 100));
        assert!(memtable.contains(&user_key(99)) && !memtable.contains(&user_key(100)));
        assert_eq!((memtable.walk(true), memtable.walk(false)), (100, 100));

        let merge = MergeSubject::new(1_000, 3, |number| (number % 10 / 4) as usize);
        assert_eq!((merge.walk(true), merge.walk(false)), (1_000, 1_000));
    }
}
