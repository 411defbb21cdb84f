//! The suite `kill`: a real writer process dies at random moments, and everything it was told is there.
//!
//! Goal: whatever was acknowledged, `Sync` or `Buffered`, survives the death of the process; no batch
//! is half there; a death inside the open, while an earlier death is being recovered from, changes
//! nothing of this.
//!
//! Method: the child is this program, run again. Its threads write through `plan`, a pure function
//! of (seed, thread, number), each in keys of its own, and say after each `Ok` which number it was,
//! through a pipe that outlives them. Small memtables, explicit flushes and compactions keep the
//! background busy. Since a thread has one write under way at most, after a death its keys must be
//! exactly what its plan gives after the last acknowledged write, or after the one behind that. This
//! is looked at with a read-only open, which leaves the mess of the death for the next child to
//! recover from (and perhaps to die in), and now and then with an open for writing.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "moments of a real process are moments of the real clock; a thread reads its pipe"
)]

use crate::bounds::Bounds;
use crate::crew;
use crate::outcome::Outcome;
use crate::random::Random;
use siltstone::{
    Batch, Compression, Db, Durability, ErrorKind, KeyRange, Keyspace, Options, Snapshot,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// With fewer kills a run may have missed some kind of moment.
const KILLS_MIN: usize = 40;

/// Threads that write.
const WRITERS: usize = 4;
/// Keys of one thread in one keyspace.
const KEYS: u64 = 600;

/// Where the child is told its work: directory, seed, and the first number of each thread.
const ORDERS: &str = "SILTSTONE_KILL_TEST";

type Model = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    Default,
    Second,
}

#[derive(Debug)]
enum Change {
    Put(Space, Vec<u8>, Vec<u8>),
    Delete(Space, Vec<u8>),
    DeleteRange(Space, Vec<u8>, Vec<u8>),
}

fn key(writer: usize, number: u64) -> Vec<u8> {
    format!("{writer}/{number:06}").into_bytes()
}

/// What write `number` of a thread does: one put, or a batch across both keyspaces. In a calm life nothing
/// is synced.
fn plan(seed: u64, writer: usize, number: u64, is_calm: bool) -> (Vec<Change>, Durability) {
    let mut random = Random::new(seed ^ ((writer as u64) << 56) ^ (number << 8));
    let count = if random.below(2) == 0 { 1 } else { 2 + random.below(24) };
    let is_synced = random.below(3) == 0 && !is_calm;
    let durability = if is_synced { Durability::Sync } else { Durability::Buffered };
    let changes = (0..count).map(|index| {
        let space = if random.below(3) == 0 { Space::Second } else { Space::Default };
        let at = random.below(KEYS);
        match random.below(40) {
            0 => Change::DeleteRange(space, key(writer, at), key(writer, at + random.below(20))),
            1..6 => Change::Delete(space, key(writer, at)),
            _ => {
                let len = if random.below(64) == 0 { 9_000 } else { 20 + random.below(200) };
                let mut value = format!("{writer}/{number}/{index}/").into_bytes();
                value.extend((0..len).map(|_| random.next() as u8));
                Change::Put(space, key(writer, at), value)
            }
        }
    });
    (changes.collect(), durability)
}

fn apply(model: &mut Model, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(space, key, value) => {
                model.insert((*space, key.clone()), value.clone());
            }
            Change::Delete(space, key) => {
                model.remove(&(*space, key.clone()));
            }
            Change::DeleteRange(space, start, end) => {
                model.retain(|(of, key), _| of != space || key < start || key >= end)
            }
        }
    }
}

/// Of a calm life the memtables are so large, and the log so long, that it goes through windows.
fn options(is_calm: bool) -> Options {
    Options::new()
        .memory(8 << 20)
        .memtable_bytes(if is_calm { 1 << 20 } else { 96 << 10 })
        .table_bytes(64 << 10)
        .block_bytes(2 << 10)
        .compression(Compression::Zstd(1))
}

// The child.

/// If this process is such a child: writes until it is killed. Returns whether it was one.
pub fn write_if_ordered() -> bool {
    let Ok(orders) = std::env::var(ORDERS) else { return false };
    write_until_killed(&orders);
    true
}

fn write_until_killed(orders: &str) {
    let mut words = orders.split('|');
    let mut word = || words.next().expect("a word");
    let (directory, seed) = (PathBuf::from(word()), word().parse().expect("a seed"));
    let firsts: Vec<u64> = word().split(',').map(|first| first.parse().expect("it")).collect();
    let is_calm: bool = word().parse().expect("whether it is calm");
    say("opening");
    let db = options(is_calm).open(directory).expect("the directory opens");
    let second = db.keyspace("second").expect("a keyspace");
    say("opened");
    thread::scope(|scope| {
        for (writer, first) in firsts.into_iter().enumerate() {
            let (db, second) = (&db, &second);
            scope.spawn(move || {
                for number in first.. {
                    write(db, second, plan(seed, writer, number, is_calm)).expect("a write");
                    say(&format!("{writer} {number}"));
                }
            });
        }
        for round in 0_u64.. {
            if is_calm {
                return;
            }
            match round % 4 {
                3 => db.compact(..).expect("a compaction"),
                _ => db.flush().expect("a flush"),
            }
        }
    });
}

