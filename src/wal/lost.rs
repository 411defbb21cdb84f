//! Keeps the bytes that recovery drops: a copy in `lost/`, durable before anything is removed.
//!
//! Nothing is cut in place. The name is `lost/NNNNNN.wal.tail`; if a recovery that did not finish
//! has left one, the next free `lost/NNNNNN.wal.tail-K` is taken.

use crate::error::{Error, Result};
use crate::format::filename::FileName;
use crate::fs::{Append, FileKind, FileSystem};
use crate::wal::report::TornTail;
use std::io;
use std::path::{Path, PathBuf};

const PIECE_BYTES: u64 = 256 << 10;
const COPIES_MAX: u32 = 1000;

/// Copies the dropped bytes of a segment to `lost/` and returns where they are now; `None` if there
/// are none. When it returns, the copy and its name are durable.
///
/// # Errors
/// What the operating system reports; the segment is untouched, a partial copy may remain.
pub(crate) fn keep_torn(
    fs: &dyn FileSystem,
    directory: &Path,
    torn: &TornTail,
) -> Result<Option<PathBuf>> {
    if torn.bytes == 0 {
        return Ok(None);
    }
    let source = fs
        .open(&torn.file, FileKind::Wal)
        .map_err(|source| Error::io("open the segment", &torn.file, source))?;
    let lost = FileName::LostDirectory.in_directory(directory);
    fs.create_dir_all(&lost).map_err(|source| Error::io("create the directory", &lost, source))?;
    let (path, mut copy) = create(fs, &lost, &torn.file)?;
    let mut buffer = Vec::new();
    let mut offset = torn.offset;
    let end = source.len().min(torn.offset.saturating_add(torn.bytes));
    while offset < end {
        let len = PIECE_BYTES.min(end - offset);
        buffer.resize(usize::try_from(len).unwrap_or_default(), 0);
        source
            .read_exact_at(&mut buffer, offset)
            .map_err(|source| Error::io_at("read the segment", &torn.file, offset, source))?;
        copy.append(&buffer).map_err(|source| Error::io("append to the copy", &path, source))?;
        offset += len;
    }
    copy.syncer().sync().map_err(|source| Error::io("sync the copy", &path, source))?;
    for names in [lost.as_path(), directory] {
        fs.sync_dir(names).map_err(|source| Error::io("sync the directory", names, source))?;
    }
    Ok(Some(path))
}

fn create(fs: &dyn FileSystem, lost: &Path, file: &Path) -> Result<(PathBuf, Box<dyn Append>)> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".tail");
    for copy in 0..COPIES_MAX {
        let mut name = name.clone();
        if copy > 0 {
            name.push(format!("-{copy}"));
        }
        let path = lost.join(name);
        match fs.create_new(&path, FileKind::Other) {
            Ok(file) => return Ok((path, file)),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::io("create the copy", &path, source)),
        }
    }
    let source = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(Error::io("find a free name for the copy", &lost.join(name), source))
}
