//! Reads a manifest: replays all its edits into a state.
//!
//! The last edit may be torn: nobody was told that it was durable, and it is dropped. The snapshot
//! that a manifest begins with may not: it was durable before CURRENT named the file. Any other
//! damage is `Corruption`. Nothing is written here.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Reason, Result};
use crate::format::codec::usize_to_u64;
use crate::format::filename::FileName;
use crate::format::record::{HEADER_BYTES, RecordHeader, RecordType};
use crate::fs::{FileKind, FileSystem};
use crate::journal::{End, Record, Source, replay};
use crate::manifest::edit::{DecodeError, Edit};
use crate::manifest::opening::Opening;
use crate::manifest::state::State;
use std::io;
use std::path::Path;

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// All its edits together.
    pub(crate) state: State,
    /// How many edits there were, the snapshot included.
    pub(crate) edits: u64,
    /// End of its last whole record.
    pub(crate) bytes: u64,
    /// Bytes behind it: an edit that was being written when the power went. Usually 0.
    pub(crate) torn_bytes: u64,
}

/// Reads manifest `manifest`, which CURRENT names.
///
/// # Errors
/// `Unsupported` if a newer version wrote it, before anything else is judged; `Corruption` if it
/// is missing, damaged, or contradicts itself; I/O errors.
pub(crate) fn load(fs: &dyn FileSystem, directory: &Path, manifest: u64) -> Result<Loaded> {
    let path = FileName::Manifest(manifest).in_directory(directory);
    let file = match fs.open(&path, FileKind::Manifest) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = "the manifest that CURRENT names is missing: without it nobody knows which \
                        tables belong to the database";
            return Err(Error::corruption(&path, 0, what));
        }
        Err(error) => return Err(Error::io("open the manifest", &path, error)),
    };
    let opening = Opening::read(&*file, &path, manifest)?;
    let mut loader = Loader {
        path: &path,
        state: State::with_format(opening.database, opening.format),
        edits: 0,
    };
    let source = Source {
        file: &*file,
        path: &path,
        database: opening.database,
        file_id: manifest,
        durable_upto: 0,
        limit: u64::MAX,
        is_plausible,
    };
    let end = replay(&source, &mut |record| loader.take(record))?;
    let (bytes, torn_bytes) = match end {
        End::Clean { offset, .. } => (offset, 0),
        End::Torn { offset, bytes_after, .. } => (offset, bytes_after),
    };
    // The snapshot was durable before CURRENT named this file: it cannot be a torn write.
    if loader.edits == 0 {
        let what = "the snapshot that the manifest begins with is missing or damaged";
        return Err(Error::corruption(&path, bytes, what));
    }
    Ok(Loaded { state: loader.state, edits: loader.edits, bytes, torn_bytes })
}

pub(crate) fn is_plausible(header: &RecordHeader, payload: &[u8]) -> bool {
    match header.record_type {
        RecordType::Edit => !matches!(Edit::decode(payload), Err(DecodeError::Malformed { .. })),
        RecordType::Opening | RecordType::Marker => true,
        RecordType::Batch => false,
    }
}

struct Loader<'a> {
    path: &'a Path,
    state: State,
    edits: u64,
}

impl Loader<'_> {
    fn take(&mut self, record: &Record<'_>) -> Result<()> {
        match record.header.record_type {
            // Verified before; its chain is what seeds the rest.
            RecordType::Opening if record.offset == 0 => Ok(()),
            RecordType::Edit if record.offset > 0 => self.take_edit(record),
            RecordType::Marker if self.edits > 0 => Ok(()),
            _ => {
                let what = "a record of the manifest is out of its place";
                Err(Error::corruption(self.path, record.offset, what))
            }
        }
    }

    fn take_edit(&mut self, record: &Record<'_>) -> Result<()> {
        let corruption = |what| Err(Error::corruption(self.path, record.offset, what));
        if record.header.seqno != self.edits + 1 {
            return corruption(format!(
                "edit {} of the manifest is missing: edit {} follows",
                self.edits + 1,
                record.header.seqno
            ));
        }
        let edit = match Edit::decode(record.payload) {
            Ok(edit) => edit,
            Err(DecodeError::UnknownFact { tag }) => {
                let what = format!(
                    "the manifest states a fact (tag {tag:#04x}) that this build does not know: \
                     open the database with a newer version"
                );
                return Err(Error::unsupported(self.path, Reason::Other, what));
            }
            Err(DecodeError::Malformed { position }) => {
                let offset = record.offset + usize_to_u64(HEADER_BYTES + position);
                let what = "an edit of the manifest is malformed";
                return Err(Error::corruption(self.path, offset, what));
            }
        };
        if let Err(what) = self.state.apply(&edit) {
            return corruption(format!("the manifest contradicts itself: {what}"));
        }
        self.edits += 1;
        Ok(())
    }
}
