//! Every call to the file system fails, in every way: nothing hangs, panics, lies or gets lost.
//!
//! A scripted workload (`workloads`) runs once for each call that it makes and each kind of fault, with
//! only that call failing and with all calls from there on failing (`play`). The workload goes on,
//! whatever it is told. Then the fault goes away, and the database must work again (or say that it
//! needs a reopen), and hold every acknowledged write and no refused one: in place, after a death of
//! the process, and after a clean close (`world`). One thread and a seed drive the background, so a
//! case that fails can be run again. `suite` runs them all; a full disk has tests of its own (`full`).

#[cfg(test)]
mod full;
mod play;
mod suite;
mod workloads;
pub(crate) mod world;

pub(crate) use crate::fault::suite::run;
