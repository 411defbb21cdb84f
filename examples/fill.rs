//! Fills a database in random order, scans it, and checks memory, space and answers.
//!
//! ```text
//! cargo run --release --example fill -- [entries] [directory]
//! ```
//!
//! Five million entries unless told otherwise: keys of 16 bytes, incompressible values of 100. The
//! promises that are checked: a scan gives every entry once, in order, with its value; the process
//! never used more than the memory budget and 64 MiB; live tables and manifest take at most 1.15
//! bytes for a byte of keys and values. Any miss ends with a non-zero status. Latencies are printed
//! and not judged, because the disk has its say in them.

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]
#![expect(clippy::disallowed_types, reason = "it measures real time")]

use siltstone::{Db, Durability, Options, Stats};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ENTRIES: u64 = 5_000_000;
const ENTRY_BYTES: u64 = 16 + 100;
const MEMORY: usize = 256 << 20;
const MEMORY_SLACK: usize = 64 << 20;
const SPACE_MAX: f64 = 1.15;

type AnyResult<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> AnyResult<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let entries = arguments.next().map_or(Ok(ENTRIES), |word| word.parse())?;
    let directory = arguments.next().map_or_else(default_directory, PathBuf::from);
    if directory.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        return Err(format!("{} is not empty", directory.display()).into());
    }
    println!("{entries} entries of {ENTRY_BYTES} bytes into {}", directory.display());

    let options = Options::new().memory(MEMORY).durability(Durability::Buffered);
    let db = options.open(&directory)?;
    let mut checks = Checks::default();
    fill(&db, entries)?;
    let began = Instant::now();
    db.flush()?;
    db.wait_idle()?;
    println!("settled in {:.2?}", began.elapsed());
    print_stats(&db.stats());
    scan(&db, entries, &mut checks)?;
    check_memory(&db.stats(), &mut checks);
    db.close()?;
    check_space(&directory, entries, &mut checks)?;
    Ok(checks.verdict())
}

fn default_directory() -> PathBuf {
    std::env::temp_dir().join(format!("siltstone-fill-{}", std::process::id()))
}

fn fill(db: &Db, entries: u64) -> AnyResult<()> {
    let (began, mut latencies) = (Instant::now(), Latencies::default());
    for index in 0..entries {
        let number = shuffled(index, entries);
        let (key, value) = (key(number), value(number));
        let before = Instant::now();
        db.put(key, value)?;
        latencies.note(before.elapsed());
    }
    print_rate("filled", entries, began.elapsed());
    latencies.print();
    Ok(())
}

fn scan(db: &Db, entries: u64, checks: &mut Checks) -> AnyResult<()> {
    let (began, mut cursor, mut count, mut is_right) = (Instant::now(), db.cursor(..), 0, true);
    while let Some((found_key, found_value)) = cursor.next()? {
        is_right &= found_key == key(count) && found_value == value(count);
        count += 1;
    }
    print_rate("scanned", count, began.elapsed());
    checks.check(is_right, "entries are in order, with their values");
    checks.check(count == entries, &format!("{count} entries of {entries}"));
    Ok(())
}

fn check_memory(stats: &Stats, checks: &mut Checks) {
    let inside = stats.memtable_bytes + stats.pinned_bytes + stats.cache_bytes;
    checks.check(inside <= MEMORY, &format!("{} of {} in the budget", mib(inside), mib(MEMORY)));
    match peak_bytes() {
        None => println!("        peak resident memory is not known on this system"),
        Some(peak) => {
            let what = format!("peak {} of {} resident", mib(peak), mib(MEMORY + MEMORY_SLACK));
            checks.check(peak <= MEMORY + MEMORY_SLACK, &what);
        }
    }
}

fn check_space(directory: &Path, entries: u64, checks: &mut Checks) -> AnyResult<()> {
    let mut bytes = 0;
    for file in directory.read_dir()? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".sst") || name.starts_with("MANIFEST") {
            bytes += file.metadata()?.len();
        }
    }
    let ratio = bytes as f64 / (entries * ENTRY_BYTES) as f64;
    let what = format!("{bytes} bytes of files, {ratio:.3} of the data (at most {SPACE_MAX})");
    checks.check(ratio <= SPACE_MAX, &what);
    Ok(())
}

/// The most memory that this process ever had in RAM.
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

fn print_stats(stats: &Stats) {
    let stalled = Duration::from_nanos(stats.stalled_nanos);
    println!("writers were slowed or stopped for {stalled:.2?} in all");
    println!(
        "{} flushes, {} compactions, {} tables, write amplification {:.2}",
        stats.flushes, stats.compactions, stats.tables, stats.write_amplification
    );
    println!(
        "memtables {}, pinned {}, cache {}",
        mib(stats.memtable_bytes),
        mib(stats.pinned_bytes),
        mib(stats.cache_bytes)
    );
}

fn print_rate(what: &str, entries: u64, took: Duration) {
    let rate = entries as f64 / took.as_secs_f64() / 1000.0;
    println!("{what} in {took:.2?}: {rate:.0} thousand entries a second");
}

fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// What was checked.
#[derive(Default)]
struct Checks {
    missed: usize,
}

impl Checks {
    fn check(&mut self, holds: bool, what: &str) {
        println!("{} {what}", if holds { "ok     " } else { "MISSED " });
        self.missed += usize::from(!holds);
    }

    fn verdict(&self) -> ExitCode {
        if self.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Latencies by their first three binary digits, so a printed one is at most a quarter too low.
struct Latencies {
    buckets: [u64; 256],
    count: u64,
    longest: Duration,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { buckets: [0; 256], count: 0, longest: Duration::ZERO }
    }
}

impl Latencies {
    fn note(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(4);
        let log = nanos.ilog2();
        let digits = nanos >> (log - 2) & 3;
        self.buckets[(u64::from(log) * 4 + digits) as usize] += 1;
        self.count += 1;
        self.longest = self.longest.max(latency);
    }

    fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share) as u64;
        let mut seen = 0;
        for (bucket, count) in (0_u64..).zip(self.buckets) {
            seen += count;
            if seen > wanted {
                return Duration::from_nanos((4 + bucket % 4) << (bucket / 4) >> 2);
            }
        }
        self.longest
    }

    fn print(&self) {
        let [median, p99, p999, p9999] = [0.5, 0.99, 0.999, 0.9999].map(|it| self.quantile(it));
        println!(
            "latencies: median {median:.1?}, 99 % {p99:.1?}, 99.9 % {p999:.1?}, \
             99.99 % {p9999:.1?}, longest {:.1?}",
            self.longest
        );
    }
}

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"0000000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn value(number: u64) -> [u8; 100] {
    let (mut value, mut state) = ([0; 100], number << 8);
    for chunk in value.chunks_mut(8) {
        state += 1;
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
    value
}

/// The finalizer of SplitMix64.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Each number below `count` once for the indexes below `count`: multiplications and shifts that can
/// be undone shuffle the numbers below a power of two, and are repeated while the result is too large.
fn shuffled(index: u64, count: u64) -> u64 {
    let bits = u64::BITS - count.leading_zeros();
    let mask = (1 << bits) - 1;
    let mut number = index;
    loop {
        for factor in [0x9e37_79b9_7f4a_7c15_u64, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            number = number.wrapping_add(factor).wrapping_mul(factor) & mask;
            number ^= number >> (bits / 2).max(1);
        }
        if number < count {
            return number;
        }
    }
}
