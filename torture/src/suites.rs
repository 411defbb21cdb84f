//! The list of suites: name, what it does, how long a default run takes, and its door.

use crate::bounds::Bounds;
use crate::outcome::Outcome;
use crate::{blackbox, crash, damage, enospc, fault, kill, model, panic, race, seeded, sim, soak};

/// One long test.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// Name of the subcommand, of its line, and of its file of failing seeds.
    pub name: &'static str,
    /// What it does, in one line of `--help`.
    pub about: &'static str,
    /// Seconds of a default run.
    pub seconds: u64,
    /// Whether it is only a part of another suite, for a run of hours: `all` leaves it out.
    pub is_part: bool,
    /// Runs it within the bounds.
    pub run: fn(&Bounds) -> Outcome,
}

/// All of them.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "crash",
        about: "Cuts the power at every moment of every short story, and of long ones by chance",
        seconds: 200,
        is_part: false,
        run: crash::run,
    },
    Suite {
        name: "sequences",
        about: "The first part of crash: every short story, in order of length",
        seconds: 180,
        is_part: true,
        run: crash::sequences,
    },
    Suite {
        name: "stories",
        about: "The second part of crash: long stories by chance",
        seconds: 120,
        is_part: true,
        run: crash::stories,
    },
    Suite {
        name: "fault",
        about: "Lets every call to the file system fail, in every way, once and for good",
        seconds: 60,
        is_part: false,
        run: fault::run,
    },
    Suite {
        name: "enospc",
        about: "Fills small disks, and gives them room again in every way there is",
        seconds: 20,
        is_part: false,
        run: enospc::run,
    },
    Suite {
        name: "damage",
        about: "Flips bits, cuts, swaps and replaces files, and looks for silence",
        seconds: 50,
        is_part: false,
        run: damage::run,
    },
    Suite {
        name: "fsyncgate",
        about: "Lets every sync fail, cuts the power after it, and looks for what was promised",
        seconds: 20,
        is_part: false,
        run: crash::fsyncgate,
    },
    Suite {
        name: "model",
        about: "Holds random operations against a BTreeMap, with power cuts and reopens",
        seconds: 60,
        is_part: false,
        run: model::model,
    },
    Suite {
        name: "sim",
        about: "Tells whole stories from one seed each: options, schedule, faults, crashes, clocks",
        seconds: 40,
        is_part: false,
        run: sim::run,
    },
    Suite {
        name: "meta",
        about: "Runs the same operations under other options and seeds, and compares the answers",
        seconds: 15,
        is_part: false,
        run: model::meta,
    },
    Suite {
        name: "kill",
        about: "Kills a real process that writes, and looks for everything it was told",
        seconds: 45,
        is_part: false,
        run: kill::run,
    },
    Suite {
        name: "blackbox",
        about: "Watches the system calls of a real process, and crashes it at each of them",
        seconds: 20,
        is_part: false,
        run: blackbox::run,
    },
    Suite {
        name: "race",
        about: "Writes, reads, flushes and compacts with real threads, and checks every moment",
        seconds: 20,
        is_part: false,
        run: race::run,
    },
    Suite {
        name: "panic",
        about: "Lets background threads panic, and waits for everybody to hear of it",
        seconds: 10,
        is_part: false,
        run: panic::run,
    },
    Suite {
        name: "soak",
        about: "Overwrites the same keys on the real disk, and watches space, files and memory",
        seconds: 75,
        is_part: false,
        run: soak::run,
    },
    Suite {
        name: "seeded",
        about: "Switches one bug after the other on, and counts those that the suites catch",
        seconds: 300,
        is_part: false,
        run: seeded::run,
    },
];
