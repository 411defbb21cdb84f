//! What the operating system knows about this process and its files.
//!
//! Processor time is that of all threads, the engine's own included. Bytes written are those that the
//! process handed to the system (`wchar`), whether the device has seen them yet or not: so an engine
//! cannot look better by being fast enough to overwrite what has not been written back. An engine that
//! hands bytes over in another way as well has to count all of them ([`note_handed_over`]).

use rustix::process::{Signal, getpid, kill_process};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Running totals of this process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    at: Instant,
    processor: Duration,
    written_bytes: u64,
}

/// The difference of two moments.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Spent {
    pub(crate) wall_seconds: f64,
    pub(crate) processor_seconds: f64,
    pub(crate) written_bytes: u64,
}

impl Meter {
    pub(crate) fn start() -> io::Result<Meter> {
        Ok(Meter {
            at: Instant::now(),
            processor: processor_time()?,
            written_bytes: written_bytes()?,
        })
    }

    pub(crate) fn spent(&self) -> io::Result<Spent> {
        Ok(Spent {
            wall_seconds: self.at.elapsed().as_secs_f64(),
            processor_seconds: processor_time()?.saturating_sub(self.processor).as_secs_f64(),
            written_bytes: written_bytes()?.saturating_sub(self.written_bytes),
        })
    }
}

/// Processor time of all threads, the ended ones too: clock ticks from `stat`, 10 ms each.
pub(crate) fn processor_time() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields behind it.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = behind_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Bytes that the engine has counted, and whether it does.
static HANDED_OVER: AtomicU64 = AtomicU64::new(0);
static COUNTS_ITSELF: AtomicBool = AtomicBool::new(false);

/// Notes that the engine hands so many bytes to the system. From the first call on, only what is noted
/// counts.
pub(crate) fn note_handed_over(bytes: u64) {
    COUNTS_ITSELF.store(true, Ordering::Relaxed);
    HANDED_OVER.fetch_add(bytes, Ordering::Relaxed);
}

/// Bytes that this process has handed to the system.
pub(crate) fn written_bytes() -> io::Result<u64> {
    if COUNTS_ITSELF.load(Ordering::Relaxed) {
        return Ok(HANDED_OVER.load(Ordering::Relaxed));
    }
    field("/proc/self/io", "wchar:")
}

/// Most memory that this process ever had resident, in bytes.
pub(crate) fn peak_memory_bytes() -> io::Result<u64> {
    Ok(field("/proc/self/status", "VmHWM:")? * 1024)
}

/// Forgets the peak, so that what was done before the measured part does not count.
pub(crate) fn reset_peak_memory() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn field(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}

/// Space that the files in `directory` take on the disk.
pub(crate) fn directory_bytes(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // The engine may remove a file between the listing and the question.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() {
            directory_bytes(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

/// Ends this process as a crash does: no destructor runs.
pub(crate) fn die() -> ! {
    let killed = kill_process(getpid(), Signal::KILL);
    panic!("the process outlived its own kill: {killed:?}");
}
