//! The sweep: cuts the power at the moments of a story, in every way, and again inside recovery.

use crate::crash::directory::{self, Burnt};
use crate::crash::oracle::{Candidates, Keys, check_report, shown, summary};
use crate::crash::story::{Contents, HOME, Story, options};
use crate::crew;
use siltstone::fs::{CrashProfile, LintFileSystem, SimulatedFileSystem};
use siltstone::{Db, ErrorKind, Reason, Recovery};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

/// The key that is written after a recovery, to see that life goes on.
const WRITTEN_AFTER: &str = "~after";

/// One in so many different disks is opened by a reader first.
const GLIMPSE_EVERY: usize = 4;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Seeds of the profiles that know chance.
    pub(crate) seeds: u64,
    /// Added to all of them.
    pub(crate) seed: u64,
    /// One in so many moments, from a start that the seed gives.
    pub(crate) stride: usize,
    /// One in so many distinct states is crashed again inside its recovery.
    pub(crate) nested_every: usize,
    /// One in so many moments of that recovery.
    pub(crate) nested_stride: usize,
}

/// What an ordinary test run tries of each story.
#[cfg(test)]
pub(crate) const SMALL: Effort =
    Effort { seeds: 2, seed: 0, stride: 1, nested_every: 24, nested_stride: 11 };

/// What was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    /// Crashes tried, and different disks among them.
    pub(crate) crashes: usize,
    pub(crate) distinct: usize,
    /// Those disks, but for the ones that only chance tells apart: lost sectors.
    pub(crate) prints: HashSet<u64>,
    /// Different disks of each profile on which something was lost.
    pub(crate) lossy: BTreeMap<CrashProfile, usize>,
    pub(crate) torn_tails: usize,
    /// Segments that were dropped because one before them ends early.
    pub(crate) gaps: usize,
    /// Recoveries that found tables which no manifest names.
    pub(crate) orphan_tables: usize,
    /// Recoveries that wrote tables from the log.
    pub(crate) replays: usize,
    /// Recoveries up to a point in time, which skip what is damaged.
    pub(crate) points_in_time: usize,
    /// Crashes inside a recovery, and inside the recovery of that.
    pub(crate) nested: usize,
    pub(crate) nested_twice: usize,
}

/// A recovered database.
#[derive(Clone)]
struct Found {
    contents: Contents,
    /// Where the log ended, if anything was replayed.
    last_seqno: Option<u64>,
}

/// A disk on which a recovery ran, and after that a commit of one put.
struct Recovered {
    disk: SimulatedFileSystem,
    found: Found,
    opened: usize,
    acknowledged: usize,
    /// Whether nothing was dropped.
    is_clean: bool,
}

impl Hits {
    /// Adds what another story hit.
    pub(crate) fn absorb(&mut self, other: Hits) {
        self.crashes += other.crashes;
        self.distinct += other.distinct;
        self.prints.extend(other.prints);
        for (profile, count) in other.lossy {
            *self.lossy.entry(profile).or_default() += count;
        }
        self.torn_tails += other.torn_tails;
        self.gaps += other.gaps;
        self.orphan_tables += other.orphan_tables;
        self.replays += other.replays;
        self.points_in_time += other.points_in_time;
        self.nested += other.nested;
        self.nested_twice += other.nested_twice;
    }
}

/// Crashes a story at its moments in a range, which may reach to its last one.
pub(crate) fn sweep(story: &Story, moments: RangeInclusive<usize>, effort: Effort) -> Hits {
    Sweep {
        story,
        effort,
        keys: story.keys(),
        burnt: Burnt::of(&story.disk),
        known: BTreeMap::new(),
        hits: Hits::default(),
    }
    .run(moments)
}

struct Sweep<'a> {
    story: &'a Story,
    effort: Effort,
    keys: Keys,
    burnt: Burnt,
    /// By fingerprint, and whether what the disk shows may still be lost.
    known: BTreeMap<(u64, bool), Found>,
    hits: Hits,
}

fn knows_chance(profile: CrashProfile) -> bool {
    matches!(
        profile,
        CrashProfile::TornAppend
            | CrashProfile::SizeWithGarbage
            | CrashProfile::RandomSectors
            | CrashProfile::UnorderedMetadata
    )
}

