//! Looks for a block where nothing leads to one: by what a header must look like, then by its crc.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::format::codec::usize_to_u64;
use crate::table::block::{BlockFile, BlockHandle, BlockType, HEADER_BYTES, claim};

const PIECE_BYTES: u64 = 1 << 20;

/// The first block that begins at `from` or behind it and ends at `until` or before it.
pub(crate) fn next_block(
    file: &BlockFile,
    from: u64,
    until: u64,
) -> Option<(BlockType, BlockHandle)> {
    // A forged place may be far behind the end of the file.
    let until = until.min(file.end);
    let mut offset = from;
    let mut bytes = Vec::new();
    while offset.saturating_add(usize_to_u64(HEADER_BYTES)) <= until {
        let len = PIECE_BYTES.min(until - offset);
        bytes.resize(usize::try_from(len).ok()?, 0);
        // What cannot be read holds no block that can.
        let is_read = file.file.read_exact_at(&mut bytes, offset).is_ok();
        let candidates = (offset..).zip(bytes.windows(HEADER_BYTES)).filter(|_| is_read);
        for (at, header) in candidates {
            let Some((block_type, handle)) = claim(header, at) else { continue };
            let fits = handle.end().is_some_and(|end| end <= until);
            if fits && file.read(handle, block_type).is_ok() {
                return Some((block_type, handle));
            }
        }
        // The last header of a piece may be cut.
        offset += (len + 1).saturating_sub(usize_to_u64(HEADER_BYTES)).max(1);
    }
    None
}
