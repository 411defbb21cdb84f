//! Verifying a database at work: what is looked at, and why nothing of it vanishes meanwhile.
//!
//! Tables stay, because the view that names them is held; segments of the log and manifests, because
//! the trash is held while they are read. Only a close ends both: then nothing is said of damage.

use crate::db::db::Db;
use crate::db::engine::{Engine, Writer};
use crate::error::Result;
use crate::inspect::{Live, VerifyReport, verify_files, verify_journals, verify_tables};
use crate::state::view::View;
use crate::sync::Arc;
use crate::wal::KnownEnd;

impl Db {
    /// Reads every byte that makes up the database and checks it: of every table the checksums, the
    /// order of keys, bounds, counts and the filter; the manifest; the log up to its last commit. It
    /// does not stop at the first damage. Reads and writes go on meanwhile.
    ///
    /// [`Verify`](crate::Verify) does the same for a database that is not open, or cannot be opened.
    ///
    /// ```
    /// use siltstone::{Options, fs::SimulatedFileSystem};
    ///
    /// let db = Options::new().file_system(SimulatedFileSystem::new()).open("data")?;
    /// db.put("btc", "4411.99")?;
    /// let report = db.verify()?;
    /// assert!(report.is_clean());
    /// for damage in &report.damages {
    ///     println!("{damage}");
    /// }
    /// # Ok::<(), siltstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`. Damage is no error: it is in the report.
    pub fn verify(&self) -> Result<VerifyReport> {
        let engine = self.engine();
        engine.store.health.check_read()?;
        let Some(writer) = &engine.writer else {
            return verify_files(&engine.store.fs, &engine.store.directory);
        };
        let view = engine.store.view.load();
        let hold = engine.store.trash.hold();
        let live = live(engine, writer, &view)?;
        let mut report = verify_journals(&live);
        drop(hold);
        engine.store.signals.ring();
        if let Err(what) = view.version.check() {
            report.damage(&engine.store.directory, 0, what);
        }
        verify_tables(&live, &mut report);
        // Whoever opened the directory since may have removed what is missing.
        engine.store.health.check_read()?;
        Ok(report)
    }
}

/// The database at this moment.
fn live<'a>(engine: &'a Engine, writer: &Writer, view: &View) -> Result<Live<'a>> {
    let store = &engine.store;
    let tables = view.version.tables().map(|handle| Arc::clone(handle.facts())).collect();
    loop {
        let close = writer.committer.log_end();
        let end = KnownEnd { segment: close.segment, length: close.length, chain: close.chain };
        let (state, manifest) = store.ledger.picture();
        let manifest = manifest.unwrap_or((0, u64::MAX));
        if end.segment >= state.wal_floor() {
            let (fs, directory) = (Arc::clone(&store.fs), store.directory.as_path());
            return Ok(Live { fs, directory, state, tables, manifest, end });
        }
        // The segment became a table between the two looks.
        store.health.check_read()?;
    }
}
