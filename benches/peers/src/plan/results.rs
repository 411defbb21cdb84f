//! The results file: everything that was measured, in JSON, written anew behind each step.

use crate::engine::Result;
use crate::measure::outcome::Outcome;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// One row of one engine in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) round: usize,
    pub(crate) chain: String,
    pub(crate) engine: String,
    pub(crate) outcome: Outcome,
}

/// A step that gave no figures: it failed, or its answers were wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) round: usize,
    pub(crate) chain: String,
    pub(crate) engine: String,
    pub(crate) row: String,
    pub(crate) error: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) entries: u64,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) records: Vec<Record>,
    pub(crate) faults: Vec<Fault>,
    /// Chains that are done, by round and what was asked of them.
    pub(crate) finished: Vec<String>,
}

impl Results {
    pub(crate) fn read(path: &Path) -> Result<Results> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)
            .map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// Replaces the file as a whole, so that an interrupted run leaves the last good one.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("part");
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        Ok(fs::rename(&beside, path)?)
    }

    /// Forgets what an interrupted chain has left.
    pub(crate) fn forget(&mut self, round: usize, chain: &str) {
        self.records.retain(|record| record.round != round || record.chain != chain);
        self.faults.retain(|fault| fault.round != round || fault.chain != chain);
    }
}
