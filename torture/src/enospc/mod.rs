//! The suite `enospc`: a disk is filled again and again, and given room in every way there is.
//!
//! Each case fills a small disk until a write is refused. From then on: nothing but `DiskFull` is
//! ever reported; reads give exactly what was acknowledged; deletes and a compaction succeed, and
//! after them writes go on; when somebody else gives room back, writes go on too; a process that dies
//! while others take the last byte opens again with everything, with the room of the reserve or, if its
//! log needs more, when there is room. Some cases live on a real file system in memory, if this process
//! may mount one.

#![expect(clippy::print_stderr, reason = "a part that is left out is told")]

mod ground;

use crate::bounds::Bounds;
use crate::crew;
use crate::enospc::ground::{Ground, Mounted, Simulated};
use crate::fault::world::{Map, assert_same, contents};
use crate::outcome::Outcome;
use crate::random::Random;
use crate::seeds;
use siltstone::{Background, Batch, Compression, Db, Durability, Error, ErrorKind, Options};

/// Rounds of filling and giving room, in one case.
const ROUNDS: u64 = 4;

/// Of so many cases one lives on a real disk. There the work behind a database is done by threads, which
/// wait for one another in real time; a simulated disk takes none, so there it is done step by step.
const REAL_ONE_IN: u64 = 8;

#[derive(Debug, Default)]
struct Sum {
    filled: u64,
    refused: u64,
    emptied: u64,
    room_given: u64,
    killed: u64,
    closed: u64,
    real: u64,
    not_mounted: Option<String>,
}

/// A database on a disk, and what it must hold.
struct Life {
    ground: Box<dyn Ground>,
    background: Background,
    keys: u64,
    value_bytes: usize,
    db: Option<Db>,
    live: Map,
    random: Random,
}

fn key(number: u64) -> Vec<u8> {
    format!("k{number:05}").into_bytes()
}

fn expect_full(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
}

impl Life {
    fn options(&self) -> Options {
        self.ground.options().compression(Compression::None).background(self.background)
    }

    fn db(&self) -> &Db {
        self.db.as_ref().unwrap()
    }

    /// One write of some kind. A refused one changes nothing.
    fn write(&mut self, durability: Durability) -> Result<(), Error> {
        let (number, kind) = (self.random.below(self.keys), self.random.below(16));
        let value = vec![self.random.next() as u8; self.value_bytes];
        let named = |number| (String::new(), key(number));
        if kind == 0 {
            self.db().delete(key(number))?;
            self.live.remove(&named(number));
            return Ok(());
        }
        let count = if kind == 1 { 5 } else { 1 };
        let mut batch = Batch::new();
        let numbers: Vec<u64> = (number..number + count).collect();
        for &number in &numbers {
            batch.put(key(number), &value);
        }
        self.db().write_with(batch, durability)?;
        self.live.extend(numbers.into_iter().map(|number| (named(number), value.clone())));
        Ok(())
    }

    /// Writes until that is refused, and a little longer. Returns how many writes were refused.
    fn fill(&mut self) -> u64 {
        let mut refused = 0;
        for _ in 0..1_000_000 {
            let durability = *self.random.choose(&[Durability::Buffered, Durability::Sync]);
            if let Err(error) = self.write(durability) {
                expect_full(&error);
                refused += 1;
            }
            if refused == 5 {
                return refused;
            }
        }
        panic!("the disk is never full");
    }

    fn check(&self) {
        assert_same(&contents(self.db()).unwrap(), &self.live);
    }

    /// What is on the disk, for the words of a failure.
    fn inventory(&self) -> String {
        let stats = self.db().stats();
        let levels: Vec<u64> = stats.levels.iter().map(|level| level.bytes).collect();
        let (memtables, files) = (stats.memtables, self.ground.files());
        format!("levels of {levels:?} bytes, {memtables} memtables, files {files}")
    }

    /// The user makes room: deletes, one by one and in ranges, and compacts. None of it may be refused.
    fn delete_and_compact(&mut self) {
        for number in (0..self.keys).step_by(11) {
            self.db()
                .delete(key(number))
                .unwrap_or_else(|error| panic!("a delete: {error:?}; {}", self.inventory()));
            self.live.remove(&(String::new(), key(number)));
        }
        let upto = self.keys * 9 / 10;
        self.db().delete_range(key(0)..key(upto)).unwrap();
        self.live.retain(|(_, own), _| own.as_slice() >= key(upto).as_slice());
        self.db()
            .compact(..)
            .unwrap_or_else(|error| panic!("a compaction: {error:?}; {}", self.inventory()));
        self.db().wait_idle().unwrap();
        self.check();
        self.go_on();
    }

    /// There is room: writes go on. Background work that began before may report its failure once.
    fn go_on(&mut self) {
        for _ in 0..20 {
            let written = (0..3).any(|_| match self.write(Durability::Sync) {
                Ok(()) => true,
                Err(error) => {
                    expect_full(&error);
                    false
                }
            });
            let health = self.db().health();
            assert!(
                written,
                "there is room, but writes are refused: {health:?}; {}",
                self.inventory()
            );
        }
    }

