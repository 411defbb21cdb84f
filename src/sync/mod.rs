//! Locks, atomics and threads by one name, so that a model checker can take their place.
//!
//! The engine never names `std::sync::Mutex`, `parking_lot` or `std::thread` itself. In an
//! ordinary build the names below are parking_lot's and std's; under `--cfg shuttle` they are
//! thin wrappers of shuttle's, which runs many interleavings of the same code.

pub(crate) use std::sync::{Arc, OnceLock, Weak};

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::atomic;
#[cfg(not(shuttle))]
pub(crate) use std::thread;
