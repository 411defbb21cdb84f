//! "Tables" of the page.

use crate::Found;
use crate::bytes::{Bytes, crc32};
use crate::manifest::Facts;
use std::collections::BTreeMap;

type Handle = (usize, usize, usize);

struct Table<'a> {
    file: &'a [u8],
    database: u64,
    id: u64,
}

struct Entry {
    key: Vec<u8>,
    seqno: u64,
    kind: u64,
    value: Vec<u8>,
}

/// Adds the entries of a table, having held everything against everything.
pub(crate) fn read(file: &[u8], database: u64, id: u64, facts: &Facts, found: &mut Found) {
    let end = file.len() - 64;
    let mut footer = Bytes(&file[end..]);
    assert_eq!(footer.take(8), b"siltSST\0");
    assert_eq!((footer.uint(4), footer.uint(4)), (1, 0), "version and flags");
    assert_eq!((footer.uint(8), footer.uint(8)), (database, id));
    let directory_handle = handle(&mut footer);
    let blocks_crc = footer.uint(4);
    assert_eq!(footer.uint(8), 0);
    let crc = footer.uint(4);
    assert_eq!((crc, crc), (crc32(&[&file[end..end + 60]]), facts.fingerprint));

    let table = Table { file, database, id };
    let (by_type, crcs) = table.walk(end);
    assert_eq!(blocks_crc, crc32(&[&crcs]), "the crcs of all blocks, in file order");
    let mut directory = BTreeMap::new();
    let payload = table.block(directory_handle, 7);
    let mut bytes = Bytes(&payload);
    while !bytes.is_empty() {
        directory.insert(bytes.uint(1), handle(&mut bytes));
    }

    let data = match (directory.get(&2), directory.get(&3)) {
        (Some(index), None) => table.index(*index, 2),
        (None, Some(top)) => {
            table.index(*top, 3).into_iter().flat_map(|(_, part)| table.index(part, 2)).collect()
        }
        (None, None) => Vec::new(),
        _ => panic!("an index is whole or has parts"),
    };
    assert_eq!(data.len(), by_type.get(&1).copied().unwrap_or(0), "every data block is named");
    let mut entries = Vec::new();
    for (separator, handle) in data {
        let block = slots(&table.block(handle, 1));
        assert!(entries.last().is_none_or(|last: &Entry| last.key <= block[0].key));
        assert!(separator >= block[block.len() - 1].key, "a separator is at or behind its block");
        entries.extend(block);
    }
    if let Some(ranges) = directory.get(&5) {
        read_ranges(&table.block(*ranges, 5), found);
    }
    check_properties(&table.block(directory[&6], 6), &entries, facts);
    let sorted = entries.is_sorted_by(|one, other| {
        (&one.key, u64::MAX - one.seqno) < (&other.key, u64::MAX - other.seqno)
    });
    assert!(sorted, "user key ascending, then seqno descending");
    if let Some(filter) = directory.get(&4) {
        assert!(matches!(table.block(*filter, 4)[0], 1 | 2), "the kind of the filter");
    }
    for Entry { key, seqno, kind, value } in entries {
        found.versions.push((key, seqno, (kind == 1).then_some(value)));
    }
}

fn handle(bytes: &mut Bytes<'_>) -> Handle {
    (bytes.len_of(8), bytes.len_of(4), bytes.len_of(4))
}

impl Table<'_> {
    /// How many blocks of each type there are, and all their crcs.
    fn walk(&self, end: usize) -> (BTreeMap<u64, usize>, Vec<u8>) {
        let (mut by_type, mut crcs, mut offset) = (BTreeMap::new(), Vec::new(), 0);
        while offset < end {
            let header = &self.file[offset..offset + 16];
            let stored_len = Bytes(&header[4..]).len_of(4);
            *by_type.entry(u64::from(header[12])).or_insert(0) += 1;
            crcs.extend_from_slice(&header[..4]);
            offset += 16 + stored_len;
        }
        assert_eq!(offset, end, "blocks fill the file up to the footer");
        (by_type, crcs)
    }

    /// The payload of a block.
    fn block(&self, (offset, stored_len, raw_len): Handle, of_type: u64) -> Vec<u8> {
        let block = &self.file[offset..offset + 16 + stored_len];
        let place = [self.database, self.id, offset as u64].map(u64::to_le_bytes).concat();
        let mut header = Bytes(block);
        assert_eq!(header.uint(4), crc32(&[&place, &block[4..]]), "the block at {offset}");
        assert_eq!((header.len_of(4), header.len_of(4)), (stored_len, raw_len));
        let (kind, codec, reserved) = (header.uint(1), header.uint(1), header.uint(2));
        assert_eq!((kind, reserved), (of_type, 0));
        let payload = match codec {
            0 => header.0.to_vec(),
            1 => zstd::bulk::decompress(header.0, raw_len).unwrap(),
            other => panic!("codec {other}"),
        };
        assert_eq!(payload.len(), raw_len);
        payload
    }

    /// Separators and handles of an index block.
    fn index(&self, handle_of_it: Handle, of_type: u64) -> Vec<(Vec<u8>, Handle)> {
        let entries = slots(&self.block(handle_of_it, of_type));
        let row = |Entry { key, seqno, kind, value }: Entry| {
            assert_eq!((seqno, kind, value.len()), (0, 1, 17), "puts with seqno 0");
            (key, handle(&mut Bytes(&value)))
        };
        entries.into_iter().map(row).collect()
    }
}

