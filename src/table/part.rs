//! Parts of a data block: the entries that are read, where the cache has no room for their neighbours.
//!
//! A part is a block like any other, with fewer entries. It holds all versions of a user key that the whole
//! holds, or none of them; so what it says of a key that is in it is what the whole says. Of a key that is
//! not, it says nothing: whoever finds none reads the whole.
//!
//! Blocks of many entries have no parts: their entries are hardly larger than what a part costs beside them.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::cache::marks::{Kept, Marks};
use crate::format::key::order;
use crate::table::data_block::DataBlock;
use crate::table::data_block_builder::DataBlockBuilder;
use std::cell::RefCell;

/// Room for a payload that a thread keeps.
const KEPT_BYTES_MAX: usize = 64 << 10;

thread_local! {
    /// What makes parts, and the room for a payload: a part is made at every miss, and small.
    static MAKER: RefCell<(DataBlockBuilder, Vec<u8>)> =
        RefCell::new((DataBlockBuilder::new(), Vec::new()));
}

impl Kept for DataBlock {
    fn memory_bytes(&self) -> usize {
        DataBlock::memory_bytes(self)
    }

    fn is_whole(&self) -> bool {
        DataBlock::is_whole(self)
    }

    fn reduced_to(&self, marks: Marks) -> Option<DataBlock> {
        if marks == Marks::ALL { None } else { part_of(self, with_versions(self, marks)?) }
    }
}

/// What the cache is to keep of a whole block of which one entry was read, beside what it keeps already:
/// with the marks of that. `None`: the block has no parts, or most of it would be kept.
pub(crate) fn grown(
    whole: &DataBlock,
    entry: usize,
    present: Option<&DataBlock>,
    read: Marks,
) -> Option<(DataBlock, Marks)> {
    let (mut wanted, mut read_of_whole) = (Marks::NONE, Marks::NONE);
    wanted.add(entry);
    if let Some(present) = present {
        let (mut key, mut own) = (Vec::new(), 0);
        // Both are in the same order, so what is in the part comes one after the other.
        for index in 0..whole.len() {
            whole.write_key(index, &mut key);
            let is_here = own < present.len()
                && present.seqno(own) == whole.seqno(index)
                && present.key_equals(own, &key);
            if is_here {
                wanted.add(index);
                if read.has(own) {
                    read_of_whole.add(index);
                }
                own += 1;
            }
        }
    }
    let entries = with_versions(whole, wanted)?;
    let part = part_of(whole, entries)?;
    let mut marks = Marks::NONE;
    for (own, index) in (0..whole.len()).filter(|&index| entries.has(index)).enumerate() {
        if read_of_whole.has(index) {
            marks.add(own);
        }
    }
    Some((part, marks))
}

/// These entries and all other versions of their keys; `None` if the block has no parts.
fn with_versions(block: &DataBlock, marks: Marks) -> Option<Marks> {
    if block.len() > Marks::ENTRIES_MAX {
        return None;
    }
    let mut all = marks;
    // From either side: a neighbour of a wanted entry with the same key is wanted.
    for index in (1..block.len()).chain((1..block.len()).rev()) {
        let is_one_wanted = all.has(index - 1) != all.has(index);
        if is_one_wanted && order(block.suffix(index - 1), block.suffix(index)).is_eq() {
            all.add(index - 1);
            all.add(index);
        }
    }
    Some(all)
}

/// A block of these entries; `None` if they are none, or most of the block.
fn part_of(block: &DataBlock, entries: Marks) -> Option<DataBlock> {
    let entries = || (0..block.len()).filter(|&entry| entries.has(entry));
    let bytes: usize =
        entries().map(|entry| block.suffix(entry).len() + block.value(entry).len()).sum();
    // A part of most of the block saves little, and is soon made again.
    if entries().next().is_none() || bytes > block.memory_bytes() / 3 * 2 {
        return None;
    }
    let part = MAKER.with_borrow_mut(|(builder, room)| {
        for entry in entries() {
            block.write_key(entry, room);
            builder.add(room, block.seqno(entry), block.kind(entry), block.value(entry));
        }
        if !block.has_unique_keys() {
            builder.mark_repeated_key();
        }
        builder.finish(room);
        let part = DataBlock::parse(room);
        room.shrink_to(KEPT_BYTES_MAX);
        part
    });
    let part = part.ok()?.into_part();
    (part.memory_bytes() < block.memory_bytes()).then_some(part)
}

#[cfg(test)]
mod tests {
    use crate::cache::marks::{Kept, Marks};
    use crate::format::key::{Kind, Seqno};
    use crate::table::data_block::DataBlock;
    use crate::table::data_block_builder::DataBlockBuilder;
    use crate::table::part::grown;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Versions = BTreeMap<Vec<u8>, Vec<(Seqno, Option<Vec<u8>>)>>;

