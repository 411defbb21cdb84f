//! One run of a workload while a call fails, and everything that must hold after it.

use crate::fault::workloads::write;
use crate::fault::world::{Step, World, contents};
use siltstone::fs::{Fault, Operation, Trigger};
use siltstone::{Background, Durability, ErrorKind};

/// What one run did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) errors: u64,
    pub(crate) poisoned: u64,
    /// The first call that failed.
    pub(crate) hit: Option<Operation>,
}

impl Tally {
    /// Adds another run, but for what it hit.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.errors += other.errors;
        self.poisoned += other.poisoned;
    }
}

/// A fault: the call that it strikes, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    /// How many calls pass before it.
    pub(crate) nth: u64,
    pub(crate) fault: Fault,
    /// Whether all calls from there on fail.
    pub(crate) sticky: bool,
}

/// One run of a workload with these faults.
pub(crate) fn play(steps: &[Step], background: Background, strikes: &[Strike]) -> Tally {
    let mut world = World::new(background);
    for Strike { nth, fault, sticky } in strikes {
        let trigger = Trigger::any().nth(*nth);
        world.faults.add(if *sticky { trigger.sticky() } else { trigger }, *fault);
        world.struck_by.push(*fault);
    }
    for step in steps {
        let had_errors = world.errors > 0;
        world.step(step);
        if !had_errors && world.errors > 0 {
            // The process dies of the first error.
            world.killed().check_reopened(true);
        }
    }
    let hits = world.faults.hits();
    world.faults.clear();
    let is_poisoned = world.db.as_ref().is_some_and(|db| {
        let refused = db.sync().is_err_and(|error| {
            matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::CommitUncertain)
        });
        if refused {
            // Reads go on; what they show is checked below by the world.
            contents(db).unwrap();
        }
        refused
    });
    world.killed().check_reopened(!hits.is_empty());
    world.step(&Step::Read);
    if let (Some(db), false) = (world.db.clone(), is_poisoned) {
        let Step::Write(healed) = write(999, "", Durability::Sync) else { unreachable!() };
        let errors = world.errors;
        world.step(&Step::Write(healed));
        assert_eq!(world.errors, errors, "writes go on by themselves when the fault is gone");
        db.flush().unwrap();
        db.compact(..).unwrap();
        db.wait_idle().unwrap();
        db.health().unwrap();
        db.verify().unwrap().into_result().unwrap();
        world.step(&Step::Read);
        world.killed().check_reopened(true);
        db.close().unwrap();
    }
    world.db = None;
    world.check_reopened(!hits.is_empty());
    Tally {
        runs: 1,
        errors: world.errors as u64,
        poisoned: u64::from(is_poisoned),
        hit: hits.first().map(|call| call.operation),
    }
}

#[cfg(test)]
mod tests {
    use crate::bounds::Bounds;
    use crate::crew;
    use crate::fault::play::{Strike, play};
    use crate::fault::workloads::writes;
    use siltstone::Background;
    use siltstone::fs::Fault;
    use std::time::Duration;

    /// With threads nobody can say which call fails; but whatever fails, the same must hold.
    #[test]
    fn with_threads_no_failing_call_loses_a_write_either() {
        let faults = [Fault::Io, Fault::NoSpace, Fault::Late];
        let steps = writes();
        let bounds = Bounds::new(Duration::from_secs(600), 0, 1);
        let haul = crew::run(&bounds, 144, |number, (): &mut ()| {
            let fault = faults[(number % 3) as usize];
            let strike = Strike { nth: number / 6 * 17, fault, sticky: number / 3 % 2 == 1 };
            play(&steps, Background::Threads, &[strike]);
        });
        assert_eq!((haul.cases, haul.failures), (144, Vec::new()));
    }
}
