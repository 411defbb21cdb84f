//! [`Handle`]: a table as versions name it, whether it is open or not.
//!
//! A file lives as long as a version names it: versions hold `Arc<Handle>`, and only when an edit
//! without the table is durable *and* the last holder is gone may the file be removed. The handle
//! says so to the context; it removes nothing itself.
//!
//! Threads: all calls from any thread. The table is opened once; those who come meanwhile wait.

use crate::error::Result;
use crate::format::table_facts::TableFacts;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::table::context::TableContext;
use crate::table::reader::Table;

/// A table that a version names.
#[derive(Debug)]
pub(crate) struct Handle {
    context: Arc<TableContext>,
    facts: Arc<TableFacts>,
    table: OnceLock<Arc<Table>>,
    /// Held while opening, so that the file is read once.
    opening: Mutex<()>,
    /// Set once, when a durable edit no longer names the table. `Release` pairs with the `Acquire`
    /// in `drop`; the reference count of the `Arc` orders everything else.
    is_obsolete: AtomicBool,
}

impl Handle {
    pub(crate) fn new(context: &Arc<TableContext>, facts: TableFacts) -> Arc<Handle> {
        Arc::new(Handle {
            context: Arc::clone(context),
            facts: Arc::new(facts),
            table: OnceLock::new(),
            opening: Mutex::new(()),
            is_obsolete: AtomicBool::new(false),
        })
    }

    pub(crate) fn facts(&self) -> &Arc<TableFacts> {
        &self.facts
    }

    /// The open table. An error is not remembered: the next call tries again.
    pub(crate) fn table(&self) -> Result<&Arc<Table>> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let _opening = self.opening.lock();
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let table = Arc::new(Table::open(&self.context, &self.facts)?);
        Ok(self.table.get_or_init(|| table))
    }

    /// Whether the table has to be looked into for a key with this hash: it may have it, or has range
    /// tombstones, or is not open yet.
    pub(crate) fn may_answer(&self, hash: u64) -> bool {
        let table = self.table.get();
        self.facts.range_deletes > 0 || table.is_none_or(|table| table.may_contain(hash))
    }

    /// To be called before [`may_answer`](Handle::may_answer) where several tables are asked: their lines
    /// come from memory together.
    #[inline]
    pub(crate) fn touch_filter(&self, hash: u64) {
        if let Some(table) = self.table.get() {
            table.touch_filter(hash);
        }
    }

    /// No durable version names the table any more: its file may go when its last holder does.
    pub(crate) fn mark_obsolete(&self) {
        if !self.is_obsolete.swap(true, Ordering::AcqRel) {
            self.context.note_obsolete();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            // The file is closed first: some systems remove no open file.
            drop(self.table.take());
            self.context.release(self.facts.id);
        }
    }
}