    fn block(versions: &Versions) -> DataBlock {
        let mut builder = DataBlockBuilder::new();
        for (key, versions) in versions {
            for (seqno, value) in versions.iter().rev() {
                let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
                builder.add(key, *seqno, kind, value.as_deref().unwrap_or_default());
            }
            if versions.len() > 1 {
                builder.mark_repeated_key();
            }
        }
        let mut payload = Vec::new();
        builder.finish(&mut payload);
        DataBlock::parse(&payload).unwrap()
    }

    fn any_versions() -> impl Strategy<Value = Versions> {
        let key = prop::collection::vec(b'a'..b'd', 0..4);
        let version = (1..200_u64, prop::option::of(prop::collection::vec(any::<u8>(), 0..300)));
        let versions = prop::collection::vec(version, 1..4).prop_map(|mut versions| {
            versions.sort_unstable();
            versions.dedup_by_key(|version| version.0);
            versions
        });
        prop::collection::btree_map(key, versions, 1..8)
    }

    /// What a block says of a key: the newest entry of it that a reader sees.
    fn answer(block: &DataBlock, key: &[u8], seqno: Seqno) -> Option<(Seqno, Kind, Vec<u8>)> {
        let at = block.seek(key, seqno);
        let is_found = at < block.len() && block.key_equals(at, key);
        is_found.then(|| (block.seqno(at), block.kind(at), block.value(at).to_vec()))
    }

    fn check(part: &DataBlock, whole: &DataBlock, versions: &Versions) {
        assert!(!part.is_whole() && part.memory_bytes() < whole.memory_bytes());
        for key in versions.keys() {
            let is_in = answer(part, key, Seqno::MAX).is_some();
            for seqno in 0..201 {
                let expected = if is_in { answer(whole, key, seqno) } else { None };
                assert_eq!(answer(part, key, seqno), expected, "{key:?} at {seqno}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_part_says_of_its_keys_what_the_whole_says(
            versions in any_versions(),
            reads in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..8),
        ) {
            let whole = block(&versions);
            let mut kept: Option<(DataBlock, Marks)> = None;
            for (entry, is_cut) in reads {
                let entry = entry.index(whole.len());
                let (present, read) = match &kept {
                    Some((part, read)) => (Some(part), *read),
                    None => (None, Marks::NONE),
                };
                let Some((part, marks)) = grown(&whole, entry, present, read) else { break };
                check(&part, &whole, &versions);
                let mut key = Vec::new();
                whole.write_key(entry, &mut key);
                prop_assert!(answer(&part, &key, whole.seqno(entry)).is_some());
                let mut marks = marks;
                marks.add(part.seek(&key, whole.seqno(entry)));
                let less = is_cut.then(|| part.reduced_to(marks)).flatten();
                if let Some(less) = &less {
                    check(less, &whole, &versions);
                    prop_assert!(answer(less, &key, whole.seqno(entry)).is_some());
                }
                kept = Some(less.map_or((part, marks), |less| (less, Marks::NONE)));
            }
        }
    }

    #[test]
    fn a_part_keeps_the_marks_of_what_was_in_it() {
        let versions = (0..8_u8).map(|key| (vec![key], vec![(1, Some(vec![key; 500]))])).collect();
        let whole = block(&versions);
        let (part, marks) = grown(&whole, 5, None, Marks::NONE).unwrap();
        assert_eq!((part.len(), marks), (1, Marks::NONE));
        let mut read = Marks::NONE;
        read.add(0);
        let (part, marks) = grown(&whole, 2, Some(&part), read).unwrap();
        assert_eq!((part.len(), marks.has(0), marks.has(1)), (2, false, true));
        assert_eq!(part.reduced_to(marks).map(|part| part.value(0).to_vec()), Some(vec![5; 500]));
        assert!(part.reduced_to(Marks::ALL).is_none());
    }

    #[test]
    fn many_small_entries_have_no_parts_and_most_of_a_block_is_none() {
        let small = (0..16_u8).map(|key| (vec![key], vec![(1, Some(vec![key; 500]))])).collect();
        assert!(grown(&block(&small), 3, None, Marks::NONE).is_none());
        let two =
            (0..2_u8).map(|key| (vec![key], vec![(1, Some(vec![key; 500 * usize::from(key)]))]));
        let two = block(&two.collect());
        assert!(grown(&two, 1, None, Marks::NONE).is_none());
        assert_eq!(grown(&two, 0, None, Marks::NONE).map(|(part, _)| part.len()), Some(1));
    }
}
