//! The first chapter: a day of trades is written, in batches.

use crate::demo::story::Story;
use crate::demo::trades::Trades;
use crate::exit::Failure;
use crate::units::{bytes, count, duration, rate};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;
use siltstone::{Batch, Db, Durability};
use std::time::Instant;

/// Trades in a batch.
const BATCH: u64 = 1_000;

pub(crate) fn tell(db: &Db, total: u64, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter(&format!("Load {} trades", count(total)))?;
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("   {bar:36} {percent:>3} %  {speed} a second")
    {
        let speed = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            text.write_str(&count(state.per_sec() as u64)).unwrap_or_default();
        };
        bar.set_style(style.with_key("speed", speed));
    }
    let mut trades = Trades::new(total);
    let (mut key, mut value) = (String::new(), String::new());
    let mut size: u64 = 0;
    let started = Instant::now();
    let mut more = true;
    while more {
        story.interrupt.check()?;
        let mut batch = Batch::new();
        for _ in 0..BATCH {
            more = trades.next(&mut key, &mut value);
            if !more {
                break;
            }
            size += (key.len() + value.len()) as u64;
            batch.put(&key, &value);
        }
        db.write_with(batch, Durability::Buffered)?;
        bar.inc(BATCH);
    }
    let time = started.elapsed();
    bar.finish_and_clear();

    let paint = story.paint;
    let per_second = rate(total, time);
    story.line(&format!("key    {key}"))?;
    story.line(&format!("value  {value:<36}{}", paint.dim("price and size")))?;
    story.line(&format!(
        "{} trades, {}, in {}: {}",
        count(total),
        bytes(size),
        duration(time),
        paint.green(&format!("{} a second", count(per_second)))
    ))?;
    story.why(&format!(
        "Batches of {}, Durability::Buffered: what is acknowledged survives a killed process.",
        count(BATCH)
    ))?;
    story.why(
        "The default, Durability::Sync, survives a power cut too, for one disk sync a batch.",
    )?;
    story.fact("trades", json!(total));
    story.fact("load_seconds", json!(time.as_secs_f64()));
    story.fact("load_per_second", json!(per_second));
    Ok(())
}
