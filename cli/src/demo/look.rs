//! Two chapters of reading: the newest price of each symbol, and one hour of one symbol.

use crate::demo::chart;
use crate::demo::story::Story;
use crate::demo::trades::{DAY, SYMBOLS, price_of, second_of};
use crate::exit::Failure;
use crate::units::{count, duration, rate};
use serde_json::json;
use siltstone::Db;
use std::time::Instant;

/// The symbol and the hour that are drawn.
const DRAWN: &str = "BTC-USD";
const HOUR: u64 = 13;

pub(crate) fn tell_newest(db: &Db, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter("The newest price of each symbol")?;
    let started = Instant::now();
    let mut found = Vec::new();
    for symbol in &SYMBOLS {
        let mut entries = db.prefix(format!("{}/", symbol.name));
        if let Some(newest) = entries.next_back() {
            found.push((symbol, newest?));
        }
    }
    let time = started.elapsed();
    for (symbol, (key, value)) in &found {
        let mut entries = db.prefix(format!("{}/", symbol.name));
        let first = entries.next().transpose()?.and_then(|(_, value)| price_of(&value));
        let (Some(first), Some(last)) = (first, price_of(value)) else {
            return Err(Failure::broken_promise(format!("{} came back wrong", symbol.name)));
        };
        let change = (last / first - 1.0) * 100.0;
        let text = format!("{change:>+6.1} %");
        let text = if change < 0.0 { story.paint.red(&text) } else { story.paint.green(&text) };
        let at = String::from_utf8_lossy(key);
        let at = at.rsplit_once('T').map_or("", |(_, time)| &time[..time.len().min(8)]);
        let price = format!("{last:.*}", symbol.decimals());
        story.line(&format!("{:<9} {price:>10}  {text}   {}", symbol.name, story.paint.dim(at)))?;
        story.fact(&format!("newest {}", symbol.name), json!(last));
    }
    story.why(&format!(
        "Keys are sorted: the newest is the last key of its prefix. {} such looks took {}.",
        found.len(),
        duration(time)
    ))
}

pub(crate) fn tell_hour(db: &Db, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter(&format!("One hour of {DRAWN}, from {HOUR}:00 to {}:00", HOUR + 1))?;
    let edge = |hour: u64| format!("{DRAWN}/{DAY}T{hour:02}");
    let mut samples = vec![None; chart::SAMPLES];
    let mut trades: u64 = 0;
    let started = Instant::now();
    for entry in db.range(edge(HOUR)..edge(HOUR + 1)) {
        let (key, value) = entry?;
        trades += 1;
        let second = second_of(&key).and_then(|second| second.checked_sub(HOUR * 3600));
        let column = second.map(|second| second as usize * chart::SAMPLES / 3600);
        match column.and_then(|column| samples.get_mut(column)) {
            Some(sample) => *sample = price_of(&value),
            None => return Err(Failure::broken_promise("the range gave a key outside of it")),
        }
    }
    let time = started.elapsed();
    let times = [(HOUR, 0), (HOUR, 30), (HOUR + 1, 0)].map(|(h, m)| format!("{h:02}:{m:02}"));
    let moments = times.each_ref().map(String::as_str);
    for line in chart::draw(&samples, 2, moments, story.paint) {
        story.line(&line)?;
    }
    story.why(&format!(
        "One range scan, one seek: {} trades in {}, {} a second.",
        count(trades),
        duration(time),
        count(rate(trades, time))
    ))?;
    story.fact("hour_trades", json!(trades));
    story.fact("hour_seconds", json!(time.as_secs_f64()));
    Ok(())
}
