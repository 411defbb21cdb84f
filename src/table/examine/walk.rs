//! The walk over the file, block by block, from its first byte to its footer.
//!
//! Invariant: `position` is the end of what was accounted for, read or told as a flaw.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::checksum::crc32_from;
use crate::format::codec::usize_to_u64;
use crate::format::limits::FORMAT_VERSION;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::fs::ReadAt;
use crate::sync::Arc;
use crate::table::block::{BlockFile, BlockHandle, BlockType};
use crate::table::data_block::DataBlock;
use crate::table::examine::entries::{Entries, tell};
use crate::table::examine::flaw::{Flaw, Span, Witness, behind};
use crate::table::examine::places::{Indexed, Place, Places};
use crate::table::examine::scan::next_block;
use crate::table::footer::{FOOTER_BYTES, Footer, NotAFooter};
use std::borrow::Cow;
use std::path::Path;

/// The table to be examined, and what is known about it from elsewhere.
pub(crate) struct Subject<'a> {
    pub(crate) file: Arc<dyn ReadAt>,
    pub(crate) path: &'a Path,
    pub(crate) id: u64,
    /// The database that it must belong to; `None`: whatever its footer says.
    pub(crate) database: Option<u64>,
    /// What the manifest says about it.
    pub(crate) facts: Option<&'a TableFacts>,
}

/// Examines a table, and tells `witness` what it finds. Returns the database that it belongs to, if
/// that could be read.
pub(crate) fn examine(subject: &Subject<'_>, witness: &mut dyn Witness) -> Option<u64> {
    let bounds = subject.facts.map_or_else(Span::everything, Span::of_facts);
    let mut lost = |offset, what: Cow<'static, str>| {
        witness.flaw(Flaw { offset, what, keys: Some(bounds.clone()) });
    };
    let footer = read_footer(subject);
    let database = footer.as_ref().ok().map(|(footer, _)| footer.database);
    let Some(database) = subject.database.or(database) else {
        if let Err(what) = footer {
            lost(footer_offset(subject), what);
        }
        return None;
    };
    if let Ok((footer, _)) = &footer
        && (footer.database != database || footer.file != subject.id)
    {
        let what = match footer.database == database {
            true => "the table was written under another number",
            false => "the table belongs to another database",
        };
        lost(footer_offset(subject), what.into());
        return Some(footer.database);
    }
    let end = if footer.is_ok() { footer_offset(subject) } else { subject.file.len() };
    let file = BlockFile {
        file: Arc::clone(&subject.file),
        path: subject.path.to_owned(),
        database,
        id: subject.id,
        end,
    };
    if let Err(what) = &footer {
        let offset = footer_offset(subject);
        witness.flaw(Flaw { offset, what: what.clone(), keys: None });
    }
    let footer = footer.ok();
    let places = Places::collect(&file, footer.as_ref().map(|(footer, _)| footer));
    let walk = Walk::new(subject, &file, places, witness);
    walk.run(footer);
    Some(database)
}

fn footer_offset(subject: &Subject<'_>) -> u64 {
    subject.file.len().saturating_sub(usize_to_u64(FOOTER_BYTES))
}

fn read_footer(subject: &Subject<'_>) -> Result<(Footer, u32), Cow<'static, str>> {
    if subject.file.len() < usize_to_u64(FOOTER_BYTES) {
        return Err("the table is too short for a footer".into());
    }
    let mut bytes = [0; FOOTER_BYTES];
    let read = subject.file.read_exact_at(&mut bytes, footer_offset(subject));
    read.map_err(|error| format!("cannot read the footer: {error}"))?;
    Footer::decode(&bytes).map_err(|error| match error {
        NotAFooter::Damaged(what) => what.into(),
        NotAFooter::Newer(found) => format!(
            "the table has format {found}, and this build knows formats up to {FORMAT_VERSION}"
        )
        .into(),
    })
}

struct Walk<'a> {
    subject: &'a Subject<'a>,
    file: &'a BlockFile,
    places: Places<'a>,
    witness: &'a mut dyn Witness,

    position: u64,
    blocks_crc: u32,
    /// Whether everything so far could be read and kept its promises.
    is_whole: bool,
    entries: Entries,
    data_bytes: u64,
    data_blocks: u64,
    key: Vec<u8>,
    /// Flaws whose keys end where the next readable block begins.
    open: Vec<Flaw>,
}

