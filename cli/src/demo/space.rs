//! The last chapters: a symbol is deleted and its space comes back; the shape of the tree.

use crate::demo::story::Story;
use crate::exit::Failure;
use crate::shape::Shape;
use crate::units::{bytes, count, duration};
use serde_json::json;
use siltstone::Db;
use std::time::Instant;

/// The symbol that goes.
const DELETED: &str = "ETH-USD";

pub(crate) fn tell_deletion(db: &Db, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter(&format!("Delete {DELETED}, and get its space back"))?;
    let prefix = format!("{DELETED}/");
    // Compacted before as well as after: the difference is then due to the deletion alone.
    let before = compacted(db)?;
    let trades = db.prefix(&prefix).count() as u64;
    let started = Instant::now();
    db.delete_prefix(&prefix)?;
    let time = started.elapsed();
    if let Some(left) = db.prefix(&prefix).next() {
        let (key, _) = left?;
        let key = String::from_utf8_lossy(&key).into_owned();
        return Err(Failure::broken_promise(format!("{key} was deleted and is still there")));
    }
    let started = Instant::now();
    let after = compacted(db)?;
    story.line(&format!("{} trades deleted in {}.", count(trades), duration(time)))?;
    story.line(&format!(
        "Tables: {} before, {} after compaction, which took {}: {}",
        bytes(before),
        bytes(after),
        duration(started.elapsed()),
        story.paint.green(&format!("{} came back", bytes(before.saturating_sub(after))))
    ))?;
    story
        .why("One small record deletes a whole prefix; merging tables then leaves its data out.")?;
    story.fact("deleted", json!(trades));
    story.fact("bytes_before", json!(before));
    story.fact("bytes_after", json!(after));
    Ok(())
}

/// The size of all tables when nothing is left to merge.
fn compacted(db: &Db) -> Result<u64, Failure> {
    db.flush()?;
    db.compact(..)?;
    db.wait_idle()?;
    Ok(Shape::from(&db.stats()).table_bytes())
}

pub(crate) fn tell_shape(db: &Db, loaded: &Shape, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter("The shape of the tree")?;
    let now = Shape::from(&db.stats());
    for (when, shape) in [("right after loading", loaded), ("after compaction", &now)] {
        story.line(when)?;
        for line in shape.draw(story.paint) {
            story.line(&format!("  {line}"))?;
        }
    }
    story.why(
        "Writes gather in memory, settle as tables on level 0, and sink as they are merged.",
    )?;
    story.fact("tree", now.json());
    Ok(())
}
