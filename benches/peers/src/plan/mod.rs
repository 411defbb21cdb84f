//! Which steps there are, and running them.

pub(crate) mod chains;
pub(crate) mod child;
pub(crate) mod machine;
pub(crate) mod results;
pub(crate) mod run;
