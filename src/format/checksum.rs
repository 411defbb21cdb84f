//! CRC-32 with a seed: the same bytes at another place have another checksum.
//!
//! A checksum that covers only the bytes accepts a block that the disk wrote to the wrong place.
//! So the checksum of everything with a place starts from [`seed`], made of the database, the
//! file and the offset (the idea is RocksDB's context checksum and ZFS's self-describing blocks).

use byteorder::{ByteOrder, LittleEndian};

/// CRC-32 (ISO-HDLC) of `bytes`, from the usual start.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32 of `bytes`, going on from `seed`.
pub(crate) fn crc32_from(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

/// The start value for the bytes at `offset` of file `file` of `database`.
pub(crate) fn seed(database: u64, file: u64, offset: u64) -> u32 {
    let mut place = [0; 24];
    LittleEndian::write_u64(&mut place[0..8], database);
    LittleEndian::write_u64(&mut place[8..16], file);
    LittleEndian::write_u64(&mut place[16..24], offset);
    crc32(&place)
}

#[cfg(test)]
mod tests {
    use crate::format::checksum::{crc32, crc32_from, seed};

    #[test]
    fn the_polynomial_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32_from(crc32(b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn the_seed_depends_on_every_part() {
        let here = seed(1, 2, 3);
        assert!([seed(2, 2, 3), seed(1, 3, 3), seed(1, 2, 4)].iter().all(|&other| other != here));
    }
}
