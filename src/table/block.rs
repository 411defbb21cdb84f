//! The frame of every block of a table: header, checksum, compression.
//!
//! ```text
//!  0  u32  crc          over bytes 4..16 and the stored payload, from the seed of the place
//!  4  u32  stored_len   payload on disk
//!  8  u32  raw_len      payload after decompression
//! 12  u8   type         see BlockType
//! 13  u8   codec        0 none, 1 zstd
//! 14  u16  reserved     0
//! 16  stored payload
//! ```
//!
//! The seed is made of database, file and offset, so a block that the disk wrote to the wrong place
//! is damage like any other. Nothing is parsed, and no length believed, before the crc was right:
//! the buffer for a read is bounded by the file, the one for decompression by a header whose crc
//! was right, by what zstd can make of so many bytes, and by [`RAW_BYTES_MAX`].

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Result};
use crate::format::checksum::{crc32_from, seed};
use crate::format::codec::{Reader, put_u16, put_u32, put_u64};
use crate::format::limits::RECORD_PAYLOAD_BYTES_MAX;
use crate::fs::ReadAt;
use crate::seeded::{Bug, is_seeded};
use crate::sync::Arc;
use crate::table::buffer::Buffer;
use crate::table::options::Compression;
use byteorder::{ByteOrder, LittleEndian};
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use zstd::bulk;

/// Length of a block's header.
pub(crate) const HEADER_BYTES: usize = 4 + 4 + 4 + 1 + 1 + 2;
const _: () = assert!(HEADER_BYTES == 16);

/// Largest payload, decompressed: one entry of the largest batch, its key, and room for the rest.
pub(crate) const RAW_BYTES_MAX: usize = RECORD_PAYLOAD_BYTES_MAX + (1 << 20);

/// A block of a zstd frame takes at least four bytes and gives at most 128 KiB.
const ZSTD_RATIO_MAX: u32 = 32 << 10;

const CODEC_NONE: u8 = 0;
const CODEC_ZSTD: u8 = 1;

/// What a block holds. On disk: never change a number, never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum BlockType {
    Data = 1,
    /// Separators and handles of data blocks.
    Index = 2,
    /// Separators and handles of index blocks.
    TopIndex = 3,
    Filter = 4,
    RangeTombstones = 5,
    Properties = 6,
    /// Handles of all blocks but data and index partitions.
    Directory = 7,
}

impl BlockType {
    pub(crate) const fn to_u8(self) -> u8 {
        match self {
            BlockType::Data => 1,
            BlockType::Index => 2,
            BlockType::TopIndex => 3,
            BlockType::Filter => 4,
            BlockType::RangeTombstones => 5,
            BlockType::Properties => 6,
            BlockType::Directory => 7,
        }
    }

    pub(crate) fn from_u8(number: u8) -> Option<BlockType> {
        match number {
            1 => Some(BlockType::Data),
            2 => Some(BlockType::Index),
            3 => Some(BlockType::TopIndex),
            4 => Some(BlockType::Filter),
            5 => Some(BlockType::RangeTombstones),
            6 => Some(BlockType::Properties),
            7 => Some(BlockType::Directory),
            _ => None,
        }
    }

    /// Entries and index compress well and are read piece by piece; the rest is small or random.
    fn is_compressed(self) -> bool {
        matches!(self, BlockType::Data | BlockType::Index)
    }
}

/// Where a block is and how long. 16 bytes on disk: `offset u64 | stored_len u32 | raw_len u32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHandle {
    pub(crate) offset: u64,
    pub(crate) stored_len: u32,
    pub(crate) raw_len: u32,
}

impl BlockHandle {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.offset);
        put_u32(out, self.stored_len);
        put_u32(out, self.raw_len);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<BlockHandle> {
        let offset = reader.u64()?;
        Some(BlockHandle { offset, stored_len: reader.u32()?, raw_len: reader.u32()? })
    }

    /// The offset behind the block; `None` if no file can be so long.
    pub(crate) fn end(&self) -> Option<u64> {
        let header = u64::try_from(HEADER_BYTES).ok()?;
        self.offset.checked_add(header)?.checked_add(u64::from(self.stored_len))
    }
}

/// Makes blocks of one file. It reuses the compressor.
pub(crate) struct BlockEncoder {
    database: u64,
    file: u64,
    compressor: Option<bulk::Compressor<'static>>,
    scratch: Vec<u8>,
}

