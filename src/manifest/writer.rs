//! Writes a manifest: a snapshot of the state first, then one synced record for each edit.
//!
//! ```text
//! manifest := record(Opening) record(Edit: the whole state) (record(Edit) | record(Marker))*
//! ```
//!
//! The seqno of an Edit record is its number, from 1. Invariants: (1) an edit is durable when
//! `append` returns; (2) `synced_upto` in a record is what was durable before it; (3) after an
//! error the writer refuses everything: the manifest is abandoned and the next one begins with the
//! state without the edit that failed.
//!
//! The last edit of a file looks like a torn write if it rots, and would be dropped. So nothing
//! that an edit freed may be deleted before a second synced record stands behind it: that is what
//! `settle` is for. (The snapshot needs none: a manifest that CURRENT names has one.) On a full disk,
//! what the edit freed may be all the room there is; so an edit is appended only where there is room
//! for the record behind it too.
//! Threads: one writer, owned by who installs versions.

use crate::error::{Error, ErrorKind, Reason, Result};
use crate::format::checksum::crc32;
use crate::format::filename::FileName;
use crate::format::limits::RECORD_PAYLOAD_BYTES_MAX;
use crate::format::record::{HEADER_BYTES, RecordType};
use crate::fs::{Event, FileKind, FileSystem};
use crate::journal::{Draft, JournalWriter};
use crate::manifest::edit::Edit;
use crate::manifest::opening::Opening;
use crate::manifest::state::State;
use crate::sync::Arc;
use std::collections::BTreeSet;
use std::path::Path;

/// Below this length a manifest is not worth replacing.
const ROTATION_BYTES_MIN: u64 = 4 << 20;

/// Appends edits to one manifest.
pub(crate) struct ManifestWriter {
    fs: Arc<dyn FileSystem>,
    journal: JournalWriter,
    /// Length of the file when it held the snapshot alone.
    snapshot_bytes: u64,

    // What is durable for certain; moves after a successful sync.
    synced_upto: u64,
    synced_records: u64,
    /// Number of the last edit.
    edits: u64,
    /// Whether something synced stands behind the last edit.
    is_settled: bool,

    failure: Option<Error>,
}

impl ManifestWriter {
    /// Creates manifest `id` with `state` in it, durable, name included. Nothing points to it yet.
    /// Requires: `id` is below the state's `next_file`.
    ///
    /// # Errors
    /// Of any kind: the file, if there is one, is garbage, and the next attempt takes a new id.
    pub(crate) fn create(
        fs: &Arc<dyn FileSystem>,
        directory: &Path,
        id: u64,
        state: &State,
    ) -> Result<ManifestWriter> {
        assert!(id < state.next_file(), "the id of the manifest was given out before");
        let path = FileName::Manifest(id).in_directory(directory);
        let file = fs
            .create_new(&path, FileKind::Manifest)
            .map_err(|error| Error::io("create the manifest", &path, error))?;
        let mut writer = ManifestWriter {
            fs: Arc::clone(fs),
            journal: JournalWriter::new(file, path, state.database(), id),
            snapshot_bytes: 0,
            synced_upto: 0,
            synced_records: 0,
            edits: 0,
            is_settled: true,
            failure: None,
        };
        let snapshot = state.to_edit();
        writer.append_opening(&Opening {
            format: state.format(),
            database: state.database(),
            manifest: id,
        })?;
        writer.append_edit(&snapshot)?;
        writer.sync()?;
        fs.sync_dir(directory)
            .map_err(|error| Error::io("sync the directory of the manifest", directory, error))?;
        writer.synced_records = 2;
        writer.is_settled = true;
        writer.snapshot_bytes = writer.journal.end();
        Ok(writer)
    }

    /// Makes an edit durable.
    ///
    /// # Errors
    /// `CommitUncertain` if the sync failed: the edit is durable or is not, and only the next
    /// open can tell. `Io` or `DiskFull` if the append failed: the edit is not to be counted on,
    /// but its bytes may stand in this file as long as CURRENT names it. So no file of a failed
    /// edit, added or removed, may be deleted before CURRENT names a newer manifest. After either,
    /// `Poisoned`. `DiskFull` if there was no room for it: then nothing has changed, and
    /// [`has_failed`](Self::has_failed) says so.
    pub(crate) fn append(&mut self, edit: &Edit) -> Result<()> {
        self.refuse_after_failure()?;
        self.append_edit(edit)?;
        self.sync()?;
        self.synced_records += 1;
        Ok(())
    }

