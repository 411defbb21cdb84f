//! The end of a table: the directory of its other parts, and the footer that leads to it.
//!
//! ```text
//! directory := (type u8 | handle 16 B)*        payload of a block; see BlockType; sorted by offset
//!
//! footer, the last 64 bytes:
//!  0  u64  magic        "siltSST\0"
//!  8  u32  version      of the format
//! 12  u32  flags        0
//! 16  u64  database
//! 24  u64  file
//! 32  u64  directory    its handle: offset, stored_len, raw_len
//! 40  u32
//! 44  u32
//! 48  u32  blocks_crc   crc over the crcs of all blocks, in file order
//! 52  u64  reserved     0
//! 60  u32  crc          over bytes 0..60: the fingerprint of the table
//! ```
//!
//! Magic, version and crc keep their places in every version, so that an older build can tell a
//! newer table from a damaged one.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::checksum::crc32;
use crate::format::codec::{Reader, put_u32, put_u64};
use crate::format::limits::FORMAT_VERSION;
use crate::table::block::{BlockHandle, BlockType};

/// Length of the footer.
pub(crate) const FOOTER_BYTES: usize = 8 + 4 + 4 + 8 + 8 + (8 + 4 + 4) + 4 + 8 + 4;
const _: () = assert!(FOOTER_BYTES == 64);
const CRC_AT: usize = FOOTER_BYTES - 4;

const MAGIC: u64 = u64::from_le_bytes(*b"siltSST\0");

/// What the last bytes of a table say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) database: u64,
    pub(crate) file: u64,
    pub(crate) directory: BlockHandle,
    pub(crate) blocks_crc: u32,
}

/// Why bytes are not a footer that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAFooter {
    /// They are damaged, or something else; which rule is broken.
    Damaged(&'static str),
    /// They are whole, of this newer version of the format.
    Newer(u32),
}

impl Footer {
    /// Appends the footer and returns its crc.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> u32 {
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        put_u64(&mut bytes, MAGIC);
        put_u32(&mut bytes, FORMAT_VERSION);
        put_u32(&mut bytes, 0);
        put_u64(&mut bytes, self.database);
        put_u64(&mut bytes, self.file);
        self.directory.encode(&mut bytes);
        put_u32(&mut bytes, self.blocks_crc);
        put_u64(&mut bytes, 0);
        let crc = crc32(&bytes);
        put_u32(&mut bytes, crc);
        out.extend_from_slice(&bytes);
        crc
    }

    /// Reads a footer and its crc.
    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<(Footer, u32), NotAFooter> {
        let cut = NotAFooter::Damaged("the footer is cut off");
        let mut reader = Reader::new(bytes);
        let magic = reader.u64().ok_or(cut)?;
        let version = reader.u32().ok_or(cut)?;
        let mut tail = Reader::new(bytes.get(CRC_AT..).ok_or(cut)?);
        let crc = tail.u32().ok_or(cut)?;
        if magic != MAGIC {
            return Err(NotAFooter::Damaged("the file does not end like a table"));
        }
        if crc32(bytes.get(..CRC_AT).ok_or(cut)?) != crc {
            return Err(NotAFooter::Damaged("the checksum of the footer is wrong"));
        }
        if version > FORMAT_VERSION {
            return Err(NotAFooter::Newer(version));
        }
        let flags = reader.u32().ok_or(cut)?;
        let footer = Footer {
            database: reader.u64().ok_or(cut)?,
            file: reader.u64().ok_or(cut)?,
            directory: BlockHandle::decode(&mut reader).ok_or(cut)?,
            blocks_crc: reader.u32().ok_or(cut)?,
        };
        let reserved = reader.u64().ok_or(cut)?;
        if version == 0 || flags != 0 || reserved != 0 {
            return Err(NotAFooter::Damaged("the footer has unknown fields"));
        }
        Ok((footer, crc))
    }
}

/// Where the parts of a table are that are neither data nor partitions of the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    parts: Vec<(BlockType, BlockHandle)>,
}

impl Directory {
    pub(crate) fn add(&mut self, block_type: BlockType, handle: BlockHandle) {
        self.parts.push((block_type, handle));
    }

    pub(crate) fn get(&self, block_type: BlockType) -> Option<BlockHandle> {
        self.parts.iter().find(|part| part.0 == block_type).map(|part| part.1)
    }

    /// The parts, in file order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (BlockType, BlockHandle)> + '_ {
        self.parts.iter().copied()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (block_type, handle) in &self.parts {
            out.push(block_type.to_u8());
            handle.encode(out);
        }
    }

    /// Reads a payload. `Err` says which rule is broken.
    pub(crate) fn decode(payload: &[u8]) -> Result<Directory, &'static str> {
        let mut reader = Reader::new(payload);
        let mut directory = Directory::default();
        while !reader.is_done() {
            let block_type = reader.u8().and_then(BlockType::from_u8);
            let block_type = block_type.ok_or("the directory names an unknown type of block")?;
            let handle = BlockHandle::decode(&mut reader).ok_or("the directory is cut off")?;
            let is_behind =
                directory.parts.last().is_none_or(|last| last.1.end() <= Some(handle.offset));
            if directory.get(block_type).is_some() || !is_behind {
                return Err("the directory contradicts itself");
            }
            directory.add(block_type, handle);
        }
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use crate::format::checksum::crc32;
    use crate::table::block::{BlockHandle, BlockType};
    use crate::table::footer::{Directory, FOOTER_BYTES, Footer, NotAFooter};
    use proptest::prelude::*;

    const HANDLE: BlockHandle = BlockHandle { offset: 1 << 40, stored_len: 77, raw_len: 77 };

    fn encoded() -> ([u8; FOOTER_BYTES], Footer, u32) {
        let footer = Footer { database: 5, file: 9, directory: HANDLE, blocks_crc: 0xabcd };
        let mut out = Vec::new();
        let crc = footer.encode(&mut out);
        (out.try_into().unwrap(), footer, crc)
    }

    #[test]
    fn a_footer_round_trips_and_every_flipped_bit_is_seen() {
        let (bytes, footer, crc) = encoded();
        assert_eq!(Footer::decode(&bytes), Ok((footer, crc)));
        for bit in 0..FOOTER_BYTES * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Footer::decode(&damaged), Err(NotAFooter::Damaged(_))), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let (mut bytes, _, _) = encoded();
        bytes[8] = 2;
        let crc = crc32(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Footer::decode(&bytes), Err(NotAFooter::Newer(2)));
    }

    #[test]
    fn a_directory_round_trips_and_names_each_part_once() {
        let mut directory = Directory::default();
        directory.add(BlockType::Filter, BlockHandle { offset: 10, ..HANDLE });
        directory.add(BlockType::Properties, HANDLE);
        let mut out = Vec::new();
        directory.encode(&mut out);
        assert_eq!(Directory::decode(&out), Ok(directory.clone()));
        assert_eq!(directory.get(BlockType::Properties), Some(HANDLE));
        assert_eq!(directory.get(BlockType::Index), None);
        out.extend_from_within(..);
        assert!(Directory::decode(&out).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            drop(Directory::decode(&bytes));
        }
    }
}
