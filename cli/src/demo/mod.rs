//! `silt demo`: shows a newcomer in a few seconds what this store does, and proves it.
//!
//! The chapters are told in order: load, look (newest prices, one hour), kill, space. Everything
//! that is said is measured or checked while it is said; a promise that does not hold ends the
//! demo with an error.

mod chart;
mod home;
mod interrupt;
mod kill;
mod load;
mod look;
mod space;
mod story;
mod tour;
mod trades;
mod writer;

pub(crate) use crate::demo::tour::run;
pub(crate) use crate::demo::writer::writer;
