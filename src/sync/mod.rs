//! Locks, atomics and threads by one name, so that a model checker can take their place.
//!
//! The engine never names `std::sync::Mutex`, `parking_lot` or `std::thread` itself. In an
//! ordinary build the names below are parking_lot's and std's; under `--cfg shuttle` they are
//! thin wrappers of shuttle's, which runs many interleavings of the same code:
//! `RUSTFLAGS='--cfg shuttle' cargo test --target-dir target/shuttle shuttle_`.

pub(crate) use std::sync::{Arc, Weak};

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{OnceLock, atomic};
#[cfg(not(shuttle))]
pub(crate) use std::{thread, thread_local};

#[cfg(shuttle)]
mod shuttle;
#[cfg(shuttle)]
pub(crate) use crate::sync::shuttle::{Condvar, Mutex, MutexGuard, OnceLock, RwLock};
#[cfg(all(test, shuttle))]
pub(crate) use crate::sync::shuttle::{explore, explore_fairly};
#[cfg(shuttle)]
pub(crate) use ::shuttle::{sync::atomic, thread, thread_local};