impl<'a> Walk<'a> {
    fn new(
        subject: &'a Subject<'a>,
        file: &'a BlockFile,
        places: Places<'a>,
        witness: &'a mut dyn Witness,
    ) -> Walk<'a> {
        Walk {
            subject,
            file,
            places,
            witness,
            position: 0,
            blocks_crc: 0,
            is_whole: true,
            entries: Entries::new(),
            data_bytes: 0,
            data_blocks: 0,
            key: Vec::new(),
            open: Vec::new(),
        }
    }

    fn run(mut self, footer: Option<(Footer, u32)>) {
        self.is_whole = self.places.flaws.is_empty() && footer.is_some();
        for flaw in std::mem::take(&mut self.places.flaws) {
            self.witness.flaw(flaw);
        }
        self.compare_with_facts(footer.as_ref());
        self.judge_range_tombstones();
        for place in std::mem::take(&mut self.places.by_offset).into_values() {
            self.fill_up_to(place.handle.offset);
            self.place(&place);
        }
        self.fill_up_to(self.file.end);
        self.end(footer.as_ref());
    }

    fn compare_with_facts(&mut self, footer: Option<&(Footer, u32)>) {
        let Some(facts) = self.subject.facts else { return };
        let size = self.subject.file.len();
        if size != facts.size_bytes {
            self.flaw(size, "the table has not the length that the manifest says", None);
        }
        if footer.is_some_and(|&(_, crc)| crc != facts.fingerprint) {
            let what = "the table is not the one that the manifest names";
            self.flaw(self.file.end, what, Some(self.bounds()));
        }
        if let Some(stated) = &self.places.properties
            && stated.facts(facts.id, facts.size_bytes, facts.fingerprint) != *facts
        {
            self.flaw(self.file.end, "the properties are not what the manifest says", None);
        }
    }

    /// The bounds of the table, as far as anything says them.
    fn bounds(&self) -> Span {
        match (self.subject.facts, &self.places.properties) {
            (Some(facts), _) => Span::of_facts(facts),
            (None, Some(own)) => Span::of_facts(&own.facts(0, 0, 0)),
            (None, None) => Span::everything(),
        }
    }

    fn judge_range_tombstones(&mut self) {
        let stated = match (self.subject.facts, &self.places.properties) {
            (Some(facts), _) => Some(facts.range_deletes),
            (None, Some(own)) => Some(own.range_deletes),
            (None, None) => None,
        };
        let bounds = self.bounds();
        let offset = self.file.end;
        match (&self.places.range_tombstones, stated) {
            (Some(fragments), _) => {
                let is_inside = |fragments: &Fragments| {
                    fragments.iter().all(|fragment| {
                        let end = bounds.end.as_ref().is_none_or(|end| fragment.end <= *end);
                        bounds.start <= fragment.start && end
                    })
                };
                let is_inside = is_inside(fragments);
                self.witness.range_tombstones(fragments);
                if !is_inside {
                    self.flaw(offset, "a range tombstone is outside of the table's bounds", None);
                }
            }
            (None, Some(0)) => {}
            (None, Some(_)) => {
                self.flaw(offset, "the range tombstones of the table are lost", Some(bounds));
            }
            // A directory that names none is proof enough.
            (None, None) if self.places.has_directory => {}
            (None, None) => {
                let what = "nothing is left that says whether the table had range tombstones";
                self.flaw(offset, what, Some(bounds));
            }
        }
    }

    /// Accounts for what lies between two places that something leads to.
    fn fill_up_to(&mut self, until: u64) {
        while self.position < until {
            let found = next_block(self.file, self.position, until);
            let next = found.map_or(until, |(_, handle)| handle.offset);
            if next > self.position {
                let what = if self.places.knows_all_data {
                    Cow::from("the blocks do not fill the file")
                } else {
                    Cow::from(format!("{} bytes hold no block", next - self.position))
                };
                self.hole(what);
                self.position = next;
            }
            let Some((block_type, handle)) = found else { continue };
            if self.places.knows_all_data {
                self.flaw(handle.offset, "nothing leads to this block", None);
            }
            self.place(&Place { block_type, handle, indexed: None, crc: None });
        }
    }

    /// A flaw at `position`, which takes keys with it if blocks may have been there.
    fn hole(&mut self, what: Cow<'static, str>) {
        if self.places.knows_all_data {
            return self.flaw(self.position, what, None);
        }
        self.is_whole = false;
        self.entries.follows_loss = true;
        let start = self.first_lost_key();
        let keys = Some(Span { start, end: None });
        self.open.push(Flaw { offset: self.position, what, keys });
    }

    /// The smallest key that a lost block at this place can hold. Older versions of the last key do
    /// not count: its newest is known.
    fn first_lost_key(&self) -> Vec<u8> {
        let after_last = behind(&self.entries.last_key);
        if self.entries.separator > self.entries.last_key {
            return self.entries.separator.clone();
        }
        if self.data_blocks == 0 { self.bounds().start } else { after_last }
    }

    fn place(&mut self, place: &Place) {
        let handle = place.handle;
        if handle.offset < self.position || handle.end().is_none_or(|end| end > self.file.end) {
            let keys = place.indexed.as_ref().map(|indexed| self.keys_of(indexed));
            return self.flaw(handle.offset, "the blocks do not fill the file", keys);
        }
        self.position = handle.end().unwrap_or(handle.offset);
        if place.block_type == BlockType::Data {
            return self.data_block(handle, place.indexed.as_ref());
        }
        match place.crc {
            Some(crc) => self.add_crc(crc),
            None => self.is_whole = false,
        }
    }

    fn data_block(&mut self, handle: BlockHandle, indexed: Option<&Indexed>) {
        let raw = self.file.read(handle, BlockType::Data).map_err(|error| error.sentence().into());
        let parsed: Result<_, Cow<'static, str>> = raw.and_then(|raw| {
            let block = DataBlock::parse(raw.payload()).map_err(Cow::from)?;
            Ok((block, raw.crc))
        });
        let (block, crc) = match parsed {
            Ok(parsed) => parsed,
            Err(what) => return self.lose(handle, indexed, what),
        };
        self.add_crc(crc);
        block.write_key(0, &mut self.key);
        self.close_open(Some(behind(&self.key)));
        let was_denied = self.entries.is_denied;
        let known = (self.places.filter.as_ref(), self.places.properties.as_ref());
        let taken = self.entries.take(&block, indexed, known);
        self.data_blocks += 1;
        self.data_bytes += handle.end().unwrap_or(handle.offset) - handle.offset;
        if let Err(what) = taken {
            let keys = indexed.map(|_| Span::inclusive(&self.key, &self.entries.last_key));
            self.flaw(handle.offset, what, keys.or_else(|| Some(self.bounds())));
        }
        if self.entries.is_denied && !was_denied {
            self.flaw(handle.offset, "the filter denies a key of the table", None);
        }
        tell(&block, &mut self.key, self.witness);
    }

    /// A data block that cannot be read.
    fn lose(
        &mut self,
        handle: BlockHandle,
        indexed: Option<&Indexed>,
        what: impl Into<Cow<'static, str>>,
    ) {
        let what = what.into();
        self.data_blocks += 1;
        match indexed {
            Some(indexed) => {
                let keys = self.keys_of(indexed);
                self.flaw(handle.offset, what, Some(keys));
                self.entries.separator.clone_from(&indexed.separator);
                self.entries.follows_loss = true;
            }
            None => {
                let start = self.first_lost_key();
                let keys = Some(Span { start, end: None });
                self.open.push(Flaw { offset: handle.offset, what, keys });
                self.entries.follows_loss = true;
                self.is_whole = false;
            }
        }
    }

    /// The keys of the block behind the last one, of which the index knows the end.
    fn keys_of(&self, indexed: &Indexed) -> Span {
        Span { start: self.first_lost_key(), end: Some(behind(&indexed.separator)) }
    }

    /// Tells of the flaws whose keys end before `end`, or with the table.
    fn close_open(&mut self, end: Option<Vec<u8>>) {
        for mut flaw in std::mem::take(&mut self.open) {
            if let Some(keys) = &mut flaw.keys {
                keys.end.clone_from(&end);
            }
            self.witness.flaw(flaw);
        }
    }

    fn end(&mut self, footer: Option<&(Footer, u32)>) {
        self.close_open(self.bounds().end);
        let counted = self.places.properties.as_ref().map(|stated| stated.entries);
        let stated = self.subject.facts.map(|facts| facts.entries).or(counted);
        if !self.places.knows_all_data && stated != Some(self.entries.seen.entries) {
            let keys = Span { start: self.first_lost_key(), end: self.bounds().end };
            let what = "nothing is left that says whether more entries follow";
            self.flaw(self.position, what, Some(keys));
        }
        let has_end = self.entries.separator.is_empty()
            || self.entries.separator == self.entries.last_key
            || self.entries.follows_loss;
        if !has_end {
            self.flaw(self.file.end, "the last separator is not the last key", None);
        }
        if !self.is_whole {
            return;
        }
        if footer.is_some_and(|(footer, _)| footer.blocks_crc != self.blocks_crc) {
            let what = "the checksums of the blocks are not those of the footer";
            self.flaw(self.file.end, what, None);
        }
        let Some(stated) = self.places.properties.take() else {
            return self.flaw(self.file.end, "the table has no properties", None);
        };
        self.entries.seen.data_bytes = self.data_bytes;
        self.entries.seen.data_blocks = self.data_blocks;
        self.entries.seen.largest.clone_from(&self.entries.last_key);
        if let Some(fragments) = &self.places.range_tombstones {
            self.entries.seen.include(fragments);
        }
        if !self.entries.is_described_by(&stated) {
            self.flaw(self.file.end, "the properties do not describe the entries", None);
        }
    }

    fn add_crc(&mut self, crc: u32) {
        self.blocks_crc = crc32_from(self.blocks_crc, &crc.to_le_bytes());
    }

    fn flaw(&mut self, offset: u64, what: impl Into<Cow<'static, str>>, keys: Option<Span>) {
        self.is_whole = false;
        self.witness.flaw(Flaw { offset, what: what.into(), keys });
    }
}
