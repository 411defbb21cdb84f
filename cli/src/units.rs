//! Numbers for people: digits in groups of three, and one unit that fits.

use std::time::Duration;

/// 1234567 as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes as `512 B`, `4.0 KiB`, `61.4 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0, which is one of the next unit.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A duration as `840 ns`, `12.3 µs`, `4.56 ms`, `2.31 s`.
pub(crate) fn duration(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    match nanos {
        _ if nanos < 1e3 => format!("{nanos:.0} ns"),
        _ if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        _ if nanos < 1e9 => format!("{:.1} ms", nanos / 1e6),
        _ => format!("{:.2} s", nanos / 1e9),
    }
}

/// How many of something were done in a second.
pub(crate) fn rate(number: u64, time: Duration) -> u64 {
    (number as f64 / time.as_secs_f64().max(1e-9)) as u64
}

/// `number` and the word for it, in the singular where it is one.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use crate::units::{bytes, count, counted, duration, rate};
    use std::time::Duration;

    #[test]
    fn numbers_carry_the_unit_that_fits() {
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let sizes = [0, 1023, 1024, 1024 * 1024 - 1, 64_382_566].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "61.4 MiB"]);
        let times = [7, 12_300, 4_560_000, 2_310_000_000].map(Duration::from_nanos).map(duration);
        assert_eq!(times, ["7 ns", "12.3 µs", "4.6 ms", "2.31 s"]);
        assert_eq!(rate(500, Duration::from_millis(250)), 2000);
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
    }
}
