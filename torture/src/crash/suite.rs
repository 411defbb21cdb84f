//! The suite `crash`: all short sequences of acts, then long ones by chance, each swept.

use crate::bounds::Bounds;
use crate::crash::acts::{any_sequence, sequence, sequences as all_of, tell};
use crate::crash::sweep::{Effort, Hits, sweep};
use crate::crew::{self, Haul};
use crate::outcome::Outcome;
use crate::random::Random;
use crate::seeds;
use siltstone::fs::CrashProfile;

/// Name of the suite, and of its file of seeds.
const NAME: &str = "crash";

/// Part of the time for all short sequences; the rest is for long ones by chance.
const EXHAUSTIVE_PART: f64 = 0.6;

/// With less time than this, the run is too short to have hit everything.
const HITS_ALL_AFTER_SECONDS: u64 = 5;

/// The same for one of the two parts alone.
const PART_HITS_ALL_AFTER_SECONDS: u64 = 30;

/// Profiles that lose something of a story. Of the others, `Kill` loses nothing, and
/// `LostPagesAfterFailedSync` needs a failed sync.
const LOSSY: [CrashProfile; 8] = [
    CrashProfile::StrictPosix,
    CrashProfile::Ext4,
    CrashProfile::MetadataOnly,
    CrashProfile::TornAppend,
    CrashProfile::SizeWithZeros,
    CrashProfile::SizeWithGarbage,
    CrashProfile::RandomSectors,
    CrashProfile::UnorderedMetadata,
];

/// Runs the suite. A case that fails names its sequence, or its seed.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    let mut hits = in_order(&bounds.part(EXHAUSTIVE_PART), &mut outcome);
    by_lot(bounds, &mut hits, &mut outcome);
    report(&hits, bounds.time.as_secs() >= HITS_ALL_AFTER_SECONDS, &mut outcome);
    outcome
}

/// All sequences alone.
pub(crate) fn sequences(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    let hits = in_order(bounds, &mut outcome);
    report(&hits, bounds.time.as_secs() >= PART_HITS_ALL_AFTER_SECONDS, &mut outcome);
    outcome
}

/// The long stories alone.
pub(crate) fn stories(bounds: &Bounds) -> Outcome {
    let (mut outcome, mut hits) = (Outcome::new(), Hits::default());
    by_lot(bounds, &mut hits, &mut outcome);
    report(&hits, bounds.time.as_secs() >= PART_HITS_ALL_AFTER_SECONDS, &mut outcome);
    outcome
}

/// Sequence after sequence, as far as time allows.
fn in_order(bounds: &Bounds, outcome: &mut Outcome) -> Hits {
    let exhaustive = exhaustive(bounds);
    let begun = exhaustive.cases;
    let is_all = |length| bounds.skip == 0 && begun >= all_of(length);
    outcome.figure("sequences", begun).figure("all_of_3", is_all(3)).figure("all_of_4", is_all(4));
    for (number, what) in &exhaustive.failures {
        outcome.violation(format!("sequence {number} {:?}: {what}", sequence(*number)));
    }
    let hits = joined(exhaustive);
    outcome.figure("exhaustive_states", hits.prints.len());
    hits
}

/// Stories that failed once, then others by chance. Adds to `hits`, and counts what is new to it.
fn by_lot(bounds: &Bounds, hits: &mut Hits, outcome: &mut Outcome) {
    for seed in seeds::saved(NAME) {
        let told = crew::judge(|| by_chance(seed, &mut Hits::default()));
        outcome.absorb(told.err().map(|what| format!("kept seed {seed}: {what}")));
    }
    let chance = crew::run(bounds, u64::MAX, |number, hits: &mut Hits| {
        by_chance(seed_of(bounds, number), hits);
    });
    for (number, what) in &chance.failures {
        let seed = seed_of(bounds, *number);
        outcome.violation(format!("seed {seed}: {what}"));
        outcome.absorb(seeds::save(NAME, seed, what).err());
    }
    outcome.figure("stories", chance.cases);
    let chance = joined(chance);
    let new = chance.prints.difference(&hits.prints).count();
    outcome.figure("random_states", new);
    hits.absorb(chance);
}

fn seed_of(bounds: &Bounds, number: u64) -> u64 {
    bounds.seed.wrapping_mul(1 << 32).wrapping_add(number)
}

fn exhaustive(bounds: &Bounds) -> Haul<Hits> {
    let effort = Effort { seeds: 2, seed: 0, stride: 1, nested_every: 64, nested_stride: 7 };
    crew::run(bounds, u64::MAX, |number, hits: &mut Hits| {
        let told = tell(&sequence(number), 1);
        let end = told.story.disk.history_len();
        hits.absorb(sweep(&told.story, told.last_began..=end, effort));
    })
}

/// A long story, cut at some of its moments.
fn by_chance(seed: u64, hits: &mut Hits) {
    let mut random = Random::new(seed);
    let acts = any_sequence(&mut random);
    let told = tell(&acts, random.next());
    let end = told.story.disk.history_len();
    let effort = Effort {
        seeds: 1,
        seed: random.below(1 << 20),
        stride: 1 + end / 60,
        nested_every: 40,
        nested_stride: 5,
    };
    hits.absorb(sweep(&told.story, 0..=end, effort));
}

fn joined(haul: Haul<Hits>) -> Hits {
    let mut all = Hits::default();
    for sum in haul.sums {
        all.absorb(sum);
    }
    all
}

/// Tells what was hit. A long run that did not hit everything has proven less than it says.
fn report(hits: &Hits, is_long: bool, outcome: &mut Outcome) {
    outcome
        .figure("crashes", hits.crashes)
        .figure("judged", hits.distinct)
        .figure("nested", hits.nested)
        .figure("nested_twice", hits.nested_twice)
        .figure("torn_tails", hits.torn_tails)
        .figure("gaps", hits.gaps)
        .figure("orphan_tables", hits.orphan_tables)
        .figure("replays", hits.replays)
        .figure("points_in_time", hits.points_in_time);
    if !is_long {
        return;
    }
    for profile in LOSSY {
        let lost = hits.lossy.get(&profile).copied().unwrap_or_default();
        outcome.require(lost > 0, &format!("{profile:?} lost nothing"));
    }
    outcome
        .require(hits.torn_tails > 0, "no torn tail was found")
        .require(hits.gaps > 0, "no segment was dropped behind a gap")
        .require(hits.orphan_tables > 0, "no table was swept that nobody names")
        .require(hits.replays > 0, "no log was replayed")
        .require(hits.points_in_time > 0, "no recovery went to a point in time")
        .require(hits.nested > 0 && hits.nested_twice > 0, "no recovery was cut");
}
