//! Sorted tables: written once, synced, then read by any number of threads until removed.
//!
//! ```text
//! table := data blocks | filter? | index blocks | top index? | range tombstones? | properties
//!        | directory | footer 64 B
//! ```
//!
//! Every byte is inside a block or the footer, and each of these has a checksum that depends on
//! its place: `block` has the frame, the other files have what is inside. `writer` shows the order
//! of things in a file, `reader` how an entry is found again, `cursor` how a table is walked.

pub(crate) mod block;
mod blocked;
mod buffer;
pub(crate) mod context;
pub(crate) mod cursor;
pub(crate) mod data_block;
pub(crate) mod data_block_builder;
pub(crate) mod examine;
pub(crate) mod filter;
pub(crate) mod footer;
pub(crate) mod handle;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod options;
pub(crate) mod part;
pub(crate) mod properties;
pub(crate) mod reader;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

pub(crate) use crate::table::context::TableContext;
pub(crate) use crate::table::cursor::TableCursor;
pub(crate) use crate::table::handle::Handle;
pub use crate::table::options::{Compression, FilterKind};
pub(crate) use crate::table::options::{Creation, TableOptions};
pub(crate) use crate::table::writer::TableWriter;