    /// Sees to it that a synced record stands behind the last edit: what the edits freed may be
    /// deleted now. Does nothing if there is one.
    ///
    /// # Errors
    /// Those of [`append`](Self::append); the edits themselves stay durable.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.refuse_after_failure()?;
        if self.is_settled {
            return Ok(());
        }
        let result = self.journal.append_marker(self.synced_upto);
        self.remember(result)?;
        self.sync()?;
        self.synced_records += 1;
        self.is_settled = true;
        Ok(())
    }

    /// Whether a synced record stands behind the last edit.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// How many records of this manifest are durable for certain.
    #[cfg(test)]
    pub(crate) fn synced_records(&self) -> u64 {
        self.synced_records
    }

    /// Whether it takes no more edits.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Number of the file.
    pub(crate) fn id(&self) -> u64 {
        self.journal.file_id()
    }

    /// Length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.journal.end()
    }

    /// How many edits it holds, the snapshot included.
    #[cfg(test)]
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    /// Whether a new manifest would be much shorter than this one. Since the next one is due only
    /// when this one has doubled, all snapshots together cost no more than the edits.
    pub(crate) fn wants_rotation(&self) -> bool {
        self.bytes() > ROTATION_BYTES_MIN && self.bytes() > 2 * self.snapshot_bytes
    }

    fn append_opening(&mut self, opening: &Opening) -> Result<()> {
        let mut record = vec![0; HEADER_BYTES];
        opening.encode(&mut record);
        self.journal.reserve_record(record.len())?;
        self.append_record(RecordType::Opening, &mut record, 0)
    }

    fn append_edit(&mut self, edit: &Edit) -> Result<()> {
        let mut record = vec![0; HEADER_BYTES];
        edit.encode(&mut record);
        if record.len() - HEADER_BYTES > RECORD_PAYLOAD_BYTES_MAX {
            let what = "the edit is larger than a record of the manifest can be";
            return Err(Error::invalid(Reason::Other, what));
        }
        self.journal.reserve_record(record.len())?;
        self.observe(edit);
        self.append_record(RecordType::Edit, &mut record, self.edits + 1)?;
        self.edits += 1;
        self.is_settled = false;
        Ok(())
    }

    fn append_record(
        &mut self,
        record_type: RecordType,
        record: &mut [u8],
        seqno: u64,
    ) -> Result<()> {
        let payload_crc = crc32(&record[HEADER_BYTES..]);
        let synced_upto = self.synced_upto;
        let draft = Draft { record_type, payload_crc, count: 0, seqno, synced_upto };
        let result = self.journal.append(record, &draft);
        self.remember(result)?;
        Ok(())
    }

    /// Makes everything that was appended durable. It is never tried twice.
    fn sync(&mut self) -> Result<()> {
        let result = self.journal.syncer().sync().map_err(|error| {
            let cause = Error::io("sync the manifest", self.journal.path(), error);
            let what = "it is not known whether the edit of the manifest is durable";
            Error::caused_by(ErrorKind::CommitUncertain, what, &cause)
        });
        self.remember(result)?;
        self.synced_upto = self.journal.end();
        Ok(())
    }

    fn remember<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }

    fn refuse_after_failure(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(cause) => {
                let what = "the manifest takes no more edits after a failure";
                Err(Error::caused_by(ErrorKind::Poisoned, what, cause))
            }
        }
    }

    fn observe(&self, edit: &Edit) {
        let mut stays = BTreeSet::new();
        for (_, table) in &edit.added {
            stays.insert(table.id);
            self.fs.observe(Event::TableAdded { table: table.id });
        }
        // A table that moves is removed and added, and lives on.
        for (_, id) in edit.removed.iter().filter(|(_, id)| !stays.contains(id)) {
            self.fs.observe(Event::TableRemoved { table: *id });
        }
        if let Some(segment) = edit.wal_floor {
            self.fs.observe(Event::WalFloor { segment });
        }
    }
}

