//! What a watching file system has seen: files, how much of each is durable, locks, promises.
//!
//! The book only keeps facts; `rules` draws the conclusions.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fs::name::Name;
use crate::fs::{Event, FileKind, LockKind};

/// A file's number in the book; a name that is used again gets another one.
pub(crate) type FileId = usize;

/// One file. One that was there before the watch began counts as synced.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: Name,
    pub(crate) kind: FileKind,
    /// The number in its name.
    pub(crate) number: Option<u64>,
    /// Whether it was created while the book was kept.
    pub(crate) created: bool,
    /// Whether its present name is durable.
    pub(crate) named: bool,
    pub(crate) len: u64,
    pub(crate) synced: u64,
    pub(crate) sync_failed: bool,
    pub(crate) readers: usize,
    /// First bytes of a file of kind `Current`: they begin with the name of a manifest.
    pub(crate) head: Vec<u8>,
    pub(crate) manifest: ManifestFacts,
}

impl File {
    pub(crate) fn is_durable(&self) -> bool {
        self.named && self.synced == self.len && !self.sync_failed
    }
}

/// What a manifest says, and how much of that is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManifestFacts {
    /// Records appended.
    pub(crate) records: u64,
    /// Records that a sync covered.
    pub(crate) synced: u64,
    /// Records that it had when `CURRENT` came to name it.
    pub(crate) snapshot: u64,
    /// What its records say, and which record it was, counted from 0.
    pub(crate) facts: Vec<(u64, Fact)>,
}

impl ManifestFacts {
    /// Whether no crash and no torn tail can take this record back: it is part of what `CURRENT`
    /// was pointed to, or another synced record follows it.
    pub(crate) fn is_settled(&self, record: u64) -> bool {
        record < self.snapshot || record + 2 <= self.synced
    }
}

/// What one record of a manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Added(u64),
    Removed(u64),
    Floor(u64),
}

/// A record of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged {
    pub(crate) segment: u64,
    pub(crate) seqno: u64,
    pub(crate) end: u64,
}

/// How the lock of one directory is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    pub(crate) exclusive: usize,
    pub(crate) shared: usize,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) files: Vec<File>,
    pub(crate) names: BTreeMap<Name, FileId>,
    pub(crate) locks: BTreeMap<Name, Locks>,
    /// Log records that are not known to be synced.
    pub(crate) logged: Vec<Logged>,
    pub(crate) last_logged: u64,
    /// The manifest that `CURRENT` durably names.
    pub(crate) current: Option<FileId>,
    // What the next manifest record will say.
    upcoming: Vec<Fact>,
    pub(crate) violations: Vec<String>,
}

impl Book {
    pub(crate) fn created(&mut self, path: &Path, kind: FileKind) -> FileId {
        self.enter(path, kind, true)
    }

    /// The file of this name; one not seen before was there before.
    pub(crate) fn known(&mut self, path: &Path, kind: FileKind) -> FileId {
        match self.names.get(path.as_os_str()) {
            Some(id) => *id,
            None => self.enter(path, kind, false),
        }
    }

    fn enter(&mut self, path: &Path, kind: FileKind, created: bool) -> FileId {
        let id = self.files.len();
        let path = Name::from(path);
        self.names.insert(path.clone(), id);
        self.files.push(File {
            number: number_in(&path),
            path,
            kind,
            created,
            named: !created,
            len: 0,
            synced: 0,
            sync_failed: false,
            readers: 0,
            head: Vec::new(),
            manifest: ManifestFacts::default(),
        });
        id
    }

    pub(crate) fn appended(&mut self, id: FileId, bytes: &[u8]) {
        let facts = match self.files[id].kind {
            FileKind::Manifest => std::mem::take(&mut self.upcoming),
            _ => Vec::new(),
        };
        let file = &mut self.files[id];
        file.len += bytes.len() as u64;
        match file.kind {
            FileKind::Manifest => {
                let record = file.manifest.records;
                file.manifest.records += 1;
                let facts = facts.into_iter().map(|fact| (record, fact));
                file.manifest.facts.extend(facts);
            }
            FileKind::Current => file.head.extend_from_slice(bytes),
            _ => {}
        }
    }

    /// An append failed: what was to be said with it was not said.
    pub(crate) fn append_failed(&mut self, id: FileId) {
        if self.files[id].kind == FileKind::Manifest {
            self.upcoming.clear();
        }
    }

    /// A sync that began when the file was `len` bytes and `records` records long succeeded.
    pub(crate) fn synced(&mut self, id: FileId, len: u64, records: u64) {
        let file = &mut self.files[id];
        file.synced = file.synced.max(len);
        file.manifest.synced = file.manifest.synced.max(records);
        self.forget_synced_records();
    }

    fn forget_synced_records(&mut self) {
        let durable: BTreeMap<u64, u64> = self
            .files_of(FileKind::Wal)
            .filter(|(_, file)| file.named)
            .filter_map(|(_, file)| Some((file.number?, file.synced)))
            .collect();
        // What lies below a durable floor is durable in tables.
        let floor = self.current.map_or(0, |id| {
            let manifest = &self.files[id].manifest;
            let durable = |(record, fact): &(u64, Fact)| match fact {
                Fact::Floor(floor) if *record < manifest.synced => Some(*floor),
                _ => None,
            };
            manifest.facts.iter().filter_map(durable).max().unwrap_or(0)
        });
        self.logged.retain(|it| {
            let end = durable.get(&it.segment).copied().unwrap_or(0);
            it.segment >= floor && end < it.end
        });
    }

