//! What a step costs: time, latencies, processor time, bytes written, memory, space.

pub(crate) mod latency;
pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod settle;
pub(crate) mod threads;
