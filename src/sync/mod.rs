//! Locks, atomics and threads by one name, so that a model checker can take their place.
//!
//! The engine never names `std::sync::Mutex`, `parking_lot` or `std::thread` itself. In an
//! ordinary build the names below are parking_lot's and std's; under `--cfg shuttle` they are
//! thin wrappers of shuttle's, which runs many interleavings of the same code, and under `--cfg loom`
//! of loom's, which runs the smallest parts in every way there is. docs/TESTING.md has the commands.

pub(crate) use std::sync::{Arc, Weak};

#[cfg(not(any(shuttle, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::OnceLock;
#[cfg(not(shuttle))]
pub(crate) use std::thread;
#[cfg(not(any(shuttle, loom)))]
pub(crate) use std::{sync::atomic, thread_local};

#[cfg(any(shuttle, loom))]
mod checked;
#[cfg(any(shuttle, loom))]
pub(crate) use crate::sync::checked::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(shuttle)]
mod shuttle;
#[cfg(shuttle)]
pub(crate) use crate::sync::shuttle::OnceLock;
#[cfg(all(test, shuttle))]
pub(crate) use crate::sync::shuttle::{explore, explore_fairly};
#[cfg(shuttle)]
pub(crate) use ::shuttle::{sync::atomic, thread, thread_local};

#[cfg(loom)]
mod loom;
#[cfg(loom)]
pub(crate) use crate::sync::loom::thread_local;
#[cfg(all(test, loom))]
pub(crate) use crate::sync::loom::{explore_all, spawn};
#[cfg(loom)]
pub(crate) use ::loom::sync::atomic;

/// A number that is there as long as the process: loom's own cannot be.
#[cfg(not(loom))]
pub(crate) use atomic::AtomicU64 as StaticU64;
#[cfg(loom)]
pub(crate) use std::sync::atomic::AtomicU64 as StaticU64;
