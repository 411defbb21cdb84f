//! Siltstone beside the engines that its users would take instead: runs, tables and charts.
//!
//! See README.md. `run` measures and fills a results file, `table` and `chart` show one.

mod data;
mod engine;
mod measure;
mod plan;
mod report;
mod work;

use crate::engine::Result;
use crate::plan::results::Results;
use crate::plan::run::Request;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[cfg(all(target_arch = "x86_64", not(target_feature = "sse4.2")))]
compile_error!(
    "build in the folder benches/peers: its .cargo/config.toml has the flags for all engines"
);

/// Compares Siltstone with RocksDB, fjall, redb and LMDB.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures.
    Run(Request),
    /// Prints a results file as Markdown.
    Table {
        results: PathBuf,
        /// Puts it into this document instead, between its marks.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Draws a results file as SVG charts.
    Chart {
        results: PathBuf,
        /// The folder for them.
        #[arg(long)]
        out: PathBuf,
    },
    /// One step of one engine, for `run`.
    #[command(hide = true)]
    Step { engine: String, place: PathBuf, step: String },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(request) => plan::run::run(&request),
        Command::Table { results, into } => table(&results, into.as_deref()),
        Command::Chart { results, out } => chart(&results, &out),
        Command::Step { engine, place, step } => plan::child::step(&engine, &place, &step),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn table(results: &Path, into: Option<&Path>) -> Result<()> {
    let tables = report::table::markdown(&Results::read(results)?);
    match into {
        Some(document) => report::document::replace_tables(document, &tables),
        None => {
            print!("{tables}");
            Ok(())
        }
    }
}

fn chart(results: &Path, out: &Path) -> Result<()> {
    report::chart::draw(&Results::read(results)?, out)
}
