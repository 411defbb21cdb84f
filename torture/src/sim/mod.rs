//! The suite `sim`: one seed is a whole story of several lives.
//!
//! A seed decides the options of each life, the operations, whose background step is next, which calls
//! to the file system fail and how, how much room the disk has, where the clocks stand, when the power
//! goes (between two operations, in the middle of one, in the middle of an open), and what that leaves.
//! The model is a map after each commit (`model`), and the rule for what a crash may bring back is that
//! of the oracle: a state not older than the last that is durable, not newer than the last that was
//! begun. `world` carries a story out, `crashes` ends its lives and begins new ones, `story` tells what
//! a seed means, and `suite` counts. The same seed must give the same trace to the last bit.

mod crashes;
mod model;
mod story;
mod suite;
mod world;

pub(crate) use crate::sim::suite::run;
