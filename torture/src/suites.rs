//! The list of suites: name, what it does, how long a default run takes, and its door.

use crate::bounds::Bounds;
use crate::crash;
use crate::outcome::Outcome;

/// One long test.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// Name of the subcommand, of its line, and of its file of failing seeds.
    pub name: &'static str,
    /// What it does, in one line of `--help`.
    pub about: &'static str,
    /// Seconds of a default run.
    pub seconds: u64,
    /// Runs it within the bounds.
    pub run: fn(&Bounds) -> Outcome,
}

/// All of them.
pub const SUITES: &[Suite] = &[Suite {
    name: "crash",
    about: "Cuts the power at every moment of every short story, and of long ones by chance",
    seconds: 240,
    run: crash::run,
}];
