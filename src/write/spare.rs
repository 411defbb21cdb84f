//! The spare: a log segment that was created, reserved and synced before anyone needs it.
//!
//! Making one takes milliseconds (create, reserve, sync, sync the directory, note it in the
//! manifest), so a helper does it beside the commits. A commit that fills its segment takes the
//! spare; only if there is none must it wait.

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
    pub(crate) fn is_worth_a_look(&self) -> bool {
        let shelf = self.shelf.lock();
        shelf.prepared.is_some() || !shelf.wanted
    }

    /// Puts a segment on the shelf.
    pub(crate) fn put(&self, prepared: Prepared) {
        *self.shelf.lock() = Shelf { prepared: Some(prepared), wanted: false };
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
        assert!(!spare.is_worth_a_look(), "it is on its way");
        spare.put(prepare(&fs, Path::new("/data"), 7, Room::once(0)).unwrap());
        assert!(spare.is_worth_a_look());
        assert!(spare.take().is_some());
        assert!(spare.is_worth_a_look(), "nobody brings another one");
    }
}
