//! Examines a manifest: everything that is wrong with it, and what it says up to there.
//!
//! `load` refuses a manifest with damage. Here the edits before the first damage are kept, and the walk
//! goes on behind it, so that damage behind damage is told too.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::record::RecordType;
use crate::fs::ReadAt;
use crate::journal::{End, Met, Record, Source, examine_records};
use crate::manifest::edit::Edit;
use crate::manifest::load::is_plausible;
use crate::manifest::opening::Opening;
use crate::manifest::state::State;
use std::path::Path;

/// What could be read of a manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManifestRead {
    /// The state after the last edit before the first damage; `None` if not even the first edit,
    /// which has everything in it, could be read.
    pub(crate) state: Option<State>,
    /// Offset, bytes and a sentence of everything that is damaged.
    pub(crate) gaps: Vec<(u64, u64, String)>,
    /// Offset and length of what a power cut may have torn from the end.
    pub(crate) torn: Option<(u64, u64)>,
}

/// Examines the manifest `manifest`, up to `limit`.
pub(crate) fn examine(file: &dyn ReadAt, path: &Path, manifest: u64, limit: u64) -> ManifestRead {
    let mut read = ManifestRead::default();
    let opening = match Opening::read(file, path, manifest) {
        Ok(opening) => opening,
        Err(error) => {
            read.gaps.push((error.offset().unwrap_or(0), file.len(), error.sentence()));
            return read;
        }
    };
    let (database, file_id) = (opening.database, manifest);
    let source = Source { file, path, database, file_id, durable_upto: 0, limit, is_plausible };
    let mut state = State::with_format(opening.database, opening.format);
    let mut edits = 0;
    let ended = examine_records(&source, &mut |met| {
        match met {
            Met::Gap { offset, bytes, what } => {
                read.gaps.push((*offset, *bytes, (*what).to_owned()));
            }
            // Behind a gap nobody knows what an edit is an edit of.
            Met::Record(_) if !read.gaps.is_empty() => {}
            Met::Record(record) => match take(&mut state, &mut edits, record) {
                Ok(()) => {}
                Err(what) => read.gaps.push((record.offset, 0, what)),
            },
        }
        Ok(())
    });
    match ended {
        Ok(End::Clean { .. }) => {}
        Ok(End::Torn { offset, bytes_after, .. }) => read.torn = Some((offset, bytes_after)),
        Err(error) => read.gaps.push((error.offset().unwrap_or(0), 0, error.sentence())),
    }
    if edits == 0 && read.gaps.is_empty() {
        // The first edit was durable before anything named this file.
        let (offset, bytes) = read.torn.take().unwrap_or((file.len(), 0));
        read.gaps.push((offset, bytes, "the manifest has no first edit".to_owned()));
    }
    read.state = (edits > 0).then_some(state);
    read
}

fn take(state: &mut State, edits: &mut u64, record: &Record<'_>) -> Result<(), String> {
    match record.header.record_type {
        RecordType::Opening if record.offset == 0 => return Ok(()),
        RecordType::Marker if *edits > 0 => return Ok(()),
        RecordType::Edit if record.offset > 0 => {}
        _ => return Err("a record of the manifest is out of its place".to_owned()),
    }
    let number = record.header.seqno;
    if number != *edits + 1 {
        return Err(format!("edit {} of the manifest is missing: {number} follows", *edits + 1));
    }
    let edit = Edit::decode(record.payload)
        .map_err(|_| "an edit of the manifest is malformed, or of a newer version".to_owned())?;
    state.apply(&edit).map_err(|what| format!("the manifest contradicts itself: {what}"))?;
    *edits += 1;
    Ok(())
}