    fn room_from_others(&mut self) {
        self.ground.give_room();
        self.go_on();
        self.db().compact(..).unwrap();
        // What the compaction has freed is deleted beside it; a write waits for the reserve that comes then.
        self.go_on();
        self.db().health().unwrap();
        self.ground.take_room();
    }

    /// Some writes that are only in the log; then the last byte of the disk is taken, and the process dies.
    /// Returns whether it could be played, and the open had a reserve and no other room.
    fn die_beside_a_reserve(&mut self) -> bool {
        let Some(ground) = self.ground.killed() else { return false };
        let had_reserve = self.db().health().is_ok();
        self.db = None;
        self.ground = ground;
        let opened = self.open();
        self.ground.take_room();
        opened && had_reserve
    }

    /// Opens on what is perhaps a full disk. If the log does not fit into the room that is left as tables,
    /// that is refused, and works when there is room. Returns whether it worked at once.
    fn open(&mut self) -> bool {
        let mut at_once = true;
        let db = match self.options().open(self.ground.path()) {
            Ok(db) => db,
            Err(error) => {
                expect_full(&error);
                at_once = false;
                self.ground.give_room();
                let db = self.options().open(self.ground.path()).unwrap();
                self.ground.take_room();
                db
            }
        };
        assert!(db.recovery_report().is_clean(), "{:?}", db.recovery_report());
        self.db = Some(db);
        self.check();
        at_once
    }
}

fn round(life: &mut Life, sum: &mut Sum) {
    sum.refused += life.fill();
    sum.filled += 1;
    life.check();
    match life.random.below(4) {
        0 => {
            life.room_from_others();
            sum.room_given += 1;
        }
        1 => {
            // A close may be refused its last words; nothing depends on them.
            if let Err(error) = life.db.take().unwrap().close() {
                expect_full(&error);
            }
            life.open();
            sum.closed += 1;
        }
        2 => {
            life.room_from_others();
            sum.killed += u64::from(life.die_beside_a_reserve());
        }
        _ => {
            life.delete_and_compact();
            sum.emptied += 1;
        }
    }
}

fn case(seed: u64, number: u64, sum: &mut Sum) {
    let mut random = Random::new(seed ^ number);
    let mut ground: Box<dyn Ground> = Box::new(Simulated::new((1 << 20) + random.below(1 << 20)));
    // More than fits: the disk is full of what is live, and not only of what waits to be merged.
    let (mut keys, mut value_bytes) = (6_000, 300 + random.index(300));
    let mut background = Background::Stepped { seed: random.next() };
    if number % REAL_ONE_IN == 1 {
        match Mounted::new() {
            Ok(mounted) => {
                (ground, keys, value_bytes) = (Box::new(mounted), 9_000, 1_500);
                background = Background::Threads;
                sum.real += 1;
            }
            Err(why) => sum.not_mounted = Some(why),
        }
    }
    let mut life =
        Life { ground, background, keys, value_bytes, db: None, live: Map::new(), random };
    life.open();
    for _ in 0..ROUNDS {
        round(&mut life, sum);
    }
    life.delete_and_compact();
    life.db.take().unwrap().close().unwrap();
    life.open();
}

/// Runs the suite.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let saved = seeds::saved("enospc");
    let drawn = |number: u64| match saved.get(number as usize) {
        Some(&seed) => (seed, 0),
        None => (bounds.seed << 32, number),
    };
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| {
        let (seed, number) = drawn(number);
        case(seed, number, sum);
    });
    let mut outcome = Outcome::new();
    let total = |of: fn(&Sum) -> u64| haul.sums.iter().map(of).sum::<u64>();
    let real = total(|sum| sum.real);
    outcome
        .figure("cases", haul.cases)
        .figure("filled", total(|sum| sum.filled))
        .figure("refused", total(|sum| sum.refused))
        .figure("emptied_by_deletes", total(|sum| sum.emptied))
        .figure("room_from_others", total(|sum| sum.room_given))
        .figure("opened_by_the_reserve", total(|sum| sum.killed))
        .figure("closed", total(|sum| sum.closed))
        .figure("on_a_real_disk", real);
    if let Some(why) = haul.sums.iter().find_map(|sum| sum.not_mounted.as_ref()) {
        eprintln!("no case lived on a real disk: {why}");
    }
    if haul.cases > 20 {
        for (count, what) in [
            (total(|sum| sum.emptied), "no disk was emptied by deletes"),
            (total(|sum| sum.room_given), "nobody gave room back"),
            (total(|sum| sum.killed), "no process died beside a reserve that helped"),
            (total(|sum| sum.closed), "no full database was closed"),
        ] {
            outcome.require(count > 0, what);
        }
    }
    for (number, what) in haul.failures {
        let (seed, number) = drawn(number);
        let kept = seeds::save("enospc", seed ^ number, &what);
        outcome.absorb(kept.err()).violation(format!("{}: {what}", seed ^ number));
    }
    outcome
}
