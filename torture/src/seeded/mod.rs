//! The suite `seeded`: switches one bug after the other on, and counts the suites that notice.
//!
//! The bugs live in the engine, under `--cfg siltstone_seeded_bugs` (`src/seeded.rs` there). An ordinary
//! build of this tool has none of them, so it builds itself again with that cfg and lets that build do
//! the work (`build`). There each bug is hunted by the suites that should see it, each in a process of
//! its own, and must be caught within ten seconds (`hunt`). First of all the same suites run with no
//! bug, and must find nothing.

#[cfg(not(siltstone_seeded_bugs))]
mod build;
#[cfg(siltstone_seeded_bugs)]
mod hunt;

#[cfg(not(siltstone_seeded_bugs))]
pub(crate) use crate::seeded::build::run;
#[cfg(siltstone_seeded_bugs)]
pub(crate) use crate::seeded::hunt::run;
