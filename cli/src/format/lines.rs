//! Lines of a text input, with their numbers. A line ends with LF or CRLF.

use crate::format::stream::Bad;
use std::io::{BufRead, Read as _};

/// The longest line: the largest value there can be (64 MiB), escaped as `\xNN`, fits twice.
/// A file that is no text must not fill the memory before that is noticed.
const LINE_BYTES_MAX: u64 = 512 << 20;

pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Lines<R> {
        Lines { input, number: 0, line: Vec::new() }
    }

    /// The number of the line that `next` gave last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Bad> {
        loop {
            self.line.clear();
            self.number += 1;
            let limit = LINE_BYTES_MAX + 1;
            let mut input = self.input.by_ref().take(limit);
            let len = input.read_until(b'\n', &mut self.line).map_err(Bad::Io)?;
            if len == 0 {
                return Ok(None);
            }
            if len as u64 == limit {
                let what = "the line is longer than 512 MiB: is this a text file?";
                return Err(Bad::text(self.number, what));
            }
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
            }
            if !self.line.is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::lines::Lines;

    #[test]
    fn empty_lines_count_but_are_not_given() {
        let mut lines = Lines::new(&b"a\r\n\n\r\nb\rc\nlast\r"[..]);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap().map(<[u8]>::to_vec) {
            seen.push((lines.number(), String::from_utf8(line).unwrap()));
        }
        let wanted = [(1, "a"), (4, "b\rc"), (5, "last\r")];
        assert_eq!(seen, wanted.map(|(number, line)| (number, line.to_owned())));
    }
}
