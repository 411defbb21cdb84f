//! A step in a process of its own.

use crate::engine::{self, Result};
use crate::measure::outcome::Outcome;
use crate::work::job::{Job, Step, Work};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SIGKILL: i32 = 9;

/// Starts this program again as a step, and waits for its figures.
pub(crate) fn run(engine: &str, step: &Step, place: &Path) -> Result<Vec<Outcome>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["step", engine]).arg(place).arg(serde_json::to_string(step)?);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(format!("did not end within {} s", PATIENCE.as_secs()).into());
        }
        sleep(LOOK_EVERY);
    };
    let (mut figures, mut complaints) = (String::new(), String::new());
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut figures)?;
    }
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_string(&mut complaints)?;
    }
    if step.work == Work::Die && status.signal() == Some(SIGKILL) {
        return Ok(Vec::new());
    }
    if !status.success() {
        return Err(format!("{status}: {}", complaints.trim()).into());
    }
    Ok(serde_json::from_str(&figures)?)
}

/// The other side: does the step and prints its figures.
pub(crate) fn step(engine: &str, place: &Path, step: &str) -> Result<()> {
    let job = Job { step: serde_json::from_str(step)?, place: place.to_owned() };
    let outcomes = engine::with(engine, &job)?;
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}
