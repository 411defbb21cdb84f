//! A run: rounds of chains of steps, engines interleaved.

use crate::engine::{NAMES, Result};
use crate::plan::chains::{Chain, Planned, chains};
use crate::plan::child;
use crate::plan::machine::facts;
use crate::plan::results::{Fault, Record, Results};
use crate::work::job::has_database;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Request {
    /// Rows whose name matches, and what these need.
    #[arg(long, default_value = "")]
    rows: Regex,
    /// The rows of the shorter run only.
    #[arg(long)]
    core: bool,
    /// Engines, of: siltstone, rocksdb, fjall, redb, lmdb.
    #[arg(long, value_delimiter = ',', default_value = "siltstone,rocksdb,fjall")]
    engines: Vec<String>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Entries of the main data set; others are as much smaller as the rows say.
    #[arg(long, default_value_t = 3_000_000)]
    entries: u64,
    /// The results; an interrupted run goes on where it was.
    #[arg(long, default_value = "results/results.json")]
    out: PathBuf,
    /// Where the databases are made, and removed again.
    #[arg(long, default_value = "target/peers-data")]
    data: PathBuf,
}

/// Runs everything that is asked for.
pub(crate) fn run(request: &Request) -> Result<()> {
    if let Some(unknown) = request.engines.iter().find(|engine| !NAMES.contains(&engine.as_str())) {
        return Err(format!("there is no engine {unknown}; there are {}", NAMES.join(", ")).into());
    }
    if let Some(folder) = request.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::create_dir_all(&request.data)?;
    let mut results = if request.out.exists() {
        Results::read(&request.out)?
    } else {
        Results { entries: request.entries, facts: facts(&request.data), ..Results::default() }
    };
    if results.entries != request.entries {
        let (out, entries) = (request.out.display(), results.entries);
        return Err(format!(
            "{out} has {entries} entries: give another --out, or the same --entries"
        )
        .into());
    }
    let begin = Instant::now();
    for round in 0..request.rounds {
        for chain in chains(request.entries) {
            if let Some(chain) = chosen(chain, request) {
                run_chain(&chain, round, request, &mut results)?;
            }
        }
    }
    if fs::read_dir(&request.data)?.next().is_none() {
        fs::remove_dir(&request.data)?;
    }
    eprintln!("{:.0} s in all", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The chain with the steps that are asked for and those that these need; none if nothing is.
fn chosen(chain: Chain, request: &Request) -> Option<Chain> {
    let is_wanted = |planned: &Planned| {
        let is_core = chain.is_core && planned.is_core;
        (is_core || !request.core) && request.rows.is_match(&planned.step.row)
    };
    let last = chain.steps.iter().rposition(is_wanted)?;
    let steps = chain.steps[..=last].iter();
    let steps = steps.filter(|planned| planned.prepares || is_wanted(planned)).cloned().collect();
    Some(Chain { steps, ..chain })
}

fn run_chain(chain: &Chain, round: usize, request: &Request, results: &mut Results) -> Result<()> {
    let rows: Vec<&str> = chain.steps.iter().map(|planned| planned.step.row.as_str()).collect();
    let engines = &request.engines;
    let name = format!("{round} {} {} {}", chain.name, engines.join(","), rows.join(","));
    if results.finished.contains(&name) {
        return Ok(());
    }
    results.forget(round, chain.name);
    let place = |engine: &str| request.data.join(engine);
    for engine in engines {
        remove(&place(engine))?;
    }
    for (number, planned) in chain.steps.iter().enumerate() {
        for turn in 0..engines.len() {
            // Another engine begins each time: none always finds the caches as one other left them.
            let engine = &engines[(turn + number + round) % engines.len()];
            if number > 0 && !has_database(&place(engine)) {
                continue;
            }
            run_step(&Turn { chain, planned, round, engine, place: place(engine) }, results);
            results.write(&request.out)?;
        }
    }
    for engine in engines {
        remove(&place(engine))?;
    }
    results.finished.push(name);
    results.write(&request.out)
}

struct Turn<'a> {
    chain: &'a Chain,
    planned: &'a Planned,
    round: usize,
    engine: &'a str,
    place: PathBuf,
}

fn run_step(turn: &Turn, results: &mut Results) {
    let step = &turn.planned.step;
    let begin = Instant::now();
    let outcomes = fs::create_dir_all(&turn.place)
        .map_err(Into::into)
        .and_then(|()| child::run(turn.engine, step, &turn.place));
    let seconds = begin.elapsed().as_secs_f64();
    let (round, chain) = (turn.round, turn.chain.name.to_owned());
    let (engine, row) = (turn.engine.to_owned(), step.row.clone());
    match outcomes {
        Ok(outcomes) => {
            let speeds = outcomes.iter().map(|outcome| format!("{:.0}/s", outcome.per_second()));
            let speeds = speeds.collect::<Vec<_>>().join(", ");
            eprintln!("round {round}, {row}, {engine}: {speeds} ({seconds:.1} s)");
            results.records.extend(outcomes.into_iter().map(|outcome| Record {
                round,
                chain: chain.clone(),
                engine: engine.clone(),
                outcome,
            }));
        }
        Err(error) => {
            let error = error.to_string();
            eprintln!("round {round}, {row}, {engine}: FAILED: {error}");
            if turn.planned.prepares {
                // What follows would measure something else.
                let removed = remove(&turn.place);
                if let Err(error) = removed {
                    eprintln!("{}: {error}", turn.place.display());
                }
            }
            results.faults.push(Fault { round, chain, engine, row, error });
        }
    }
    // What one engine left to be written back must not slow the next one.
    rustix::fs::sync();
}

fn remove(place: &Path) -> Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
