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
mod repair;
mod scan;
mod shape;
mod store;
mod tree;
mod units;
mod verify;

use crate::args::{Arguments, Command};
use crate::exit::{Code, Failure};
use clap::Parser as _;
use clap::error::ErrorKind;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let done = run(&arguments, &mut out);
    let flushed = out.flush().map_err(Failure::from);
    done.and(flushed).map_or_else(|failure| end(&failure, arguments.json), |()| ExitCode::SUCCESS)
}

fn end(failure: &Failure, json: bool) -> ExitCode {
    if let Some(text) = failure.text(json) {
        // If stderr is gone too, the exit code has to do.
        writeln!(io::stderr(), "{text}").unwrap_or_default();
    }
    ExitCode::from(failure.code as u8)
}

/// Ends with what is wrong with the command line, or with the help that it asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    // The help for a missing command is an error without a sentence of its own.
    let has_sentence = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if json && error.use_stderr() && has_sentence {
        let text = error.to_string();
        let sentence = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = sentence.split_whitespace().skip_while(|w| *w == "error:").collect();
        return end(&Failure::usage(words.join(" ")), true);
    }
    // Nobody may be left to read it.
    error.print().unwrap_or_default();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8))
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
                Command::Verify(with) => verify::verify(&place, with, json, out),
                Command::Repair(with) => {
                    arguments.without_db()?;
                    repair::repair(with, json, out)
                }
                Command::Stats => tree::stats(&place, json, out),
                Command::Compact => tree::compact(&place, json, out),
                Command::Demo(demo) => demo::run(arguments.named_directory(), demo, json, out),
                _ => demo::writer(&place, out),
            }
        }
    }
}
