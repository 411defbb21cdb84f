//! Where the blocks of a table are, and what is in those that are not data.
//!
//! Usually the directory and the index say it. If one of them is damaged, the whole file is searched
//! for blocks: each carries a checksum that depends on its place, so what is found is one.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::range_tombstone::Fragments;
use crate::table::block::{BlockFile, BlockHandle, BlockType};
use crate::table::data_block::DataBlock;
use crate::table::examine::flaw::Flaw;
use crate::table::examine::scan::next_block;
use crate::table::filter::Filter;
use crate::table::footer::{Directory, Footer};
use crate::table::index::{IndexEntry, PARTITION_ENTRIES};
use crate::table::properties::Properties;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A block that must be at its offset.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) block_type: BlockType,
    pub(crate) handle: BlockHandle,
    /// What the index says of a data block, if it could be asked.
    pub(crate) indexed: Option<Indexed>,
    /// Of a block that is not data and could be read.
    pub(crate) crc: Option<u32>,
}

/// What the index says about a data block.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) separator: Vec<u8>,
    pub(crate) flags: u8,
}

/// All blocks that something leads to.
pub(crate) struct Places<'a> {
    file: &'a BlockFile,
    pub(crate) by_offset: BTreeMap<u64, Place>,
    pub(crate) properties: Option<Properties>,
    pub(crate) range_tombstones: Option<Fragments>,
    pub(crate) filter: Option<Filter>,
    pub(crate) has_directory: bool,
    /// Whether each data block is in `by_offset`.
    pub(crate) knows_all_data: bool,
    pub(crate) flaws: Vec<Flaw>,
    indexed_blocks: u64,
}