impl BlockEncoder {
    pub(crate) fn new(
        database: u64,
        file: u64,
        compression: Compression,
    ) -> io::Result<BlockEncoder> {
        let compressor = match compression {
            Compression::None => None,
            Compression::Zstd(level) => Some(bulk::Compressor::new(level)?),
        };
        Ok(BlockEncoder { database, file, compressor, scratch: Vec::new() })
    }

    /// Appends the block that holds `raw` to `out`; it will stand at `offset` of the file. Returns
    /// its handle and its crc.
    pub(crate) fn append(
        &mut self,
        out: &mut Vec<u8>,
        offset: u64,
        block_type: BlockType,
        raw: &[u8],
    ) -> (BlockHandle, u32) {
        assert!(
            raw.len() <= RAW_BYTES_MAX,
            "a block holds one entry, or little more than its size"
        );
        let is_compressed = block_type.is_compressed() && self.compress(raw);
        let (codec, stored) =
            if is_compressed { (CODEC_ZSTD, &self.scratch[..]) } else { (CODEC_NONE, raw) };
        let length = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let handle =
            BlockHandle { offset, stored_len: length(stored.len()), raw_len: length(raw.len()) };
        let mut header = Vec::with_capacity(HEADER_BYTES);
        put_u32(&mut header, handle.stored_len);
        put_u32(&mut header, handle.raw_len);
        header.extend_from_slice(&[block_type.to_u8(), codec]);
        put_u16(&mut header, 0);
        let crc =
            crc32_from(crc32_from(seed_at(self.database, self.file, offset), &header), stored);
        put_u32(out, crc);
        out.extend_from_slice(&header);
        out.extend_from_slice(stored);
        (handle, crc)
    }

    /// Compresses into the scratch buffer; `false` if that saves less than an eighth, which would
    /// not pay for decompressing at every read.
    fn compress(&mut self, raw: &[u8]) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        self.scratch.clear();
        self.scratch.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        // An error here means only that the block stays as it is.
        compressor.compress_to_buffer(raw, &mut self.scratch).is_ok()
            && self.scratch.len() <= raw.len() - raw.len() / 8
    }
}

/// A block whose checksum was right.
#[derive(Debug)]
pub(crate) struct RawBlock {
    /// The payload is there; before it may be the header, and behind it anything.
    buffer: Buffer,
    payload: Range<usize>,
    pub(crate) crc: u32,
}

impl RawBlock {
    pub(crate) fn payload(&self) -> &[u8] {
        self.buffer.bytes().get(self.payload.clone()).unwrap_or_default()
    }

    /// [`Bug::FilterDamageAsAbsent`]: a filter of one empty line.
    pub(crate) fn denying() -> RawBlock {
        let mut buffer = Buffer::default();
        buffer.as_vec().extend_from_slice(&[2, 1, 0, 0, 1, 0, 0, 0]);
        buffer.as_vec().resize(8 + 64, 0);
        RawBlock { buffer, payload: 0..8 + 64, crc: 0 }
    }
}

/// The blocks of one file, for reading.
#[derive(Debug)]
pub(crate) struct BlockFile {
    pub(crate) file: Arc<dyn ReadAt>,
    pub(crate) path: PathBuf,
    pub(crate) database: u64,
    pub(crate) id: u64,
    /// No block reaches beyond this offset.
    pub(crate) end: u64,
}

