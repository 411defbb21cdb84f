//! Which code does which kind of work.

use crate::engine::{Engine, Result, Task};
use crate::measure::outcome::Outcome;
use crate::work::job::{Job, Work};
use crate::work::{change, fill, mixed, read, reopen, scan, tombstones, ycsb};

impl Task for Job {
    type Output = Vec<Outcome>;

    fn run<E: Engine>(&self) -> Result<Vec<Outcome>> {
        match &self.step.work {
            Work::Fill { is_random, batch } => fill::fill::<E>(self, *is_random, *batch),
            Work::Load => fill::load::<E>(self),
            Work::ReadAfterLoad => fill::read_after_load::<E>(self),
            Work::Get { is_present } => read::get::<E>(self, *is_present),
            Work::ScanAll { is_reverse } => scan::scan_all::<E>(self, *is_reverse),
            Work::Seek { entries } => scan::seek::<E>(self, *entries),
            Work::ReadWhileWriting { writes_per_second } => {
                mixed::read_while_writing::<E>(self, *writes_per_second)
            }
            Work::Overwrite => change::overwrite::<E>(self),
            Work::Delete => change::delete::<E>(self),
            Work::Tombstones => tombstones::tombstones::<E>(self),
            Work::Ycsb(workload) => ycsb::ycsb::<E>(self, *workload),
            Work::Reopen => reopen::reopen::<E>(self),
            Work::Die => reopen::die::<E>(self),
            Work::ReopenAfterDeath => reopen::reopen_after_death::<E>(self),
        }
    }
}
