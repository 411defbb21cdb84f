//! The suite `damage`: whole files first, then a bit of every byte and a cut at it, then the other bits,
//! and then the same for the next story, as long as there is time.

use crate::bounds::Bounds;
use crate::crew;
use crate::damage::bits::{Place, cut, exchange_blocks, flip, places, spoil_sectors, swap_blocks};
use crate::damage::court::Court;
use crate::damage::files::{
    CUTS_ROLLED_BACK_MAX, foreign_files, missing_files, subjects, swapped_files,
};
use crate::damage::subject::{Outcome as Ending, Story, Subject, story, twins};
use crate::outcome::Outcome;
use std::sync::OnceLock;

/// One of the chapters about whole files, for one database of a story.
type Chapter = fn(&Story, &Subject) -> Court;

const CHAPTERS: [Chapter; 6] =
    [blocks, twin_tables, missing_files, swapped_files, foreign_files, sectors];

/// Bits of a byte: after so many rounds every bit of every file was flipped.
const BITS: u64 = 8;

/// Stories of one run at most.
const STORIES: usize = 64;

/// A story with everything in it that is worth damage.
struct Book {
    story: Story,
    places: Vec<Place>,
}

impl Book {
    fn new(seed: u64) -> Book {
        let story = story(seed);
        let places = places(&subjects(&story));
        Book { story, places }
    }

    fn bytes(&self) -> u64 {
        self.places.len() as u64
    }

    fn chapters(&self) -> u64 {
        (CHAPTERS.len() * subjects(&self.story).len()) as u64
    }

    /// The chapters, and of every byte a bit and a cut.
    fn first_round(&self) -> u64 {
        self.chapters() + 2 * self.bytes()
    }

    fn cases(&self) -> u64 {
        self.first_round() + (BITS - 1) * self.bytes()
    }

    fn judge(&self, number: u64, court: &mut Court) {
        let subjects = subjects(&self.story);
        if let Some(chapter) = CHAPTERS.get(number as usize / subjects.len()) {
            court.absorb(chapter(&self.story, subjects[number as usize % subjects.len()]));
            return;
        }
        let number = number - self.chapters();
        // A prime that divides no number of places: each of them once in a round, without a pattern.
        let place =
            |number: u64| &self.places[(number % self.bytes() * 1_000_003 % self.bytes()) as usize];
        if number >= 2 * self.bytes() {
            flip(court, &subjects, place(number), number / self.bytes() - 1);
        } else if number.is_multiple_of(2) {
            flip(court, &subjects, place(number / 2), 0);
        } else {
            cut(court, &subjects, place(number / 2));
        }
    }
}

fn blocks(_story: &Story, subject: &Subject) -> Court {
    let mut court = Court::default();
    swap_blocks(&mut court, subject);
    court
}

/// Once in a story; the tables of its own databases have blocks of many lengths.
fn twin_tables(_story: &Story, subject: &Subject) -> Court {
    let mut court = Court::default();
    if subject.name == "closed" {
        exchange_blocks(&mut court, &twins());
    }
    court
}

fn sectors(_story: &Story, subject: &Subject) -> Court {
    let mut court = Court { may_roll_back: subject.name != "closed", ..Court::default() };
    spoil_sectors(&mut court, subject);
    court
}

/// The stories of a run, told when their turn comes.
struct Library {
    seed: u64,
    books: Vec<OnceLock<Book>>,
}

impl Library {
    /// The book in which a case stands, and its number there.
    fn find(&self, mut number: u64) -> Option<(&Book, u64)> {
        for (at, book) in self.books.iter().enumerate() {
            let book = book.get_or_init(|| Book::new(self.seed + at as u64));
            if number < book.cases() {
                return Some((book, number));
            }
            number -= book.cases();
        }
        None
    }

