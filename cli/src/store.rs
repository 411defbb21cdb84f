//! The database that a command works on: where it is, how it is opened, which keyspace is meant.
//!
//! Only commands that write new data create a database. The others refuse a directory that is not
//! there or empty, so that a typing error in `--db` does not look like a database without data.

use crate::bounds::{Bounds, is_empty};
use crate::exit::Failure;
use crate::units::counted;
use serde_json::json;
use siltstone::{Batch, Db, Durability, Keyspace, Options, Slice};
use std::io::{self, Write as _};
use std::iter;
use std::path::PathBuf;

/// Entries in order of their keys, from both ends.
pub(crate) type Entries =
    Box<dyn DoubleEndedIterator<Item = Result<(Slice, Slice), siltstone::Error>>>;

/// What `--db` and `--keyspace` say.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) keyspace: Option<String>,
    /// Whether programs read what stands on stderr.
    pub(crate) json: bool,
}

/// An open database, and the keyspace in it that is meant.
pub(crate) struct Store {
    db: Db,
    keyspace: Option<Keyspace>,
}

impl Place {
    /// Opens to read. Writes no byte.
    pub(crate) fn open_read_only(&self) -> Result<Store, Failure> {
        self.must_exist()?;
        self.existing_keyspace(self.told(Options::new().open_read_only(&self.directory)?))
    }

    /// Opens to change what is there. Creates nothing.
    pub(crate) fn open_existing(&self) -> Result<Store, Failure> {
        self.must_exist()?;
        self.existing_keyspace(self.told(Options::new().open(&self.directory)?))
    }

    /// Opens to write; creates the database and the keyspace where they are missing.
    pub(crate) fn open_or_create(&self) -> Result<Store, Failure> {
        let db = self.told(Options::new().open(&self.directory)?);
        let keyspace = self.keyspace.as_ref().map(|name| db.keyspace(name)).transpose()?;
        Ok(Store { db, keyspace })
    }

    /// Says on stderr what the open had to drop from the log: writes that were never acknowledged as
    /// durable. That is no failure, but an operator wants to know.
    fn told(&self, db: Db) -> Db {
        for tail in &db.recovery_report().torn_tails {
            let (file, dropped) = (tail.file.display(), counted(tail.bytes, "byte", "bytes"));
            let kept = tail.kept_in.as_ref().map(|path| format!("; kept in {}", path.display()));
            let note = format!(
                "dropped {dropped} at the end of the log, {file}, offset {}: {}{}",
                tail.offset,
                tail.reason,
                kept.unwrap_or_default()
            );
            let line = if self.json {
                json!({ "note": note }).to_string()
            } else {
                format!("silt: {note}")
            };
            // A note that nobody can read stops nothing.
            writeln!(io::stderr(), "{line}").unwrap_or_default();
        }
        db
    }

    /// Refuses a directory that is not there or empty.
    pub(crate) fn must_exist(&self) -> Result<(), Failure> {
        let empty = match self.directory.read_dir() {
            Ok(mut files) => files.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            // Opening says in better words that this is a file.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
            Err(error) => return Err(Failure::io("read", &self.directory, &error)),
        };
        if empty {
            return Err(Failure::usage(format!(
                "there is no database in {}: `silt put` and `silt import` create one, \
                 --db DIR or SILT_DB names another",
                self.directory.display()
            )));
        }
        Ok(())
    }

    fn existing_keyspace(&self, db: Db) -> Result<Store, Failure> {
        let Some(name) = &self.keyspace else { return Ok(Store { db, keyspace: None }) };
        let names = db.keyspaces()?;
        if !names.contains(name) {
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let what = format!("there is no keyspace `{name}`; there are: {there}");
            return Err(Failure::usage(what));
        }
        let keyspace = Some(db.keyspace(name)?);
        Ok(Store { db, keyspace })
    }
}

impl Store {
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>, Failure> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.get(key)?,
            None => self.db.get(key)?,
        })
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool, Failure> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.contains(key)?,
            None => self.db.contains(key)?,
        })
    }

    /// The entries inside `bounds`, as they are at this moment.
    pub(crate) fn entries(&self, bounds: Bounds) -> Entries {
        if is_empty(&bounds) {
            return Box::new(iter::empty());
        }
        match &self.keyspace {
            Some(keyspace) => Box::new(keyspace.range(bounds)),
            None => Box::new(self.db.range(bounds)),
        }
    }

    /// Adds a put to a batch for this store.
    pub(crate) fn put_in(&self, batch: &mut Batch, key: &[u8], value: &[u8]) {
        match &self.keyspace {
            Some(keyspace) => batch.put_in(keyspace, key, value),
            None => batch.put(key, value),
        };
    }

    /// Adds a delete to a batch for this store.
    pub(crate) fn delete_in(&self, batch: &mut Batch, key: &[u8]) {
        match &self.keyspace {
            Some(keyspace) => batch.delete_in(keyspace, key),
            None => batch.delete(key),
        };
    }

    pub(crate) fn delete_prefix(&self, prefix: &[u8]) -> Result<(), Failure> {
        match &self.keyspace {
            Some(keyspace) => keyspace.delete_prefix(prefix)?,
            None => self.db.delete_prefix(prefix)?,
        }
        Ok(())
    }

    pub(crate) fn write(&self, batch: Batch, durability: Durability) -> Result<(), Failure> {
        Ok(self.db.write_with(batch, durability)?)
    }

    /// Closes the database, so that an error of its last words is heard.
    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.db.close()?)
    }
}
