//! What reads have lost by looking into several runs of tables where there could be one.
//!
//! An estimate: the extra time of a get, of a seek, and of a step that has to ask which run comes next, as
//! measured with everything cached (decision 0036). A factor of two makes a merge come a little sooner or
//! later, nothing else.

/// Extra time of a get for each run beyond the first.
const GET_NANOS: u64 = 40;

/// Extra time of a seek for each run beyond the first.
const SEEK_NANOS: u64 = 1000;

/// Extra time of a step in which several runs had a word.
const TURN_NANOS: u64 = 25;

/// What so many gets have lost, in nanoseconds.
pub(crate) fn lost_by_gets(gets: u64, extra_runs: usize) -> u64 {
    gets * extra_runs as u64 * GET_NANOS
}

/// Counts for one scan.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Runs beyond the first that a merge of level 0 would take away.
    extra_runs: u64,
    seeks: u64,
    turns: u64,
}

impl Tally {
    pub(crate) fn new(extra_runs: usize) -> Tally {
        Tally { extra_runs: extra_runs as u64, ..Tally::default() }
    }

    pub(crate) fn note_seek(&mut self) {
        self.seeks += 1;
    }

    /// Notes a step, unless it was clear beforehand that no other source has an entry there.
    #[inline]
    pub(crate) fn note_turn(&mut self) {
        self.turns += 1;
    }

    /// What was lost since this was asked last, in nanoseconds.
    pub(crate) fn take_lost(&mut self) -> u64 {
        let (seeks, turns) = (std::mem::take(&mut self.seeks), std::mem::take(&mut self.turns));
        match self.extra_runs {
            0 => 0,
            runs => seeks * runs * SEEK_NANOS + turns * TURN_NANOS,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::read::tally::{SEEK_NANOS, TURN_NANOS, Tally};

    #[test]
    fn one_run_costs_nothing_and_more_cost_each_time() {
        for (extra_runs, lost) in
            [(0, 0), (1, SEEK_NANOS + 2 * TURN_NANOS), (3, 3 * SEEK_NANOS + 2 * TURN_NANOS)]
        {
            let mut tally = Tally::new(extra_runs);
            tally.note_seek();
            tally.note_turn();
            tally.note_turn();
            assert_eq!(tally.take_lost(), lost);
            assert_eq!(tally.take_lost(), 0, "it is told once");
        }
    }
}