fn write(
    db: &Db,
    second: &Keyspace,
    (changes, durability): (Vec<Change>, Durability),
) -> siltstone::Result<()> {
    let mut batch = Batch::new();
    for change in changes {
        match change {
            Change::Put(Space::Default, key, value) => batch.put(key, value),
            Change::Put(Space::Second, key, value) => batch.put_in(second, key, value),
            Change::Delete(Space::Default, key) => batch.delete(key),
            Change::Delete(Space::Second, key) => batch.delete_in(second, key),
            Change::DeleteRange(Space::Default, start, end) => batch.delete_range(start..end),
            Change::DeleteRange(Space::Second, start, end) => {
                batch.delete_range_in(second, start..end)
            }
        };
    }
    db.write_with(batch, durability)
}

/// One line, one call of the operating system: it is in the pipe before the next write begins.
fn say(line: &str) {
    if std::io::stderr().write_all(format!("{line}\n").as_bytes()).is_err() {
        // Nobody listens any more.
        std::process::exit(1);
    }
}

// The parent.

/// What the parent knows: what each thread's plan gives up to its last acknowledged write.
struct Book {
    seed: u64,
    /// Whether this life syncs nothing.
    is_calm: bool,
    models: Vec<Model>,
    /// Number of the next write of each thread.
    next: Vec<u64>,
}

#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    inside_open: usize,
    before_open: usize,
    acknowledged_synced: u64,
    acknowledged_buffered: u64,
    unacknowledged_there: u64,
    torn_tails: usize,
    verified: usize,
    locked_out: usize,
}

/// A child and what it says.
struct Writer {
    process: Child,
    lines: Receiver<String>,
}

