//! Medians over rounds, by row and engine.

use crate::engine::NAMES;
use crate::measure::outcome::Outcome;
use crate::plan::results::Results;
use std::collections::BTreeMap;

/// The peers whose better one a ratio is taken against.
const RIVALS: [&str; 2] = ["rocksdb", "fjall"];

/// All outcomes, by row and engine.
pub(crate) struct Medians<'a> {
    outcomes: BTreeMap<(&'a str, &'a str), Vec<&'a Outcome>>,
    rows: Vec<&'a str>,
}

impl<'a> Medians<'a> {
    pub(crate) fn new(results: &'a Results) -> Medians<'a> {
        let mut medians = Medians { outcomes: BTreeMap::new(), rows: Vec::new() };
        for record in &results.records {
            let row = record.outcome.row.as_str();
            if !medians.rows.contains(&row) {
                medians.rows.push(row);
            }
            let key = (row, record.engine.as_str());
            medians.outcomes.entry(key).or_default().push(&record.outcome);
        }
        medians
    }

    /// Rows in the order in which they were measured.
    pub(crate) fn rows(&self) -> &[&'a str] {
        &self.rows
    }

    /// The engines that were measured at all, Siltstone first.
    pub(crate) fn engines(&self) -> Vec<&'static str> {
        let is_there = |name: &&str| self.outcomes.keys().any(|(_, engine)| engine == name);
        NAMES.into_iter().filter(is_there).collect()
    }

    /// The median of a figure over the rounds that have it.
    pub(crate) fn of(
        &self,
        row: &str,
        engine: &str,
        figure: impl Fn(&Outcome) -> Option<f64>,
    ) -> Option<f64> {
        let outcomes = self.outcomes.get(&(row, engine))?;
        let mut figures: Vec<f64> = outcomes.iter().filter_map(|outcome| figure(outcome)).collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len().checked_sub(1)? / 2;
        Some((figures[middle] + figures[figures.len() / 2]) / 2.0)
    }

    pub(crate) fn speed(&self, row: &str, engine: &str) -> Option<f64> {
        self.of(row, engine, |outcome| Some(outcome.per_second()))
    }

    /// Siltstone's figure over that of the better rival: above 1 is better where more is better.
    pub(crate) fn ratio(
        &self,
        row: &str,
        is_more_better: bool,
        figure: impl Fn(&Outcome) -> Option<f64>,
    ) -> Option<f64> {
        let own = self.of(row, "siltstone", &figure)?;
        let rivals = RIVALS.iter().filter_map(|rival| self.of(row, rival, &figure));
        let better = rivals.reduce(if is_more_better { f64::max } else { f64::min })?;
        Some(own / better)
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::outcome::Outcome;
    use crate::plan::results::{Record, Results};
    use crate::report::medians::Medians;

    fn record(engine: &str, round: usize, operations: u64) -> Record {
        let mut outcome = Outcome { row: "get".to_owned(), operations, ..Outcome::default() };
        outcome.spent.wall_seconds = 1.0;
        Record { round, chain: "base".to_owned(), engine: engine.to_owned(), outcome }
    }

    #[test]
    fn the_ratio_is_of_medians_and_against_the_better_rival() {
        let mut results = Results::default();
        for (round, [own, rocksdb, fjall]) in [[8, 2, 1], [9, 3, 7], [900, 1, 4]].iter().enumerate()
        {
            results.records.push(record("siltstone", round, *own));
            results.records.push(record("rocksdb", round, *rocksdb));
            results.records.push(record("fjall", round, *fjall));
        }
        let medians = Medians::new(&results);
        assert_eq!(medians.speed("get", "siltstone"), Some(9.0));
        let speed = |outcome: &Outcome| Some(outcome.per_second());
        assert_eq!(medians.ratio("get", true, speed), Some(9.0 / 4.0));
        assert_eq!(medians.ratio("get", false, speed), Some(9.0 / 2.0));
        assert_eq!(medians.ratio("put", true, speed), None);
    }

    #[test]
    fn an_even_number_of_rounds_has_its_median_between_two() {
        let mut results = Results::default();
        results.records.extend([record("siltstone", 0, 4), record("siltstone", 1, 8)]);
        assert_eq!(Medians::new(&results).speed("get", "siltstone"), Some(6.0));
    }
}
