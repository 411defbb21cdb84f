//! The text formats that `import` reads and `export` writes, one file for each, both directions.
//!
//! What `export` writes gives the same keys and values, byte for byte, when `import` reads it with
//! the same `--format`, `--key` and `--key-separator`.

mod choice;
mod csv;
pub(crate) mod jsonl;
mod lines;
mod row;
mod stream;
mod tsv;

pub(crate) use crate::format::choice::{Columns, Format};
pub(crate) use crate::format::csv::{CsvSink, CsvSource};
pub(crate) use crate::format::jsonl::{JsonlSink, JsonlSource};
pub(crate) use crate::format::stream::{Bad, Entry, Sink, Source};
pub(crate) use crate::format::tsv::{TsvSink, TsvSource};
