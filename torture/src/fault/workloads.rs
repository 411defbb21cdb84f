//! What is asked of a database while its calls fail: three scripts that together make every kind of
//! call.

use crate::fault::world::{Op, Step, Write};
use siltstone::Durability;

pub(crate) fn write(number: usize, space: &'static str, durability: Durability) -> Step {
    let key = |n: usize| format!("k{:03}", (n * 37) % 60);
    let value = vec![b'a' + (number % 26) as u8; 10 + (number * 97) % 400];
    let mut ops = vec![Op::Put(space, key(number), value.clone())];
    match number % 7 {
        0 => ops.push(Op::Delete(space, key(number + 1))),
        3 => ops.push(Op::DeleteRange(space, "k010".into(), format!("k{:03}", 12 + number % 9))),
        5 => ops.extend((1..4).map(|n| Op::Put("", key(number * 3 + n), value.clone()))),
        _ => {}
    }
    Step::Write(Write { number, ops, durability })
}

/// Synced and buffered writes with rotations, a flush, a compaction, and a reopen.
pub(crate) fn writes() -> Vec<Step> {
    let mut steps = Vec::new();
    for number in 0..36 {
        let is_synced = number % 3 == 0;
        let durability = if is_synced { Durability::Sync } else { Durability::Buffered };
        steps.push(write(number, "", durability));
        match number {
            7 => steps.push(Step::Snapshot),
            9 | 20 | 30 => steps.push(Step::Read),
            12 => steps.push(Step::Flush),
            16 => steps.push(Step::Background(30)),
            22 => steps.push(Step::Sync),
            26 => steps.push(Step::Reopen),
            _ => {}
        }
    }
    steps.extend([Step::Compact, Step::Read, Step::Background(20)]);
    steps
}

/// Keyspaces come, are written to together, and go.
pub(crate) fn keyspaces() -> Vec<Step> {
    let mut steps = vec![Step::Create("a"), Step::Create("b")];
    for number in 0..12 {
        steps.push(write(number, if number % 2 == 0 { "a" } else { "b" }, Durability::Sync));
    }
    steps.extend([Step::Read, Step::Drop("a"), Step::Read, Step::Flush]);
    steps.extend((12..18).map(|number| write(number, "b", Durability::Buffered)));
    steps.extend([Step::Reopen, Step::Read, Step::Create("c")]);
    steps.extend((18..22).map(|number| write(number, "c", Durability::Sync)));
    steps.extend([Step::Compact, Step::Read, Step::Drop("b"), Step::Background(10), Step::Read]);
    steps
}

/// Opens with a log to replay, a clean one, and one behind compactions.
pub(crate) fn reopens() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..4 {
        steps.extend((0..5).map(|n| write(round * 5 + n, "", Durability::Sync)));
        if round % 2 == 1 {
            steps.push(Step::Compact);
        }
        steps.extend([Step::Reopen, Step::Read]);
    }
    steps
}
