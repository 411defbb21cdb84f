//! Single payloads: what a builder wrote is parsed back, and other bytes never cause a panic.

use crate::format::key::{Kind, SEQNO_LATEST, compare};
use crate::format::limits::USER_KEY_BYTES_MAX;
use crate::table::data_block::DataBlock;
use crate::table::data_block_builder::DataBlockBuilder;
use crate::table::layout::FIXED_BYTES;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Versions = BTreeSet<(Vec<u8>, u64)>;

/// A payload, and the versions in it in their order.
fn payload(versions: &Versions) -> (Vec<u8>, Vec<(Vec<u8>, u64)>) {
    let mut versions: Vec<_> = versions.iter().cloned().collect();
    versions.sort_by(|a, b| compare((&a.0, a.1), (&b.0, b.1)));
    let mut builder = DataBlockBuilder::new();
    for (key, seqno) in &versions {
        let kind = if seqno % 3 == 0 { Kind::Delete } else { Kind::Put };
        builder.add(key, *seqno, kind, &seqno.to_le_bytes()[..key.len() % 8]);
    }
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    (payload, versions)
}

fn touch(block: &DataBlock) {
    let mut key = Vec::new();
    // One more than there is: accessors never fail.
    for index in 0..=block.len() {
        block.write_key(index, &mut key);
        let (kind, seqno) = (block.kind(index), block.seqno(index));
        assert!(block.seek(&key, seqno) <= block.len());
        assert!(matches!(kind, Kind::Put | Kind::Delete));
        if index < block.len() {
            assert_eq!(block.value_slice(index), block.value(index));
            assert!(seqno <= block.max_seqno() && block.max_seqno() <= SEQNO_LATEST);
        }
    }
}

fn any_versions() -> impl Strategy<Value = Versions> {
    let key = prop::collection::vec(0..3_u8, 0..8);
    let seqno = prop_oneof![0..6_u64, 0..70_000_u64, Just(SEQNO_LATEST)];
    prop::collection::btree_set((key, seqno), 1..40)
}

proptest! {
    #[test]
    fn a_payload_round_trips(versions in any_versions()) {
        let (bytes, versions) = payload(&versions);
        let block = DataBlock::parse(&bytes).unwrap();
        prop_assert_eq!(block.len(), versions.len());
        prop_assert_eq!(Some(block.max_seqno()), versions.iter().map(|version| version.1).max());
        prop_assert_eq!(block.is_all_puts(), versions.iter().all(|version| version.1 % 3 != 0));
        for (index, (key, seqno)) in versions.iter().enumerate() {
            let mut found = Vec::new();
            block.write_key(index, &mut found);
            prop_assert_eq!((&found, block.seqno(index)), (key, *seqno));
            prop_assert_eq!(block.value(index), &seqno.to_le_bytes()[..key.len() % 8]);
            prop_assert_eq!(block.kind(index) == Kind::Delete, seqno % 3 == 0);
            prop_assert_eq!(block.seek(key, *seqno), index);
            prop_assert!(block.key_equals(index, key));
        }
        touch(&block);
    }

    #[test]
    fn a_seek_finds_what_a_linear_search_finds(
        versions in any_versions(),
        key in prop::collection::vec(0..4_u8, 0..9),
        seqno in 0..7_u64,
    ) {
        let (bytes, versions) = payload(&versions);
        let block = DataBlock::parse(&bytes).unwrap();
        let is_before = |version: &&(Vec<u8>, u64)| {
            compare((&version.0, version.1), (&key, seqno)).is_lt()
        };
        prop_assert_eq!(block.seek(&key, seqno), versions.iter().take_while(is_before).count());
    }

    #[test]
    fn changed_payloads_are_refused_or_harmless(
        versions in any_versions(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let (mut bytes, _) = payload(&versions);
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if is_cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        if let Ok(block) = DataBlock::parse(&bytes) {
            touch(&block);
        }
    }

    #[test]
    fn any_bytes_parse_without_panic(bytes: Vec<u8>) {
        if let Ok(block) = DataBlock::parse(&bytes) {
            touch(&block);
        }
    }
}

#[test]
fn each_rule_of_the_ends_is_named_when_it_is_broken() {
    let mut builder = DataBlockBuilder::new();
    for key in [b"aa", b"ab", b"ba"] {
        builder.add(key, 5, Kind::Put, b"value");
    }
    let mut good = Vec::new();
    builder.finish(&mut good);
    assert_eq!(DataBlock::parse(&good).unwrap().len(), 3);
    // All have one seqno and none is a tombstone: the ends follow at once, u16 each.
    let with_end = |entry: usize, of_value: bool, end: u8| {
        let mut payload = good.clone();
        payload[FIXED_BYTES + entry * 4 + if of_value { 2 } else { 0 }] = end;
        DataBlock::parse(&payload).unwrap_err()
    };
    assert_eq!(with_end(1, false, 1), "the entries of a block overlap");
    assert_eq!(with_end(1, false, 7), "the entries of a block overlap");
    assert_eq!(with_end(1, true, 4), "the entries of a block overlap");
    assert_eq!(with_end(1, true, 16), "the entries of a block overlap");
    assert_eq!(with_end(2, false, 5), "the entries of a block do not fill it");
    assert_eq!(with_end(2, true, 14), "the entries of a block do not fill it");
    let last = good.len() - 3 * 5 - 2;
    let mut unsorted = good.clone();
    unsorted[last] = b'A';
    assert_eq!(DataBlock::parse(&unsorted).unwrap_err(), "the keys of a block are not sorted");

    builder.add(b"a", 5, Kind::Put, b"");
    builder.add(&vec![b'b'; USER_KEY_BYTES_MAX + 1], 5, Kind::Put, b"");
    let mut long = Vec::new();
    builder.finish(&mut long);
    assert_eq!(DataBlock::parse(&long).unwrap_err(), "the entries of a block overlap");
}

#[test]
fn the_largest_seqno_is_known_whatever_the_width_of_the_others() {
    for apart in [0, 200, 60_000, 1 << 20, 1 << 40] {
        let mut builder = DataBlockBuilder::new();
        let seqnos = [7, 7 + apart, 7 + apart / 2];
        for (key, seqno) in [b"a", b"b", b"c"].into_iter().zip(seqnos) {
            builder.add(key, seqno, Kind::Put, b"");
        }
        let mut payload = Vec::new();
        builder.finish(&mut payload);
        let block = DataBlock::parse(&payload).unwrap();
        assert_eq!(block.max_seqno(), 7 + apart);
        assert_eq!([0, 1, 2].map(|index| block.seqno(index)), seqnos);
    }
}
