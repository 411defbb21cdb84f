//! `torture`: runs one of the long tests, or all of them, and ends each with one line of figures.
//!
//! The exit code is 0 if no promise was broken, 1 if one was, and 2 for a command line that makes no
//! sense. What was broken is told on stderr; stdout has the lines alone.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to its user")]

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::process::ExitCode;
use std::time::Duration;
use torture::bounds::Bounds;
use torture::suites::{SUITES, Suite};

fn main() -> ExitCode {
    if torture::kill::write_if_ordered() || torture::blackbox::write_if_ordered() {
        return ExitCode::SUCCESS;
    }
    let matches = command().get_matches();
    let Some((name, arguments)) = matches.subcommand() else {
        unreachable!("clap asks for a subcommand")
    };
    let is_chosen = |suite: &&Suite| name == suite.name || (name == "all" && !suite.is_part);
    let broken = SUITES.iter().filter(is_chosen).filter(|suite| !run(suite, arguments)).count();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a suite. Returns whether every promise was kept.
fn run(suite: &Suite, arguments: &ArgMatches) -> bool {
    let number = |name: &str| arguments.get_one::<u64>(name).copied();
    let seconds = number("seconds").unwrap_or(suite.seconds);
    let threads = number("threads").and_then(|it| usize::try_from(it).ok()).unwrap_or(2);
    let mut bounds =
        Bounds::new(Duration::from_secs(seconds), number("seed").unwrap_or(1), threads);
    if let Some(hang) = number("hang") {
        bounds.hang = Duration::from_secs(hang);
    }
    if suite.is_part {
        bounds.skip = number("skip").unwrap_or(0);
    }
    if arguments.get_flag("first") {
        bounds.violations_max = 1;
    }
    let outcome = (suite.run)(&bounds);
    for violation in outcome.violations() {
        eprintln!("{}: {violation}", suite.name);
    }
    println!("{}", outcome.line(suite.name, bounds.elapsed().as_secs_f64()));
    outcome.violation_count() == 0
}

fn command() -> Command {
    let suite = |suite: &Suite| {
        let about = format!("{} [default: {} s]", suite.about, suite.seconds);
        let command = with_bounds(Command::new(suite.name).about(about));
        let help = "Leaves the first cases out, to go on where a run ended [default: 0]";
        if suite.is_part { command.arg(number_of("skip", help)) } else { command }
    };
    Command::new("torture")
        .about("The long tests of Siltstone. Each ends with one line of figures.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(SUITES.iter().map(suite))
        .subcommand(with_bounds(Command::new("all").about("Every suite, one after the other")))
}

fn number_of(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u64)).help(help)
}

fn with_bounds(command: Command) -> Command {
    command
        .arg(number_of("seconds", "No case begins after this time; each suite has its default"))
        .arg(number_of("seed", "Cases that are drawn by chance are drawn from this [default: 1]"))
        .arg(
            Arg::new("first")
                .long("first")
                .action(ArgAction::SetTrue)
                .help("Stop at the first violation [default: at the twentieth]"),
        )
        .arg(number_of("hang", "A case that takes more seconds hangs [default: 60]"))
        .arg(number_of("threads", "Cases run side by side on this many threads [default: 2]"))
}