impl<'a> Places<'a> {
    /// Reads everything that is not data.
    pub(crate) fn collect(file: &'a BlockFile, footer: Option<&Footer>) -> Places<'a> {
        let mut places = Places {
            file,
            by_offset: BTreeMap::new(),
            properties: None,
            range_tombstones: None,
            filter: None,
            has_directory: false,
            knows_all_data: true,
            flaws: Vec::new(),
            indexed_blocks: 0,
        };
        let directory = footer.and_then(|footer| places.directory(footer));
        places.has_directory = directory.is_some();
        if let Some(directory) = directory {
            directory.iter().for_each(|(block_type, handle)| places.part(block_type, handle));
        } else {
            places.knows_all_data = false;
        }
        if !places.knows_all_data {
            places.search();
        }
        places.compare_counts();
        places
    }

    fn directory(&mut self, footer: &Footer) -> Option<Directory> {
        let handle = footer.directory;
        if handle.end() != Some(self.file.end) {
            self.flaw(self.file.end, "the directory does not end at the footer");
            return None;
        }
        let payload = self.read(handle, BlockType::Directory)?;
        let directory = Directory::decode(&payload);
        directory.map_err(|what| self.flaw(handle.offset, what)).ok()
    }

    /// Finds what the damaged part would have led to. What it finds damaged was told already.
    fn search(&mut self) {
        let mut offset = 0;
        while let Some((block_type, handle)) = next_block(self.file, offset, self.file.end) {
            offset = handle.end().unwrap_or(u64::MAX);
            if !self.by_offset.contains_key(&handle.offset) && block_type != BlockType::Data {
                self.part(block_type, handle);
            }
        }
    }

    /// Takes a block that is not data.
    fn part(&mut self, block_type: BlockType, handle: BlockHandle) {
        let Some(payload) = self.read(handle, block_type) else {
            if matches!(block_type, BlockType::Index | BlockType::TopIndex) {
                self.knows_all_data = false;
            }
            return;
        };
        let offset = handle.offset;
        match block_type {
            BlockType::Index => drop(self.index(handle, &payload)),
            BlockType::TopIndex => self.top_index(handle, &payload),
            BlockType::Filter => match Filter::decode(&payload) {
                Ok(filter) => self.filter = Some(filter),
                Err(what) => self.flaw(offset, what),
            },
            BlockType::RangeTombstones => match Fragments::decode(&payload) {
                Ok(fragments) => self.range_tombstones = Some(fragments),
                Err(_) => self.flaw(offset, "a range tombstone is damaged"),
            },
            BlockType::Properties => match Properties::decode(&payload) {
                Some(properties) => self.properties = Some(properties),
                None => self.flaw(offset, "the properties are damaged"),
            },
            BlockType::Data | BlockType::Directory => {}
        }
    }

    /// Notes the data blocks of an index block; returns its last separator and how many there are.
    fn index(&mut self, handle: BlockHandle, payload: &[u8]) -> Option<(Vec<u8>, usize)> {
        let block = match DataBlock::parse(payload) {
            Ok(block) => block,
            Err(what) => {
                self.flaw(handle.offset, what);
                self.knows_all_data = false;
                return None;
            }
        };
        let mut separator = Vec::new();
        for number in 0..block.len() {
            block.write_key(number, &mut separator);
            let Some(entry) = IndexEntry::of(&block, number) else {
                self.flaw(handle.offset, "an entry of the index is damaged");
                self.knows_all_data = false;
                continue;
            };
            let indexed = Indexed { separator: separator.clone(), flags: entry.flags };
            self.indexed_blocks += 1;
            self.put(BlockType::Data, entry.handle, Some(indexed));
        }
        Some((separator, block.len()))
    }

    fn top_index(&mut self, handle: BlockHandle, payload: &[u8]) {
        let top = match DataBlock::parse(payload) {
            Ok(top) => top,
            Err(what) => {
                self.flaw(handle.offset, what);
                self.knows_all_data = false;
                return;
            }
        };
        let mut separator = Vec::new();
        for number in 0..top.len() {
            let Some(entry) = IndexEntry::of(&top, number) else {
                self.flaw(handle.offset, "an entry of the top index is damaged");
                self.knows_all_data = false;
                continue;
            };
            top.write_key(number, &mut separator);
            let partition = self.read(entry.handle, BlockType::Index);
            let Some(payload) = partition else {
                self.knows_all_data = false;
                continue;
            };
            let Some((last, len)) = self.index(entry.handle, &payload) else { continue };
            if last != separator {
                let what = "the top index is not the end of its partition";
                self.flaw(entry.handle.offset, what);
            }
            if len > PARTITION_ENTRIES || (len < PARTITION_ENTRIES && number + 1 < top.len()) {
                self.flaw(entry.handle.offset, "a part of the index lacks entries");
            }
        }
    }

    fn compare_counts(&mut self) {
        let Some(properties) = &self.properties else { return };
        if self.knows_all_data && properties.data_blocks != self.indexed_blocks {
            let what = "the index has not the length that the properties say";
            self.flaw(self.file.end, what);
        }
    }

    /// The payload of a block that is not data, which gets its place whether it can be read or not.
    fn read(&mut self, handle: BlockHandle, block_type: BlockType) -> Option<Vec<u8>> {
        let raw = self.file.read(handle, block_type);
        let crc = raw.as_ref().ok().map(|raw| raw.crc);
        self.put(block_type, handle, None);
        if let Some(place) = self.by_offset.get_mut(&handle.offset) {
            place.crc = crc;
        }
        match raw {
            Ok(raw) => Some(raw.payload().to_vec()),
            Err(error) => {
                self.flaw(handle.offset, error.sentence());
                None
            }
        }
    }

    fn put(&mut self, block_type: BlockType, handle: BlockHandle, indexed: Option<Indexed>) {
        let place = Place { block_type, handle, indexed, crc: None };
        if self.by_offset.insert(handle.offset, place).is_some() {
            self.flaw(handle.offset, "two blocks are said to be at one place");
        }
    }

    fn flaw(&mut self, offset: u64, what: impl Into<Cow<'static, str>>) {
        self.flaws.push(Flaw { offset, what: what.into(), keys: None });
    }
}
