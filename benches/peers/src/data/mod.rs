//! What is written and read: keys, values, orders and choices, each a function of a seed.

pub(crate) mod choice;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod values;
pub(crate) mod workload;
