//! The first record of a manifest: what this file is.
//!
//! ```text
//! payload := magic "siltMAN\0" | format version u32 | database id u64 | manifest id u64 | (room to grow)
//! ```
//!
//! Every record is seeded with the database id, and this one tells the id. So the id is read from
//! its fixed place first, and believed only when the record that it seeds proves right. These bytes
//! and their record stay where they are in every format version: that is how an older build knows a
//! newer database.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, Reason, Result};
use crate::format::codec::{Reader, put_u32, put_u64, usize_to_u64};
use crate::format::limits::FORMAT_VERSION;
use crate::format::record::{HEADER_BYTES, Place, RecordHeader, RecordType};
use crate::fs::ReadAt;
use std::path::Path;

const MAGIC: [u8; 8] = *b"siltMAN\0";

/// What this version writes; a later one may append more.
const PAYLOAD_BYTES: usize = 8 + 4 + 8 + 8;
const _: () = assert!(PAYLOAD_BYTES == 28);

/// Longest payload that a reader believes, in bytes.
const PAYLOAD_BYTES_MAX: usize = 4096;

/// What a manifest says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) format: u32,
    pub(crate) database: u64,
    pub(crate) manifest: u64,
}

impl Opening {
    /// Appends the payload.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        put_u32(out, self.format);
        put_u64(out, self.database);
        put_u64(out, self.manifest);
    }

    /// Reads a payload back; `None` if it is not one. Later bytes are a later version's.
    fn decode(payload: &[u8]) -> Option<Opening> {
        let mut reader = Reader::new(payload);
        if reader.bytes(MAGIC.len())? != MAGIC.as_slice() {
            return None;
        }
        let format = reader.u32()?;
        Some(Opening { format, database: reader.u64()?, manifest: reader.u64()? })
    }

    /// Reads and verifies the opening of manifest `manifest` without looking at anything behind it.
    ///
    /// # Errors
    /// `Unsupported` with [`Reason::NewerFormat`] if a later version wrote the file; `Corruption`
    /// if it does not begin as a manifest of that number begins.
    pub(crate) fn read(file: &dyn ReadAt, path: &Path, manifest: u64) -> Result<Opening> {
        let corruption = |what: &'static str| Error::corruption(path, 0, what);
        let mut start = [0; HEADER_BYTES + PAYLOAD_BYTES];
        if file.len() < usize_to_u64(start.len()) {
            return Err(corruption("the manifest is cut off before the end of its first record"));
        }
        read(file, path, &mut start)?;
        let Some((header, payload)) = start.split_first_chunk::<HEADER_BYTES>() else {
            return Err(corruption("the manifest has no first record"));
        };
        let Some(opening) = Opening::decode(payload) else {
            return Err(corruption("the file does not begin as a manifest"));
        };

        // Only from here on is anything believed.
        let place = Place { database: opening.database, file: manifest, offset: 0, chain: 0 };
        let damaged = "the first record of the manifest is damaged, or of another file";
        let header = RecordHeader::decode(header, &place).ok_or_else(|| corruption(damaged))?;
        let len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let fits = (PAYLOAD_BYTES..=PAYLOAD_BYTES_MAX).contains(&len)
            && file.len() >= usize_to_u64(HEADER_BYTES + len);
        if header.record_type != RecordType::Opening || !fits {
            return Err(corruption("the first record of the manifest is not an opening"));
        }
        let mut whole = vec![0; HEADER_BYTES + len];
        read(file, path, &mut whole)?;
        let payload = whole.get(HEADER_BYTES..).unwrap_or_default();
        if !header.matches(payload) || Opening::decode(payload) != Some(opening) {
            return Err(corruption(damaged));
        }
        opening.judge(path, manifest)
    }

    fn judge(self, path: &Path, manifest: u64) -> Result<Opening> {
        if self.format > FORMAT_VERSION {
            let reason = Reason::NewerFormat { found: self.format, max: FORMAT_VERSION };
            let what = format!(
                "the database has format {}, and this build knows formats up to {FORMAT_VERSION}: \
                 open it with a newer version",
                self.format
            );
            return Err(Error::unsupported(path, reason, what));
        }
        if self.format == 0 || self.manifest != manifest {
            let what = "the first record of the manifest contradicts its name";
            return Err(Error::corruption(path, 0, what));
        }
        Ok(self)
    }
}

fn read(file: &dyn ReadAt, path: &Path, buffer: &mut [u8]) -> Result<()> {
    let result = file.read_exact_at(buffer, 0);
    result.map_err(|error| Error::io_at("read the manifest", path, 0, error))
}
