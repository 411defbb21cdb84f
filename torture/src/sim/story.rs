//! What a seed means: options, operations, faults, drawn from one stream of chance.

use crate::random::Random;
use siltstone::fs::{Fault, FileKind, Operation, Trigger};
use siltstone::{Background, Compression, Durability, FilterKind, Options};

/// One operation. Numbers in it choose among what there is when its turn comes.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Commit(Vec<Change>, Durability),
    Get(u8, Vec<u8>),
    Scan {
        keyspace: u8,
        start: Vec<u8>,
        end: Vec<u8>,
        backwards: bool,
    },
    Snapshot(usize),
    Step(usize),
    Flush,
    Compact,
    Sync,
    Close,
    SetFault(Trigger, Fault),
    ClearFaults,
    /// Room for so many bytes more than the disk holds; none lifts the limit.
    Capacity(Option<u64>),
    /// Milliseconds.
    PassTime(u64),
    /// The wall clock jumps to so many seconds after 1970.
    SetClock(u64),
    Crash,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(u8, Vec<u8>, usize),
    Delete(u8, Vec<u8>),
    DeleteRange(u8, Vec<u8>, Vec<u8>),
}

/// Options of a life. A database may be opened with others each time.
pub(crate) fn options(random: &mut Random) -> Options {
    let compression = [Compression::None, Compression::Zstd(1), Compression::Zstd(-3)];
    let filters = [FilterKind::None, FilterKind::Bloom { bits_per_key: 10 }, FilterKind::default()];
    Options::new()
        .memory(1 << 20)
        .memtable_bytes(4 << (10 + random.below(3)))
        .table_bytes(4 << (10 + random.below(3)))
        .block_bytes(128 << random.below(5))
        .compression(*random.choose(&compression))
        .filter(*random.choose(&filters))
        .threads(1 + random.index(3))
        .background(Background::Stepped { seed: random.next() })
}

fn key(random: &mut Random) -> Vec<u8> {
    format!("key/{:02}", random.below(40)).into_bytes()
}

fn span(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (one, other) = (key(random), key(random));
    if one <= other { (one, other) } else { (other, one) }
}

fn change(random: &mut Random) -> Change {
    let keyspace = u8::from(random.one_in(4));
    match random.below(16) {
        0 => {
            let (start, end) = span(random);
            Change::DeleteRange(keyspace, start, end)
        }
        1..=3 => Change::Delete(keyspace, key(random)),
        4 => Change::Put(keyspace, key(random), random.index(3_000)),
        _ => Change::Put(keyspace, key(random), random.index(300)),
    }
}

fn commit(random: &mut Random) -> Act {
    let count = if random.one_in(3) { random.below(7) } else { 1 };
    let is_synced = random.one_in(3);
    let durability = if is_synced { Durability::Sync } else { Durability::Buffered };
    Act::Commit((0..count).map(|_| change(random)).collect(), durability)
}

/// A fault that some call meets. A read that ends early is a file that is too short, and so damage:
/// that is another suite's.
pub(crate) fn fault(random: &mut Random, within: u64) -> (Trigger, Fault) {
    let faults: Vec<_> = Fault::ALL.into_iter().filter(|it| *it != Fault::ShortRead).collect();
    let operations = [
        Operation::Append,
        Operation::Sync,
        Operation::SyncDir,
        Operation::CreateNew,
        Operation::Rename,
        Operation::Remove,
        Operation::Read,
        Operation::Reserve,
    ];
    let kinds = [FileKind::Wal, FileKind::Table, FileKind::Manifest, FileKind::Current];
    let mut trigger = match random.below(3) {
        0 => Trigger::any().nth(random.below(within)),
        1 => Trigger::on(*random.choose(&operations)).nth(random.below(4)),
        _ => Trigger::any().kind(*random.choose(&kinds)).nth(random.below(1 + within / 4)),
    };
    if random.one_in(4) {
        trigger = trigger.sticky();
    }
    (trigger, *random.choose(&faults))
}

/// The next operation.
pub(crate) fn act(random: &mut Random) -> Act {
    match random.below(64) {
        0..=29 => commit(random),
        30..=33 => Act::Get(u8::from(random.one_in(4)), key(random)),
        34..=37 => {
            let (start, end) = span(random);
            let (keyspace, backwards) = (u8::from(random.one_in(4)), random.one_in(2));
            Act::Scan { keyspace, start, end, backwards }
        }
        38..=40 => Act::Snapshot(random.index(8)),
        41..=46 => Act::Step(random.index(30)),
        47..=48 => Act::Flush,
        49 => Act::Compact,
        50..=51 => Act::Sync,
        52 => Act::Close,
        53..=54 => {
            let (trigger, fault) = fault(random, 64);
            Act::SetFault(trigger, fault)
        }
        55 => Act::ClearFaults,
        56 => Act::Capacity(Some(random.below(20_000))),
        57 => Act::Capacity(None),
        58..=59 => Act::PassTime(random.below(500)),
        60 => Act::SetClock(random.below(1 << 33)),
        _ => Act::Crash,
    }
}
