//! The spare: a log segment that was created, reserved and synced before anyone needs it.
//!
//! Making one takes milliseconds (create, reserve, sync, sync the directory, note it in the
//! manifest), so a helper does it beside the commits. A commit that fills its segment takes the
//! spare; only if there is none must it wait.

use crate::error::Error;
use crate::sync::Mutex;
use crate::wal::Prepared;

/// At most one prepared segment, and whether one is wanted.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    prepared: Option<Prepared>,
    wanted: bool,
    /// Why the last attempt failed; cleared by the next success.
    failed: Option<Error>,
}

impl Spare {
    /// Takes the prepared segment, and asks for another one.
    pub(crate) fn take(&self) -> Option<Prepared> {
        let mut shelf = self.shelf.lock();
        let taken = shelf.prepared.take();
        shelf.wanted |= taken.is_none();
        taken
    }

    /// Asks for a segment to be prepared, if there is none. Returns whether this is news.
    pub(crate) fn want(&self) -> bool {
        let mut shelf = self.shelf.lock();
        let is_news = shelf.prepared.is_none() && !shelf.wanted;
        shelf.wanted |= is_news;
        is_news
    }

    /// Whether the helper has something to do.
    pub(crate) fn is_wanted(&self) -> bool {
        let shelf = self.shelf.lock();
        shelf.wanted && shelf.prepared.is_none()
    }

    /// Whether it is worth looking again: a segment is ready, or was and somebody else took it.
    /// Otherwise why there is none, if that is known.
    pub(crate) fn look(&self) -> Option<Result<(), Error>> {
        let shelf = self.shelf.lock();
        match (&shelf.prepared, &shelf.failed) {
            (Some(_), _) => Some(Ok(())),
            (None, Some(error)) => Some(Err(error.clone())),
            (None, None) => (!shelf.wanted).then_some(Ok(())),
        }
    }

    /// Puts a segment on the shelf, or says why there is none.
    pub(crate) fn put(&self, outcome: Result<Prepared, Error>) {
        let mut shelf = self.shelf.lock();
        match outcome {
            Ok(prepared) => {
                *shelf = Shelf { prepared: Some(prepared), wanted: false, failed: None }
            }
            Err(error) => shelf.failed = Some(error),
        }
    }

    /// Forgets why the last attempt failed: someone is going to try again and waits for the result.
    pub(crate) fn retry(&self) {
        let mut shelf = self.shelf.lock();
        shelf.failed = None;
        shelf.wanted |= shelf.prepared.is_none();
    }
}

#[cfg(test)]
mod tests {
    use crate::fs::{FileSystem, SimulatedFileSystem};
    use crate::wal::{Room, prepare};
    use crate::write::spare::Spare;
    use std::path::Path;

    #[test]
    fn who_waits_for_a_segment_that_another_one_took_looks_again() {
        let fs = SimulatedFileSystem::new();
        fs.create_dir_all(Path::new("/data")).unwrap();
        let spare = Spare::default();
        assert!(spare.take().is_none());
        assert!(spare.look().is_none(), "it is on its way");
        spare.put(prepare(&fs, Path::new("/data"), 7, Room::once(0)));
        assert!(matches!(spare.look(), Some(Ok(()))));
        assert!(spare.take().is_some());
        assert!(matches!(spare.look(), Some(Ok(()))), "nobody brings another one");
    }
}
