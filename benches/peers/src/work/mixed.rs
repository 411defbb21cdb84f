//! A reader beside a writer.

use crate::data::choice::Chance;
use crate::data::keys::Kind;
use crate::data::model::{OVERWRITTEN, Scene};
use crate::data::values::fingerprint;
use crate::engine::{Engine, Result};
use crate::measure::latency::Latencies;
use crate::measure::outcome::Outcome;
use crate::measure::process::{Meter, peak_memory_bytes};
use crate::measure::threads::{Done, Limits, Timing, repeat, together};
use crate::work::job::Job;
use crate::work::read::warm;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a writer that is held to a rate writes what is due.
const TICK: Duration = Duration::from_millis(1);
const READ_SEED: u64 = 300;
const WRITE_SEED: u64 = 301;

struct Mix<'a, E> {
    engine: &'a E,
    scene: &'a Scene,
    writes_per_second: Option<u64>,
    is_over: AtomicBool,
}

impl<E: Engine> Mix<'_, E> {
    /// Every read must find the old value or the new one; the result counts those that do.
    fn read(&self, time: Duration) -> Result<Done<u64>> {
        let mut chance = Chance::new(READ_SEED);
        let limits = Limits { operations: u64::MAX, time };
        let done = repeat(limits, Timing::Sampled, 0, |right, _| {
            let rank = chance.below(self.scene.entries);
            let key = self.scene.keys.key(rank, Kind::Loaded);
            let found = self.engine.get(&key, fingerprint)?;
            let values = &self.scene.values;
            let is_right = found == Some(values.fingerprint(rank, Kind::Loaded, 0))
                || found == Some(values.fingerprint(rank, Kind::Loaded, OVERWRITTEN));
            *right += u64::from(is_right);
            Ok(())
        });
        self.is_over.store(true, Ordering::Relaxed);
        done
    }

    fn write(&self) -> Result<Done<u64>> {
        let (mut chance, mut value) = (Chance::new(WRITE_SEED), Vec::new());
        let (begin, mut latencies, mut operations) = (Instant::now(), Latencies::new(), 0);
        while !self.is_over.load(Ordering::Relaxed) {
            if let Some(rate) = self.writes_per_second {
                let due = (begin.elapsed().as_secs_f64() * rate as f64) as u64;
                if operations >= due {
                    sleep(TICK);
                    continue;
                }
            }
            let rank = chance.below(self.scene.entries);
            self.scene.values.fill(&mut value, rank, Kind::Loaded, OVERWRITTEN);
            let before = Instant::now();
            self.engine.put(&self.scene.keys.key(rank, Kind::Loaded), &value)?;
            latencies.record(before.elapsed());
            operations += 1;
        }
        Ok(Done { operations, latencies, carried: operations })
    }
}

/// The step: one row for the reads, one for the writes.
pub(crate) fn read_while_writing<E: Engine>(
    job: &Job,
    writes_per_second: Option<u64>,
) -> Result<Vec<Outcome>> {
    let (step, scene) = (&job.step, job.scene());
    let engine: E = job.open()?;
    warm(&engine, &scene)?;
    let is_over = AtomicBool::new(false);
    let mix = Mix { engine: &engine, scene: &scene, writes_per_second, is_over };
    let meter = Meter::start()?;
    let run = |thread| if thread == 0 { mix.read(step.time()) } else { mix.write() };
    let mut done = together(2, run)?;
    let spent = meter.spent()?;
    let writes = done.split_off(1);
    let mut reads = Outcome::new(&step.row, spent, &done);
    let (read, right) = (done[0].operations, done[0].carried);
    if read != right {
        return Err(format!("{}: {} of {read} reads were wrong", step.row, read - right).into());
    }
    reads.checked = format!("each of {read} reads found the old value or the new one");
    reads.peak_memory_bytes = peak_memory_bytes()?;
    let mut writes = Outcome::new(&format!("{}: writes", step.row), spent, &writes);
    writes.checked = "by the reads beside them".to_owned();
    writes.user_bytes = writes.operations * scene.entry_bytes();
    engine.close()?;
    Ok(vec![reads, writes])
}
