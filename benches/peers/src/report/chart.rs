//! The charts, as SVG: bars in groups, one group a row, one colour an engine.

use crate::engine::Result;
use crate::plan::results::Results;
use crate::report::medians::Medians;
use crate::report::sections::{ORDER, section};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fs;
use std::path::Path;

const WIDTH: i32 = 900;
const LABELS: i32 = 240;
const FIGURES: i32 = 110;
const BAR: i32 = 15;
const GAP: i32 = 14;
const HEAD: i32 = 80;
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(120, 120, 120);

/// Draws one chart for each section of the report, and the one for range scans with everything in
/// the cache that says most.
pub(crate) fn draw(results: &Results, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let medians = Medians::new(results);
    let main = ["readseq", "readrev", "seek10", "seek100", "seek1000"];
    let main: Vec<&str> = main.into_iter().filter(|row| medians.rows().contains(row)).collect();
    if !main.is_empty() {
        let path = folder.join("range-scans.svg");
        bars(&medians, "Range scans, everything cached, one thread", &main, &path)?;
    }
    for title in ORDER {
        let in_section = |row: &&&str| section(row) == Some(*title);
        let rows: Vec<&str> = medians.rows().iter().filter(in_section).copied().collect();
        if !rows.is_empty() {
            bars(&medians, title, &rows, &folder.join(file_name(title)))?;
        }
    }
    Ok(())
}

fn file_name(title: &str) -> String {
    let name = title.to_lowercase().replace(|char: char| !char.is_ascii_alphanumeric(), "-");
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    format!("bench-{}.svg", parts.join("-"))
}

fn color(engine: &str) -> RGBColor {
    match engine {
        "siltstone" => RGBColor(196, 78, 36),
        "rocksdb" => RGBColor(68, 96, 140),
        "fjall" => RGBColor(120, 160, 110),
        "redb" => RGBColor(170, 140, 60),
        _ => RGBColor(140, 120, 160),
    }
}

/// Speeds as bars. Each row has a scale of its own, on which its fastest engine is the full width:
/// rows differ by factors of a thousand.
fn bars(medians: &Medians, title: &str, rows: &[&str], path: &Path) -> Result<()> {
    let engines = medians.engines();
    let group = engines.len() as i32 * BAR + GAP;
    let height = HEAD + rows.len() as i32 * group;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32, color: RGBColor, at: HPos| {
        ("sans-serif", size).into_font().color(&color).pos(Pos::new(at, VPos::Center))
    };
    area.draw(&Text::new(title.to_owned(), (12, 22), text(21, INK, HPos::Left)))?;
    for (at, engine) in engines.iter().enumerate() {
        let x = 12 + at as i32 * 110;
        let corners = [(x, 44), (x + 12, 56)];
        area.draw(&Rectangle::new(corners, color(engine).filled()))?;
        area.draw(&Text::new((*engine).to_owned(), (x + 18, 50), text(16, INK, HPos::Left)))?;
    }
    let note = (WIDTH - 12, 50);
    let what = "operations a second; each row to its own scale";
    area.draw(&Text::new(what, note, text(15, FAINT, HPos::Right)))?;
    for (number, row) in rows.iter().enumerate() {
        let top = HEAD + number as i32 * group;
        let speeds: Vec<Option<f64>> =
            engines.iter().map(|engine| medians.speed(row, engine)).collect();
        let fastest = speeds.iter().flatten().fold(0.0, |fastest: f64, &speed| fastest.max(speed));
        let middle = top + (group - GAP) / 2;
        let label = (LABELS - 10, middle);
        area.draw(&Text::new((*row).to_owned(), label, text(16, INK, HPos::Right)))?;
        for (at, (engine, speed)) in engines.iter().zip(&speeds).enumerate() {
            let Some(speed) = speed else { continue };
            let y = top + at as i32 * BAR;
            let width = f64::from(WIDTH - LABELS - FIGURES) * speed / fastest.max(1e-9);
            let right = LABELS + (width as i32).max(1);
            let corners = [(LABELS, y), (right, y + BAR - 2)];
            area.draw(&Rectangle::new(corners, color(engine).filled()))?;
            let figure = (right + 6, y + BAR / 2 - 1);
            area.draw(&Text::new(short(*speed), figure, text(15, FAINT, HPos::Left)))?;
        }
    }
    Ok(area.present()?)
}

/// `12.3 M`, `456 k`, `78`.
fn short(number: f64) -> String {
    match number {
        number if number >= 1e7 => format!("{:.0} M", number / 1e6),
        number if number >= 1e6 => format!("{:.1} M", number / 1e6),
        number if number >= 1e4 => format!("{:.0} k", number / 1e3),
        number if number >= 1e3 => format!("{:.1} k", number / 1e3),
        number => format!("{number:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::report::chart::{file_name, short};

    #[test]
    fn names_and_figures_are_short() {
        assert_eq!(file_name("Opens, in milliseconds"), "bench-opens-in-milliseconds.svg");
        assert_eq!(short(12_345_678.0), "12 M");
        assert_eq!(short(1_234.0), "1.2 k");
    }
}
