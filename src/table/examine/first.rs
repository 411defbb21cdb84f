//! An open table, examined up to its first flaw: what tests and fuzz targets ask.

use crate::error::{Error, Result};
use crate::sync::Arc;
use crate::table::examine::flaw::{Flaw, Witness};
use crate::table::examine::walk::{Subject, examine};
use crate::table::reader::Table;

/// Keeps the first flaw.
#[derive(Default)]
struct First(Option<Flaw>);

impl Witness for First {
    fn flaw(&mut self, flaw: Flaw) {
        self.0.get_or_insert(flaw);
    }
}

impl Table {
    /// Reads the whole file and checks every promise; see the room.
    ///
    /// # Errors
    /// `Corruption` that names the first broken promise.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut first = First::default();
        let subject = Subject {
            file: Arc::clone(&self.file.file),
            path: &self.file.path,
            id: self.file.id,
            database: Some(self.file.database),
            facts: None,
        };
        examine(&subject, &mut first);
        let corruption = |flaw: Flaw| Error::corruption(&self.file.path, flaw.offset, flaw.what);
        first.0.map_or(Ok(()), |flaw| Err(corruption(flaw)))
    }
}
