//! Looks at a directory before anything in it is touched: is it ours, new, or something else?
//!
//! Rules: a directory with CURRENT is a database. One without CURRENT is new if it holds nothing, or
//! nothing but what an interrupted creation leaves (a lock file, a manifest, an empty segment). With
//! tables or log records but no CURRENT it was a database once, and creating a new one over it would
//! lose data: that is corruption. With other people's files in it, it is theirs.

use crate::error::{Error, Reason, Result};
use crate::format::filename::FileName;
use crate::fs::{DirEntry, FileKind, FileSystem};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// No directory of that name.
    Missing,
    /// A directory in which a database can be created.
    Empty,
    /// A database.
    Database,
}

/// The files of our grammar, with their lengths in bytes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    files: BTreeMap<FileName, u64>,
}

impl Listing {
    /// Reads the directory.
    pub(crate) fn read(fs: &dyn FileSystem, directory: &Path) -> Result<Listing> {
        let entries = fs.list(directory);
        let entries = entries.map_err(|error| Error::io("list the directory", directory, error))?;
        Ok(Listing::of(&entries))
    }

    fn of(entries: &[DirEntry]) -> Listing {
        let ours = entries.iter().filter(|entry| !entry.is_dir);
        let named = ours.filter_map(|entry| Some((FileName::parse(&entry.name)?, entry.len)));
        Listing { files: named.collect() }
    }

    pub(crate) fn len_of(&self, name: FileName) -> Option<u64> {
        self.files.get(&name).copied()
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = FileName> {
        self.files.keys().copied()
    }

    /// Numbers of the WAL segments, ascending.
    pub(crate) fn segments(&self) -> Vec<u64> {
        let segment = |name: &FileName| match name {
            FileName::Wal(number) => Some(*number),
            _ => None,
        };
        self.files.keys().filter_map(segment).collect()
    }

    /// The largest number in any name, 0 if there is none.
    pub(crate) fn largest_number(&self) -> u64 {
        self.files.keys().filter_map(|name| name.number()).max().unwrap_or(0)
    }
}

/// Makes the path absolute, so that a later change of the working directory is harmless.
pub(crate) fn absolute(fs: &dyn FileSystem, directory: &Path) -> Result<PathBuf> {
    fs.absolute(directory).map_err(|error| Error::io("find the directory", directory, error))
}

/// Makes the directory, if it is missing, and its name and those above it durable.
///
/// Also if it is there: whoever made it may have been killed, or may not have cared, before its name
/// was durable, and a database is worth no more than the way to it.
pub(crate) fn make_durable(fs: &dyn FileSystem, directory: &Path) -> Result<()> {
    let created = fs.create_dir_all(directory);
    created.map_err(|error| Error::io("create the directory", directory, error))?;
    for above in directory.ancestors().skip(1) {
        match fs.sync_dir(above) {
            // Where we may not write we made no name.
            Err(error) if is_foreign(&error) => {}
            synced => synced.map_err(|error| Error::io("sync the directory", above, error))?,
        }
    }
    Ok(())
}

/// Whether a sync fails because the directory is not ours to write in.
fn is_foreign(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}

/// Looks at the directory and changes nothing.
///
/// # Errors
/// `Invalid` if the path is a file or a directory of something else, `Corruption` if CURRENT is
/// missing from what was a database.
pub(crate) fn look(fs: &dyn FileSystem, directory: &Path) -> Result<Found> {
    let entries = match fs.list(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let what = "this path is a file; a database lives in a directory of its own";
            return Err(Error::invalid_path(directory, Reason::NotADatabase, what));
        }
        Err(error) => return Err(Error::io("list the directory", directory, error)),
    };
    let listing = Listing::of(&entries);
    if listing.len_of(FileName::Current).is_some() {
        return Ok(Found::Database);
    }
    if let Some(name) = listing.files.keys().find(|name| matches!(name, FileName::Table(_))) {
        return Err(missing_current(directory, *name));
    }
    for segment in listing.segments() {
        if has_bytes(fs, &FileName::Wal(segment).in_directory(directory))? {
            return Err(missing_current(directory, FileName::Wal(segment)));
        }
    }
    if let Some(stranger) = entries.iter().find(|entry| !is_harmless(entry)) {
        let what = format!(
            "the directory holds something else ({}); a database needs a directory of its own",
            stranger.name.display()
        );
        return Err(Error::invalid_path(directory, Reason::NotADatabase, what));
    }
    Ok(Found::Empty)
}

fn missing_current(directory: &Path, witness: FileName) -> Error {
    let what = format!(
        "CURRENT is missing, but {witness} is there: this was a database; restore CURRENT, do not \
         create a new database here"
    );
    Error::corruption(&FileName::Current.in_directory(directory), 0, what)
}

/// Ours, hidden (what desktops leave behind), or what a file system puts into its root.
fn is_harmless(entry: &DirEntry) -> bool {
    FileName::parse(&entry.name).is_some()
        || entry.name.as_encoded_bytes().starts_with(b".")
        || entry.name == "lost+found"
}

/// Whether a segment has anything but zeros: an empty, reserved one is a leftover of a creation.
fn has_bytes(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    let io = |error| Error::io("read the segment", path, error);
    let file = fs.open(path, FileKind::Wal).map_err(io)?;
    let mut buffer = vec![0; 64 << 10];
    let mut offset = 0;
    while offset < file.len() {
        let left = usize::try_from(file.len() - offset).unwrap_or(usize::MAX);
        let piece = left.min(buffer.len());
        file.read_exact_at(&mut buffer[..piece], offset).map_err(io)?;
        if buffer[..piece].iter().any(|&byte| byte != 0) {
            return Ok(true);
        }
        offset += piece as u64;
    }
    Ok(false)
}
