//! Fuzz bodies for what leads to the rest of a file: the index and the filter of a table, and the
//! beginnings and ends of files.
//!
//! The first byte of the input chooses the decoder; behind it is what the decoder gets. So small
//! decoders share a target, and a fuzzer its time.

use crate::error::ErrorKind;
use crate::format::checksum::crc32;
use crate::format::filename::FileName;
use crate::format::key::{Kind, filter_hash};
use crate::format::record::HEADER_BYTES;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::manifest::{point_current, read_current};
use crate::table::FilterKind;
use crate::table::data_block::DataBlock;
use crate::table::filter::{Filter, FilterBuilder};
use crate::table::footer::{Directory, FOOTER_BYTES, Footer};
use crate::table::index::{IndexBuilder, IndexEntry, find};
use crate::table::properties::Properties;
use crate::wal::segment::Opening;
use std::path::Path;

/// Keys as they are written out; a shared prefix is repeated with every key.
const KEYS_BYTES_MAX: usize = 1 << 20;

/// An index block (0), the payload of a filter (1), or keys for a filter (2 bloom, 3 blocked).
#[must_use]
pub fn index_filter(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, payload)) => index(payload),
        Some((1, payload)) => filter(payload),
        Some((2, keys)) => filter_of_keys(keys, |bits_per_key| FilterKind::Bloom { bits_per_key }),
        Some((3, keys)) => {
            filter_of_keys(keys, |bits_per_key| FilterKind::Blocked { bits_per_key })
        }
        _ => false,
    }
}

/// Accepted if separators ascend and every value is an entry; then an index built of them leads to
/// the same blocks.
fn index(payload: &[u8]) -> bool {
    let Ok(block) = DataBlock::parse(payload) else { return false };
    if block.prefix().len() * block.len() > KEYS_BYTES_MAX {
        return false;
    }
    let (mut separators, mut entries) = (Vec::new(), Vec::new());
    for index in 0..block.len() {
        let mut separator = Vec::new();
        block.write_key(index, &mut separator);
        assert!(find(&block, &separator) <= block.len(), "a search ends in the index");
        let Some(entry) = IndexEntry::of(&block, index) else { return false };
        let is_put = block.kind(index) == Kind::Put && block.seqno(index) == 0;
        let ascends = separators.last().is_none_or(|last: &Vec<u8>| *last < separator);
        if !is_put || !ascends {
            return false;
        }
        separators.push(separator);
        entries.push(entry);
    }
    let mut builder = IndexBuilder::default();
    for (separator, entry) in separators.iter().zip(&entries) {
        builder.add(separator, *entry);
    }
    let mut blocks = Vec::new();
    builder.finish(|_, payload| {
        blocks.push(payload.to_vec());
        entries[0].handle
    });
    let again = DataBlock::parse(&blocks[0]).expect("what is built is an index");
    for (index, separator) in separators.iter().enumerate().take(again.len()) {
        assert_eq!(find(&block, separator), index, "a separator leads to its block");
        assert_eq!(find(&again, separator), index, "in the copy as well");
        assert_eq!(IndexEntry::of(&again, index), Some(entries[index]), "entries are kept");
    }
    true
}

fn filter(payload: &[u8]) -> bool {
    let Ok(filter) = Filter::decode(payload) else { return false };
    assert!(filter.memory_bytes() <= payload.len(), "a filter is no larger than its bytes");
    let mut again = vec![payload[0]];
    match &filter {
        Filter::Bloom(bloom) => again.extend_from_slice(bloom.as_slice()),
        Filter::Blocked(lines) => lines.encode(&mut again),
    }
    assert_eq!(again, payload, "a filter encodes to the bytes that it came from");
    for hash in [0, 1, u64::MAX, 1 << 32, filter_hash(payload)] {
        assert_eq!(filter.may_contain(hash), filter.may_contain(hash), "one question, one answer");
    }
    true
}

fn filter_of_keys(bytes: &[u8], kind: impl Fn(u32) -> FilterKind) -> bool {
    let Some((&bits_per_key, bytes)) = bytes.split_first() else { return false };
    let keys: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    let mut builder = FilterBuilder::new(kind(u32::from(bits_per_key)));
    keys.iter().for_each(|key| builder.add(key));
    let Some(payload) = builder.finish() else {
        assert_eq!(bits_per_key, 0, "keys make a filter");
        return false;
    };
    assert!(filter(&payload), "what is built is a filter");
    let built = Filter::decode(&payload).expect("what is built is a filter");
    for key in keys {
        assert!(built.may_contain(filter_hash(key)), "a filter denies no key that it was told");
    }
    true
}

/// `CURRENT` (0), the opening of a segment (1), the footer of a table (2), its directory (3), or
/// its properties (4). Checksums are also made right, since no fuzzer finds one.
#[must_use]
pub fn header(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, content)) => {
            let name = content.split(|byte| *byte == b' ').next().unwrap_or_default();
            let repaired = [name, format!(" {:08x}\n", crc32(name)).as_bytes()].concat();
            let as_it_is = current(content);
            current(&repaired) || as_it_is
        }
        Some((1, payload)) => Opening::decode(payload).is_ok_and(|opening| {
            assert_eq!(opening.to_record()[HEADER_BYTES..], *payload, "an opening is told one way");
            true
        }),
        Some((2, bytes)) => footer(bytes),
        Some((3, payload)) => Directory::decode(payload).is_ok_and(|directory| {
            let mut again = Vec::new();
            directory.encode(&mut again);
            assert_eq!(again, payload, "a directory encodes to the bytes that it came from");
            for (block_type, handle) in directory.iter() {
                assert_eq!(directory.get(block_type), Some(handle), "each part is there once");
            }
            true
        }),
        Some((4, payload)) => Properties::decode(payload).is_some_and(|properties| {
            let mut again = Vec::new();
            properties.encode(&mut again);
            assert_eq!(Properties::decode(&again), Some(properties), "facts are kept");
            true
        }),
        _ => false,
    }
}

fn current(content: &[u8]) -> bool {
    let (fs, directory) = (SimulatedFileSystem::new(), Path::new("/d"));
    fs.restart_history(false);
    fs.create_dir_all(directory).expect("an empty disk");
    let path = FileName::Current.in_directory(directory);
    fs.write_raw(&path, content);
    match read_current(&fs, directory) {
        Ok(manifest) => {
            let manifest = manifest.expect("there is a CURRENT");
            point_current(&fs, directory, manifest).expect("a healthy disk");
            assert_eq!(fs.read(&path).as_deref(), Some(content), "a manifest is named one way");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corruption, "nothing else can be wrong: {error}");
            assert_eq!(error.file(), Some(&*path), "an error names the file: {error}");
            false
        }
    }
}

fn footer(bytes: &[u8]) -> bool {
    let Some(bytes) = bytes.first_chunk::<FOOTER_BYTES>() else { return false };
    let mut bytes = *bytes;
    let crc = crc32(&bytes[..FOOTER_BYTES - 4]);
    bytes[FOOTER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    let Ok((footer, fingerprint)) = Footer::decode(&bytes) else { return false };
    let mut again = Vec::new();
    assert_eq!(footer.encode(&mut again), fingerprint, "the crc is the fingerprint");
    assert_eq!(again, bytes, "a footer encodes to the bytes that it came from");
    true
}
