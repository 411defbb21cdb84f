//! Makes the recorded calls again, on a simulated disk, and writes down what was said between them.
//!
//! Only what the engine is known to do is understood: new files, appends at their end, room reserved,
//! syncs, renames, removals. Anything else that names the directory is refused with its line.

use crate::blackbox::trace::{Call, bytes, escape, path};
use crate::blackbox::writer::{Said, Step};
use crate::crash::story::{Event, HOME, Story, What};
use siltstone::Durability;
use siltstone::fs::{Append, FileKind, FileLock, FileSystem, LockKind, SimulatedFileSystem};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Calls that change nothing that a crash could lose, whatever they name.
const HARMLESS: &[&str] = &[
    "close",
    "read",
    "pread64",
    "preadv",
    "readv",
    "lseek",
    "fstat",
    "newfstatat",
    "statx",
    "stat",
    "lstat",
    "statfs",
    "fstatfs",
    "getdents64",
    "fadvise64",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "fcntl",
    "ioctl",
    "poll",
    "execve",
];

/// What a record came to.
pub(crate) struct Replayed {
    pub(crate) story: Story,
    /// Calls that changed the disk, syncs among them.
    pub(crate) calls: usize,
    /// Syncs during which somebody changed what they cover.
    pub(crate) overlapped: usize,
}

/// Replays the calls of a process that worked below `root`, the parent of the database, and did these
/// steps.
pub(crate) fn replay(calls: Vec<Call>, root: &str, steps: &[Step]) -> Result<Replayed, String> {
    let (calls, overlapped) = in_order(calls, &escape(root));
    let mut replay = Replay {
        root: root.to_owned(),
        escaped: escape(root),
        disk: SimulatedFileSystem::new(),
        files: BTreeMap::new(),
        directories: BTreeSet::from([PathBuf::from("/")]),
        lock: None,
        steps,
        begun: None,
        events: Vec::new(),
        calls: 0,
        is_closed: false,
    };
    for call in &calls {
        let because =
            |why| format!("{why} in line {}: {}({:.300})", call.ended, call.name, call.text);
        replay.call(call).map_err(because)?;
    }
    if !replay.is_closed {
        return Err("the process did not come to its end".to_owned());
    }
    let story = Story::retold(replay.disk, replay.events);
    Ok(Replayed { story, calls: replay.calls, overlapped })
}

/// A sync covers what was there when it began. If somebody appended to the file meanwhile, or changed
/// names of the directory, it goes before the first such change; else it stands where it ended.
fn in_order(calls: Vec<Call>, root: &str) -> (Vec<Call>, usize) {
    let mut overlapped = 0;
    let mut placed: Vec<(usize, usize, Call)> = Vec::new();
    for call in &calls {
        let is_sync = call.name == "fsync" || call.name == "fdatasync";
        let covers = call.arguments()[0].split_once('<').map(|(_, path)| path).unwrap_or_default();
        let covers = covers.trim_end_matches('>');
        let is_change = |other: &&Call| {
            let is_write = ["pwrite64", "write", "openat", "rename", "unlink", "mkdir"]
                .iter()
                .any(|name| other.name.starts_with(name));
            let meets = call.began < other.ended && other.ended < call.ended;
            meets && is_write && other.text.contains(covers)
        };
        let first = (is_sync && call.text.contains(root) && call.began + 1 < call.ended)
            .then(|| calls.iter().find(is_change))
            .flatten();
        overlapped += usize::from(first.is_some());
        let place = first.map_or((call.ended, 1), |other| (other.ended, 0));
        placed.push((place.0, place.1, call.clone()));
    }
    placed.sort_by_key(|&(line, turn, _)| (line, turn));
    (placed.into_iter().map(|(_, _, call)| call).collect(), overlapped)
}

struct Replay<'a> {
    root: String,
    escaped: String,
    disk: SimulatedFileSystem,
    files: BTreeMap<PathBuf, Box<dyn Append>>,
    directories: BTreeSet<PathBuf>,
    lock: Option<Box<dyn FileLock>>,
    steps: &'a [Step],
    /// The step at work, and the moment at which it began.
    begun: Option<(usize, usize)>,
    events: Vec<Event>,
    calls: usize,
    is_closed: bool,
}

