//! The disks that the suite fills: simulated ones, and a real small one in memory.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a file of this tool takes the room of a real disk"
)]

use siltstone::Options;
use siltstone::fs::{FileSystem, SimulatedFileSystem};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A disk that is small, on which others can take room and give it back.
pub(crate) trait Ground {
    /// Options that put a database on it, small enough to be filled soon.
    fn options(&self) -> Options;

    /// Where the database lives.
    fn path(&self) -> PathBuf;

    /// The files of the database with their sizes, and the room that is left.
    fn files(&self) -> String;

    /// Somebody else gives room back.
    fn give_room(&mut self);

    /// Somebody else takes that room again.
    fn take_room(&mut self);

    /// The disk as it is if somebody else takes the last byte and the process dies; none if that cannot
    /// be played here. The byte and its neighbours come back with [`take_room`](Ground::take_room).
    fn killed(&self) -> Option<Box<dyn Ground>>;
}

/// A simulated disk of so many bytes.
pub(crate) struct Simulated {
    disk: SimulatedFileSystem,
    bytes: u64,
}

impl Simulated {
    pub(crate) fn new(bytes: u64) -> Simulated {
        let disk = SimulatedFileSystem::new();
        disk.restart_history(false);
        disk.set_capacity(Some(bytes));
        Simulated { disk, bytes }
    }
}

impl Ground for Simulated {
    fn options(&self) -> Options {
        Options::new()
            .file_system(self.disk.clone())
            .memory(2 << 20)
            .memtable_bytes(16 << 10)
            .table_bytes(16 << 10)
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("data")
    }

    fn files(&self) -> String {
        let entries = self.disk.list(&self.disk.absolute(&self.path()).unwrap()).unwrap();
        let free = self.disk.free_space(&self.path()).unwrap();
        let each = entries.iter().map(|file| format!("{}={}", file.name.display(), file.len));
        format!("{} free={free}", each.collect::<Vec<_>>().join(" "))
    }

    fn give_room(&mut self) {
        self.disk.set_capacity(Some(self.bytes * 2));
    }

    fn take_room(&mut self) {
        self.disk.set_capacity(Some(self.bytes));
    }

    fn killed(&self) -> Option<Box<dyn Ground>> {
        let disk = self.disk.copy();
        disk.restart_history(false);
        disk.set_capacity(Some(self.bytes));
        let used = self.bytes - disk.free_space(&self.path()).unwrap();
        disk.set_capacity(Some(used));
        Some(Box::new(Simulated { disk, bytes: self.bytes }))
    }
}

/// Bytes of the real disk, and how many of them somebody else holds.
const MOUNTED_BYTES: u64 = 24 << 20;
const HOG_BYTES: usize = 10 << 20;

/// A real file system of its own in memory. It is unmounted when dropped.
pub(crate) struct Mounted {
    folder: tempfile::TempDir,
}

impl Mounted {
    /// Mounts it, or says why that is not possible here: it takes the rights of root.
    pub(crate) fn new() -> Result<Mounted, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={MOUNTED_BYTES}"), "tmpfs"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match mounted {
            Ok(status) if status.success() => {
                let mut ground = Mounted { folder };
                ground.take_room();
                Ok(ground)
            }
            Ok(status) => Err(format!("mount ends with {status}")),
            Err(error) => Err(format!("there is no mount: {error}")),
        }
    }

    fn hog(&self) -> PathBuf {
        self.folder.path().join("hog")
    }
}

impl Ground for Mounted {
    fn options(&self) -> Options {
        Options::new().memory(4 << 20).memtable_bytes(256 << 10).table_bytes(256 << 10)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn files(&self) -> String {
        let entries = fs::read_dir(self.path()).unwrap().flatten();
        let len = |file: &fs::DirEntry| file.metadata().map_or(0, |facts| facts.len());
        let each = entries.map(|file| format!("{}={}", file.file_name().display(), len(&file)));
        each.collect::<Vec<_>>().join(" ")
    }

    fn give_room(&mut self) {
        fs::remove_file(self.hog()).unwrap();
    }

    fn take_room(&mut self) {
        // As much of it as there is: a write that does not fit ends the file.
        let mut hog = fs::File::create(self.hog()).unwrap();
        let piece = vec![1; 64 << 10];
        for _ in 0..HOG_BYTES / piece.len() {
            if hog.write_all(&piece).is_err() {
                return;
            }
        }
    }

    fn killed(&self) -> Option<Box<dyn Ground>> {
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The folder cannot be removed before; if it stays busy, it is left to the system.
        drop(Command::new("umount").arg("-l").arg(self.folder.path()).status());
    }
}
