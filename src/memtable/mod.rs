//! The newest writes, sorted in memory: one memtable holds what one segment of the WAL holds.
//!
//! `memtable` is the door: many threads insert, many read, nobody waits. Underneath, `index`
//! keeps the order in the form of `leaf`s, which `directory` leads to, `arena` the bytes of every
//! `record` in `chunk`s, `ranges` the range tombstones; `filter` spares a get the search of the index;
//! `cursor` walks the entries.

mod arena;
mod chunk;
mod cursor;
mod directory;
mod filter;
mod index;
mod leaf;
#[expect(clippy::module_inception, reason = "the room is named after the thing it holds")]
mod memtable;
mod ranges;
mod record;

pub(crate) use crate::memtable::cursor::MemtableCursor;
pub(crate) use crate::memtable::memtable::Memtable;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
