//! Looks at the files of a database without opening it: verify, and (from what is left) repair.
//!
//! Nothing here needs a whole database. Each file is asked what it can say by itself; what they say of
//! each other is compared where both can be read. `reader` is the one way to the files: it writes no
//! byte, keeps a rate and counts.

mod directory;
mod keys;
mod log;
mod manifests;
mod reader;
mod report;
mod tables;
mod verify;

pub use crate::inspect::keys::{KeyPlace, KeySpan};
pub(crate) use crate::inspect::log::{LogKnown, readable_batches};
pub use crate::inspect::reader::Progress;
pub(crate) use crate::inspect::reader::{Listener, Reader};
pub use crate::inspect::report::{Damage, LooseEnd, VerifyReport};
pub use crate::inspect::verify::Verify;
pub(crate) use crate::inspect::verify::{
    Live, Survey, known_log, lock_to_read, verify_and_survey, verify_files, verify_journals,
    verify_tables,
};
