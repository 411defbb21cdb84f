//! Goal: an examination goes on behind damage wherever a record proves itself, and nowhere else.
//! Method: five records, of which some bytes are spoilt; what is met is compared piece by piece.

use crate::format::record::{HEADER_BYTES, RecordType};
use crate::journal::tests::{Journal, noise, with_source};
use crate::journal::{End, Met, examine_records};

/// Whole records by the offset at which they begin, and gaps by offset and length.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Record(u64),
    Gap(u64, u64),
}

fn examine(bytes: &[u8]) -> (Vec<Seen>, End) {
    with_source(bytes, |source| {
        let mut seen = Vec::new();
        let end = examine_records(source, &mut |met| {
            seen.push(match met {
                Met::Record(record) => Seen::Record(record.offset),
                Met::Gap { offset, bytes, .. } => Seen::Gap(*offset, *bytes),
            });
            Ok(())
        });
        (seen, end.unwrap())
    })
}

/// Five records that were never synced.
fn journal() -> Journal {
    let mut journal = Journal::new();
    for (seed, len) in [90, 700, 60, 33, 200].into_iter().enumerate() {
        journal.put(&noise(len, seed as u64), 0);
    }
    journal
}

/// The records with these numbers are met, and what lies between two of them is a gap.
fn expected(journal: &Journal, whole: &[usize]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut at = 0;
    for &number in whole {
        let begin = journal.ends[number];
        if begin > at {
            seen.push(Seen::Gap(at, begin - at));
        }
        seen.push(Seen::Record(begin));
        at = journal.ends[number + 1];
    }
    seen
}

#[test]
fn a_whole_journal_has_no_gap() {
    let journal = journal();
    let mut bytes = journal.bytes();
    let end = bytes.len() as u64;
    for room in [0, 1, 900] {
        bytes.resize(end as usize + room, 0);
        let (seen, how) = examine(&bytes);
        assert_eq!(seen, expected(&journal, &[0, 1, 2, 3, 4]));
        assert!(matches!(how, End::Clean { offset, .. } if offset == end), "{how:?}");
    }
}

#[test]
fn behind_a_damaged_payload_the_whole_header_leads_on() {
    let journal = journal();
    for number in 0..4 {
        let mut bytes = journal.bytes();
        let payload = journal.ends[number] as usize + HEADER_BYTES;
        bytes[payload] ^= 0xff;
        bytes[payload + 9] ^= 0xff;
        let whole: Vec<_> = (0..5).filter(|&other| other != number).collect();
        assert_eq!(examine(&bytes).0, expected(&journal, &whole), "record {number}");
    }
}

#[test]
fn behind_a_damaged_header_its_checksum_leads_on() {
    let journal = journal();
    for number in 0..4 {
        let mut bytes = journal.bytes();
        let header = journal.ends[number] as usize;
        // All but the checksum, which is the next record's link.
        bytes[header + 4..header + HEADER_BYTES].fill(0xee);
        let whole: Vec<_> = (0..5).filter(|&other| other != number).collect();
        assert_eq!(examine(&bytes).0, expected(&journal, &whole), "record {number}");
    }
}

#[test]
fn behind_a_lost_checksum_the_next_neighbours_prove_each_other() {
    let journal = journal();
    for number in 0..3 {
        let mut bytes = journal.bytes();
        let header = journal.ends[number] as usize;
        bytes[header..header + HEADER_BYTES].fill(0xee);
        // The next record lost its link, and only the one behind it can be believed.
        let whole: Vec<_> =
            (0..5).filter(|&other| other != number && other != number + 1).collect();
        assert_eq!(examine(&bytes).0, expected(&journal, &whole), "record {number}");
    }
}

#[test]
fn where_no_record_proves_itself_the_rest_may_be_torn() {
    let journal = journal();
    let mut bytes = journal.bytes();
    let header = journal.ends[3] as usize;
    bytes[header..header + HEADER_BYTES].fill(0xee);
    let (seen, end) = examine(&bytes);
    assert_eq!(seen, expected(&journal, &[0, 1, 2]));
    let left = bytes.len() as u64 - journal.ends[3];
    let is_told = matches!(end, End::Torn { offset, bytes_after, .. }
        if offset == journal.ends[3] && bytes_after == left);
    assert!(is_told, "{end:?}");
}

#[test]
fn damage_at_the_end_that_is_none_of_a_power_cut_is_a_gap() {
    let mut journal = journal();
    let start = journal.ends[5];
    journal.put(&noise(80, 9), 0);
    let mut bytes = journal.bytes();
    bytes[start as usize + HEADER_BYTES + 3] ^= 4;
    let (mut seen, end) = examine(&bytes);
    assert_eq!(seen.pop(), Some(Seen::Gap(start, HEADER_BYTES as u64 + 80)));
    assert_eq!(seen, expected(&journal, &[0, 1, 2, 3, 4]));
    assert!(matches!(end, End::Clean { offset, .. } if offset == start), "{end:?}");
}

#[test]
fn a_record_inside_a_value_is_none() {
    let inner = journal();
    let copy = &inner.bytes()[..inner.ends[2] as usize];
    let mut journal = Journal::new();
    journal.put(&noise(50, 1), 0).put(copy, 0).put(&noise(70, 2), 0).put(&noise(71, 3), 0);
    let mut bytes = journal.bytes();
    let header = journal.ends[1] as usize;
    bytes[header..header + HEADER_BYTES].fill(0xee);
    assert_eq!(examine(&bytes).0, expected(&journal, &[0, 3]));
}

#[test]
fn markers_are_records_too() {
    let mut journal = journal();
    journal.mark();
    let types = with_source(&journal.bytes(), |source| {
        let mut types = Vec::new();
        let end = examine_records(source, &mut |met| {
            if let Met::Record(record) = met {
                types.push(record.header.record_type);
            }
            Ok(())
        });
        assert!(end.is_ok());
        types
    });
    assert_eq!(types[4..], [RecordType::Batch, RecordType::Marker]);
}
