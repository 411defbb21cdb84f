//! What a suite found: one line of figures, and every violation in words.

use std::fmt;

/// Violations that are told in full; of further ones only the number.
const TOLD_MAX: usize = 20;

/// The end of one run of a suite.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    figures: Vec<(&'static str, String)>,
    violations: Vec<String>,
    violations_untold: u64,
}

impl Outcome {
    /// Nothing was found yet.
    #[must_use]
    pub fn new() -> Outcome {
        Outcome::default()
    }

    /// Adds a figure to the line; the order of calls is the order on the line.
    pub fn figure(&mut self, name: &'static str, value: impl fmt::Display) -> &mut Outcome {
        self.figures.push((name, value.to_string()));
        self
    }

    /// Adds a violation: something that the engine promised and did not keep.
    pub fn violation(&mut self, what: impl Into<String>) -> &mut Outcome {
        if self.violations.len() < TOLD_MAX {
            self.violations.push(what.into());
        } else {
            self.violations_untold += 1;
        }
        self
    }

    /// A violation unless `holds`: above all, that a run hit what it claims to test.
    pub fn require(&mut self, holds: bool, what: &str) -> &mut Outcome {
        if !holds {
            self.violation(format!("vacuous: {what}"));
        }
        self
    }

    /// Takes in the violations of another part of the same run.
    pub fn absorb(&mut self, violations: impl IntoIterator<Item = String>) -> &mut Outcome {
        for violation in violations {
            self.violation(violation);
        }
        self
    }

    /// How many promises were broken.
    #[must_use]
    pub fn violation_count(&self) -> u64 {
        self.violations.len() as u64 + self.violations_untold
    }

    /// The violations in words, the first ones at least.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The figures as one line: `name key=value ... violations=n seconds=s`.
    #[must_use]
    pub fn line(&self, name: &str, seconds: f64) -> String {
        let figure = |(key, value): &(&str, String)| format!(" {key}={value}");
        let figures: String = self.figures.iter().map(figure).collect();
        let violations = self.violation_count();
        format!("{name}{figures} violations={violations} seconds={seconds:.1}")
    }
}

#[cfg(test)]
mod tests {
    use crate::outcome::Outcome;

    #[test]
    fn the_line_has_every_figure_and_counts_what_it_does_not_tell() {
        let mut outcome = Outcome::new();
        outcome.figure("runs", 3).figure("states", 1_000);
        for number in 0..25 {
            outcome.violation(format!("number {number}"));
        }
        outcome.require(true, "hit").require(false, "never hit");
        let line = outcome.line("crash", 1.25);
        assert_eq!(line, "crash runs=3 states=1000 violations=26 seconds=1.2");
        assert_eq!(outcome.violations().len(), 20);
    }
}
