//! Single bits and single sectors: where they are, by number.

use crate::damage::court::Court;
use crate::damage::files::{may_roll_back, written};
use crate::damage::subject::{Outcome, Subject};
use std::path::{Path, PathBuf};

/// Of the zeros behind the last record of a segment only some are tried.
const ZEROS_STRIDE: usize = 997;

/// What a power cut loses as a whole.
const SECTOR_BYTES: usize = 512;

/// A byte of a file of one of the subjects.
pub(crate) struct Place {
    pub(crate) subject: usize,
    pub(crate) path: PathBuf,
    pub(crate) offset: usize,
    /// Whether a file that is cut there may be one of an earlier moment.
    pub(crate) is_of_the_end: bool,
}

/// Every byte of every file that is worth a flip.
pub(crate) fn places(subjects: &[&Subject]) -> Vec<Place> {
    let mut places = Vec::new();
    for (subject, it) in subjects.iter().enumerate() {
        for path in it.files() {
            let bytes = it.disk.read(&path).unwrap();
            let end = written(&bytes);
            let zeros = (end..bytes.len()).step_by(ZEROS_STRIDE);
            let is_of_the_end = may_roll_back(it, &path);
            let place = |offset| Place { subject, path: path.clone(), offset, is_of_the_end };
            places.extend((0..end).chain(zeros).map(place));
        }
    }
    places
}

/// Flips a bit, a different one of each byte in each of eight rounds.
pub(crate) fn flip(court: &mut Court, subjects: &[&Subject], place: &Place, round: u64) {
    let Place { subject, path, offset, .. } = place;
    court.flips += 1;
    let first = (*offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
    let mask = 1_u8 << ((first + round) % 8);
    let case = format!("{} byte {offset} mask {mask:#04x}", path.display());
    let outcome = court.judge(subjects[*subject], case.clone(), |disk| {
        disk.corrupt(path, |bytes| bytes[*offset] ^= mask);
    });
    if outcome == Some(Outcome::Reported) {
        court.silent.push(format!("{case}: a flipped bit is taken for a torn write"));
    }
    if outcome == Some(Outcome::ReadRefused) && is_table(path) {
        let bytes = subjects[*subject].disk.read(path).unwrap();
        let block = data_blocks(&bytes).into_iter().find(|block| block.contains(offset));
        let named = court.names.offset.map(|offset| offset as usize);
        if block.is_some_and(|block| named != Some(block.start)) {
            court.silent.push(format!("{case}: the error names offset {named:?}"));
        }
    }
}

/// Cuts a file before this byte.
pub(crate) fn cut(court: &mut Court, subjects: &[&Subject], place: &Place) {
    let Place { subject, path, offset, is_of_the_end } = place;
    court.cuts += 1;
    court.may_roll_back = *is_of_the_end;
    let case = format!("{} cut to {offset} bytes", path.display());
    let ending = court.judge(subjects[*subject], case, |disk| {
        disk.truncate_raw(path, *offset as u64);
    });
    court.cuts_rolled_back += u64::from(ending == Some(Outcome::RolledBack));
    court.may_roll_back = false;
}

/// Makes a sector zeros, or swaps it with the next one. In the newest segment of a killed database
/// that may be a tear: what it cuts off must then be reported.
pub(crate) fn spoil_sectors(court: &mut Court, subject: &Subject) {
    for path in subject.files() {
        let bytes = subject.disk.read(&path).unwrap();
        let end = written(&bytes);
        for start in (0..end).step_by(SECTOR_BYTES) {
            let behind = (start + SECTOR_BYTES).min(bytes.len());
            let case = format!("{} sector at {start} zeros", path.display());
            court.judge(subject, case, |disk| {
                disk.corrupt(&path, |bytes| bytes[start..behind].fill(0));
            });
            if start + 2 * SECTOR_BYTES <= bytes.len() {
                let case = format!("{} sectors from {start} swapped", path.display());
                court.judge(subject, case, |disk| {
                    disk.corrupt(&path, |bytes| {
                        let (left, right) = bytes.split_at_mut(behind);
                        left[start..].swap_with_slice(&mut right[..SECTOR_BYTES]);
                    });
                });
            }
        }
    }
}

/// Bytes of the header of a block of a table: checksum, length of the payload, and more.
const BLOCK_HEADER_BYTES: usize = 16;

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "sst")
}

/// Where the data blocks of a table are, read from their headers, from the start of the file on.
fn data_blocks(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    const TYPE_DATA: u8 = 1;
    let (mut blocks, mut start) = (Vec::new(), 0);
    while let Some(header) = bytes.get(start..start + BLOCK_HEADER_BYTES) {
        let Some(&len) = header[4..].first_chunk() else { break };
        let end = start + BLOCK_HEADER_BYTES + u32::from_le_bytes(len) as usize;
        if header[12] != TYPE_DATA || end > bytes.len() {
            break;
        }
        blocks.push(start..end);
        start = end;
    }
    blocks
}

/// Puts a block of one table where one of another table stands, at the same offset: of the right form, and of
/// the same database.
pub(crate) fn exchange_blocks(court: &mut Court, subject: &Subject) {
    let tables: Vec<_> = subject.files().into_iter().filter(|path| is_table(path)).collect();
    let mut exchanged = 0;
    for (from, to) in tables.iter().flat_map(|from| tables.iter().map(move |to| (from, to))) {
        let (source, target) = (subject.disk.read(from).unwrap(), subject.disk.read(to).unwrap());
        let there = data_blocks(&target);
        for block in data_blocks(&source).into_iter().filter(|block| there.contains(block)) {
            let case = format!("block {block:?} of {} in {}", from.display(), to.display());
            let is_other = source[block.clone()] != target[block.clone()];
            exchanged += usize::from(is_other);
            court.judge(subject, case, |disk| {
                disk.corrupt(to, |bytes| {
                    bytes[block.clone()].copy_from_slice(&source[block.clone()])
                });
            });
        }
    }
    assert!(exchanged > 0, "no two tables have a block at the same place");
}

/// Swaps data blocks of the same length within a table: each is whole, and in the wrong place.
pub(crate) fn swap_blocks(court: &mut Court, subject: &Subject) {
    for path in subject.files() {
        let is_enough = !court.silent.is_empty();
        if is_enough || !is_table(&path) {
            continue;
        }
        let bytes = subject.disk.read(&path).unwrap();
        let blocks = data_blocks(&bytes);
        for (index, one) in blocks.iter().enumerate() {
            for other in blocks[index + 1..].iter().filter(|other| other.len() == one.len()) {
                let case = format!("{} blocks {one:?} and {other:?} swapped", path.display());
                court.judge(subject, case, |disk| {
                    disk.corrupt(&path, |bytes| {
                        let (left, right) = bytes.split_at_mut(other.start);
                        left[one.clone()].swap_with_slice(&mut right[..other.len()]);
                    });
                });
            }
        }
    }
}