    /// The files whose names a sync of this directory makes durable, if it succeeds.
    pub(crate) fn names_in(&self, directory: &Path) -> Vec<(Name, FileId)> {
        let inside = self.names.iter().filter(|(name, _)| name.is_in(directory));
        inside.map(|(name, id)| (name.clone(), *id)).collect()
    }

    pub(crate) fn directory_synced(&mut self, names: &[(Name, FileId)]) {
        for (name, id) in names {
            if self.names.get(name) != Some(id) || self.files[*id].named {
                continue;
            }
            self.files[*id].named = true;
            if self.files[*id].kind == FileKind::Current
                && let Some(manifest) = self.manifest_named_by(*id)
            {
                let facts = &mut self.files[manifest].manifest;
                facts.snapshot = facts.synced;
                self.current = Some(manifest);
            }
        }
        self.forget_synced_records();
    }

    /// The manifest that the bytes of a `CURRENT` name.
    pub(crate) fn manifest_named_by(&self, current: FileId) -> Option<FileId> {
        let mut words = self.files[current].head.split(u8::is_ascii_whitespace);
        let name = words.next()?;
        let named = |path: &Path| path.file_name().is_some_and(|it| it.as_encoded_bytes() == name);
        let mut manifests = self.files_of(FileKind::Manifest);
        manifests.find(|(_, file)| named(&file.path)).map(|(id, _)| id)
    }

    pub(crate) fn renamed(&mut self, from: &Path, to: &Path) {
        if let Some(id) = self.names.remove(from.as_os_str()) {
            let to = Name::from(to);
            self.names.insert(to.clone(), id);
            let file = &mut self.files[id];
            file.path = to;
            file.named = false;
        }
    }

    pub(crate) fn removed(&mut self, path: &Path) {
        let Some(id) = self.names.remove(path.as_os_str()) else {
            return;
        };
        let file = &self.files[id];
        if file.kind == FileKind::Wal {
            let number = file.number;
            self.logged.retain(|it| Some(it.segment) != number);
        }
    }

    pub(crate) fn locked(&mut self, path: &Path, how: LockKind) {
        let locks = self.locks.entry(directory_of(path)).or_default();
        match how {
            LockKind::Exclusive => {
                locks.exclusive += 1;
                // Whoever held it before may have died in the middle of something.
                self.upcoming.clear();
                self.logged.clear();
            }
            LockKind::Shared => locks.shared += 1,
        }
    }

    pub(crate) fn unlocked(&mut self, path: &Path, how: LockKind) {
        let locks = self.locks.entry(directory_of(path)).or_default();
        match how {
            LockKind::Exclusive => locks.exclusive -= 1,
            LockKind::Shared => locks.shared -= 1,
        }
    }

    /// How the nearest lock above this path is held.
    pub(crate) fn locks_over(&self, path: &Path) -> Locks {
        let held = |directory: &Path| {
            let locks = self.locks.get(directory.as_os_str())?;
            (locks.exclusive + locks.shared > 0).then(|| locks.clone())
        };
        path.ancestors().find_map(held).unwrap_or_default()
    }

    pub(crate) fn observed(&mut self, event: &Event) {
        match *event {
            Event::TableAdded { table } => self.upcoming.push(Fact::Added(table)),
            Event::TableRemoved { table } => self.upcoming.push(Fact::Removed(table)),
            Event::WalFloor { segment } => self.upcoming.push(Fact::Floor(segment)),
            Event::Logged { segment, seqno, end } => {
                self.last_logged = self.last_logged.max(seqno);
                self.logged.push(Logged { segment, seqno, end });
                self.forget_synced_records();
            }
            Event::Acknowledged { .. } => {}
        }
    }

    /// The files of one kind that have a name.
    pub(crate) fn files_of(&self, kind: FileKind) -> impl Iterator<Item = (FileId, &File)> {
        let all = self.names.values().map(|id| (*id, &self.files[*id]));
        all.filter(move |(_, file)| file.kind == kind)
    }

    /// The file of this kind and number.
    pub(crate) fn numbered(&self, kind: FileKind, number: u64) -> Option<&File> {
        self.files_of(kind).map(|(_, file)| file).find(|file| file.number == Some(number))
    }

    /// What the durable manifest says, with whether that is settled.
    pub(crate) fn current_facts(&self) -> impl Iterator<Item = (Fact, bool)> {
        let manifest = self.current.map(|id| &self.files[id].manifest);
        manifest.into_iter().flat_map(|manifest| {
            let facts = manifest.facts.iter();
            facts.map(|(record, fact)| (*fact, manifest.is_settled(*record)))
        })
    }
}

fn directory_of(path: &Path) -> Name {
    path.parent().unwrap_or(path).into()
}

/// The number in a name of the engine, which has at most one run of digits.
pub(crate) fn number_in(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let mut runs = name.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty());
    let number = runs.next()?;
    match runs.next() {
        None => number.parse().ok(),
        Some(_) => None,
    }
}
