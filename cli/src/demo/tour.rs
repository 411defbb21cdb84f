//! The tour through the chapters: where it takes place, what comes after what.

use crate::args::DemoArguments;
use crate::demo::interrupt::Interrupt;
use crate::demo::story::Story;
use crate::demo::{kill, load, look, space};
use crate::exit::Failure;
use crate::shape::Shape;
use crate::units::duration;
use serde_json::json;
use siltstone::{Db, Durability, Options};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;

pub(crate) fn run(
    named: Option<PathBuf>,
    demo: &DemoArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let started = Instant::now();
    // Before there is a directory that must not stay behind.
    let interrupt = Interrupt::watch()?;
    let home = Home::new(named)?;
    let directory = home.path();
    let mut story = Story::new(out, json, interrupt);
    story.opening(directory, matches!(home, Home::Temporary(_)))?;

    let db = open(directory)?;
    load::tell(&db, demo.trades, &mut story)?;
    // The tree as the load leaves it; what is looked at next has settled.
    let loaded = Shape::from(&db.stats());
    db.flush()?;
    db.wait_idle()?;
    look::tell_newest(&db, &mut story)?;
    look::tell_hour(&db, &mut story)?;
    db.close()?;
    drop(db);
    kill::tell(directory, &mut story)?;
    let db = open(directory)?;
    space::tell_deletion(&db, &mut story)?;
    space::tell_shape(&db, &loaded, &mut story)?;
    db.close()?;
    drop(db);

    let total = started.elapsed();
    story.fact("seconds", json!(total.as_secs_f64()));
    home.leave(&mut story, &duration(total))?;
    story.end()
}

/// Opens the database of the demo.
pub(crate) fn open(directory: &Path) -> Result<Db, Failure> {
    Ok(Options::new().durability(Durability::Buffered).open(directory)?)
}

/// Where the demo takes place.
enum Home {
    Temporary(TempDir),
    Named(PathBuf),
}

impl Home {
    fn new(named: Option<PathBuf>) -> Result<Home, Failure> {
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

    fn path(&self) -> &Path {
        match self {
            Home::Temporary(directory) => directory.path(),
            Home::Named(path) => path,
        }
    }

    /// Says goodbye; a temporary directory goes.
    fn leave(self, story: &mut Story<'_>, time: &str) -> Result<(), Failure> {
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