    /// Adds what a run of so many cases has covered.
    fn report(&self, mut cases: u64, outcome: &mut Outcome) {
        let (mut begun, mut every_byte, mut every_bit) = (0, 0, 0);
        for book in self.books.iter().map_while(OnceLock::get) {
            begun += u64::from(cases > 0);
            every_byte += if cases >= book.first_round() { book.bytes() } else { 0 };
            every_bit += if cases >= book.cases() { book.bytes() } else { 0 };
            cases = cases.saturating_sub(book.cases());
        }
        let bytes = self.books[0].get().map_or(0, Book::bytes);
        outcome
            .figure("stories", begun)
            .figure("bytes", bytes)
            .figure("every_byte", every_byte >= bytes)
            .figure("every_bit_of_bytes", every_bit);
    }
}

/// A share of a hundred, with two places and never rounded up.
fn percent(part: u64, all: u64) -> f64 {
    (part * 10_000).checked_div(all).map_or(100.0, |share| share as f64 / 100.0)
}

/// Runs the suite. What is silent names the file and the byte.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let books = (0..STORIES).map(|_| OnceLock::new()).collect();
    let library = Library { seed: bounds.seed, books };
    let haul = crew::run(bounds, u64::MAX, |number, court: &mut Court| {
        if let Some((book, number)) = library.find(number) {
            book.judge(number, court);
            court.cry_out();
        }
    });
    let (mut all, mut outcome) = (Court::default(), Outcome::new());
    let silent = haul.failures.len();
    outcome.absorb(haul.failures.into_iter().map(|(number, what)| format!("{number}: {what}")));
    haul.sums.into_iter().for_each(|court| all.absorb(court));
    library.report(haul.cases, &mut outcome);
    let count = |ending| all.tally.get(&ending).copied().unwrap_or_default();
    let names = all.names;
    outcome
        .figure("flips", all.flips)
        .figure("truncations", all.cuts)
        .figure("cases", all.tally.values().sum::<u64>())
        .figure("right", count(Ending::Right))
        .figure("open_refused", count(Ending::OpenRefused))
        .figure("read_refused", count(Ending::ReadRefused))
        .figure("reported", count(Ending::Reported))
        .figure("cut_to_an_earlier_record", count(Ending::RolledBack))
        .figure("errors_name_file_percent", percent(names.files, names.errors))
        .figure("errors_name_offset_percent", percent(names.offsets, names.errors))
        .figure("largest_allocation_kib", all.largest >> 10)
        .figure("slowest_ms", all.slowest.as_millis())
        .figure("silent", all.silent.len() + silent);
    let stories = library.books.iter().filter(|book| book.get().is_some()).count() as u64;
    if all.cuts_rolled_back > CUTS_ROLLED_BACK_MAX * stories {
        let rolled_back = all.cuts_rolled_back;
        outcome.violation(format!("{rolled_back} cuts rolled back, more than there are records"));
    }
    if haul.cases > 1_000 {
        outcome
            .require(count(Ending::OpenRefused) > 0, "no open was refused")
            .require(count(Ending::ReadRefused) > 0, "no read was refused")
            .require(count(Ending::Reported) > 0, "no torn tail was reported")
            .require(all.largest > 0, "nothing was allocated");
    }
    if names.files < names.errors || names.offsets * 100 < names.errors * 99 {
        outcome.violation("errors do not say where: see errors_name_...");
    }
    outcome.absorb(all.silent);
    outcome
}

#[cfg(test)]
mod tests {
    use crate::damage::suite::{Book, percent};

    #[test]
    fn the_damaged_database_has_at_least_64_kib_and_every_byte_its_turn() {
        let book = Book::new(1);
        assert!(book.bytes() >= 64 << 10, "{}", book.bytes());
        let order = |number: u64| number * 1_000_003 % book.bytes();
        let different: std::collections::BTreeSet<_> = (0..book.bytes()).map(order).collect();
        assert_eq!(different.len() as u64, book.bytes());
        assert_eq!(book.cases(), book.chapters() + 9 * book.bytes());
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        assert_eq!((percent(0, 0), percent(99_999, 100_000), percent(5, 5)), (100.0, 99.99, 100.0));
    }
}
