//! The promises about entries: their order over the whole table, separators, flags, filter, counts.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::usize_to_u64;
use crate::format::key::{Kind, Seqno, compare, filter_hash};
use crate::format::limits::SEQNO_MAX;
use crate::table::data_block::DataBlock;
use crate::table::examine::flaw::Witness;
use crate::table::examine::places::Indexed;
use crate::table::filter::Filter;
use crate::table::index::FLAG_TOMBSTONES_ONLY;
use crate::table::layout::{FLAG_ALL_PUTS, FLAG_UNIQUE_KEYS};
use crate::table::properties::Properties;

/// What was seen of the entries so far.
pub(crate) struct Entries {
    pub(crate) seen: Properties,
    key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    last_seqno: Seqno,
    /// Separator of the block before; empty, which is before every key, for none.
    pub(crate) separator: Vec<u8>,
    /// The block before was read, and no user key of it goes on in the next.
    last_has_unique_keys: bool,
    /// The block before could not be read.
    pub(crate) follows_loss: bool,
    /// Whether the filter was caught at denying a key.
    pub(crate) is_denied: bool,
    has_block: bool,
}

impl Entries {
    pub(crate) fn new() -> Entries {
        Entries {
            seen: Properties { min_seqno: SEQNO_MAX, ..Properties::default() },
            key: Vec::new(),
            last_key: Vec::new(),
            last_seqno: 0,
            separator: Vec::new(),
            last_has_unique_keys: true,
            follows_loss: false,
            is_denied: false,
            has_block: false,
        }
    }

    /// Takes a block in; says which promise it breaks, the first one.
    pub(crate) fn take(
        &mut self,
        block: &DataBlock,
        indexed: Option<&Indexed>,
        (filter, stated): (Option<&Filter>, Option<&Properties>),
    ) -> Result<(), &'static str> {
        let checked = self.check(block, indexed, (filter, stated));
        // Whatever was found, the next block is compared with the end of this one.
        let last = block.len().saturating_sub(1);
        block.write_key(last, &mut self.last_key);
        self.last_seqno = block.seqno(last);
        self.last_has_unique_keys = block.has_unique_keys();
        self.follows_loss = false;
        self.has_block = true;
        if let Some(indexed) = indexed {
            self.separator.clone_from(&indexed.separator);
        }
        checked
    }

    fn check(
        &mut self,
        block: &DataBlock,
        indexed: Option<&Indexed>,
        (filter, stated): (Option<&Filter>, Option<&Properties>),
    ) -> Result<(), &'static str> {
        block.write_key(0, &mut self.key);
        let first_repeats = self.has_block && block.key_equals(0, &self.last_key);
        let is_cut = first_repeats && !self.follows_loss;
        if is_cut && (self.last_has_unique_keys || block.has_unique_keys()) {
            return Err("a key is cut, but its blocks say their keys are unique");
        }
        // Behind a lost block nobody knows whether a key goes on.
        let may_repeat = first_repeats || self.follows_loss;
        let is_behind = self.separator < self.key || (may_repeat && self.separator == self.key);
        if self.has_block && !self.separator.is_empty() && !is_behind {
            return Err("a separator is not before the next block");
        }
        let mut deletes = 0;
        for index in 0..block.len() {
            block.write_key(index, &mut self.key);
            deletes += usize::from(block.kind(index) == Kind::Delete);
            self.entry(block, index, (filter, stated))?;
        }
        let mut flags = if deletes == 0 { FLAG_ALL_PUTS } else { 0 };
        flags |= if block.has_unique_keys() { FLAG_UNIQUE_KEYS } else { 0 };
        flags |= if deletes == block.len() { FLAG_TOMBSTONES_ONLY } else { 0 };
        let known = FLAG_ALL_PUTS | FLAG_UNIQUE_KEYS | FLAG_TOMBSTONES_ONLY;
        let says_other = indexed.is_some_and(|indexed| indexed.flags & known != flags);
        if says_other || block.is_all_puts() != (deletes == 0) {
            return Err("the flags of a block are wrong");
        }
        match indexed {
            Some(indexed) if indexed.separator < self.last_key => {
                Err("a separator is before the end of its block")
            }
            _ => Ok(()),
        }
    }

    /// One entry, whose key is in `self.key`.
    fn entry(
        &mut self,
        block: &DataBlock,
        index: usize,
        (filter, stated): (Option<&Filter>, Option<&Properties>),
    ) -> Result<(), &'static str> {
        let seqno = block.seqno(index);
        let is_first = self.seen.entries == 0 && !self.has_block;
        if self.seen.entries == 0 {
            self.seen.smallest.clone_from(&self.key);
        }
        if !is_first && compare((&self.last_key, self.last_seqno), (&self.key, seqno)).is_ge() {
            return Err("entries are out of order");
        }
        let is_new = is_first || self.key != self.last_key;
        if !is_new && block.has_unique_keys() && !(self.follows_loss && index == 0) {
            return Err("a block says its keys are unique, but one is not");
        }
        if is_new && filter.is_some_and(|filter| !filter.may_contain(filter_hash(&self.key))) {
            self.is_denied = true;
        }
        if stated.is_some_and(|stated| !(stated.min_seqno..=stated.max_seqno).contains(&seqno)) {
            return Err("a seqno is not within those of the properties");
        }
        let (key_bytes, value_bytes) =
            (usize_to_u64(self.key.len()), usize_to_u64(block.value(index).len()));
        let seen = &mut self.seen;
        seen.entries += 1;
        seen.keys += u64::from(is_new);
        seen.deletes += u64::from(block.kind(index) == Kind::Delete);
        seen.raw_key_bytes += key_bytes;
        seen.raw_bytes += key_bytes + value_bytes;
        seen.min_seqno = seen.min_seqno.min(seqno);
        seen.max_seqno = seen.max_seqno.max(seqno);
        self.last_seqno = seqno;
        std::mem::swap(&mut self.key, &mut self.last_key);
        Ok(())
    }

    /// Whether what was seen is what the table says of itself.
    pub(crate) fn is_described_by(&self, stated: &Properties) -> bool {
        let seen = Properties {
            block_bytes: stated.block_bytes,
            codec: stated.codec,
            codec_level: stated.codec_level,
            creation: stated.creation,
            ..self.seen.clone()
        };
        seen == *stated
    }
}

/// Tells a witness of every entry of a block.
pub(crate) fn tell(block: &DataBlock, key: &mut Vec<u8>, witness: &mut dyn Witness) {
    for index in 0..block.len() {
        block.write_key(index, key);
        witness.entry(key, block.seqno(index), block.kind(index), block.value(index));
    }
}
