//! The chapter of the crash: a writer is killed in the middle, and its word is checked.
//!
//! SIGKILL proves what `Buffered` promises, the death of the process. It cannot prove what `Sync`
//! adds: the operating system lives on and writes what it was handed.

use crate::demo::home::open;
use crate::demo::interrupt::Interrupt;
use crate::demo::story::Story;
use crate::demo::writer::{PREFIX, entry, is_synced};
use crate::exit::Failure;
use crate::units::{count, duration};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The writer is killed after so many acknowledgements.
const ENOUGH: u64 = 4_000;

pub(crate) fn tell(directory: &Path, story: &mut Story<'_>) -> Result<(), Failure> {
    story.chapter("Kill a writer in the middle")?;
    let (process, acknowledged) = run_and_kill(directory, &story.interrupt)?;
    let synced = (0..acknowledged).filter(|&number| is_synced(number)).count() as u64;
    story.line(&format!(
        "Process {process} wrote until SIGKILL: {} writes acknowledged, {} of them synced.",
        count(acknowledged),
        count(synced)
    ))?;
    let started = Instant::now();
    let db = open(directory)?;
    let opened = started.elapsed();
    let mut found: u64 = 0;
    for present in db.prefix(PREFIX) {
        let (key, value) = present?;
        let (wanted_key, wanted_value) = entry(found);
        if key[..] != *wanted_key.as_bytes() || value[..] != *wanted_value.as_bytes() {
            return Err(Failure::broken_promise(format!("write {found} came back wrong")));
        }
        found += 1;
    }
    db.close()?;
    if found < acknowledged {
        let lost = acknowledged - found;
        return Err(Failure::broken_promise(format!("{lost} acknowledged writes are lost")));
    }
    story.line(&format!(
        "Opened again in {}: {}",
        duration(opened),
        story.paint.green(&format!(
            "{} of {} found, every byte right",
            count(acknowledged),
            count(acknowledged)
        ))
    ))?;
    let late = match found - acknowledged {
        0 => "And nothing else is there: no half of the write that was under way.",
        _ => "And one more, whole, that was written and not yet acknowledged: there are no halves.",
    };
    story.why(late)?;
    story.fact("acknowledged", json!(acknowledged));
    story.fact("found", json!(found));
    Ok(())
}

/// The process number of the writer, and how many writes it had acknowledged.
fn run_and_kill(directory: &Path, interrupt: &Interrupt) -> Result<(u32, u64), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::io("find", "the program itself".as_ref(), &error))?;
    let failed = |error: std::io::Error| Failure::io("run", &program, &error);
    let mut child = Command::new(&program)
        .arg("--db")
        .arg(directory)
        .arg("demo-writer")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let Some(pipe) = child.stdout.take() else { unreachable!("stdout is piped") };
    let mut lines = BufReader::new(pipe);
    let mut line = String::new();
    let mut acknowledged: u64 = 0;
    let mut killed = false;
    // What stands in the pipe when the writer dies was acknowledged too: read to the end.
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(failed)? == 0 || !line.ends_with('\n') {
            break;
        }
        if line.trim_end() != acknowledged.to_string() {
            return Err(Failure::broken_promise(format!("the writer said {line:?}")));
        }
        acknowledged += 1;
        if !killed && (acknowledged >= ENOUGH || interrupt.is_noted()) {
            child.kill().map_err(failed)?;
            killed = true;
        }
    }
    child.wait().map_err(failed)?;
    // Ctrl-C in a terminal goes to the writer too: that it ended early is no broken promise then.
    interrupt.check()?;
    if !killed {
        return Err(Failure::broken_promise("the writer ended before it was killed"));
    }
    Ok((child.id(), acknowledged))
}
