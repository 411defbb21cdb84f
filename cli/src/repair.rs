//! `silt repair`: makes a new database of what can be read of a damaged one, and says what is doubtful.

use crate::args::RepairArguments;
use crate::exit::Failure;
use crate::paint::Paint;
use crate::units::{counted, duration};
use crate::verify::{bar, draw, facts, span, torn};
use serde_json::json;
use siltstone::{Repair, RepairReport};
use std::io::Write;
use std::time::{Duration, Instant};

pub(crate) fn repair(
    arguments: &RepairArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let bar = bar();
    let repair =
        Repair::new().bytes_per_second(arguments.rate.bytes_per_second()).on_progress(draw(&bar));
    let started = Instant::now();
    let outcome = repair.run(&arguments.old, &arguments.new);
    bar.finish_and_clear();
    let report = outcome?;
    if json {
        tell_programs(&report, out)?;
    } else {
        tell_people(&report, started.elapsed(), out)?;
    }
    verdict(arguments, &report)
}

fn verdict(arguments: &RepairArguments, report: &RepairReport) -> Result<(), Failure> {
    if report.is_certain() {
        return Ok(());
    }
    let what = format!(
        "{} is a whole database again, but not certainly all of {}: look at the ranges above, in a \
         backup for one, and keep the old directory until you have",
        arguments.new.display(),
        arguments.old.display()
    );
    Err(Failure::broken_promise(what))
}

fn tell_people(report: &RepairReport, time: Duration, out: &mut impl Write) -> Result<(), Failure> {
    let paint = Paint::of_stdout();
    for doubt in &report.doubts {
        let line = doubt.to_string();
        let (verdict, rest) = line.split_once(':').unwrap_or((&line, ""));
        writeln!(out, "{}{rest}", paint.red(&format!("{verdict:<8} ")))?;
    }
    for end in &report.found.loose_ends {
        writeln!(out, "{}      {end}; dropped, as an open would do", paint.cyan("torn"))?;
    }
    for name in &report.named {
        writeln!(
            out,
            "{} the name of a keyspace is lost; it is {name:?} now",
            paint.cyan("renamed ")
        )?;
    }
    let entries = |number| counted(number, "entry", "entries");
    let certain = entries(report.entries - report.doubtful_entries);
    let certain = paint.green(&format!("{certain} certain"));
    let doubtful = format!("{} doubtful", entries(report.doubtful_entries));
    writeln!(out, "{certain}, {doubtful}; {}", duration(time))?;
    Ok(())
}

/// One object a doubt, and one at the end that counts.
fn tell_programs(report: &RepairReport, out: &mut impl Write) -> Result<(), Failure> {
    for doubt in &report.doubts {
        let because = facts(&doubt.because);
        let doubt = json!({
            "keys": span(&doubt.keys),
            "entries": doubt.entries,
            "is_lost": doubt.is_lost(),
            "because": because,
        });
        writeln!(out, "{}", json!({ "doubt": doubt }))?;
    }
    for end in &report.found.loose_ends {
        writeln!(out, "{}", json!({ "torn": torn(end) }))?;
    }
    for name in &report.named {
        writeln!(out, "{}", json!({ "renamed": name }))?;
    }
    let repaired = json!({
        "entries": report.entries,
        "doubtful_entries": report.doubtful_entries,
        "doubts": report.doubts.len(),
    });
    writeln!(out, "{}", json!({ "repaired": repaired }))?;
    Ok(())
}
