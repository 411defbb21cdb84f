//! Goal: what a torn end looks like never costs a whole record, and is never taken for rot.
//! Method: drawn journals, with drawn bytes at their ends.

use crate::format::record::HEADER_BYTES;
use crate::journal::tests::{Journal, is_corruption, is_torn, noise, read, read_with};
use proptest::prelude::*;

/// A sector that was lost reads as zeros, and among many bits of a large record one mends the checksum by
/// accident; a small record is believed.
#[test]
fn a_flipped_bit_beside_a_sector_of_zeros_is_rot_in_a_small_record_only() {
    const SMALL: usize = 64 << 10;
    // Where the zeros begin in the file, how many they are, and whether they fill a sector.
    let zeros = [
        (1024, 512, true),
        (1025, 512, false),
        (1023, 512, false),
        (1024, 511, false),
        (1025, 1022, false),
        (1025, 1023, true),
        (1023, 514, true),
        (4096 + 100, 900, false),
        (4096 + 100, 924, true),
    ];
    for len in [SMALL - 1, SMALL, SMALL + 1, 2 * SMALL] {
        for (start, count, is_sector) in zeros {
            let mut payload = noise(len, 3);
            payload[start - HEADER_BYTES..][..count].fill(0);
            let mut journal = Journal::new();
            journal.put(&payload, 0);
            let mut bytes = journal.bytes();
            bytes[20_000] ^= 0x10;
            let (_, end) = read(&bytes);
            let is_tear = len > SMALL && is_sector;
            let seen = (is_torn(&end), is_corruption(&end));
            assert_eq!(seen, (is_tear, !is_tear), "{len} bytes, {count} zeros from {start}");
        }
    }
}

/// A payload may have a sector with one bit in it. When that sector is lost, the bit looks like one that flipped.
#[test]
fn a_lost_sector_that_held_one_bit_is_a_tear_wherever_the_bit_was() {
    for bit_at in [512, 513, 700, 1022, 1023] {
        let mut payload = noise(1900, 5);
        payload[512 - HEADER_BYTES..1024 - HEADER_BYTES].fill(0);
        payload[bit_at - HEADER_BYTES] = 0x20;
        let mut journal = Journal::new();
        journal.put(&payload, 0);
        let mut bytes = journal.bytes();
        bytes[bit_at] = 0;
        assert!(is_torn(&read(&bytes).1), "the bit was at {bit_at}");
        // With a neighbour that is there, the sector was not lost.
        for neighbour in [512, 1023].into_iter().filter(|&neighbour| neighbour != bit_at) {
            payload[neighbour - HEADER_BYTES] = 1;
            let mut journal = Journal::new();
            journal.put(&payload, 0);
            let mut bytes = journal.bytes();
            bytes[bit_at] = 0;
            assert!(is_corruption(&read(&bytes).1), "the bit was at {bit_at}");
            payload[neighbour - HEADER_BYTES] = 0;
        }
    }
}

/// The header is lost but for its checksum, so that the next record is found by its link alone.
#[test]
fn a_record_that_links_to_the_damaged_one_is_a_witness() {
    let mut journal = Journal::new();
    journal.put(&noise(90, 1), 0).put(&noise(200, 2), 0).put_synced(&noise(60, 3));
    let spoil = |journal: &Journal| {
        let header = journal.ends[1] as usize;
        let mut bytes = journal.bytes();
        bytes[header + 4..header + HEADER_BYTES].fill(0xee);
        bytes
    };
    assert!(is_corruption(&read(&spoil(&journal)).1));
    for synced in [0, 1] {
        let mut journal = Journal::new();
        journal.put(&noise(90, 1), 0);
        // What is stated to be durable ends before the damage, or with it.
        let upto = journal.ends[1] * synced;
        journal.put(&noise(200, 2), 0).put(&noise(60, 3), upto);
        assert!(is_torn(&read(&spoil(&journal)).1), "{upto} bytes are stated to be durable");
    }
}

proptest! {
    #[test]
    fn a_garbage_tail_is_torn_and_costs_no_whole_record(
        lens in prop::collection::vec(0..400_usize, 0..8),
        garbage in prop::collection::vec(any::<u8>(), 1..900),
    ) {
        prop_assume!(garbage.iter().any(|&byte| byte != 0));
        let mut journal = Journal::new();
        for (seed, len) in lens.iter().enumerate() {
            journal.put(&noise(*len, seed as u64), 0);
        }
        let mut bytes = journal.bytes();
        bytes.extend_from_slice(&garbage);
        let (payloads, end) = read(&bytes);
        prop_assert_eq!(payloads, journal.payloads);
        prop_assert!(is_torn(&end));
    }

    #[test]
    fn an_append_that_was_not_finished_lacks_its_first_bytes_and_is_a_tear(
        len in 0..300_usize,
        seed: u64,
        sparse: bool,
        missing in prop::collection::vec(any::<bool>(), 8 + 300),
    ) {
        let mut journal = Journal::new();
        journal.put(&noise(30, 1), 0).put_synced(&noise(90, 2));
        // A payload of single bits looks most like one that was flipped.
        let payload = match sparse {
            true => (0..len).map(|at| if at as u64 % 61 == seed % 61 { 1 } else { 0 }).collect(),
            false => noise(len, seed),
        };
        let start = journal.bytes().len();
        let last = journal.put(&payload, 0).bytes();
        let mut torn = last.clone();
        torn[start..start + 8].fill(0);
        for (byte, &is_missing) in torn[start + 8..].iter_mut().zip(&missing) {
            *byte &= if is_missing { 0 } else { 0xff };
        }
        torn.resize(torn.len() + 700, 0);
        let (payloads, end) = read(&torn);
        prop_assert_eq!(&payloads[..], &journal.payloads[..2]);
        prop_assert!(!is_corruption(&end), "{:?}", end);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, durable_upto in 0..100_u64) {
        let (payloads, _) = read_with(&bytes, |source| source.durable_upto = durable_upto);
        prop_assert_eq!(payloads.len(), 0);
    }
}
