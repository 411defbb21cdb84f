//! Stories by numbers: every sequence of a few acts, and long sequences drawn by chance.
//!
//! The same acts with the same seed make the same calls to the file system. So a sequence shares all
//! moments before its last act with the sequence that lacks that act: only what its last act adds
//! has to be swept, and all sequences together cover every moment of each.

use crate::crash::story::{Change, Story, put, put_in};
use crate::random::Random;
use siltstone::Durability::{Buffered, Sync};

/// The name of the keyspace that comes and goes.
const KEYSPACE: &str = "k";

/// One thing that a user does, or the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    PutBuffered,
    PutSynced,
    /// More than two sectors.
    PutLong,
    Batch,
    BatchAcross,
    Delete,
    DeleteRange,
    /// As much as a memtable holds, so that the next write goes to a new segment.
    Fill,
    Sync,
    Flush,
    Compact,
    WaitIdle,
    Reopen,
    /// The log is found idle, and marked.
    Rest,
    /// Creates the keyspace, or drops it.
    Keyspace,
    /// Some steps of the background.
    Steps,
    PutLongSynced,
    /// A part of the keys is compacted.
    CompactPart,
    /// Everything is deleted.
    DeleteAll,
    /// Small and large commits by turns, the last one synced.
    Mixed,
}

pub(crate) const ACTS: [Act; 20] = [
    Act::PutBuffered,
    Act::PutSynced,
    Act::PutLong,
    Act::Batch,
    Act::BatchAcross,
    Act::Delete,
    Act::DeleteRange,
    Act::Fill,
    Act::Sync,
    Act::Flush,
    Act::Compact,
    Act::WaitIdle,
    Act::Reopen,
    Act::Rest,
    Act::Keyspace,
    Act::Steps,
    Act::PutLongSynced,
    Act::CompactPart,
    Act::DeleteAll,
    Act::Mixed,
];

/// How many sequences there are of up to `length` acts, the empty one left aside.
pub(crate) fn sequences(length: u32) -> u64 {
    (1..=length).map(|length| (ACTS.len() as u64).pow(length)).sum()
}

/// Sequence `number`. Those of up to three acts come first, in an order that mixes short and long
/// ones, so that a run that ends early has seen something of everything; then those of four, and so
/// on.
pub(crate) fn sequence(number: u64) -> Vec<Act> {
    const FIRST: u32 = 3;
    let (mut length, mut index) = (FIRST, number);
    if number < sequences(FIRST) {
        // A number without a common divisor with how many there are visits each once.
        index = number * 2_741 % sequences(FIRST);
        length = (1..).find(|&length| index < sequences(length)).unwrap_or(FIRST);
        index -= sequences(length - 1);
    } else {
        while index >= sequences(length) {
            length += 1;
        }
        let count = (ACTS.len() as u64).pow(length);
        index = (index - sequences(length - 1)) * 1_000_003 % count;
    }
    let digit = |place: u32| index / (ACTS.len() as u64).pow(place) % ACTS.len() as u64;
    (0..length).map(|place| ACTS[digit(place) as usize]).collect()
}

/// A sequence of 4 to 40 acts, writes above all.
pub(crate) fn any_sequence(random: &mut Random) -> Vec<Act> {
    let writes = &ACTS[..8];
    let act = |random: &mut Random| match random.one_in(3) {
        true => *random.choose(&ACTS),
        false => *random.choose(writes),
    };
    (0..4 + random.below(37)).map(|_| act(random)).collect()
}

/// A story of some acts, and the moment at which the last one began.
pub(crate) struct Told {
    pub(crate) story: Story,
    pub(crate) last_began: usize,
}

/// Tells a story.
pub(crate) fn tell(acts: &[Act], seed: u64) -> Told {
    let mut told = Told { story: Story::begin(seed), last_began: 0 };
    let mut has_keyspace = false;
    for (number, act) in acts.iter().enumerate() {
        told.last_began = told.story.disk.history_len();
        carry_out(&mut told.story, *act, number, &mut has_keyspace);
    }
    told
}

fn carry_out(story: &mut Story, act: Act, number: usize, has_keyspace: &mut bool) {
    let keys = ["a", "b", "c", "d", "e"];
    let key = keys[number % 3];
    let value = format!("{key}@{number}");
    match act {
        Act::PutBuffered => story.buffered(key, 3 + number % 90),
        Act::PutSynced => story.synced(key, number % 40),
        Act::PutLong => story.buffered(key, 1_100 + number % 700),
        Act::Batch => {
            let changes = keys.iter().map(|key| put(key, &value, 150)).collect();
            story.commit(Buffered, changes);
        }
        Act::BatchAcross => {
            let mut changes = vec![put(key, &value, 20), Change::Delete("", "b".into())];
            if *has_keyspace {
                changes.push(put_in(KEYSPACE, key, &value, 600));
            }
            story.commit(Sync, changes);
        }
        Act::Delete => story.commit(Sync, vec![Change::Delete("", key.into())]),
        Act::DeleteRange => {
            let changes = vec![Change::DeleteRange("", "b", "d"), put("c", &value, 1)];
            story.commit(Buffered, changes);
        }
        Act::Fill => {
            for key in keys {
                story.buffered(key, 900 + number);
            }
        }
        Act::PutLongSynced => story.synced(key, 1_500 + number % 300),
        Act::CompactPart => story.compact("a".."c"),
        Act::DeleteAll => story.commit(Buffered, vec![Change::DeleteRange("", "", "~")]),
        Act::Mixed => {
            story.buffered("d", 2);
            story.buffered("e", 700);
            story.synced("a", 513);
        }
        Act::Sync => story.sync(),
        Act::Flush => story.flush(),
        Act::Compact => story.compact(..),
        Act::WaitIdle => story.wait_idle(),
        Act::Reopen => story.reopen(),
        Act::Rest => story.rest(),
        Act::Keyspace => {
            match *has_keyspace {
                true => story.drop_keyspace(KEYSPACE),
                false => story.create_keyspace(KEYSPACE),
            }
            *has_keyspace = !*has_keyspace;
        }
        Act::Steps => {
            // There may be nothing left to do.
            let _moved = (0..6).all(|_| story.db().step());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::crash::acts::{ACTS, sequence, sequences};
    use std::collections::BTreeSet;

    #[test]
    fn every_short_sequence_has_one_number() {
        let text = |number| format!("{:?}", sequence(number));
        let short: BTreeSet<_> = (0..sequences(3)).map(text).collect();
        assert_eq!(short.len() as u64, 20 + 400 + 8_000);
        assert!((0..sequences(3)).all(|number| sequence(number).len() <= 3));
        assert!((0..100).any(|number| sequence(number).len() < 3), "short ones come early too");
        let long: BTreeSet<_> = (sequences(3)..sequences(4)).map(text).collect();
        assert_eq!(long.len(), ACTS.len().pow(4));
        assert_eq!(sequence(sequences(4)).len(), 5);
    }
}
