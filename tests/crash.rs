//! Crash consistency of the whole engine: power goes at every point of a story, the database opens
//! again, and what it shows is judged.
//!
//! A story is a run of the engine on a simulated disk that remembers every change (`story`, and the
//! stories themselves in `scripts`). The sweep cuts the power at every moment of it, in every way a
//! disk may lose what was not synced (`sweep`). The oracle opens what is left, and accepts exactly
//! the prefixes of the story that keep what was promised (`oracle`, `directory`). `cut` takes the
//! log apart byte by byte, `failed_calls` lets syncs and appends fail, and crashes after that, and
//! `promises` is about what an open shows.
//!
//! By default this takes some seconds; with `SILTSTONE_CRASH_FULL=1` it takes more seeds, every
//! state and every nested crash.

#[cfg(test)]
#[path = "crash/cut.rs"]
mod cut;
#[cfg(test)]
#[path = "crash/directory.rs"]
mod directory;
#[cfg(test)]
#[path = "crash/failed_calls.rs"]
mod failed_calls;
#[cfg(test)]
#[path = "crash/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "crash/promises.rs"]
mod promises;
#[cfg(test)]
#[path = "crash/scripts.rs"]
mod scripts;
#[cfg(test)]
#[path = "crash/story.rs"]
mod story;
#[cfg(test)]
#[path = "crash/sweep.rs"]
mod sweep;
