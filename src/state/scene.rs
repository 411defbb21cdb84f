//! What tests of views need: a tree without tables, and views of one memtable.

use crate::cache::{Budget, Cache};
use crate::format::key::{Kind, Seqno};
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::manifest::State;
use crate::memtable::Memtable;
use crate::state::view::Parts;
use crate::sync::Arc;
use crate::table::TableContext;
use crate::version::Version;
use std::path::PathBuf;

/// A user key.
pub(crate) const KEY: &[u8] = b"\0\0\0\0key";

/// A version without tables.
pub(crate) fn no_tables() -> Arc<Version> {
    let fs: Arc<dyn FileSystem> = Arc::new(SimulatedFileSystem::new());
    let cache = Cache::new(Budget::new(1 << 20));
    let context = TableContext::new(fs, PathBuf::from("/data"), 1, cache);
    Arc::new(Version::from_state(&context, &State::new(1)))
}

/// A memtable that has one version of [`KEY`].
pub(crate) fn holding(seqno: Seqno) -> Arc<Memtable> {
    let memtable = Arc::new(Memtable::new(1));
    memtable.insert(KEY, seqno, Kind::Put, b"");
    memtable
}

/// What a view of one memtable is made of.
pub(crate) fn alone(active: Arc<Memtable>, version: &Arc<Version>) -> Parts {
    Parts { active, sealed: Vec::new(), version: Arc::clone(version) }
}
