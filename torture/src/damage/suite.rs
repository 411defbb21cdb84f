//! The suite `damage`: whole files first, then a bit of every byte, round after round.

use crate::bounds::Bounds;
use crate::crew;
use crate::damage::bits::{flip, places, spoil_sectors, swap_blocks};
use crate::damage::court::Court;
use crate::damage::files::{cut_files, foreign_files, missing_files, subjects, swapped_files};
use crate::damage::subject::{Outcome as Ending, Story, story};
use crate::outcome::Outcome;

/// One of the chapters about whole files.
type Chapter = fn(&Story) -> Court;

const CHAPTERS: [Chapter; 6] =
    [blocks, cut_files, missing_files, swapped_files, foreign_files, sectors];

/// Bits of a byte: after so many rounds every bit of every file was flipped.
const ROUNDS: u64 = 8;

fn blocks(story: &Story) -> Court {
    let mut court = Court::default();
    for subject in subjects(story) {
        swap_blocks(&mut court, subject);
    }
    court
}

fn sectors(story: &Story) -> Court {
    let mut court = Court::default();
    for subject in subjects(story) {
        court.may_roll_back = subject.name != "closed";
        spoil_sectors(&mut court, subject);
    }
    court
}

/// Runs the suite. What is silent names the file and the byte.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let story = story(bounds.seed);
    let subjects = subjects(&story);
    let places = places(&subjects);
    let bytes = places.len() as u64;
    // The first bits before the chapters, so that a short run has seen some of both.
    let chapters = CHAPTERS.len() as u64;
    let haul = crew::run(bounds, bytes * ROUNDS + chapters, |number, court: &mut Court| {
        if let Some(chapter) = CHAPTERS.get(number as usize) {
            court.absorb(chapter(&story));
            court.cry_out();
            return;
        }
        let number = number - chapters;
        // A prime that divides no number of places: each of them once in a round, without a pattern.
        let place = &places[(number % bytes * 1_000_003 % bytes) as usize];
        flip(court, &subjects, place, number / bytes);
        court.cry_out();
    });
    let (mut all, mut outcome) = (Court::default(), Outcome::new());
    let silent = haul.failures.len();
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    haul.sums.into_iter().for_each(|court| all.absorb(court));
    let count = |ending| all.tally.get(&ending).copied().unwrap_or_default();
    outcome
        .figure("bytes", bytes)
        .figure("flips", haul.cases.saturating_sub(chapters))
        .figure("every_byte", haul.cases >= chapters + bytes)
        .figure("cases", all.tally.values().sum::<u64>())
        .figure("right", count(Ending::Right))
        .figure("open_refused", count(Ending::OpenRefused))
        .figure("read_refused", count(Ending::ReadRefused))
        .figure("reported", count(Ending::Reported))
        .figure("cut_to_an_earlier_record", count(Ending::RolledBack))
        .figure("silent", all.silent.len() + silent);
    if haul.cases > 1_000 {
        outcome
            .require(count(Ending::OpenRefused) > 0, "no open was refused")
            .require(count(Ending::ReadRefused) > 0, "no read was refused")
            .require(count(Ending::Reported) > 0, "no torn tail was reported");
    }
    outcome.absorb(all.silent);
    outcome
}
