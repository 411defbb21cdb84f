//! The writer that the demo kills: this same program, run as `silt demo-writer`.
//!
//! It writes one entry after the other and, when a write has returned, prints the number of it.
//! A number on the pipe is an acknowledgement: that entry must be found again. It never stops by
//! itself, unless nobody listens any more.

use crate::demo::trades::Random;
use crate::exit::Failure;
use crate::store::Place;
use siltstone::{Batch, Durability};
use std::io::Write;

/// One write in so many is synced, the others are buffered.
const SYNC_EVERY: u64 = 8;

/// In front of the keys of the writer.
pub(crate) const PREFIX: &str = "killed/";

/// The entry with this number: anyone can tell what it must be.
pub(crate) fn entry(number: u64) -> (String, String) {
    let mut random = Random::new(number);
    (format!("{PREFIX}{number:08}"), format!("{:016x}{:016x}", random.next(), random.next()))
}

/// Whether the entry with this number is synced.
pub(crate) fn is_synced(number: u64) -> bool {
    number.is_multiple_of(SYNC_EVERY)
}

pub(crate) fn writer(place: &Place, out: &mut impl Write) -> Result<(), Failure> {
    let store = place.open_existing()?;
    for number in 0.. {
        let (key, value) = entry(number);
        let mut batch = Batch::new();
        batch.put(key, value);
        let durability = if is_synced(number) { Durability::Sync } else { Durability::Buffered };
        store.write(batch, durability)?;
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    store.close()
}