impl BlockFile {
    /// Reads and checks one block. It must be of this type.
    pub(crate) fn read(&self, handle: BlockHandle, block_type: BlockType) -> Result<RawBlock> {
        let corrupt = |what| Error::corruption(&self.path, handle.offset, what);
        if handle.end().is_none_or(|end| end > self.end) {
            return Err(corrupt("a block reaches beyond the end of the file"));
        }
        let len = usize::try_from(handle.stored_len)
            .ok()
            .and_then(|len| len.checked_add(HEADER_BYTES))
            .ok_or_else(|| corrupt("a block is larger than the memory"))?;
        let mut buffer = Buffer::with_room_for(len).map_err(|error| self.io(handle, error))?;
        let bytes = buffer.first_mut(len);
        self.file.read_exact_at(bytes, handle.offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => corrupt("the file ends inside a block"),
            _ => self.io(handle, error),
        })?;
        let seed = seed_at(self.database, self.id, handle.offset);
        let header = Header::decode(bytes, seed)
            .ok_or_else(|| corrupt("the checksum of a block is wrong"))?;
        header.check(handle, block_type).map_err(corrupt)?;
        if header.codec == CODEC_NONE {
            return Ok(RawBlock { buffer, payload: HEADER_BYTES..len, crc: header.crc });
        }
        let raw_len = usize::try_from(header.raw_len)
            .ok()
            .filter(|&len| len <= RAW_BYTES_MAX)
            .ok_or_else(|| corrupt("a block is larger than a block may be"))?;
        let mut raw = Buffer::with_room_for(raw_len).map_err(|error| self.io(handle, error))?;
        let stored = bytes.get(HEADER_BYTES..).unwrap_or_default();
        match decompress(stored, raw.as_vec()) {
            Ok(len) if len == raw_len && raw.bytes().len() == raw_len => {
                Ok(RawBlock { buffer: raw, payload: 0..raw_len, crc: header.crc })
            }
            _ => Err(corrupt("a block does not decompress to what its header says")),
        }
    }

    fn io(&self, handle: BlockHandle, error: io::Error) -> Error {
        Error::io_at("read a block", &self.path, handle.offset, error)
    }
}

/// The start value of the checksum of the block at `offset`.
fn seed_at(database: u64, file: u64, offset: u64) -> u32 {
    let is_place_left_out = is_seeded(Bug::BlockSwapUnseen);
    seed(database, file, if is_place_left_out { 0 } else { offset })
}

/// A header whose crc was right.
struct Header {
    crc: u32,
    stored_len: u32,
    raw_len: u32,
    block_type: u8,
    codec: u8,
    reserved: u16,
}

impl Header {
    /// Reads the header of the block that `bytes` are; `None` if the crc says they are none.
    fn decode(bytes: &[u8], seed: u32) -> Option<Header> {
        let (crc, rest) = bytes.split_at_checked(4)?;
        let crc = LittleEndian::read_u32(crc);
        let is_right = crc32_from(seed, rest) == crc;
        if !is_right && !is_seeded(Bug::BlockChecksumIgnored) {
            return None;
        }
        let mut reader = Reader::new(rest);
        Some(Header {
            crc,
            stored_len: reader.u32()?,
            raw_len: reader.u32()?,
            block_type: reader.u8()?,
            codec: reader.u8()?,
            reserved: reader.u16()?,
        })
    }

    fn check(&self, handle: BlockHandle, block_type: BlockType) -> Result<(), &'static str> {
        if (self.stored_len, self.raw_len) != (handle.stored_len, handle.raw_len) {
            return Err("a block has not the length that the index says");
        }
        if self.block_type != block_type.to_u8() {
            return Err("a block is not of the type that the index says");
        }
        if self.reserved != 0 {
            return Err("reserved bytes of a block are not zero");
        }
        match self.codec {
            CODEC_NONE if self.stored_len == self.raw_len => Ok(()),
            CODEC_ZSTD if self.raw_len / ZSTD_RATIO_MAX <= self.stored_len => Ok(()),
            CODEC_NONE | CODEC_ZSTD => Err("the lengths of a block contradict each other"),
            _ => Err("a block has an unknown codec"),
        }
    }
}

/// What a header says of its block, type and handle, if the 16 bytes can be a header; no crc was
/// checked. For whoever looks for blocks where no index leads.
pub(crate) fn claim(bytes: &[u8], offset: u64) -> Option<(BlockType, BlockHandle)> {
    let mut reader = Reader::new(bytes);
    let header = Header {
        crc: reader.u32()?,
        stored_len: reader.u32()?,
        raw_len: reader.u32()?,
        block_type: reader.u8()?,
        codec: reader.u8()?,
        reserved: reader.u16()?,
    };
    let block_type = BlockType::from_u8(header.block_type)?;
    let handle = BlockHandle { offset, stored_len: header.stored_len, raw_len: header.raw_len };
    header.check(handle, block_type).is_ok().then_some((block_type, handle))
}

/// Decompresses into the capacity of `out`.
fn decompress(stored: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
    thread_local! {
        // A context is some 100 KiB: far too much to make one for each block.
        static DECOMPRESSOR: RefCell<bulk::Decompressor<'static>> = RefCell::default();
    }
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress_to_buffer(stored, out))
}
