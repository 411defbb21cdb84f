//! `silt stats`, `compact` and `keyspaces`: the database as a whole.

use crate::exit::Failure;
use crate::paint::Paint;
use crate::shape::Shape;
use crate::store::Place;
use crate::units::{bytes, counted, duration};
use serde_json::json;
use std::io::{self, Write};
use std::time::Instant;

pub(crate) fn stats(place: &Place, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let store = place.open_read_only()?;
    let shape = Shape::from(&store.db().stats());
    if json {
        writeln!(out, "{}", shape.json())?;
    } else {
        for line in shape.draw(Paint::of_stdout()) {
            writeln!(out, "{line}")?;
        }
        let (tables, raw) = (bytes(shape.table_bytes()), bytes(shape.raw_bytes));
        let entries = counted(shape.entries(), "entry", "entries");
        let tombstones = counted(shape.tombstones(), "tombstone", "tombstones");
        writeln!(out, "{:<9} {tables:>24}  {raw} of keys and values before compression", "tables")?;
        writeln!(out, "{:<9} {entries:>24}, {tombstones} among them", "in them")?;
    }
    store.close()
}

pub(crate) fn compact(place: &Place, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let store = place.open_existing()?;
    let db = store.db();
    db.flush()?;
    let before = Shape::from(&db.stats()).table_bytes();
    let started = Instant::now();
    db.compact(..)?;
    db.wait_idle()?;
    let time = started.elapsed();
    let after = Shape::from(&db.stats()).table_bytes();
    store.close()?;
    if json {
        let seconds = time.as_secs_f64();
        let facts = json!({ "bytes_before": before, "bytes_after": after, "seconds": seconds });
        writeln!(out, "{facts}")?;
    } else {
        let (before, after) = (bytes(before), bytes(after));
        let text = format!("compacted {before} to {after} in {}", duration(time));
        // The work is done; a stderr that is gone does not undo it.
        writeln!(io::stderr(), "{text}").unwrap_or_default();
    }
    Ok(())
}

pub(crate) fn keyspaces(place: &Place, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let store = place.open_read_only()?;
    for name in store.db().keyspaces()? {
        if json {
            writeln!(out, "{}", json!({ "keyspace": name }))?;
        } else {
            writeln!(out, "{name}")?;
        }
    }
    store.close()
}
