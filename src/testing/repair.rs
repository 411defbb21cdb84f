//! Makes the checksums of damaged files right again.
//!
//! A checksum turns away nearly all that a fuzzer does, so the code behind it would hardly be
//! reached. These functions walk a file as far as its lengths make sense and correct every
//! checksum on the way: what is left of the damage is a file that says something strange and means
//! it.

use crate::format::checksum::{crc32, crc32_from, seed};
use crate::format::codec::usize_to_u64;
use crate::format::record::HEADER_BYTES as RECORD_BYTES;
use crate::table::block::HEADER_BYTES as BLOCK_BYTES;
use crate::table::footer::FOOTER_BYTES;

/// Puts the crc of `bytes` from 4 on, begun at `from`, in front of them; returns it.
fn set_crc(bytes: &mut [u8], from: u32) -> u32 {
    let crc = crc32_from(from, &bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn number(bytes: &[u8], at: usize) -> usize {
    let raw = bytes[at..].first_chunk().expect("the caller looked at the length");
    usize::try_from(u32::from_le_bytes(*raw)).unwrap_or(usize::MAX)
}

/// Corrects the records of a journal.
pub(crate) fn journal(bytes: &mut [u8], database: u64, file: u64) {
    let (mut offset, mut chain) = (0, 0_u32);
    while bytes.len() - offset >= RECORD_BYTES {
        let rest = &mut bytes[offset..];
        let len = number(rest, 4);
        let Some(payload) = rest[RECORD_BYTES..].get(..len) else { return };
        let payload_crc = crc32(payload);
        rest[8..12].copy_from_slice(&payload_crc.to_le_bytes());
        let place = crc32_from(seed(database, file, usize_to_u64(offset)), &chain.to_le_bytes());
        chain = set_crc(&mut rest[..RECORD_BYTES], place);
        offset += RECORD_BYTES + len;
    }
}

/// Corrects the blocks and the footer of a table.
pub(crate) fn table(bytes: &mut [u8], database: u64, file: u64) {
    let Some(end) = bytes.len().checked_sub(FOOTER_BYTES) else { return };
    let (mut offset, mut blocks_crc) = (0, 0);
    while end - offset >= BLOCK_BYTES {
        let len = number(&bytes[offset..], 4).saturating_add(BLOCK_BYTES);
        let Some(block) = bytes[..end].get_mut(offset..offset.saturating_add(len)) else { break };
        let crc = set_crc(block, seed(database, file, usize_to_u64(offset)));
        blocks_crc = crc32_from(blocks_crc, &crc.to_le_bytes());
        offset += len;
    }
    let footer = &mut bytes[end..];
    footer[48..52].copy_from_slice(&blocks_crc.to_le_bytes());
    let crc = crc32(&footer[..FOOTER_BYTES - 4]);
    footer[FOOTER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
}
