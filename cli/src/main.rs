//! `silt`: the command-line tool of Siltstone. This file is the door; each command has its own.

mod args;
mod bounds;
mod demo;
mod entry;
mod escape;
mod exit;
mod export;
mod format;
mod import;
mod paint;
mod scan;
mod shape;
mod store;
mod tree;
mod units;

use crate::args::{Arguments, Command};
use crate::exit::Failure;
use clap::Parser as _;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let done = run(&arguments, &mut out);
    let flushed = out.flush().map_err(Failure::from);
    let Err(failure) = done.and(flushed) else { return ExitCode::SUCCESS };
    if let Some(text) = failure.text(arguments.json) {
        // If stderr is gone too, the exit code has to do.
        writeln!(io::stderr(), "{text}").unwrap_or_default();
    }
    ExitCode::from(failure.code as u8)
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let place = arguments.place();
    let json = arguments.json;
    match &arguments.command {
        Command::Put(put) => entry::put(&place, put),
        Command::Get(get) => entry::get(&place, get, json, out),
        Command::Delete(delete) => entry::delete(&place, delete),
        Command::Scan(scan) => scan::scan(&place, scan, json, out),
        Command::Import(import) => import::import(&place, import, json, out),
        Command::Export(export) => export::export(&place, export, json, out),
        whole => {
            arguments.without_keyspace()?;
            match whole {
                Command::Keyspaces => tree::keyspaces(&place, json, out),
                Command::Stats => tree::stats(&place, json, out),
                Command::Compact => tree::compact(&place, json, out),
                Command::Demo(demo) => demo::run(arguments.named_directory(), demo, json, out),
                _ => demo::writer(&place, out),
            }
        }
    }
}