impl std::fmt::Debug for ManifestWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManifestWriter").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::fs::{Fault, FaultFileSystem, FileSystem, Operation, SimulatedFileSystem, Trigger};
    use crate::manifest::edit::{Edit, KeyspaceFacts};
    use crate::manifest::load::load;
    use crate::manifest::state::State;
    use crate::manifest::writer::{ManifestWriter, ROTATION_BYTES_MIN};
    use crate::sync::Arc;
    use std::path::Path;

    fn begin(disk: &(impl FileSystem + Clone)) -> (ManifestWriter, State) {
        let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
        let mut state = State::new(7);
        state.apply(&Edit { next_file: Some(2), ..Edit::default() }).unwrap();
        (ManifestWriter::create(&fs, Path::new("/"), 1, &state).unwrap(), state)
    }

    fn next_file(id: u64) -> Edit {
        Edit { next_file: Some(id), ..Edit::default() }
    }

    #[test]
    fn an_edit_is_settled_by_the_next_synced_record() {
        let (mut writer, _) = begin(&SimulatedFileSystem::new());
        assert_eq!((writer.synced_records(), writer.edits(), writer.id()), (2, 1, 1));
        assert!(writer.is_settled(), "nobody drops a snapshot");
        writer.append(&next_file(3)).unwrap();
        assert_eq!((writer.synced_records(), writer.is_settled()), (3, false));
        writer.settle().unwrap();
        assert_eq!((writer.synced_records(), writer.is_settled()), (4, true));
        let bytes = writer.bytes();
        writer.settle().unwrap();
        assert_eq!((writer.synced_records(), writer.bytes()), (4, bytes), "nothing to do");
        writer.append(&next_file(4)).unwrap();
        assert_eq!((writer.synced_records(), writer.edits()), (5, 3));
        assert!(!writer.is_settled(), "the newest edit is the last record again");
    }

    #[test]
    fn a_writer_that_failed_refuses_everything() {
        let disk = SimulatedFileSystem::new();
        let faulty = FaultFileSystem::new(disk.clone());
        let (mut writer, state) = begin(&faulty);
        faulty.set(Trigger::on(Operation::Append), Fault::ShortWrite);
        assert_eq!(writer.append(&next_file(3)).unwrap_err().kind(), ErrorKind::DiskFull);
        faulty.clear();
        assert!(writer.has_failed());
        let error = writer.append(&next_file(3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Poisoned);
        assert!(error.to_string().contains("/MANIFEST-000001"), "{error}");
        assert_eq!(writer.settle().unwrap_err().kind(), ErrorKind::Poisoned);
        let loaded = load(&disk, Path::new("/"), 1).unwrap();
        assert_eq!(loaded.state, state);
        assert!(loaded.torn_bytes > 0);
    }

    #[test]
    fn an_edit_is_appended_only_where_there_is_room_to_settle_it() {
        let disk = SimulatedFileSystem::new();
        let (mut writer, mut state) = begin(&disk);
        let used = || {
            disk.set_capacity(Some(1 << 20));
            (1 << 20) - disk.free_space(Path::new("/")).unwrap()
        };
        let full = used();
        disk.set_capacity(Some(full));
        let mut id = 3;
        while writer.append(&next_file(id)).is_ok() {
            state.apply(&next_file(id)).unwrap();
            id += 1;
        }
        assert!(id > 10 && !writer.has_failed(), "{id} edits are a piece of a block");
        writer.settle().unwrap();
        let loaded = load(&disk, Path::new("/"), 1).unwrap();
        assert_eq!((&loaded.state, loaded.torn_bytes), (&state, 0));
        disk.set_capacity(None);
        writer.append(&next_file(id)).unwrap();
    }

    #[test]
    fn a_number_is_used_once() {
        let disk = SimulatedFileSystem::new();
        let (_, state) = begin(&disk);
        let fs: Arc<dyn FileSystem> = Arc::new(disk);
        let again = ManifestWriter::create(&fs, Path::new("/"), 1, &state);
        assert_eq!(again.err().map(|error| error.kind()), Some(ErrorKind::Io));
    }

    #[test]
    fn a_manifest_is_replaced_when_it_is_long_and_mostly_history() {
        let disk = SimulatedFileSystem::new();
        let (mut writer, mut state) = begin(&disk);
        let mut id = 1;
        while writer.bytes() <= ROTATION_BYTES_MIN {
            assert!(!writer.wants_rotation());
            let create = |id| KeyspaceFacts { id, name: format!("{id:0>250}") };
            let edit = Edit {
                keyspaces_created: (id..id + 2000).map(create).collect(),
                next_keyspace: Some(id + 2000),
                ..Edit::default()
            };
            state.apply(&edit).unwrap();
            writer.append(&edit).unwrap();
            id += 2000;
        }
        assert!(writer.wants_rotation());
        let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
        state.apply(&next_file(4)).unwrap();
        let mut next = ManifestWriter::create(&fs, Path::new("/"), 3, &state).unwrap();
        assert!(next.bytes() > ROTATION_BYTES_MIN, "all of it is live");
        assert!(!next.wants_rotation(), "another one would be as long");
        assert_eq!(load(&disk, Path::new("/"), 3).unwrap().state, state);

        // It is due when it has grown by as much as it was.
        let snapshot_bytes = next.bytes();
        let touch = Edit { keyspaces_dropped: vec![1; 300_000], ..Edit::default() };
        while next.bytes() <= 2 * snapshot_bytes {
            assert!(!next.wants_rotation(), "{} of {snapshot_bytes}", next.bytes());
            next.append(&touch).unwrap();
        }
        assert!(next.wants_rotation());
        assert!(format!("{next:?}").contains("id: 3"));
    }
}
