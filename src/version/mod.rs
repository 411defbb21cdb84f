//! What the database consists of at one moment: the tables of every level, as an immutable value.

mod fences;
mod level;
pub(crate) mod shape;
#[expect(clippy::module_inception, reason = "a version is what this room is about")]
mod version;

pub(crate) use crate::version::level::Run;
pub(crate) use crate::version::version::Version;

#[cfg(test)]
mod tests;
