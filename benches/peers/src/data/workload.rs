//! The six core workloads of YCSB, as lists of operations over items.
//!
//! | | reads | writes | keys |
//! |---|---|---|---|
//! | A | 50 % | 50 % updates | Zipf |
//! | B | 95 % | 5 % updates | Zipf |
//! | C | 100 % | | Zipf |
//! | D | 95 % | 5 % inserts | the latest are the most popular |
//! | E | 95 % scans of 1 to 100 entries | 5 % inserts | Zipf |
//! | F | 50 % | 50 % read, modify, write | Zipf |
//!
//! An item's number says how popular it is; a permutation gives its rank among the keys. Each operation
//! number is also the version that its write leaves, so the same list, followed on the model, says what
//! every read must have found.

use crate::data::choice::{Chance, Zipf, permutation};
use crate::data::keys::Kind;
use serde::{Deserialize, Serialize};

const ITEM_SEED: u64 = 500;
const SCAN_ENTRIES_MAX: u64 = 100;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Workload {
    A,
    B,
    C,
    D,
    E,
    F,
}

impl Workload {
    /// Of a hundred operations, those that only read.
    fn reads(self) -> u64 {
        match self {
            Workload::A | Workload::F => 50,
            Workload::B | Workload::D | Workload::E => 95,
            Workload::C => 100,
        }
    }

    fn read(self, item: u64, chance: &mut Chance) -> Operation {
        match self {
            Workload::E => Operation::Scan(item, 1 + chance.below(SCAN_ENTRIES_MAX) as u32),
            _ => Operation::Read(item),
        }
    }

    fn write(self, item: u64, items: u64) -> Operation {
        match self {
            Workload::D | Workload::E => Operation::Insert(items),
            Workload::F => Operation::ReadModifyWrite(item),
            _ => Operation::Update(item),
        }
    }
}

/// What is done to an item.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Read(u64),
    Update(u64),
    Insert(u64),
    Scan(u64, u32),
    ReadModifyWrite(u64),
}

/// A value that an operation leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) rank: u64,
    pub(crate) kind: Kind,
    pub(crate) version: u8,
    /// Whether the item was not there before.
    pub(crate) is_new: bool,
}

/// A list of operations over items.
pub(crate) struct Operations {
    list: Vec<Operation>,
    ranks: Vec<u32>,
}

impl Operations {
    /// The list for a database of `items` items, of which `entries` were loaded.
    pub(crate) fn new(workload: Workload, entries: u64, items: u64, count: u64) -> Operations {
        let mut chance = Chance::new(workload as u64);
        let (mut items, mut zipf) = (items, Zipf::new(items));
        let mut list = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let popular = zipf.next(&mut chance);
            let item = if workload == Workload::D { items - 1 - popular } else { popular };
            let is_read = chance.below(100) < workload.reads();
            // Each loaded key has room for one that is inserted behind it.
            let operation = if is_read || items == 2 * entries {
                workload.read(item, &mut chance)
            } else {
                workload.write(item, items)
            };
            if matches!(operation, Operation::Insert(_)) {
                items += 1;
                zipf.grow();
            }
            list.push(operation);
        }
        Operations { list, ranks: permutation(entries, ITEM_SEED) }
    }

    pub(crate) fn operation(&self, number: u64) -> Operation {
        self.list[number as usize]
    }

    /// Rank and kind of an item's key.
    pub(crate) fn place(&self, item: u64) -> (u64, Kind) {
        let entries = self.ranks.len() as u64;
        let kind = if item < entries { Kind::Loaded } else { Kind::Inserted };
        (u64::from(self.ranks[(item % entries) as usize]), kind)
    }

    /// What an operation writes, if it does.
    pub(crate) fn write(&self, number: u64) -> Option<Write> {
        let (item, is_new) = match self.operation(number) {
            Operation::Read(_) | Operation::Scan(..) => return None,
            Operation::Update(item) | Operation::ReadModifyWrite(item) => (item, false),
            Operation::Insert(item) => (item, true),
        };
        let (rank, kind) = self.place(item);
        Some(Write { rank, kind, version: (number % 250) as u8 + 1, is_new })
    }
}
