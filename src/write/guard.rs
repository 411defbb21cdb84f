//! What happens when a thread panics in the middle of a commit.

use crate::error::{Error, ErrorKind};
use crate::state::store::Store;
use crate::sync::thread;

/// A commit that ends in a panic leaves a gap that nothing can be published behind: the database is
/// poisoned, so that everyone who waits gets an error.
pub(crate) struct PoisonOnPanic<'a>(pub(crate) &'a Store);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let what = "a thread panicked while it was committing";
            self.0.poison(&Error::plain(ErrorKind::Poisoned, what));
        }
    }
}
