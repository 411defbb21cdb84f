//! Crash consistency of the whole engine: power goes at any point of a story, the database opens
//! again, and what it shows is judged.
//!
//! A story is a run of the engine on a simulated disk that remembers every change (`story`). The sweep
//! cuts the power at its moments, in every way a disk may lose what was not synced (`sweep`). The
//! oracle opens what is left, and accepts exactly the prefixes of the story that keep what was
//! promised (`oracle`, `directory`). `acts` tells stories by numbers: all short ones, and long ones
//! by chance; `suite` runs them. In `failed_calls` syncs and appends fail before the crash. The tests
//! have stories of their own (`scripts`), take the log apart byte by byte (`cut`), and look at what
//! an open shows (`promises`).

mod acts;
#[cfg(test)]
mod cut;
mod directory;
mod failed_calls;
mod oracle;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod scripts;
pub(crate) mod story;
mod suite;
pub(crate) mod sweep;

pub(crate) use crate::crash::failed_calls::fsyncgate;
pub(crate) use crate::crash::suite::{run, sequences, stories};
