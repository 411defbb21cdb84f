//! When an engine has settled: one rule for all.
//!
//! The memtable is flushed. Then the engine is settled when for 300 ms in a row it knew of no flush or
//! compaction that runs or is due, and the process wrote nothing and used less than a tenth of a
//! processor. The time of the last quiet stretch is not counted.

use crate::engine::{Engine, Result};
use crate::measure::process::{Meter, Spent, processor_time, written_bytes};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);
const QUIET: Duration = Duration::from_millis(300);
/// Below this much processor time in a quiet stretch the background counts as asleep; this loop's own
/// looks are part of it.
const ASLEEP: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(600);

/// Flushes and waits; returns what it cost.
pub(crate) fn settle<E: Engine>(engine: &E) -> Result<Spent> {
    let meter = Meter::start()?;
    let begin = Instant::now();
    engine.flush()?;
    let mut spent = meter.spent()?;
    let mut quiet_since: Option<Instant> = None;
    let (mut written, mut used) = (written_bytes()?, processor_time()?);
    loop {
        let is_busy = engine.is_busy()?;
        let (written_now, used_now) = (written_bytes()?, processor_time()?);
        if is_busy || written_now != written || used_now.saturating_sub(used) > ASLEEP {
            (written, used) = (written_now, used_now);
            quiet_since = None;
        }
        match quiet_since {
            None => {
                quiet_since = Some(Instant::now());
                spent = meter.spent()?;
            }
            Some(since) if since.elapsed() >= QUIET => return Ok(spent),
            Some(_) => {}
        }
        if begin.elapsed() > PATIENCE {
            return Err("the engine did not settle within ten minutes".into());
        }
        sleep(LOOK_EVERY);
    }
}
