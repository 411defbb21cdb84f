//! Shows a results file: medians over the rounds, as Markdown and as charts.

pub(crate) mod chart;
pub(crate) mod document;
pub(crate) mod medians;
pub(crate) mod sections;
pub(crate) mod table;
