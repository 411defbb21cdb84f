//! What the figures were measured on: machine, versions, options.

use crate::engine::{NAMES, options};
use std::fs;
use std::path::Path;
use std::process::Command;

const LOCK_FILE: &str = include_str!("../../Cargo.lock");

/// Facts in the order of a report: what, and its value.
pub(crate) fn facts(data: &Path) -> Vec<(String, String)> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut facts = vec![
        ("processor".to_owned(), format!("{model}, {processors} of them")),
        ("memory".to_owned(), memory),
        ("kernel".to_owned(), kernel.trim().to_owned()),
        ("file system".to_owned(), file_system(data)),
        ("load when the run began".to_owned(), load.trim().to_owned()),
    ];
    facts.extend(NAMES.map(|engine| (engine.to_owned(), version(engine))));
    facts.extend(NAMES.map(|engine| (format!("{engine}, options"), options(engine).to_owned())));
    facts
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Kind and options of the file system that holds the path: the longest mount point in front of it.
fn file_system(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind, flags) = (fields.next()?, fields.next()?, fields.next()?);
        path.starts_with(point).then(|| (point.len(), format!("{kind} ({flags})")))
    });
    mounts.max_by_key(|mount| mount.0).map_or_else(String::new, |mount| mount.1)
}

fn version(engine: &str) -> String {
    match engine {
        "siltstone" => format!("{}, commit {}", locked("siltstone"), commit()),
        "rocksdb" => {
            format!("{} (crate rocksdb {})", after_plus("librocksdb-sys"), locked("rocksdb"))
        }
        "lmdb" => {
            format!("lmdb-master-sys {} (crate heed {})", locked("lmdb-master-sys"), locked("heed"))
        }
        other => locked(other),
    }
}

/// The version of a crate in the lock file that this program was built with.
fn locked(name: &str) -> String {
    let head = format!("name = \"{name}\"\nversion = \"");
    let rest = LOCK_FILE.split_once(&head).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('"').next()).unwrap_or("unknown").to_owned()
}

fn after_plus(name: &str) -> String {
    let version = locked(name);
    version.split_once('+').map_or(version.clone(), |(_, native)| native.to_owned())
}

fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(
        || "unknown".to_owned(),
        |text| String::from_utf8_lossy(&text).trim().to_owned(),
    )
}