impl Sweep<'_> {
    fn run(mut self, moments: RangeInclusive<usize>) -> Hits {
        let mut lossy: BTreeMap<CrashProfile, BTreeSet<u64>> = BTreeMap::new();
        let skipped = usize::try_from(self.effort.seed).unwrap_or_default() % self.effort.stride;
        for moment in moments.skip(skipped).step_by(self.effort.stride) {
            let candidates = Candidates::at(self.story, moment);
            let whole = self.story.disk.crash_at(moment, CrashProfile::Kill, 0).fingerprint();
            for profile in CrashProfile::ALL {
                let seeds = if knows_chance(profile) { self.effort.seeds } else { 1 };
                for seed in 0..seeds {
                    let seed = (self.effort.seed + seed) * 1_000_003 + moment as u64;
                    let print = self.crash(moment, profile, seed, &candidates);
                    if profile != CrashProfile::RandomSectors {
                        self.hits.prints.insert(print);
                    }
                    if print != whole {
                        lossy.entry(profile).or_default().insert(print);
                    }
                }
            }
        }
        self.hits.distinct = self.known.len();
        self.hits.lossy = lossy.into_iter().map(|(profile, all)| (profile, all.len())).collect();
        self.hits
    }

    fn crash(
        &mut self,
        moment: usize,
        profile: CrashProfile,
        seed: u64,
        candidates: &Candidates,
    ) -> u64 {
        self.hits.crashes += 1;
        let disk = self.story.disk.crash_at(moment, profile, seed);
        let print = disk.fingerprint();
        let is_kill = profile == CrashProfile::Kill;
        let key = (print, is_kill);
        let is_new = !self.known.contains_key(&key);
        if is_new {
            let last = moment.checked_sub(1).map(|last| self.story.disk.describe(last));
            let names = directory::names(&disk);
            let what = format!("{profile:?} seed {seed} at {moment} after {last:?}: {names:?}");
            let _note = crew::note(what);
            if self.known.len().is_multiple_of(self.effort.nested_every) {
                self.recover_to_a_point(&disk, profile, candidates);
            }
            let recovery = self.recover(disk, self.burnt.at(moment).to_vec());
            // Every append is one call, and a death of the process leaves all of them.
            let is_whole = !is_kill || recovery.is_clean;
            assert!(is_whole, "a log that nothing was lost of is told to be torn");
            self.known.insert(key, recovery.found.clone());
            if self.known.len().is_multiple_of(self.effort.nested_every) {
                let accept = |found: &Found| {
                    if is_kill {
                        // What was not durable may go now, but not what was promised.
                        candidates.accept(CrashProfile::StrictPosix, &found.contents, None)
                    } else {
                        found.contents == recovery.found.contents
                    }
                };
                self.crash_again(&recovery, &accept);
            }
        }
        let found = &self.known[&key];
        assert!(
            candidates.accept(profile, &found.contents, found.last_seqno),
            "{profile:?} seed {seed} at {moment}: found (log up to {:?}) {}\nexpected {}",
            found.last_seqno,
            summary(&found.contents),
            candidates.describe()
        );
        print
    }

    /// Opens a copy of what is left with the recovery that goes as far as it can.
    fn recover_to_a_point(
        &mut self,
        disk: &SimulatedFileSystem,
        profile: CrashProfile,
        candidates: &Candidates,
    ) {
        let lint = LintFileSystem::new(disk.copy());
        let db = options(lint, 1).recovery(Recovery::PointInTime).open(HOME).unwrap();
        let contents = shown(&db, &self.keys);
        let is_right = candidates.accept(profile, &contents, None);
        assert!(is_right, "up to a point in time: found {}", summary(&contents));
        self.hits.points_in_time += 1;
    }

    /// What somebody sees who opens it to read only, before anybody recovers it: nothing is written then.
    fn glimpse(&self, disk: &SimulatedFileSystem) -> Contents {
        let before = disk.fingerprint();
        let contents = match options(disk.clone(), 1).open_read_only(HOME) {
            Ok(db) => shown(&db, &self.keys),
            // Nothing was created yet: a writer would begin.
            Err(error) if *error.reason() == Reason::NotADatabase => {
                Contents::from([(String::new(), BTreeMap::new())])
            }
            Err(error) => panic!("a reader is refused: {error}"),
        };
        assert_eq!(disk.fingerprint(), before, "a reader has changed something");
        contents
    }

    /// Opens what is left, looks at everything, writes, and opens again and again.
    fn recover(&mut self, disk: SimulatedFileSystem, burnt: Vec<String>) -> Recovered {
        let tables = directory::ending(&disk, ".sst");
        let glimpse = self.known.len().is_multiple_of(GLIMPSE_EVERY).then(|| self.glimpse(&disk));
        let db = open(&disk);
        let opened = disk.history_len();
        let contents = shown(&db, &self.keys);
        let is_same = glimpse.is_none_or(|glimpse| glimpse == contents);
        assert!(is_same, "a reader saw something else before, not {}", summary(&contents));
        db.verify().unwrap().into_result().unwrap();
        directory::check_tidy(&disk, &db);
        let report = db.recovery_report();
        check_report(report, |path| disk.read(path).map(|bytes| bytes.len() as u64));
        let kept_in = report.torn_tails.iter().filter_map(|torn| torn.kept_in.clone());
        // That each is there was checked with the report.
        let kept: Vec<_> = kept_in.map(|path| (disk.read(&path), path)).collect();
        let created = directory::created(&disk, 0..opened);
        let again: Vec<_> = created.iter().filter(|name| burnt.contains(name)).collect();
        assert!(again.is_empty(), "numbers given again: {again:?}");
        let is_gap = |reason: &str| reason == "the segment before it ends early";
        let gaps = report.torn_tails.iter().filter(|torn| is_gap(torn.reason)).count();
        self.hits.gaps += usize::from(gaps > 0);
        self.hits.torn_tails += usize::from(report.torn_tails.len() > gaps);
        let still = directory::ending(&disk, ".sst");
        let was_swept = tables.iter().any(|table| !still.contains(table));
        self.hits.orphan_tables += usize::from(was_swept);
        self.hits.replays += usize::from(report.replayed_batches > 0);
        let is_clean = report.is_clean();
        let last_seqno = (report.replayed_batches > 0).then_some(report.last_seqno);

        db.put(WRITTEN_AFTER, "crash").unwrap();
        let acknowledged = disk.history_len();
        let found = Found { contents, last_seqno };
        let after = found.with_written();
        let cut_disk = disk.crash(CrashProfile::StrictPosix, 0);
        for (bytes, path) in kept {
            assert_eq!(cut_disk.read(&path), bytes, "what was kept aside is durable");
        }
        let cut = open(&cut_disk);
        assert_eq!(shown(&cut, &self.keys), after, "what was shown and written is durable");
        drop(cut);
        db.close().unwrap();
        drop(db);
        let db = open(&disk);
        assert_eq!(shown(&db, &self.keys), after, "a second open shows the same");
        let report = db.recovery_report();
        assert!(report.is_clean() && report.replayed_batches == 0, "{report:?}");
        Recovered { disk, found, opened, acknowledged, is_clean }
    }

    /// Crashes at moments of a recovery, and at moments of the recovery of that. Before the open
    /// returned, what is found is what `accept` accepts; after that it is what was shown.
    fn crash_again(&mut self, recovery: &Recovered, accept: &dyn Fn(&Found) -> bool) {
        let mut turn = self.known.len();
        let mut moment = turn % self.effort.nested_stride;
        while moment <= recovery.acknowledged {
            turn += 1;
            let profile = CrashProfile::ALL[turn % CrashProfile::ALL.len()];
            let disk = recovery.disk.crash_at(moment, profile, turn as u64);
            let _note = crew::note(format!("nested: {profile:?} seed {turn} at {moment}"));
            let again = open(&disk);
            let found = Found { contents: shown(&again, &self.keys), last_seqno: None };
            recovery.check_nested(moment, &found, accept);
            self.hits.nested += 1;
            drop(again);
            // Once more, in the middle of this recovery, or right behind it.
            let inner = turn * 7 % disk.history_len();
            let profile = CrashProfile::ALL[(turn / 3) % CrashProfile::ALL.len()];
            let twice = disk.crash_at(inner, profile, turn as u64);
            let _inner_note =
                crew::note(format!("nested twice: {profile:?} seed {turn} at {inner}"));
            let twice = open(&twice);
            let found = Found { contents: shown(&twice, &self.keys), last_seqno: None };
            recovery.check_nested(moment, &found, accept);
            self.hits.nested_twice += 1;
            moment += self.effort.nested_stride;
        }
    }
}

impl Found {
    fn with_written(&self) -> Contents {
        let mut after = self.contents.clone();
        let root = after.get_mut("").expect("the default keyspace is always there");
        root.insert(WRITTEN_AFTER.into(), "crash".into());
        after
    }
}

impl Recovered {
    fn check_nested(&self, moment: usize, found: &Found, accept: &dyn Fn(&Found) -> bool) {
        let with_written = self.found.with_written();
        let is_right = if moment < self.opened {
            accept(found)
        } else if moment < self.acknowledged {
            found.contents == self.found.contents || found.contents == with_written
        } else {
            found.contents == with_written
        };
        let shown = summary(&self.found.contents);
        assert!(is_right, "found {}\nshown {shown}", summary(&found.contents));
    }
}

fn open(disk: &SimulatedFileSystem) -> Db {
    match options(LintFileSystem::new(disk.clone()), 1).open(HOME) {
        Ok(db) => db,
        Err(error) if error.kind() == ErrorKind::Corruption => {
            let file = error.file().and_then(|file| disk.read(file)).map(|bytes| bytes.len());
            panic!("refused: {error} (the file has {file:?} bytes)")
        }
        Err(error) => panic!("refused: {error}"),
    }
}
