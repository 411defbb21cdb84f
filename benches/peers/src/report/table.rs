//! The tables, as Markdown.

use crate::measure::latency::Percentiles;
use crate::measure::outcome::Outcome;
use crate::plan::results::Results;
use crate::report::medians::Medians;
use crate::report::sections::{ORDER, section};
use std::fmt::Write;

/// Least data that a figure about space is given for.
const SPACE_BYTES_MIN: u64 = 32 << 20;

/// The whole report.
pub(crate) fn markdown(results: &Results) -> String {
    let medians = Medians::new(results);
    let mut text = String::new();
    head(&mut text, results);
    for title in ORDER {
        let in_section = |row: &&&str| section(row) == Some(*title);
        let rows: Vec<&str> = medians.rows().iter().filter(in_section).copied().collect();
        if !rows.is_empty() {
            write!(text, "\n## {title}\n\n").expect("a string takes everything");
            speeds(&mut text, &medians, &rows);
        }
    }
    costs(&mut text, &medians);
    latencies(&mut text, &medians);
    threads(&mut text, &medians);
    faults(&mut text, results);
    text
}

fn line(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes everything");
}

/// The head of a table: names of rows, engines, and what stands in the last columns.
fn columns(text: &mut String, medians: &Medians, first: &str, last: &[&str]) {
    let engines = medians.engines();
    let names: Vec<String> =
        [first].iter().chain(&engines).chain(last).map(|&name| name.to_owned()).collect();
    line(text, &names);
    let rule = |at| if at == 0 { "---".to_owned() } else { "---:".to_owned() };
    line(text, &(0..names.len()).map(rule).collect::<Vec<_>>());
}

fn head(text: &mut String, results: &Results) {
    let rounds = results.records.iter().map(|record| record.round + 1).max().unwrap_or(0);
    writeln!(text, "Medians of {rounds} rounds, {} entries.\n", grouped(results.entries as f64))
        .expect("a string takes everything");
    line(text, &[String::new(), String::new()]);
    line(text, &["---".to_owned(), "---".to_owned()]);
    for (what, value) in &results.facts {
        line(text, &[what.clone(), value.clone()]);
    }
}

fn speeds(text: &mut String, medians: &Medians, rows: &[&str]) {
    columns(text, medians, "thousand operations a second", &["to the better of RocksDB and fjall"]);
    for row in rows {
        let mut cells = vec![(*row).to_owned()];
        for engine in medians.engines() {
            let speed = medians.speed(row, engine);
            cells.push(speed.map_or_else(String::new, |speed| {
                if row.starts_with("reopen") {
                    figure(1000.0 / speed)
                } else {
                    figure(speed / 1000.0)
                }
            }));
        }
        cells.push(times(medians.ratio(row, true, |outcome| Some(outcome.per_second()))));
        line(text, &cells);
    }
}

/// What a write row costs until the engine has settled.
fn costs(text: &mut String, medians: &Medians) {
    type Figure = fn(&Outcome) -> Option<f64>;
    let tables: [(&str, Figure); 5] = [
        ("Seconds until settled, load and settling together", |outcome| {
            Some(outcome.spent.wall_seconds + outcome.settle?.wall_seconds)
        }),
        ("Seconds of processor time until settled", |outcome| {
            Some(outcome.spent.processor_seconds + outcome.settle?.processor_seconds)
        }),
        ("Bytes written until settled, for each byte of the user", |outcome| {
            let written = outcome.spent.written_bytes + outcome.settle?.written_bytes;
            // Where the user writes nothing there is nothing to compare with.
            (outcome.user_bytes > 0).then(|| written as f64 / outcome.user_bytes as f64)
        }),
        ("Bytes of the directory when settled, for each living byte", |outcome| {
            outcome.settle?;
            // Beside less data, a log segment made ahead would be all that the figure tells.
            if outcome.live_bytes < SPACE_BYTES_MIN {
                return None;
            }
            Some(outcome.directory_bytes as f64 / outcome.live_bytes.max(1) as f64)
        }),
        ("Peak memory, MiB", |outcome| {
            outcome.settle?;
            Some(outcome.peak_memory_bytes as f64 / f64::from(1 << 20))
        }),
    ];
    for (title, figure_of) in tables {
        let has_it = |row: &&&str| {
            medians.engines().iter().any(|engine| medians.of(row, engine, figure_of).is_some())
        };
        let rows: Vec<&str> = medians.rows().iter().filter(has_it).copied().collect();
        if rows.is_empty() {
            continue;
        }
        write!(text, "\n## {title}\n\n").expect("a string takes everything");
        columns(text, medians, "less is better", &["to the better of RocksDB and fjall"]);
        for row in rows {
            let mut cells = vec![row.to_owned()];
            for engine in medians.engines() {
                let figures = medians.of(row, engine, figure_of);
                cells.push(figures.map_or_else(String::new, figure));
            }
            cells.push(times(medians.ratio(row, false, figure_of)));
            line(text, &cells);
        }
    }
}

