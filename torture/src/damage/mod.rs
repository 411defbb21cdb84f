//! Damaged files: an open and a read of everything give the right answer or an error, never a panic
//! and never another answer.
//!
//! A small database with every kind of file, once closed, once killed, and once killed with a long log
//! (`subject`), loses single bits (`bits`), the ends of its files, whole files, or gets files of
//! another time or another database (`files`). `court` judges. The one thing that may be missing is
//! the end of the newest segment of a killed database, if the recovery report says so: a power cut
//! could have done that too. A single bit is never such an end. Only where a copy or a cut leaves that
//! segment whole up to the end of an earlier record can nobody tell; those are counted.

mod bits;
mod court;
mod files;
#[cfg(test)]
mod strangers;
mod subject;
mod suite;

pub(crate) use crate::damage::suite::run;
