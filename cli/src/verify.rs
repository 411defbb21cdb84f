//! `silt verify`: reads every byte of a database, and lists what is damaged. Writes none.

use crate::args::VerifyArguments;
use crate::exit::Failure;
use crate::paint::Paint;
use crate::store::Place;
use crate::units::{bytes, counted, duration};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use siltstone::{Damage, KeyPlace, KeySpan, LooseEnd, Progress, Verify, VerifyReport};
use std::io::Write;
use std::time::{Duration, Instant};

/// How many bytes the bar lets pass before it is drawn again.
const STEP_BYTES: u64 = 1 << 20;

pub(crate) fn verify(
    place: &Place,
    arguments: &VerifyArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    place.must_exist()?;
    let bar = bar();
    let verify =
        Verify::new().bytes_per_second(arguments.rate.bytes_per_second()).on_progress(draw(&bar));
    let started = Instant::now();
    let outcome = verify.run(&place.directory);
    bar.finish_and_clear();
    let report = outcome?;
    if json {
        tell_programs(&report, out)?;
    } else {
        tell_people(&report, started.elapsed(), out)?;
    }
    verdict(place, &report)
}

/// A bar for the bytes that are looked at.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = "{bar:36} {percent:>3} %  {binary_bytes} of {binary_total_bytes}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Moves a bar.
pub(crate) fn draw(bar: &ProgressBar) -> impl FnMut(Progress) + Send + 'static {
    let bar = bar.clone();
    move |progress| {
        if progress.bytes_done >= bar.position() + STEP_BYTES {
            bar.set_length(progress.bytes_all);
            bar.set_position(progress.bytes_done);
        }
    }
}

fn verdict(place: &Place, report: &VerifyReport) -> Result<(), Failure> {
    if report.is_clean() {
        return Ok(());
    }
    let damages = counted(report.damages.len() as u64, "damage", "damages");
    let what = format!(
        "{damages} in {0}; nothing was changed. Delete nothing. Go back to a backup, or make a new \
         database of what can be read: silt repair {0} NEW_DIRECTORY",
        place.directory.display()
    );
    Err(Failure::broken_promise(what))
}

fn tell_people(report: &VerifyReport, time: Duration, out: &mut impl Write) -> Result<(), Failure> {
    let paint = Paint::of_stdout();
    for damage in &report.damages {
        writeln!(out, "{}   {damage}", paint.red("damaged"))?;
    }
    for end in &report.loose_ends {
        writeln!(out, "{}      {end}; the next open drops them", paint.cyan("torn"))?;
    }
    for file in &report.leftovers {
        let why = "nothing names it; the next open removes it";
        writeln!(out, "{}  {}: {why}", paint.dim("leftover"), file.display())?;
    }
    for file in &report.strangers {
        let why = "not of this program; left alone";
        writeln!(out, "{}  {}: {why}", paint.dim("stranger"), file.display())?;
    }
    let verdict = match report.damages.len() {
        0 => paint.green("no damage"),
        some => paint.red(&counted(some as u64, "damage", "damages")),
    };
    writeln!(
        out,
        "{verdict} in {}, {}: {} in tables, {} in the log; {}",
        counted(report.files, "file", "files"),
        bytes(report.bytes),
        counted(report.entries, "entry", "entries"),
        counted(report.batches, "batch", "batches"),
        duration(time),
    )?;
    Ok(())
}

/// One object a finding, and one at the end that counts.
fn tell_programs(report: &VerifyReport, out: &mut impl Write) -> Result<(), Failure> {
    for Damage { file, offset, what, keys, .. } in &report.damages {
        let mut damage =
            json!({ "file": file.display().to_string(), "offset": offset, "what": what });
        if let Some(keys) = keys {
            damage["keys"] = span(keys);
        }
        writeln!(out, "{}", json!({ "damage": damage }))?;
    }
    for end in &report.loose_ends {
        writeln!(out, "{}", json!({ "torn": torn(end) }))?;
    }
    for (name, files) in [("leftover", &report.leftovers), ("stranger", &report.strangers)] {
        for file in files {
            writeln!(out, "{}", json!({ name: file.display().to_string() }))?;
        }
    }
    let verified = json!({
        "damages": report.damages.len(),
        "files": report.files,
        "bytes": report.bytes,
        "entries": report.entries,
        "batches": report.batches,
    });
    writeln!(out, "{}", json!({ "verified": verified }))?;
    Ok(())
}

/// A damage, for programs.
pub(crate) fn facts(damage: &Damage) -> Value {
    let Damage { file, offset, what, keys, .. } = damage;
    let mut facts = json!({ "file": file.display().to_string(), "offset": offset, "what": what });
    if let Some(keys) = keys {
        facts["keys"] = span(keys);
    }
    facts
}

/// The torn end of a journal, for programs.
pub(crate) fn torn(end: &LooseEnd) -> Value {
    json!({ "file": end.file.display().to_string(), "offset": end.offset, "bytes": end.bytes })
}

/// A range of keys, which are bytes: as hexadecimal digits.
pub(crate) fn span(keys: &KeySpan) -> Value {
    let place = |place: &KeyPlace| {
        let key: String = place.key.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "keyspace": place.keyspace, "name": place.name, "key_hex": key })
    };
    json!({ "from": place(&keys.start), "to": keys.end.as_ref().map(place) })
}
