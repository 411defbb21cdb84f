//! The process that is watched: it does a list of steps that a seed decides, on the real file system,
//! and says before each that it begins and after each that it is done.
//!
//! Both sides draw the same list. What is said is one call of the system per line, so that it stands
//! in the record of calls between those of the engine, where it belongs.

#![expect(clippy::disallowed_methods, reason = "a real process, and a thread of its own beside it")]

use crate::crash::story::{Change, batch, options, put, put_in};
use crate::random::Random;
use siltstone::fs::OsFileSystem;
use siltstone::{Background, Db, Durability};
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Where the process is told its work: directory, seed, and number of steps.
pub(crate) const ORDERS: &str = "SILTSTONE_BLACKBOX_TEST";

/// The name of the keyspace that comes and goes.
const KEYSPACE: &str = "k";

/// Longer than the log may lie idle before it is marked.
const REST: Duration = Duration::from_millis(250);

/// Much longer than all steps take, on a machine that is busy with other work too.
const PATIENCE: Duration = Duration::from_secs(50);

/// One thing that the process does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Vec<Change>, Durability),
    Create(&'static str),
    Drop(&'static str),
    Sync,
    Flush,
    Compact,
    WaitIdle,
    Reopen,
    Rest,
}

/// What the process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Step `number` begins.
    Begin(usize),
    /// It is done, and everything visible has at most this sequence number.
    Done(usize, u64),
    /// All steps are done, and the database is closed.
    Closed,
}

impl fmt::Display for Said {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Begin(number) => writeln!(to, "begin {number}"),
            Said::Done(number, seqno) => writeln!(to, "done {number} {seqno}"),
            Said::Closed => writeln!(to, "closed"),
        }
    }
}

impl Said {
    /// One of the lines above.
    pub(crate) fn parse(line: &str) -> Option<Said> {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        match word {
            "begin" => Some(Said::Begin(number()? as usize)),
            "done" => Some(Said::Done(number()? as usize, number()?)),
            "closed" => Some(Said::Closed),
            _ => None,
        }
    }
}

/// The steps of a seed.
pub(crate) fn plan(seed: u64, count: usize) -> Vec<Step> {
    let (mut random, mut has_keyspace) = (Random::new(seed), false);
    let mut steps = Vec::new();
    while steps.len() < count {
        let step = match random.below(28) {
            0..=1 => Step::Sync,
            2..=3 => Step::Flush,
            4 => Step::Compact,
            5 => Step::WaitIdle,
            6 => Step::Reopen,
            7 if random.one_in(3) => Step::Rest,
            8 => {
                has_keyspace = !has_keyspace;
                if has_keyspace { Step::Create(KEYSPACE) } else { Step::Drop(KEYSPACE) }
            }
            _ => {
                let is_synced = random.one_in(3);
                let durability = if is_synced { Durability::Sync } else { Durability::Buffered };
                Step::Commit(changes(&mut random, steps.len(), has_keyspace), durability)
            }
        };
        steps.push(step);
    }
    steps
}

/// Of a commit: a put of some bytes up to three sectors, a delete of one kind or the other, a batch.
fn changes(random: &mut Random, number: usize, has_keyspace: bool) -> Vec<Change> {
    let count = if random.one_in(3) { 2 + random.below(5) } else { 1 };
    let ends: [&str; 3] = ["c", "d", "f"];
    let change = |random: &mut Random, index: u64| {
        let key = *random.choose(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        let space = if has_keyspace && random.one_in(3) { KEYSPACE } else { "" };
        let value = format!("{number}.{index}");
        match random.below(12) {
            0 => Change::DeleteRange(space, "b", ends[random.index(ends.len())]),
            1..=2 => Change::Delete(space, key.into()),
            3..=5 => put_in(space, key, &value, 600 + random.below(1_000) as usize),
            _ if space.is_empty() => put(key, &value, random.below(120) as usize),
            _ => put_in(space, key, &value, random.below(120) as usize),
        }
    };
    (0..count).map(|index| change(random, index)).collect()
}

/// If this process is one that is watched: does its work. Returns whether it was one.
pub fn write_if_ordered() -> bool {
    let Ok(orders) = std::env::var(ORDERS) else { return false };
    let mut words = orders.split('|');
    let mut word = || words.next().expect("a word");
    let directory = PathBuf::from(word());
    let (seed, count) = (word().parse().expect("a seed"), word().parse().expect("a count"));
    give_up_in_time();
    let options = options(OsFileSystem::new(), seed).background(Background::Threads);
    let mut db = options.open(&directory).expect("the directory opens");
    for (number, step) in plan(seed, count).into_iter().enumerate() {
        say(Said::Begin(number));
        if matches!(step, Step::Reopen) {
            db.close().expect("a close");
            drop(db);
            db = options.open(&directory).expect("the directory opens again");
        } else {
            carry_out(&db, step).expect("a step");
        }
        say(Said::Done(number, db.stats().visible_seqno));
    }
    db.close().expect("the last close");
    say(Said::Closed);
    true
}

/// A process that is stuck says so and ends, rather than letting its watcher wait for ever.
fn give_up_in_time() {
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        std::io::stderr().write_all(b"stuck\n").unwrap_or_default();
        std::process::exit(1);
    });
}

fn carry_out(db: &Db, step: Step) -> siltstone::Result<()> {
    match step {
        Step::Commit(changes, durability) => db.write_with(batch(db, &changes), durability),
        Step::Create(name) => db.keyspace(name).map(drop),
        Step::Drop(name) => db.drop_keyspace(name).map(|was_there| assert!(was_there)),
        Step::Sync => db.sync(),
        Step::Flush => db.flush(),
        Step::Compact => db.compact(..),
        Step::WaitIdle => db.wait_idle(),
        Step::Rest => {
            std::thread::park_timeout(REST);
            Ok(())
        }
        Step::Reopen => unreachable!("that takes the database away"),
    }
}

/// One line, one call of the operating system.
fn say(said: Said) {
    let line = said.to_string();
    std::io::stderr().write_all(line.as_bytes()).expect("somebody listens");
}

#[cfg(test)]
mod tests {
    use crate::blackbox::writer::{Said, plan};

    #[test]
    fn what_is_said_is_understood_and_a_seed_gives_one_plan() {
        for said in [Said::Begin(3), Said::Done(17, 1 << 40), Said::Closed] {
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
        assert_eq!(Said::parse("thread 'main' panicked"), None);
        assert_eq!(format!("{:?}", plan(7, 50)), format!("{:?}", plan(7, 50)));
    }
}