fn latencies(text: &mut String, medians: &Medians) {
    text.push_str("\n## Latencies: p50 / p99 / p99.9 / maximum, microseconds\n\n");
    text.push_str("Each write is timed, and every 16th read. Batches are timed as a whole.\n\n");
    columns(text, medians, "less is better", &[]);
    for row in medians.rows() {
        let of = |engine: &str, part: fn(&Percentiles) -> f64| {
            medians.of(row, engine, |outcome| outcome.latency.as_ref().map(part))
        };
        let mut cells = vec![(*row).to_owned()];
        for engine in medians.engines() {
            let parts = [
                of(engine, |latency| latency.p50),
                of(engine, |latency| latency.p99),
                of(engine, |latency| latency.p999),
                of(engine, |latency| latency.max),
            ];
            cells.push(
                parts.iter().flatten().map(|&part| figure(part)).collect::<Vec<_>>().join(" / "),
            );
        }
        if cells[1..].iter().any(|cell| !cell.is_empty()) {
            line(text, &cells);
        }
    }
}

/// What a second thread brings, and what a writer at a rate costs.
fn threads(text: &mut String, medians: &Medians) {
    let mut pairs: Vec<(String, String, &str)> = Vec::new();
    for row in medians.rows() {
        if let Some(one) = row.strip_suffix("-2t").filter(|one| medians.rows().contains(one)) {
            pairs.push(((*row).to_owned(), one.to_owned(), "of one thread"));
        }
    }
    pairs.push(("readwhilewriting-20k".to_owned(), "readrandom".to_owned(), "of readrandom alone"));
    pairs.retain(|(row, ..)| medians.rows().contains(&row.as_str()));
    if pairs.is_empty() {
        return;
    }
    text.push_str("\n## Threads: speed as a multiple\n\n");
    columns(text, medians, "more is better", &["of what"]);
    for (row, other, of_what) in pairs {
        let mut cells = vec![row.clone()];
        for engine in medians.engines() {
            let speeds = medians.speed(&row, engine).zip(medians.speed(&other, engine));
            cells.push(times(speeds.map(|(speed, other)| speed / other)));
        }
        cells.push(of_what.to_owned());
        line(text, &cells);
    }
}

fn faults(text: &mut String, results: &Results) {
    if results.faults.is_empty() {
        return;
    }
    text.push_str("\n## Without figures\n\n");
    let mut told: Vec<String> = Vec::new();
    for fault in &results.faults {
        let error = fault.error.lines().next().unwrap_or_default();
        let told_now = format!("- {}, {}: {error}\n", fault.row, fault.engine);
        if !told.contains(&told_now) {
            text.push_str(&told_now);
            told.push(told_now);
        }
    }
}

/// Three digits that matter.
fn figure(number: f64) -> String {
    match number {
        number if number >= 100.0 => grouped(number),
        number if number >= 10.0 => format!("{number:.1}"),
        number if number >= 1.0 => format!("{number:.2}"),
        number => format!("{number:.3}"),
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"))
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use crate::report::table::{figure, grouped};

    #[test]
    fn figures_have_the_digits_that_matter() {
        assert_eq!(figure(1_234_567.8), "1,234,568");
        assert_eq!(figure(123.0), "123");
        assert_eq!(figure(12.34), "12.3");
        assert_eq!(figure(1.234), "1.23");
        assert_eq!(figure(0.1234), "0.123");
        assert_eq!(grouped(999.0), "999");
    }
}
