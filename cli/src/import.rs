//! `silt import`: reads entries from a text file and writes them in batches.
//!
//! Each batch is all or nothing; the import as a whole is not. When a line cannot be read, the
//! message says which, and what of the input is in the database by then; an import that is
//! repeated after the file was mended writes the same entries again, which changes nothing.

use crate::args::ImportArguments;
use crate::exit::Failure;
use crate::format::{Bad, Columns, CsvSource, Entry, Format, JsonlSource, Source, TsvSource};
use crate::store::{Place, Store};
use crate::units::{count, counted, duration, rate};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use siltstone::{Batch, Durability};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::time::Instant;

/// A batch is written when it holds so much. Large enough that a sync is shared by thousands of
/// entries, small enough that the progress bar moves and a failure loses little.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ENTRIES: u64 = 10_000;

pub(crate) fn import(
    place: &Place,
    import: &ImportArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let file = import.file.as_deref().filter(|file| *file != Path::new("-"));
    let format = Format::choose(import.format, file)?;
    let columns = import.columns(format)?;
    let name = file.map_or("stdin".to_owned(), |file| file.display().to_string());
    let (input, bar) = open(file)?;
    let input = BufReader::with_capacity(256 << 10, bar.wrap_read(input));
    // The input is looked at first: a wrong column name must not leave an empty database behind.
    let mut source = source(format, input, &columns).map_err(|bad| failure(&name, bad))?;
    let store = place.open_or_create()?;
    let mut loader = Loader::new(&store, import.commit.durability.into());
    let started = Instant::now();
    let done = loader.load(source.as_mut(), &bar);
    bar.finish_and_clear();
    let done = done.map_err(|stop| stop.failure(&name, &loader));
    let written = loader.written;
    // The database is closed in any case; the first failure is the one that is told. One of the
    // close takes nothing back.
    let entries = counted(written, "entry", "entries");
    let closed = store.close().map_err(|failure| {
        failure.followed_by(&format!("; all {entries} of {name} are in the database all the same"))
    });
    done.and(closed)?;
    let time = started.elapsed();
    if json {
        let facts = json!({ "imported": written, "seconds": time.as_secs_f64(), "from": name });
        writeln!(out, "{facts}")?;
    } else {
        let per_second = count(rate(written, time));
        let text = format!("imported {entries} in {}, {per_second} a second", duration(time));
        // The work is done; a stderr that is gone does not undo it.
        writeln!(io::stderr(), "{text}").unwrap_or_default();
    }
    Ok(())
}

/// The input, and a progress bar for it, which shows only on a terminal.
fn open(file: Option<&Path>) -> Result<(Box<dyn Read>, ProgressBar), Failure> {
    let Some(path) = file else {
        let style = "{spinner} {msg} entries, {bytes} read, {elapsed}";
        let bar = ProgressBar::no_length().with_style(style_of(style));
        return Ok((Box::new(io::stdin().lock()), bar));
    };
    let failed = |error: io::Error| Failure::io("read", path, &error);
    let input = File::open(path).map_err(failed)?;
    let about = input.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(Failure::usage(format!("{} is a directory, not a file", path.display())));
    }
    let style = "{wide_bar} {percent:>3} %  {msg} entries  {elapsed} of about {duration}";
    let bar = ProgressBar::new(about.len()).with_style(style_of(style));
    Ok((Box::new(input), bar))
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn source<R: io::BufRead + 'static>(
    format: Format,
    input: R,
    columns: &Columns,
) -> Result<Box<dyn Source>, Bad> {
    Ok(match format {
        Format::Csv => Box::new(CsvSource::new(input, columns)?),
        Format::Jsonl => Box::new(JsonlSource::new(input)),
        Format::Tsv => Box::new(TsvSource::new(input)),
    })
}

fn failure(name: &str, bad: Bad) -> Failure {
    match bad {
        Bad::Text { line, what } => Failure::usage(format!("{name}:{line}: {what}")),
        Bad::Io(error) => Failure::io("read", Path::new(name), &error),
    }
}

/// Fills batches and writes them.
struct Loader<'a> {
    store: &'a Store,
    durability: Durability,
    batch: Batch,
    /// What is in the batch: bytes, entries, and the line of its first entry.
    bytes: usize,
    entries: u64,
    first_line: u64,
    /// Entries that are written and acknowledged.
    written: u64,
}

/// Why a load stopped.
enum Stop {
    Input(Bad),
    /// A batch was refused: the lines of its first and last entry.
    Write(Failure, u64, u64),
}

impl Loader<'_> {
    fn new(store: &Store, durability: Durability) -> Loader<'_> {
        let batch = Batch::new();
        Loader { store, durability, batch, bytes: 0, entries: 0, first_line: 0, written: 0 }
    }

    fn load(&mut self, source: &mut dyn Source, bar: &ProgressBar) -> Result<(), Stop> {
        let mut entry = Entry::default();
        let mut last_line = 0;
        // A full batch is written only when the entry after it could be read: an input that turns
        // out to be broken at its end takes its last entry with it.
        while source.next(&mut entry).map_err(Stop::Input)? {
            if self.bytes >= BATCH_BYTES || self.entries >= BATCH_ENTRIES {
                self.write(last_line)?;
                bar.set_message(count(self.written));
            }
            if self.entries == 0 {
                self.first_line = entry.line;
            }
            self.store.put_in(&mut self.batch, &entry.key, &entry.value);
            self.bytes += entry.key.len() + entry.value.len();
            self.entries += 1;
            last_line = entry.line;
        }
        self.write(last_line)
    }

    fn write(&mut self, last_line: u64) -> Result<(), Stop> {
        if self.entries > 0 {
            let batch = std::mem::replace(&mut self.batch, Batch::new());
            let refused = |failure| Stop::Write(failure, self.first_line, last_line);
            self.store.write(batch, self.durability).map_err(refused)?;
        }
        self.written += self.entries;
        (self.bytes, self.entries) = (0, 0);
        Ok(())
    }
}

impl Stop {
    fn failure(self, name: &str, loader: &Loader<'_>) -> Failure {
        let failure = match self {
            Stop::Input(bad) => failure(name, bad),
            Stop::Write(failure, first, last) if first == last => {
                failure.within(&format!("{name}:{first}"))
            }
            Stop::Write(failure, first, last) => {
                failure.within(&format!("{name}: lines {first} to {last}"))
            }
        };
        if loader.written == 0 {
            return failure;
        }
        let there = counted(loader.written, "entry", "entries");
        failure.followed_by(&format!(
            "; the {there} before line {} are in the database",
            loader.first_line.max(1)
        ))
    }
}