/// The entries of a data block.
fn slots(payload: &[u8]) -> Vec<Entry> {
    let mut bytes = Bytes(payload);
    let (n, prefix_len) = (bytes.len_of(2), bytes.len_of(2));
    let (flags, seqno_width) = (bytes.uint(1), bytes.len_of(1));
    assert_eq!(bytes.uint(2), 0);
    let (base, suffix_bytes, value_bytes) = (bytes.uint(8), bytes.len_of(4), bytes.len_of(4));
    let kinds: Vec<u64> =
        if flags & 1 == 0 { (0..n).map(|_| bytes.uint(1)).collect() } else { vec![1; n] };
    let seqnos: Vec<u64> = (0..n).map(|_| base + bytes.uint(seqno_width)).collect();
    let width = if flags & 4 == 0 { 2 } else { 4 };
    let ends: Vec<_> = (0..n).map(|_| (bytes.len_of(width), bytes.len_of(width))).collect();
    let prefix = bytes.take(prefix_len);
    let (suffixes, values) = (bytes.take(suffix_bytes), bytes.take(value_bytes));
    assert!(bytes.is_empty());
    let mut start = (0, 0);
    let entry = |index: usize| {
        let (from, to) = (start, ends[index]);
        start = to;
        let key = [prefix, &suffixes[from.0..to.0]].concat();
        let value = values[from.1..to.1].to_vec();
        Entry { key, seqno: seqnos[index], kind: kinds[index], value }
    };
    let entries: Vec<Entry> = (0..n).map(entry).collect();
    let has_unique_keys = entries.windows(2).all(|pair| pair[0].key < pair[1].key);
    assert!(flags & 2 == 0 || has_unique_keys, "the flag promises it");
    entries
}

fn read_ranges(payload: &[u8], found: &mut Found) {
    let mut bytes = Bytes(payload);
    while !bytes.is_empty() {
        let (start, end) = (bytes.prefixed().to_vec(), bytes.prefixed().to_vec());
        assert!(start < end);
        for _ in 0..bytes.varint() {
            found.ranges.push((start.clone(), end.clone(), bytes.varint()));
        }
    }
}

fn check_properties(payload: &[u8], entries: &[Entry], facts: &Facts) {
    let (mut bytes, mut properties) = (Bytes(payload), BTreeMap::new());
    while !bytes.is_empty() {
        let tag = bytes.varint();
        assert!(properties.last_key_value().is_none_or(|(last, _)| *last < tag), "tags ascend");
        properties.insert(tag, bytes.prefixed());
    }
    let number = |tag: u64| properties.get(&tag).map_or(0, |value| Bytes(value).varint());
    let deletes = entries.iter().filter(|entry| entry.kind == 2).count();
    assert_eq!((entries.len() as u64, deletes as u64), (facts.entries, facts.deletes));
    assert_eq!(
        (1..=6).map(number).collect::<Vec<_>>(),
        [
            facts.entries,
            facts.deletes,
            facts.range_deletes,
            facts.raw_bytes,
            facts.min_seqno,
            facts.max_seqno
        ]
    );
    assert_eq!((properties[&7], properties[&8]), (&facts.smallest[..], &facts.largest[..]));
    assert_eq!(number(9) == 1, facts.largest_is_exclusive);
    let inside = |key: &Vec<u8>| facts.smallest <= *key && *key <= facts.largest;
    assert!(entries.iter().all(|entry| inside(&entry.key)), "the bounds hold every key");
}
