//! The voice of the demo: titles, lines, and the facts behind them for `--json`.

use crate::demo::interrupt::Interrupt;
use crate::exit::Failure;
use crate::paint::Paint;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::Path;

/// Tells the story on stdout, or with `--json` keeps silent and writes the facts at the end.
pub(crate) struct Story<'a> {
    out: &'a mut dyn Write,
    pub(crate) paint: Paint,
    facts: Option<Map<String, Value>>,
    pub(crate) interrupt: Interrupt,
    chapter: u32,
}

impl<'a> Story<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, json: bool, interrupt: Interrupt) -> Story<'a> {
        let (paint, facts) = (Paint::of_stdout(), json.then(Map::new));
        Story { out, paint, facts, interrupt, chapter: 0 }
    }

    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        if self.facts.is_none() {
            writeln!(self.out, "{}", text.trim_end())?;
            // Someone is watching: nothing waits in the buffer.
            self.out.flush()?;
        }
        Ok(())
    }

    pub(crate) fn opening(&mut self, directory: &Path, temporary: bool) -> Result<(), Failure> {
        let stays = if temporary { "removed at the end" } else { "yours to keep" };
        self.tell(&format!(
            "{}: an ordered key-value store that lives in a directory.",
            self.paint.bold("Siltstone")
        ))?;
        self.tell(&self.paint.dim(&format!("This one is {}, {stays}.", directory.display())))
    }

    /// Begins a chapter, unless someone has had enough.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.interrupt.check()?;
        self.chapter += 1;
        let number = self.paint.cyan(&self.chapter.to_string());
        self.tell(&format!("\n{number}  {}", self.paint.bold(title)))
    }

    /// Something that was seen or measured.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.tell(&format!("   {text}"))
    }

    /// Why it matters.
    pub(crate) fn why(&mut self, text: &str) -> Result<(), Failure> {
        self.line(&self.paint.dim(text))
    }

    /// A figure for `--json`.
    pub(crate) fn fact(&mut self, name: &str, value: Value) {
        if let Some(facts) = &mut self.facts {
            facts.insert(name.to_owned(), value);
        }
    }

    pub(crate) fn closing(&mut self, time: &str, next: &str) -> Result<(), Failure> {
        self.tell(&format!("\nAll of it took {time}. Next: {}", self.paint.bold(next)))
    }

    /// Writes the facts, if that is what was asked for.
    pub(crate) fn end(self) -> Result<(), Failure> {
        if let Some(facts) = self.facts {
            writeln!(self.out, "{}", Value::Object(facts))?;
        }
        Ok(())
    }
}
