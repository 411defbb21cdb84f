//! The suite `blackbox`: what a real process asks of the operating system, and what a crash at any of
//! these calls would leave.
//!
//! Every other suite of crashes believes the engine's own seam to the file system. This one does not:
//! `strace` records the system calls of a process that writes through the real one (`writer`), `trace`
//! reads that record, and `replay` makes the same calls on a simulated disk, acknowledgements among
//! them, in the order in which the system saw them. What comes out is a story like those of the suite
//! `crash`, and its sweep and its oracle judge it (`suite`). A call that touches the directory and is
//! not understood is a violation: nothing is left out in silence.

mod replay;
mod suite;
mod trace;
mod writer;

#[cfg(siltstone_seeded_bugs)]
pub(crate) use crate::blackbox::suite::is_missing;
pub(crate) use crate::blackbox::suite::run;
pub use crate::blackbox::writer::write_if_ordered;
