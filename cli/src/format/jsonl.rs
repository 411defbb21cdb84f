//! JSON lines: `{"key":"..","value":".."}`, one entry a line.
//!
//! Bytes that are not UTF-8 stand as `"key_hex"` and `"value_hex"`, hexadecimal digits instead. A
//! value that is not a string when read (`{"key":"a","value":{"price":1.10}}`) becomes its JSON
//! text, exactly as it stands in the line; it is written back as a string.

use crate::escape::{hex, unhex};
use crate::exit::Failure;
use crate::format::lines::Lines;
use crate::format::stream::{Bad, Entry, Sink, Source};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::{BufRead, Write};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    key: Option<String>,
    key_hex: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    value_hex: Option<String>,
}

pub(crate) struct JsonlSource<R>(Lines<R>);

impl<R: BufRead> JsonlSource<R> {
    pub(crate) fn new(input: R) -> JsonlSource<R> {
        JsonlSource(Lines::new(input))
    }
}

impl<R: BufRead> Source for JsonlSource<R> {
    fn next(&mut self, entry: &mut Entry) -> Result<bool, Bad> {
        let Some(line) = self.0.next()? else { return Ok(false) };
        let parsed = parse(line);
        entry.line = self.0.number();
        (entry.key, entry.value) = parsed.map_err(|what| Bad::text(entry.line, what))?;
        Ok(true)
    }
}

fn parse(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
        // The parser counts lines too, and would always say 1.
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        format!("column {}: {what}; wanted {{\"key\": .., \"value\": ..}}", error.column())
    })?;
    let key = match (line.key, line.key_hex) {
        (Some(key), None) => key.into_bytes(),
        (None, Some(digits)) => unhex(digits.as_bytes())?,
        _ => return Err("wanted one of \"key\" and \"key_hex\"".to_owned()),
    };
    let value = match (line.value, line.value_hex) {
        (Some(value), None) if value.get().starts_with('"') => {
            let text: String = serde_json::from_str(value.get()).map_err(|e| e.to_string())?;
            text.into_bytes()
        }
        (Some(value), None) => value.get().as_bytes().to_vec(),
        (None, Some(digits)) => unhex(digits.as_bytes())?,
        _ => return Err("wanted one of \"value\" and \"value_hex\", and not null".to_owned()),
    };
    Ok((key, value))
}

/// Writes one side of an entry as a field of a JSON object, without braces.
fn write_field(line: &mut Vec<u8>, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write!(line, "\"{name}\":")?;
            serde_json::to_writer(line, text).map_err(std::io::Error::from)?;
        }
        Err(_) => write!(line, "\"{name}_hex\":\"{}\"", hex(bytes))?,
    }
    Ok(())
}

/// Writes an entry, or only its key, as one line.
pub(crate) fn write_line(
    line: &mut Vec<u8>,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), Failure> {
    line.push(b'{');
    write_field(line, "key", key)?;
    if let Some(value) = value {
        line.push(b',');
        write_field(line, "value", value)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

pub(crate) struct JsonlSink<W> {
    output: W,
    line: Vec<u8>,
}

impl<W: Write> JsonlSink<W> {
    pub(crate) fn new(output: W) -> JsonlSink<W> {
        JsonlSink { output, line: Vec::new() }
    }
}

impl<W: Write> Sink for JsonlSink<W> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        write_line(&mut self.line, key, Some(value))?;
        Ok(self.output.write_all(&self.line)?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.output.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::format::jsonl::{JsonlSource, parse, write_line};
    use crate::format::stream::{Bad, Entry, Source as _};

    #[test]
    fn any_bytes_come_back() {
        let every: Vec<u8> = (0..=255).collect();
        let text = "quote \" backslash \\ newline \n \u{0} é \u{1f98a}".as_bytes();
        for (key, value) in [(&every[..], text), (text, &every), (b"k", b""), (b"1", b"1.10")] {
            let mut line = Vec::new();
            write_line(&mut line, key, Some(value)).unwrap();
            assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
            assert_eq!(parse(&line).unwrap(), (key.to_vec(), value.to_vec()));
        }
    }

    #[test]
    fn a_value_that_is_no_string_keeps_its_exact_text() {
        let (_, value) = parse(br#"{"value": {"price": 1.10, "a":[ 1e5]}, "key":"x"}"#).unwrap();
        assert_eq!(value, br#"{"price": 1.10, "a":[ 1e5]}"#);
        assert_eq!(parse(br#"{"key":"x","value":false}"#).unwrap().1, b"false");
    }

    #[test]
    fn what_would_lose_data_is_refused() {
        for line in [
            r#"{"key":"a"}"#,
            r#"{"key":"a","value":null}"#,
            r#"{"key":"a","key":"b","value":""}"#,
            r#"{"key":"a","key_hex":"61","value":""}"#,
            r#"{"key":"a","value":"","time":1}"#,
            r#"{"key":"a","value_hex":"6"}"#,
            r#"{"key":1,"value":""}"#,
            r#"{"key":"a","value":""} x"#,
            r#"["key","value"]"#,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        let mut source = JsonlSource::new(&b"{\"key\":\"a\",\"value\":1}\n{\"key\"\n"[..]);
        let mut entry = Entry::default();
        assert!(source.next(&mut entry).unwrap());
        let Err(Bad::Text { line, what }) = source.next(&mut entry) else { panic!("accepted") };
        assert!(line == 2 && what.starts_with("column 6: EOF"), "{line} {what}");
    }
}
