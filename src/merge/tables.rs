//! Tables of a database as the tables of a run.

use crate::error::Result;
use crate::format::range_tombstone::Fragments;
use crate::format::table_facts::TableFacts;
use crate::merge::cursor::RunTable;
use crate::sync::Arc;
use crate::table::{Handle, TableCursor};

impl RunTable for Handle {
    type Cursor = TableCursor;

    fn facts(&self) -> &TableFacts {
        Handle::facts(self)
    }

    fn open_cursor(&self) -> Result<TableCursor> {
        Ok(self.table()?.cursor())
    }

    fn open_range_tombstones(&self) -> Result<Arc<Fragments>> {
        Ok(Arc::clone(self.table()?.range_tombstones()))
    }
}
