//! Where the demo takes place: a directory of its own, removed at the end, or an empty one by name.

use crate::demo::story::Story;
use crate::exit::Failure;
use siltstone::{Db, Durability, Options};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Opens the database of the demo.
pub(crate) fn open(directory: &Path) -> Result<Db, Failure> {
    Ok(Options::new().durability(Durability::Buffered).open(directory)?)
}

/// Where the demo takes place.
pub(crate) enum Home {
    Temporary(TempDir),
    Named(PathBuf),
}

impl Home {
    pub(crate) fn new(named: Option<PathBuf>) -> Result<Home, Failure> {
        let Some(path) = named else {
            let place = std::env::temp_dir();
            let made = tempfile::Builder::new().prefix("silt-demo-").tempdir();
            return made
                .map(Home::Temporary)
                .map_err(|error| Failure::io("create a directory in", &place, &error));
        };
        // The demo deletes what it wrote; it must never meet the data of someone.
        if path.read_dir().is_ok_and(|mut files| files.next().is_some()) {
            return Err(Failure::usage(format!(
                "{} is not empty: the demo wants a new directory, or no --db for a temporary one",
                path.display()
            )));
        }
        Ok(Home::Named(path))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Home::Temporary(directory) => directory.path(),
            Home::Named(path) => path,
        }
    }

    /// Says goodbye; a temporary directory goes.
    pub(crate) fn leave(self, story: &mut Story<'_>, time: &str) -> Result<(), Failure> {
        let next = match self {
            Home::Temporary(directory) => {
                let path = directory.path().to_owned();
                let closed = directory.close();
                closed.map_err(|error| Failure::io("remove", &path, &error))?;
                "silt import FILE.csv --key COLUMN".to_owned()
            }
            Home::Named(path) => {
                format!("silt --db {} scan --prefix BTC-USD --limit 5", path.display())
            }
        };
        story.closing(time, &next)
    }
}
