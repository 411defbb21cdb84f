//! The cursor over a range: borrowed entries, no copy and no allocation for any of them.

use crate::db::bounds::HalfOpen;
use crate::db::engine::Engine;
use crate::db::keyspace::{Keyspace, Moment};
use crate::error::{Error, Result};
use crate::format::key::{KEYSPACE_ID_BYTES, user_key};
use crate::read::sources::{self, ViewScan};
use crate::sync::Arc;

/// A position between two entries of a range, at one moment.
///
/// `next` crosses the entry behind the position, `prev` the one before it, and both return what they
/// crossed: so `next` and then `prev` give the same entry. At an end the move towards it gives `None`
/// as often as it is asked. An error is repeated until the next [`seek`](Cursor::seek).
///
/// ```
/// use siltstone::{Options, fs::SimulatedFileSystem};
///
/// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
/// db.put("a", "1")?;
/// db.put("b", "2")?;
/// let mut cursor = db.cursor("a"..);
/// while let Some((key, value)) = cursor.next()? {
///     println!("{key:?} = {value:?}");
/// }
/// assert_eq!(cursor.prev()?, Some((&b"b"[..], &b"2"[..])));
/// # Ok::<(), siltstone::Error>(())
/// ```
pub struct Cursor {
    /// None if the range is empty.
    scan: Option<ViewScan>,
    keyspace: u32,
    /// The cursor could not be opened at all.
    failure: Option<Error>,
    // Behind `scan`, which holds parts of it.
    engine: Arc<Engine>,
}

impl Cursor {
    pub(crate) fn new(keyspace: &Keyspace, moment: Result<Moment>, range: &HalfOpen) -> Cursor {
        let (engine, id) = (Arc::clone(keyspace.engine()), keyspace.cell().id);
        let (scan, failure) = match moment {
            Err(error) => (None, Some(error)),
            Ok(_) if range.is_empty() => (None, None),
            Ok(Moment { view, seqno }) => {
                let (start, end) = range.in_keyspace(id);
                (Some(sources::scan(&view, start, end, seqno)), None)
            }
        };
        Cursor { scan, keyspace: id, failure, engine }
    }

    /// Crosses the entry behind the position and returns it; `None` at the end of the range.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Closed`.
    #[expect(clippy::should_implement_trait, reason = "it lends, which an Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        self.step(true)
    }

    /// Crosses the entry before the position and returns it; `None` at the start of the range.
    ///
    /// # Errors
    /// As [`next`](Cursor::next).
    pub fn prev(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        self.step(false)
    }

    /// Moves to just before `key`, whether it exists or not; never out of the range.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.pay();
        if let Some(scan) = &mut self.scan {
            scan.seek(&user_key(self.keyspace, key.as_ref()));
        }
    }

    /// Moves to the start of the range.
    pub fn seek_to_start(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.seek_front();
        }
    }

    /// Moves to the end of the range: [`prev`](Cursor::prev) then gives the last entry.
    pub fn seek_to_end(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.seek_back();
        }
    }

    /// Tells what was lost to runs that could be merged.
    fn pay(&mut self) {
        if let Some(scan) = &mut self.scan {
            self.engine.store.pay_toll(scan.take_lost());
        }
    }

    #[inline]
    fn step(&mut self, forward: bool) -> Result<Option<(&[u8], &[u8])>> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        self.engine.store.health.check_read()?;
        let Some(scan) = &mut self.scan else { return Ok(None) };
        let found = if forward { scan.next()? } else { scan.prev()? };
        // Written as an `if`: the closure of a `then` hands the entry over through memory.
        Ok(if found { Some((&scan.key()[KEYSPACE_ID_BYTES..], scan.value())) } else { None })
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.pay();
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("failure", &self.failure).finish_non_exhaustive()
    }
}
