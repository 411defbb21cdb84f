//! The long tests of Siltstone, as suites that any amount of time can be given to.
//!
//! A suite draws numbered cases, judges each of them, and ends with one line of figures. The binary
//! `torture` runs one suite at a time for as long as it is told; `tests/` runs all of them with small
//! bounds, so that every change meets the same code. Start at [`suites`].

#![expect(clippy::unwrap_used, reason = "a case that panics is a violation, and is told as one")]

pub mod allocations;
pub mod blackbox;
pub mod bounds;
mod crash;
pub mod crew;
mod damage;
mod enospc;
mod fault;
pub mod kill;
mod model;
pub mod outcome;
mod panic;
mod race;
pub mod random;
mod seeded;
pub mod seeds;
mod sim;
mod soak;
pub mod suites;
mod watchdog;
