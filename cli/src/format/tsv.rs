//! `key TAB value`: one entry a line, both sides with the escapes of [`crate::escape`].
//!
//! The first TAB ends the key; the writer escapes every other. Lines end with LF (CRLF is read too).

use crate::escape::{escape_into, unescape};
use crate::exit::Failure;
use crate::format::lines::Lines;
use crate::format::stream::{Bad, Entry, Sink, Source};
use std::io::{BufRead, Write};

pub(crate) struct TsvSource<R>(Lines<R>);

impl<R: BufRead> TsvSource<R> {
    pub(crate) fn new(input: R) -> TsvSource<R> {
        TsvSource(Lines::new(input))
    }
}

impl<R: BufRead> Source for TsvSource<R> {
    fn next(&mut self, entry: &mut Entry) -> Result<bool, Bad> {
        let Some(line) = self.0.next()? else { return Ok(false) };
        let parsed = parse(line);
        entry.line = self.0.number();
        (entry.key, entry.value) = parsed.map_err(|what| Bad::text(entry.line, what))?;
        Ok(true)
    }
}

fn parse(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let Some(tab) = line.iter().position(|&byte| byte == b'\t') else {
        return Err("there is no TAB between key and value".to_owned());
    };
    Ok((unescape(&line[..tab])?, unescape(&line[tab + 1..])?))
}

pub(crate) struct TsvSink<W> {
    output: W,
    line: String,
}

impl<W: Write> TsvSink<W> {
    pub(crate) fn new(output: W) -> TsvSink<W> {
        TsvSink { output, line: String::new() }
    }
}

impl<W: Write> Sink for TsvSink<W> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        escape_into(&mut self.line, key);
        self.line.push('\t');
        escape_into(&mut self.line, value);
        self.line.push('\n');
        Ok(self.output.write_all(self.line.as_bytes())?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.output.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::format::stream::{Bad, Entry, Sink as _, Source as _};
    use crate::format::tsv::{TsvSink, TsvSource};

    #[test]
    fn any_bytes_come_back() {
        let every: Vec<u8> = (0..=255).collect();
        let entries = [(&every[..], &b"\r"[..]), (b"\t", b""), (b"k\r", &every), (b"\\", b"a\tb")];
        let mut text = Vec::new();
        let mut sink = TsvSink::new(&mut text);
        for (key, value) in entries {
            sink.write(key, value).unwrap();
        }
        sink.finish().unwrap();
        let mut source = TsvSource::new(&text[..]);
        let mut entry = Entry::default();
        for (index, (key, value)) in entries.iter().enumerate() {
            assert!(source.next(&mut entry).unwrap());
            assert_eq!((&entry.key[..], &entry.value[..]), (*key, *value));
            assert_eq!(entry.line, index as u64 + 1);
        }
        assert!(!source.next(&mut entry).unwrap());
    }

    #[test]
    fn a_line_without_tab_is_named() {
        let mut source = TsvSource::new(&b"a\t1\n\nno tab here\n"[..]);
        let mut entry = Entry::default();
        assert!(source.next(&mut entry).unwrap());
        let Err(Bad::Text { line, what }) = source.next(&mut entry) else { panic!("accepted") };
        assert!(line == 3 && what.contains("TAB"), "{line} {what}");
    }
}
