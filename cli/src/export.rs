//! `silt export`: writes all entries of one moment as text.
//!
//! A file is written beside its final name and takes that name when it is whole and synced: an
//! export that fails leaves what was there before.

use crate::args::ExportArguments;
use crate::bounds::bounds;
use crate::exit::Failure;
use crate::format::{Columns, CsvSink, Format, JsonlSink, Sink, TsvSink};
use crate::store::{Place, Store};
use crate::units::{count, counted, duration};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

pub(crate) fn export(
    place: &Place,
    export: &ExportArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let file = export.file.as_deref().filter(|file| *file != Path::new("-"));
    let asked = export.format.or((json && file.is_none()).then_some(Format::Jsonl));
    let format = Format::choose(asked, file)?;
    let columns = export.columns(format)?;
    let store = place.open_read_only()?;
    let started = Instant::now();
    let Some(path) = file else {
        copy(&store, sink(format, out, columns).as_mut())?;
        return store.close();
    };
    let written = into_file(&store, path, |output| sink(format, output, columns))?;
    store.close()?;
    if json {
        let seconds = started.elapsed().as_secs_f64();
        let facts =
            json!({ "exported": written, "seconds": seconds, "to": path.display().to_string() });
        writeln!(out, "{facts}")?;
    } else {
        let entries = counted(written, "entry", "entries");
        let text =
            format!("exported {entries} to {} in {}", path.display(), duration(started.elapsed()));
        // The work is done; a stderr that is gone does not undo it.
        writeln!(io::stderr(), "{text}").unwrap_or_default();
    }
    Ok(())
}

fn sink<'a>(format: Format, output: impl Write + 'a, columns: Columns) -> Box<dyn Sink + 'a> {
    match format {
        Format::Csv => Box::new(CsvSink::new(output, columns)),
        Format::Jsonl => Box::new(JsonlSink::new(output)),
        Format::Tsv => Box::new(TsvSink::new(output)),
    }
}

/// Writes every entry; says how many there were.
fn copy(store: &Store, sink: &mut dyn Sink) -> Result<u64, Failure> {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} entries  {elapsed}") {
        bar.set_style(style);
    }
    let mut written: u64 = 0;
    for entry in store.entries(bounds(None, None, None)) {
        let (key, value) = entry?;
        sink.write(&key, &value)?;
        written += 1;
        if written.is_multiple_of(10_000) {
            bar.set_message(count(written));
            bar.tick();
        }
    }
    sink.finish()?;
    bar.finish_and_clear();
    Ok(written)
}

fn into_file<'a>(
    store: &Store,
    path: &Path,
    sink: impl FnOnce(Box<dyn Write + 'a>) -> Box<dyn Sink + 'a>,
) -> Result<u64, Failure> {
    let failed = |error: io::Error| Failure::io("write", path, &error);
    // A pipe or a device has no content to protect, and no name to take.
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        let output = File::options().write(true).open(path).map_err(failed)?;
        return copy(store, sink(Box::new(BufWriter::new(output))).as_mut());
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let temporary = new_file(directory).map_err(failed)?;
    let output = temporary.reopen().map_err(failed)?;
    let written = copy(store, sink(Box::new(BufWriter::with_capacity(64 << 10, output))).as_mut())?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(written)
}

/// A new file that has, once the umask has had its say, the permissions of any other new file.
fn new_file(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".silt-export-");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(directory)
}