type Done = Result<(), String>;

fn strange(why: &str) -> Done {
    Err(format!("not understood: {why}"))
}

impl Replay<'_> {
    /// The path on the simulated disk of one below the root.
    fn mapped(&self, real: &str) -> Result<PathBuf, String> {
        let below = real.strip_prefix(&self.root).filter(|it| it.is_empty() || it.starts_with('/'));
        let below = below.ok_or_else(|| format!("{real} is outside of {}", self.root))?;
        Ok(Path::new("/").join(below.trim_start_matches('/')))
    }

    fn call(&mut self, call: &Call) -> Done {
        let arguments = call.arguments();
        if call.name == "write" && arguments[0].starts_with("2<") {
            let line = arguments.get(1).and_then(|it| bytes(it)).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            return match Said::parse(&line) {
                Some(said) => self.said(said),
                None => Err(format!("the process said {line:?}")),
            };
        }
        let is_ours = call.text.contains(&self.escaped) || call.result.contains(&self.escaped);
        if !is_ours || HARMLESS.contains(&call.name.as_str()) {
            if call.name == "close" && call.text.contains(&escape("LOCK")) {
                self.lock = None;
            }
            return Ok(());
        }
        if call.has_failed() {
            return match call.name.as_str() {
                // Whether a file is there may be asked, and so may whether a call is there at all.
                "openat" | "mkdir" | "flock" => Ok(()),
                _ => strange("it failed"),
            };
        }
        self.calls += 1;
        match call.name.as_str() {
            "openat" => self.open(call, &arguments),
            "mkdir" => self.make_directory(&arguments),
            "write" | "pwrite64" => self.write(call, &arguments),
            "fallocate" => self.reserve(&arguments),
            "fsync" | "fdatasync" => self.sync(&arguments),
            "rename" => self.rename(arguments[0], arguments[1]),
            "renameat" | "renameat2" if arguments.len() >= 4 => {
                self.rename(arguments[1], arguments[3])
            }
            "unlink" => self.remove(arguments[0]),
            "unlinkat" if arguments.get(2) == Some(&"0") => self.remove(arguments[1]),
            "flock" => self.take_lock(&arguments),
            "mmap" if !call.text.contains("MAP_SHARED") => Ok(()),
            _ => strange("no such call is expected"),
        }
    }

    fn named(&self, argument: &str) -> Result<PathBuf, String> {
        let bytes = bytes(argument).ok_or("no path")?;
        self.mapped(&String::from_utf8(bytes).map_err(|_| "a path that is no text")?)
    }

    fn descriptor(&self, argument: &str) -> Result<PathBuf, String> {
        self.mapped(&path(argument).ok_or("a descriptor without a name")?)
    }

    fn file(&mut self, argument: &str) -> Result<&mut Box<dyn Append>, String> {
        let path = self.descriptor(argument)?;
        self.files.get_mut(&path).ok_or_else(|| format!("{} was never created", path.display()))
    }

    fn open(&mut self, call: &Call, arguments: &[&str]) -> Done {
        let path = self.named(arguments[1])?;
        let flags: BTreeSet<&str> = arguments[2].split('|').collect();
        if !flags.contains("O_CREAT") {
            let is_reading = flags.contains("O_RDONLY") && !flags.contains("O_TRUNC");
            return if is_reading { Ok(()) } else { strange("a file is opened again for writing") };
        }
        if path.file_name().is_some_and(|name| name == "LOCK") && !flags.contains("O_TRUNC") {
            return Ok(());
        }
        if !flags.contains("O_EXCL") || call.number().is_none() {
            return strange("a file is created that may be there");
        }
        let file = self.disk.create_new(&path, kind_of(&path)).map_err(told)?;
        self.files.insert(path, file);
        Ok(())
    }

    fn make_directory(&mut self, arguments: &[&str]) -> Done {
        let path = self.named(arguments[0])?;
        self.disk.create_dir_all(&path).map_err(told)?;
        self.directories.insert(path);
        Ok(())
    }

    /// The bytes that the system took, which may be fewer than it was given.
    fn write(&mut self, call: &Call, arguments: &[&str]) -> Done {
        let bytes = bytes(arguments[1]).ok_or("bytes that were cut")?;
        let taken = call.number().ok_or("no count")? as usize;
        let taken = bytes.get(..taken).ok_or("more was written than there is")?;
        let at = arguments.get(3).map(|offset| offset.parse::<u64>());
        let file = self.file(arguments[0])?;
        match at {
            Some(Ok(offset)) if offset == file.len() => file.append(taken).map_err(told),
            _ => strange(&format!("it writes elsewhere than at the end, {}", file.len())),
        }
    }

    fn reserve(&mut self, arguments: &[&str]) -> Done {
        let number = |at: usize| arguments.get(at).and_then(|it| it.parse::<u64>().ok());
        match (arguments.get(1), number(2), number(3)) {
            (Some(&"0"), Some(start), Some(len)) => {
                self.file(arguments[0])?.reserve(start + len).map_err(told)
            }
            _ => strange("room is reserved in another way"),
        }
    }

    fn sync(&mut self, arguments: &[&str]) -> Done {
        if arguments[0].ends_with(">(deleted)") {
            // Nobody can find the file any more, and so nothing of it can be lost.
            return Ok(());
        }
        let path = self.descriptor(arguments[0])?;
        if self.directories.contains(&path) {
            return self.disk.sync_dir(&path).map_err(told);
        }
        self.file(arguments[0])?.syncer().sync().map_err(told)
    }

    fn rename(&mut self, from: &str, to: &str) -> Done {
        let (from, to) = (self.named(from)?, self.named(to)?);
        self.disk.rename(&from, &to).map_err(told)?;
        if let Some(file) = self.files.remove(&from) {
            self.files.insert(to, file);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Done {
        let path = self.named(name)?;
        self.files.remove(&path);
        self.disk.remove(&path).map_err(told)
    }

    fn take_lock(&mut self, arguments: &[&str]) -> Done {
        let path = self.descriptor(arguments[0])?;
        match arguments[1] {
            "LOCK_UN" => self.lock = None,
            _ => self.lock = Some(self.disk.lock(&path, LockKind::Exclusive).map_err(told)?),
        }
        Ok(())
    }

    fn said(&mut self, said: Said) -> Done {
        let now = self.disk.history_len();
        match said {
            Said::Begin(number) => self.begun = Some((number, now)),
            Said::Closed => {
                self.promise(now);
                self.is_closed = true;
            }
            Said::Done(number, seqno) => {
                let Some((_, started)) = self.begun.take().filter(|begun| begun.0 == number) else {
                    return Err(format!("step {number} is done and never began"));
                };
                self.done(&self.steps[number], started, seqno);
            }
        }
        Ok(())
    }

    fn done(&mut self, step: &Step, started: usize, seqno: u64) {
        let now = self.disk.history_len();
        let (what, durable) = match step {
            Step::Commit(changes, durability) => {
                let is_synced = *durability == Durability::Sync;
                (Some(What::Commit(changes.clone())), is_synced)
            }
            Step::Create(name) => (Some(What::Create(name)), false),
            Step::Drop(name) => (Some(What::Drop(name)), true),
            Step::Sync | Step::Flush | Step::Compact | Step::Reopen => (None, true),
            Step::WaitIdle | Step::Rest => (None, false),
        };
        if let Some(what) = what {
            let is_created = matches!(what, What::Create(_));
            let alone = if is_created { now } else { usize::MAX };
            self.events.push(Event { what, started, acknowledged: now, durable: alone, seqno });
        }
        if durable {
            self.promise(now);
        }
    }

    /// From `moment` on everything so far survives.
    fn promise(&mut self, moment: usize) {
        for event in &mut self.events {
            event.durable = event.durable.min(moment);
        }
    }
}

fn told(error: std::io::Error) -> String {
    format!("the simulated disk refuses: {error}")
}

fn kind_of(path: &Path) -> FileKind {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match path.extension().and_then(|it| it.to_str()) {
        Some("wal") => FileKind::Wal,
        Some("sst") => FileKind::Table,
        _ if name.starts_with("MANIFEST") => FileKind::Manifest,
        _ if name.starts_with("CURRENT") => FileKind::Current,
        _ => FileKind::Other,
    }
}

/// The name of the directory of the database, below the root.
pub(crate) fn home() -> &'static str {
    HOME.trim_start_matches('/')
}
