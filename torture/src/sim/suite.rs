//! The suite: seeds that failed before, then new ones.

use crate::bounds::Bounds;
use crate::crew;
use crate::outcome::Outcome;
use crate::seeds;
use crate::sim::world::{Hits, tell};

/// Name of the suite, and of its file of seeds.
const NAME: &str = "sim";

/// One in so many stories is told twice.
const TWICE_EVERY: u64 = 8;

/// So many seeds have hit everything.
const HITS_ALL_AFTER: u64 = 400;

#[derive(Default)]
struct Sum {
    hits: Hits,
    twice: u64,
}

impl Sum {
    fn absorb(&mut self, other: &Sum) {
        self.twice += other.twice;
        for ((_, own), (_, more)) in
            self.hits.all_mut().into_iter().zip(other.hits.clone().all_mut())
        {
            *own += *more;
        }
    }
}

impl Hits {
    /// Every counter by its name, in the order of the line.
    fn all_mut(&mut self) -> [(&'static str, &mut u64); 19] {
        [
            ("acts", &mut self.acts),
            ("lives", &mut self.lives),
            ("crashes", &mut self.crashes),
            ("crashes_inside", &mut self.crashes_inside),
            ("nested", &mut self.nested),
            ("faults", &mut self.faults),
            ("errors", &mut self.errors),
            ("disk_full", &mut self.disk_full),
            ("poisoned", &mut self.poisoned),
            ("uncertain", &mut self.uncertain),
            ("opens_failed", &mut self.opens_failed),
            ("commits_lost", &mut self.commits_lost),
            ("torn_tails", &mut self.torn_tails),
            ("gaps", &mut self.gaps),
            ("orphan_tables", &mut self.orphan_tables),
            ("replays", &mut self.replays),
            ("snapshots", &mut self.snapshots),
            ("flushes", &mut self.flushes),
            ("compactions", &mut self.compactions),
        ]
    }
}

fn case(seed: u64, twice: bool, sum: &mut Sum) {
    let (trace, hits) = tell(seed);
    sum.absorb(&Sum { hits, twice: 0 });
    if twice {
        assert_eq!(tell(seed).0, trace, "one seed, two traces");
        sum.twice += 1;
    }
}

/// Runs the suite. A case that fails names its seed, and is kept.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let kept = seeds::saved(NAME);
    let seed_of = |number: u64| {
        let new = bounds.seed.wrapping_mul(1 << 32).wrapping_add(number);
        kept.get(number as usize).copied().unwrap_or(new)
    };
    let haul = crew::run(bounds, u64::MAX, |number, sum: &mut Sum| {
        case(seed_of(number), number.is_multiple_of(TWICE_EVERY), sum);
    });
    let mut all = Sum::default();
    haul.sums.iter().for_each(|sum| all.absorb(sum));
    let mut outcome = Outcome::new();
    let a_second = haul.cases as f64 / bounds.elapsed().as_secs_f64().max(0.001);
    outcome.figure("seeds", haul.cases).figure("seeds_a_second", a_second.round());
    outcome.figure("told_twice", all.twice);
    for (name, count) in all.hits.all_mut() {
        outcome.figure(name, *count);
        if haul.cases >= HITS_ALL_AFTER {
            outcome.require(*count > 0, &format!("{name} is 0"));
        }
    }
    for (number, what) in haul.failures {
        let seed = seed_of(number);
        outcome.violation(format!("seed {seed}: {what}"));
        outcome.absorb(seeds::save(NAME, seed, &what).err());
    }
    outcome
}
