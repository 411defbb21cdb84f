//! A file system that watches the order of calls, and says when it would lose data.
//!
//! A crash test finds a wrong order when luck lets it crash at the right place. This finds it in
//! any test that runs the code at all. `book` is what was seen so far, `rules` what must hold, and
//! `file_system` wraps another file system and tells the book.

mod book;
mod file_system;
mod rules;

#[cfg(test)]
mod tests;

pub use crate::fs::lint::file_system::LintFileSystem;
