//! The tour through the chapters: where it takes place, what comes after what.

use crate::args::DemoArguments;
use crate::demo::home::{Home, open};
use crate::demo::interrupt::Interrupt;
use crate::demo::story::Story;
use crate::demo::{kill, load, look, space};
use crate::exit::Failure;
use crate::shape::Shape;
use crate::units::duration;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

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
