//! What is in a directory: files of ours with their lengths, and what is not ours.

use crate::error::{Error, Result};
use crate::format::filename::FileName;
use crate::fs::FileSystem;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names of a directory.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Files of the grammar, with their lengths.
    pub(crate) files: BTreeMap<FileName, u64>,
    /// Everything else: names of others, and directories with names of ours.
    pub(crate) strangers: Vec<PathBuf>,
}

impl Contents {
    pub(crate) fn read(fs: &dyn FileSystem, directory: &Path) -> Result<Contents> {
        let entries = fs.list(directory);
        let entries = entries.map_err(|error| Error::io("list the directory", directory, error))?;
        let mut contents = Contents::default();
        for entry in entries {
            match FileName::parse(&entry.name) {
                Some(FileName::LostDirectory) if entry.is_dir => {}
                Some(name) if !entry.is_dir && name != FileName::LostDirectory => {
                    contents.files.insert(name, entry.len);
                }
                _ => contents.strangers.push(directory.join(&entry.name)),
            }
        }
        Ok(contents)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = u64> {
        self.files.keys().filter_map(|name| match name {
            FileName::Table(id) => Some(*id),
            _ => None,
        })
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = u64> {
        self.files.keys().filter_map(|name| match name {
            FileName::Wal(id) => Some(*id),
            _ => None,
        })
    }

    pub(crate) fn manifests(&self) -> impl DoubleEndedIterator<Item = u64> + Clone {
        self.files.keys().filter_map(|name| match name {
            FileName::Manifest(id) => Some(*id),
            _ => None,
        })
    }
}
