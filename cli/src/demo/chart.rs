//! A line chart of braille dots: two columns and four rows of dots in each character.

use crate::paint::Paint;

/// Characters across and down.
const WIDTH: usize = 60;
const HEIGHT: usize = 8;

/// How many samples a chart shows: one for each column of dots.
pub(crate) const SAMPLES: usize = WIDTH * 2;

const DOTS_DOWN: usize = HEIGHT * 4;

/// The bit of each dot in a braille character, by row and column.
const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws at most [`SAMPLES`] samples, joined to a line, with the prices on the left and the names of
/// the first, middle and last moment below. `None` is a moment without a sample: the line goes on at
/// the price before.
pub(crate) fn draw(
    samples: &[Option<f64>],
    decimals: usize,
    moments: [&str; 3],
    paint: Paint,
) -> Vec<String> {
    let seen = || samples.iter().flatten().copied();
    let (low, high) = (seen().fold(f64::MAX, f64::min), seen().fold(f64::MIN, f64::max));
    let (Some(first), Some(last)) = (seen().next(), seen().last()) else { return Vec::new() };
    let span = (high - low).max(f64::MIN_POSITIVE);
    let row_of = |price: f64| {
        let from_top = (high - price) / span * (DOTS_DOWN - 1) as f64;
        (from_top.round() as usize).min(DOTS_DOWN - 1)
    };
    let mut cells = [[0u32; WIDTH]; HEIGHT];
    let mut at = row_of(first);
    for (column, sample) in samples.iter().take(SAMPLES).enumerate() {
        let to = sample.map_or(at, row_of);
        // From next to the dot before, up or down to this one, so that steep moves have no gaps.
        let from = match at.cmp(&to) {
            std::cmp::Ordering::Less => at + 1,
            std::cmp::Ordering::Equal => at,
            std::cmp::Ordering::Greater => at - 1,
        };
        for row in from.min(to)..=from.max(to) {
            cells[row / 4][column / 2] |= BITS[row % 4][column % 2];
        }
        at = to;
    }
    let labels = [high, high - span / 2.0, low].map(|price| format!("{price:.decimals$}"));
    let width = labels.iter().map(String::len).max().unwrap_or_default();
    let mut lines = Vec::with_capacity(HEIGHT + 1);
    for (index, row) in cells.iter().enumerate() {
        let label = match index {
            0 => &labels[0],
            _ if index == HEIGHT / 2 => &labels[1],
            _ if index == HEIGHT - 1 => &labels[2],
            _ => "",
        };
        let line: String =
            row.iter().map(|&bits| char::from_u32(0x2800 + bits).unwrap_or(' ')).collect();
        let line = if last >= first { paint.green(&line) } else { paint.red(&line) };
        lines.push(format!("{label:>width$} {} {line}", paint.dim("┤")));
    }
    let [left, middle, right] = moments;
    let (half, rest) = (WIDTH / 2, WIDTH - WIDTH / 2);
    let (first, last) = (half - middle.len() / 2, rest - middle.len().div_ceil(2));
    let axis = format!("{:width$}   {left:<first$}{middle}{right:>last$}", "");
    lines.push(paint.dim(&axis));
    lines
}

#[cfg(test)]
mod tests {
    use crate::demo::chart::{HEIGHT, SAMPLES, WIDTH, draw};
    use crate::paint::Paint;

    const TIMES: [&str; 3] = ["13:00", "13:30", "14:00"];

    fn dots(line: &str) -> Vec<u32> {
        let cells: Vec<char> = line.chars().rev().take(WIDTH).collect();
        cells.iter().rev().map(|&cell| u32::from(cell) - 0x2800).collect()
    }

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let samples: Vec<Option<f64>> = (0..SAMPLES).map(|index| Some(index as f64)).collect();
        let lines = draw(&samples, 1, TIMES, Paint::plain());
        assert_eq!(lines.len(), HEIGHT + 1);
        let line = &lines[HEIGHT];
        assert_eq!(line.trim_start(), format!("13:00{0} 13:30{0}14:00", " ".repeat(22)));
        assert_eq!(line.chars().count(), lines[0].chars().count());
        assert!(lines[0].starts_with("119.0 ┤") && lines[HEIGHT - 1].starts_with("  0.0 ┤"));
        assert_ne!(dots(&lines[HEIGHT - 1])[0] & 0x40, 0, "the lowest dot of the first cell");
        assert_ne!(dots(&lines[0])[WIDTH - 1] & 0x08, 0, "the highest dot of the last cell");
        assert_eq!(dots(&lines[0])[0], 0);
    }

    #[test]
    fn every_column_has_a_dot_and_jumps_have_no_gaps() {
        let samples: Vec<Option<f64>> =
            (0..SAMPLES).map(|index| [Some(1.0), None, Some(9.0)][index % 3]).collect();
        let mut lines = draw(&samples, 2, TIMES, Paint::plain());
        lines.truncate(HEIGHT);
        for column in 0..WIDTH {
            let joined = lines.iter().fold(0, |bits, line| bits | dots(line)[column]);
            assert!(joined & 0x47 != 0 && joined & 0xb8 != 0, "column {column}");
        }
        let whole = (0..WIDTH).any(|column| lines[1..7].iter().all(|l| dots(l)[column] != 0));
        assert!(whole, "a jump is drawn through all rows");
    }

    #[test]
    fn a_flat_line_and_no_line_are_drawn_too() {
        let flat = draw(&[Some(5.0), None, Some(5.0)], 2, TIMES, Paint::plain());
        assert_eq!(flat.len(), HEIGHT + 1);
        assert!(draw(&[None, None], 2, TIMES, Paint::plain()).is_empty());
    }
}
