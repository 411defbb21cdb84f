//! The figures of one row: what a step prints, and what the results file holds.

use crate::measure::latency::{Latencies, Percentiles};
use crate::measure::process::Spent;
use crate::measure::threads::Done;
use serde::{Deserialize, Serialize};

/// One row, for one engine, in one round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) row: String,
    /// Operations; entries, for batches and scans of everything.
    pub(crate) operations: u64,
    pub(crate) spent: Spent,
    pub(crate) latency: Option<Percentiles>,
    /// Until nothing was left to flush or compact, for rows that write.
    pub(crate) settle: Option<Spent>,
    /// Bytes of keys and values that the row wrote.
    pub(crate) user_bytes: u64,
    /// Bytes of keys and values that are alive at its end.
    pub(crate) live_bytes: u64,
    pub(crate) directory_bytes: u64,
    pub(crate) peak_memory_bytes: u64,
    /// What was checked, in words: an outcome whose check fails does not come into being.
    pub(crate) checked: String,
}

impl Outcome {
    /// An outcome with the figures of some threads.
    pub(crate) fn new<T>(row: &str, spent: Spent, done: &[Done<T>]) -> Outcome {
        let mut latencies = Latencies::new();
        for thread in done {
            latencies.add(&thread.latencies);
        }
        Outcome {
            row: row.to_owned(),
            operations: done.iter().map(|thread| thread.operations).sum(),
            spent,
            latency: latencies.percentiles(),
            ..Outcome::default()
        }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.spent.wall_seconds.max(1e-9)
    }
}
