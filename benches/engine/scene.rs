//! Databases of a known shape: what is in them, and how it lies on the disk.
//!
//! Keys have 16 bytes and values 100, half of them compressible. The order of random keys is a
//! permutation that is the same in every run.

use siltstone::{Background, Db, Durability, Options};
use std::ops::Range;
use tempfile::TempDir;

/// Entries in a database that is read.
pub(crate) const ENTRIES: u64 = 500_000;

/// How the entries lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// One sorted run: everything was compacted.
    OneRun,
    /// Many runs on several levels: written in random order, and not compacted any further.
    ManyRuns,
    /// One run under range tombstones: of each thousand keys, the last nine hundred were deleted.
    Tombstones,
}

/// A database that is removed when this is dropped.
pub(crate) struct Scene {
    pub(crate) db: Db,
    /// How many entries a whole scan gives.
    pub(crate) live: u64,
    // Dropped after the database.
    directory: TempDir,
}

impl Scene {
    /// An empty database.
    pub(crate) fn empty(durability: Durability) -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = Options::new().durability(durability);
        let db = options.open(directory.path().join("data")).expect("an empty directory opens");
        Scene { db, live: 0, directory }
    }

    /// A database with all entries in the given shape, and all of them in the cache.
    pub(crate) fn of(shape: Shape) -> Scene {
        let mut scene = Scene::empty(Durability::Buffered);
        let db = &scene.db;
        for index in 0..ENTRIES {
            let number = shuffled(index);
            db.put(key(number), value(number)).expect("a put");
            let is_run_full = index % (ENTRIES / 16) == 0;
            if is_run_full && matches!(shape, Shape::ManyRuns) {
                db.flush().expect("a flush");
            }
        }
        if !matches!(shape, Shape::ManyRuns) {
            db.compact(..).expect("a compaction");
        }
        if matches!(shape, Shape::Tombstones) {
            for thousand in 0..ENTRIES / 1_000 {
                let range = key(thousand * 1_000 + 100)..key(thousand * 1_000 + 1_000);
                db.delete_range(range).expect("a range delete");
            }
            db.flush().expect("a flush");
        }
        db.wait_idle().expect("it comes to rest");
        scene.keep_shape();
        // It also warms the cache.
        scene.live = scene.db.iter().map(|entry| u64::from(entry.is_ok())).sum();
        scene
    }

    /// Opens it again without threads: from now on nobody merges what readers suffer from.
    fn keep_shape(&mut self) {
        let options = Options::new().background(Background::Stepped { seed: 1 });
        self.db.close().expect("a close");
        let path = self.directory.path().join("data");
        self.db = options.open(path).expect("what was closed opens");
    }
}

/// The key of a number, in the order of numbers.
pub(crate) fn key(number: u64) -> [u8; 16] {
    let mut key = *b"k000000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev().take(15) {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    key
}

/// A value: fifty bytes that look random, and fifty that are all alike.
pub(crate) fn value(number: u64) -> [u8; 100] {
    let mut value = [b'v'; 100];
    let mut state = number;
    for chunk in value[..50].chunks_mut(8) {
        state = mix(state);
        let bytes = state.to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    value
}

/// A number below [`ENTRIES`]; each exactly once for `index` in `0..ENTRIES`.
pub(crate) fn shuffled(index: u64) -> u64 {
    // 314,159 and the number of entries have no common divisor.
    const { assert!(!ENTRIES.is_multiple_of(314_159)) };
    (index * 314_159 + 271_828) % ENTRIES
}

/// Scrambles a number: the finalizer of splitmix64.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Random numbers in a range, the same ones in every run.
pub(crate) fn random(range: Range<u64>) -> impl Iterator<Item = u64> {
    let len = range.end - range.start;
    (0..).map(move |index: u64| range.start + mix(index) % len)
}