impl Writer {
    fn start(directory: &Path, book: &Book) -> Writer {
        let firsts: Vec<String> = book.next.iter().map(u64::to_string).collect();
        let (seed, firsts, is_calm) = (book.seed, firsts.join(","), book.is_calm);
        let orders = format!("{}|{seed}|{firsts}|{is_calm}", directory.display());
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(ORDERS, orders)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let pipe = process.stderr.take().expect("its pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Reads to the end of the pipe, which holds what the dead have said.
            for line in BufReader::new(pipe).lines() {
                if sender.send(line.expect("a line")).is_err() {
                    return;
                }
            }
        });
        Writer { process, lines }
    }

    /// Listens until `moment`, or until the child has said something for which `enough` holds.
    fn listen(&self, moment: Instant, said: &mut Vec<String>, enough: impl Fn(&str) -> bool) {
        loop {
            match self.lines.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_enough = enough(&line);
                    said.push(line);
                    if is_enough {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// SIGKILL. Returns everything that it has said.
    fn kill(mut self, mut said: Vec<String>) -> Vec<String> {
        self.process.kill().expect("a kill");
        let status = self.process.wait().expect("a status");
        said.extend(self.lines.iter());
        assert!(status.code().is_none(), "it ended by itself, and said: {}", said.join("\n"));
        said
    }
}

impl Book {
    fn new(seed: u64) -> Book {
        Book { seed, is_calm: false, models: vec![Model::new(); WRITERS], next: vec![0; WRITERS] }
    }

    /// Takes in what a child has said.
    fn note(&mut self, said: &[String], counts: &mut Counts) {
        let is_said = |word| said.iter().any(|line| line == word);
        counts.kills += 1;
        counts.before_open += usize::from(!is_said("opening"));
        counts.inside_open += usize::from(is_said("opening") && !is_said("opened"));
        for line in said.iter().filter(|line| !line.starts_with("open")) {
            let words: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
            let &[writer, number] = &words[..] else {
                panic!("the child said: {}", said.join("\n"))
            };
            let writer = writer as usize;
            assert_eq!(number, self.next[writer], "a thread writes one after the other");
            let (changes, durability) = plan(self.seed, writer, number, self.is_calm);
            apply(&mut self.models[writer], &changes);
            self.next[writer] += 1;
            match durability {
                Durability::Sync => counts.acknowledged_synced += 1,
                Durability::Buffered => counts.acknowledged_buffered += 1,
            }
        }
    }

    /// Compares what a snapshot shows with what must be there, and learns of the writes that were
    /// done and not acknowledged.
    fn compare(&mut self, snapshot: &Snapshot, second: Option<&Snapshot>, counts: &mut Counts) {
        for writer in 0..WRITERS {
            let mine = key(writer, 0)..key(writer + 1, 0);
            let mut found = Model::new();
            read(snapshot, Space::Default, mine.clone(), &mut found);
            if let Some(second) = second {
                read(second, Space::Second, mine, &mut found);
            }
            if found == self.models[writer] {
                continue;
            }
            let mut after = self.models[writer].clone();
            apply(&mut after, &plan(self.seed, writer, self.next[writer], self.is_calm).0);
            if found != after {
                let number = self.next[writer];
                let (before, after) =
                    (difference(&self.models[writer], &found), difference(&after, &found));
                panic!("thread {writer} after write {number}: {after}; without it: {before}");
            }
            self.models[writer] = after;
            self.next[writer] += 1;
            counts.unacknowledged_there += 1;
        }
    }
}

fn read(snapshot: &Snapshot, space: Space, range: impl KeyRange, into: &mut Model) {
    for entry in snapshot.range(range) {
        let (key, value) = entry.expect("an entry");
        into.insert((space, key.to_vec()), value.to_vec());
    }
}

fn difference(wanted: &Model, found: &Model) -> String {
    let lost = wanted.iter().filter(|(key, value)| found.get(key) != Some(value)).map(|it| it.0);
    let odd = found.keys().filter(|key| !wanted.contains_key(key));
    let name = |(space, key): &(Space, Vec<u8>)| format!("{space:?} {}", key.escape_ascii());
    let lost: Vec<String> = lost.map(name).collect();
    let odd: Vec<String> = odd.map(name).collect();
    format!("lost or wrong {lost:?}, not to be there {odd:?}")
}

fn look(directory: &Path, read_only: bool, book: &mut Book, counts: &mut Counts) {
    let opened = match read_only {
        true => options(false).open_read_only(directory),
        false => options(false).open(directory),
    };
    let db = opened.expect("the directory opens after a kill");
    counts.torn_tails += db.recovery_report().torn_tails.len();
    let snapshot = db.snapshot();
    let has_second = db.keyspaces().expect("names").iter().any(|name| name == "second");
    let second = has_second.then(|| {
        let second = db.keyspace("second").expect("it is there");
        snapshot.keyspace(&second).expect("it is of this database")
    });
    book.compare(&snapshot, second.as_ref(), counts);
    if counts.kills.is_multiple_of(10) {
        db.verify().expect("it is open").into_result().expect("every file is whole");
        counts.verified += 1;
    }
}

/// The child has it open: neither a writer nor a reader may join it.
fn nobody_else_gets_in(directory: &Path) {
    for again in [options(false).open(directory), options(false).open_read_only(directory)] {
        let error = again.expect_err("the child has the lock");
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    }
}

/// Whether there is a database yet: a child may die before it has made one.
fn exists(directory: &Path) -> bool {
    directory.join("CURRENT").exists()
}

/// Runs the suite: one database, killed again and again.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut counts = Counts::default();
    let judged = crew::judge(|| kill_and_look(bounds, &mut counts));
    let mut outcome = Outcome::new();
    outcome
        .figure("kills", counts.kills)
        .figure("inside_open", counts.inside_open)
        .figure("acknowledged_synced", counts.acknowledged_synced)
        .figure("acknowledged_buffered", counts.acknowledged_buffered)
        .figure("unacknowledged_there", counts.unacknowledged_there)
        .figure("torn_tails", counts.torn_tails)
        .figure("verified", counts.verified)
        .figure("locked_out", counts.locked_out);
    outcome.absorb(judged.err());
    if counts.kills >= KILLS_MIN {
        outcome
            .require(counts.inside_open > 0, "nobody died inside an open")
            .require(counts.verified > 0, "nothing was verified")
            .require(counts.locked_out > 0, "nobody tried the lock")
            .require(counts.acknowledged_synced > 0, "no synced write was acknowledged")
            .require(counts.acknowledged_buffered > 0, "no buffered write was acknowledged");
    }
    outcome
}

fn kill_and_look(bounds: &Bounds, counts: &mut Counts) {
    let temp = tempfile::tempdir().expect("a directory");
    let directory = temp.path().join("data");
    let (mut random, mut book) = (Random::new(bounds.seed), Book::new(bounds.seed));
    // How long the last open took that was let finish.
    let mut open_time = Duration::from_millis(5);
    while !bounds.is_over() {
        book.is_calm = random.below(2) == 0;
        let writer = Writer::start(&directory, &book);
        let mut said = Vec::new();
        let patience = Duration::from_secs(20);
        writer.listen(Instant::now() + patience, &mut said, |line| line == "opening");
        let opening = Instant::now();
        let part = random.below(1000) as u32;
        if random.below(3) == 0 {
            writer.listen(opening + open_time * part / 1000, &mut said, |_| false);
        } else {
            writer.listen(opening + patience, &mut said, |line| line == "opened");
            open_time = opening.elapsed();
            let moment = Instant::now() + Duration::from_millis(60) * part / 1000;
            writer.listen(moment, &mut said, |_| false);
            if random.below(4) == 0 {
                nobody_else_gets_in(&directory);
                counts.locked_out += 1;
            }
        }
        let said = writer.kill(said);
        book.note(&said, counts);
        if exists(&directory) {
            let read_only = random.below(4) != 0;
            look(&directory, read_only, &mut book, counts);
        }
    }
}
