//! CSV with a header: rows of columns, or plain `key,value`.
//!
//! A row becomes the key that `--key` names (several columns stand with a separator between them)
//! and a value: one column (`--value`), or the whole row as JSON (see [`crate::format::row`]).
//! Rows are written back as rows where every value is such JSON and the key is made of its columns.
//! Anything else is written as two columns, `key,value`, with its bytes as they are, and a file
//! with that header is read so where no `--key` is given.

use crate::escape::escape;
use crate::exit::Failure;
use crate::format::choice::Columns;
use crate::format::row::{self, Fields};
use crate::format::stream::{Bad, Entry, Sink, Source};
use crate::units::counted;
use csv::{ByteRecord, ReaderBuilder, Writer};
use std::io::{self, Read, Write};

pub(crate) struct CsvSource<R> {
    reader: csv::Reader<QuoteCounter<R>>,
    header: Vec<String>,
    key: Vec<usize>,
    value: Option<usize>,
    separator: Vec<u8>,
    record: ByteRecord,
    /// The last field of the row read last goes over lines.
    ended_in_lines: bool,
}

impl<R: Read> CsvSource<R> {
    pub(crate) fn new(input: R, columns: &Columns) -> Result<CsvSource<R>, Bad> {
        let input = QuoteCounter { input, quotes: 0 };
        // Rows of the wrong length are refused here, in better words than the parser's.
        let mut reader = ReaderBuilder::new().flexible(true).has_headers(true).from_reader(input);
        let mut header = Vec::new();
        for name in reader.byte_headers().map_err(bad)? {
            let name = std::str::from_utf8(name)
                .map_err(|_| Bad::text(1, "the header is not UTF-8: convert the file to UTF-8"))?;
            if header.iter().any(|earlier| earlier == name) {
                let what = format!("the header names the column `{name}` twice: rename one");
                return Err(Bad::text(1, what));
            }
            header.push(name.to_owned());
        }
        if header.is_empty() {
            return Err(Bad::text(1, "there is no header: the first line names the columns"));
        }
        let pairs = columns.key.is_empty() && header == ["key", "value"];
        let mut key = Vec::new();
        for name in &columns.key {
            key.push(find(&header, name)?);
        }
        if pairs {
            key.push(0);
        } else if key.is_empty() {
            let what = format!("which column is the key? Say --key COLUMN; {}", list(&header));
            return Err(Bad::text(1, what));
        }
        let value = match &columns.value {
            Some(name) => Some(find(&header, name)?),
            None => pairs.then_some(1),
        };
        let separator = columns.separator.clone().into_bytes();
        let record = ByteRecord::new();
        Ok(CsvSource { reader, header, key, value, separator, record, ended_in_lines: false })
    }

    fn fill(&self, entry: &mut Entry) -> Result<(), String> {
        let (seen, wanted) = (self.record.len(), self.header.len());
        if seen != wanted {
            return Err(format!(
                "{} where the header has {wanted}: \
                 a comma or quote inside a field needs quotes around the field",
                counted(seen as u64, "field", "fields")
            ));
        }
        entry.key.clear();
        entry.value.clear();
        for (index, &column) in self.key.iter().enumerate() {
            if index > 0 {
                entry.key.extend_from_slice(&self.separator);
            }
            let field = &self.record[column];
            if index + 1 < self.key.len() && contains(field, &self.separator) {
                return Err(format!(
                    "the field `{}` of the key contains the separator: \
                     choose another with --key-separator",
                    self.header[column]
                ));
            }
            entry.key.extend_from_slice(field);
        }
        if let Some(column) = self.value {
            entry.value.extend_from_slice(&self.record[column]);
            return Ok(());
        }
        let fields = self.record.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
        let fields = fields.map_err(|_| {
            "the row is not UTF-8, and JSON must be: convert the file, or take one column as it \
             is with --value COLUMN"
        })?;
        row::encode(&mut entry.value, self.header.iter().map(String::as_str).zip(fields));
        Ok(())
    }
}

impl<R: Read> Source for CsvSource<R> {
    fn next(&mut self, entry: &mut Entry) -> Result<bool, Bad> {
        if !self.reader.read_byte_record(&mut self.record).map_err(bad)? {
            // A quote that never closes swallows the rest of the file into one last field.
            let open = !self.reader.get_ref().quotes.is_multiple_of(2);
            if open && self.ended_in_lines {
                return Err(Bad::text(entry.line, "a quote opens in this row and never closes"));
            }
            return Ok(false);
        }
        self.ended_in_lines = self.record.iter().next_back().is_some_and(|f| f.contains(&b'\n'));
        entry.line = self.record.position().map_or(0, csv::Position::line);
        self.fill(entry).map_err(|what| Bad::text(entry.line, what))?;
        Ok(true)
    }
}

fn find(header: &[String], name: &str) -> Result<usize, Bad> {
    header
        .iter()
        .position(|column| column == name)
        .ok_or_else(|| Bad::text(1, format!("there is no column `{name}`; {}", list(header))))
}

fn list(header: &[String]) -> String {
    format!("the columns are: {}", header.join(", "))
}

fn contains(field: &[u8], part: &[u8]) -> bool {
    part.is_empty() || field.windows(part.len()).any(|window| window == part)
}

fn bad(error: csv::Error) -> Bad {
    let line = error.position().map_or(1, csv::Position::line);
    let what = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Bad::Io(error),
        _ => Bad::text(line, what),
    }
}

/// Counts the quotes that pass: an odd number at the end means that one never closed.
struct QuoteCounter<R> {
    input: R,
    quotes: u64,
}

impl<R: Read> Read for QuoteCounter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        self.quotes += buffer[..len].iter().filter(|&&byte| byte == b'"').count() as u64;
        Ok(len)
    }
}

/// Whether rows or pairs are written is decided by the first entry, and then checked for each.
pub(crate) struct CsvSink<W: Write> {
    writer: Writer<W>,
    columns: Columns,
    shape: Option<Shape>,
}

enum Shape {
    Pairs,
    Rows { header: Vec<String>, key: Vec<usize> },
}

impl<W: Write> CsvSink<W> {
    pub(crate) fn new(output: W, columns: Columns) -> CsvSink<W> {
        CsvSink { writer: Writer::from_writer(output), columns, shape: None }
    }

    /// Decides the shape by the first entry, and writes the header.
    fn begin(&mut self, key: &[u8], value: &[u8]) -> Result<Shape, Failure> {
        let fields = row::decode(value).unwrap_or_default();
        let header: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        let columns = if self.columns.key.is_empty() {
            std::str::from_utf8(key)
                .ok()
                .and_then(|key| key_columns(key, &fields, &self.columns.separator))
        } else {
            let find = |name: &String| header.iter().position(|column| column == name);
            match self.columns.key.iter().map(find).collect::<Option<Vec<usize>>>() {
                Some(columns) => Some(columns),
                None => return Err(no_row(key)),
            }
        };
        match columns {
            Some(key) => {
                self.record(header.iter().map(String::as_bytes))?;
                Ok(Shape::Rows { header, key })
            }
            None => {
                self.record([&b"key"[..], b"value"].into_iter())?;
                Ok(Shape::Pairs)
            }
        }
    }

    fn record<'a>(&mut self, fields: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        self.writer.write_record(fields).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => Failure::from(error),
            kind => Failure::from(io::Error::other(format!("{kind:?}"))),
        })
    }
}

impl<W: Write> Sink for CsvSink<W> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let shape = match self.shape.take() {
            Some(shape) => shape,
            None => self.begin(key, value)?,
        };
        match &shape {
            Shape::Pairs => self.record([key, value].into_iter())?,
            Shape::Rows { header, key: columns } => {
                let fields = row::decode(value).ok_or_else(|| no_row(key))?;
                let same = fields.iter().map(|(name, _)| name).eq(header);
                if !same || !is_key(key, &fields, columns, &self.columns.separator) {
                    return Err(no_row(key));
                }
                self.record(fields.iter().map(|(_, field)| field.as_bytes()))?;
            }
        }
        self.shape = Some(shape);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if self.shape.is_none() {
            self.record([&b"key"[..], b"value"].into_iter())?;
        }
        Ok(self.writer.flush()?)
    }
}

fn no_row(key: &[u8]) -> Failure {
    Failure::usage(format!(
        "the entry `{}` is not a CSV row whose columns make its key, like the first one: \
         --format jsonl and --format tsv hold any entry",
        escape(key)
    ))
}

/// The columns that make `key`, as few as possible, if there are such.
fn key_columns(key: &str, fields: &Fields, separator: &str) -> Option<Vec<usize>> {
    let parts_max = if separator.is_empty() { 1 } else { key.matches(separator).count() + 1 };
    (1..=parts_max.min(fields.len())).find_map(|parts| {
        let mut columns = Vec::new();
        for part in key.splitn(parts, separator) {
            let mut free = (0..fields.len()).filter(|column| !columns.contains(column));
            let column = free.find(|&column| fields[column].1 == part)?;
            columns.push(column);
        }
        Some(columns)
    })
}

/// Whether `import --key` would make this key of this row.
fn is_key(key: &[u8], fields: &Fields, columns: &[usize], separator: &str) -> bool {
    let parts: Vec<&str> = columns.iter().map(|&column| &fields[column].1[..]).collect();
    let whole = parts.split_last().is_some_and(|(_, rest)| {
        rest.iter().all(|part| !contains(part.as_bytes(), separator.as_bytes()))
    });
    whole && parts.join(separator).as_bytes() == key
}

#[cfg(test)]
mod tests {
    use crate::format::choice::Columns;
    use crate::format::csv::{CsvSink, CsvSource};
    use crate::format::stream::{Bad, Entry, Sink as _, Source as _};

    type Entries = Vec<(Vec<u8>, Vec<u8>)>;

    fn columns(key: &[&str], value: Option<&str>) -> Columns {
        let key = key.iter().map(|&name| name.to_owned()).collect();
        Columns { key, value: value.map(str::to_owned), separator: "/".to_owned() }
    }

    fn read(text: &[u8], columns: &Columns) -> Result<Entries, (u64, String)> {
        let plain = |bad| match bad {
            Bad::Text { line, what } => (line, what),
            Bad::Io(error) => panic!("{error}"),
        };
        let mut source = CsvSource::new(text, columns).map_err(plain)?;
        let (mut entry, mut entries) = (Entry::default(), Vec::new());
        while source.next(&mut entry).map_err(plain)? {
            entries.push((entry.key.clone(), entry.value.clone()));
        }
        Ok(entries)
    }

    fn write(entries: &Entries, columns: Columns) -> Result<String, String> {
        let mut text = Vec::new();
        let mut sink = CsvSink::new(&mut text, columns);
        for (key, value) in entries {
            sink.write(key, value).map_err(|failure| failure.text(false).unwrap())?;
        }
        sink.finish().unwrap();
        drop(sink);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    const ROWS: &str = "symbol,hour,note,price\nbtc,01,\"a, \"\"b\"\"\",1.10\neth,02,,-0\n";

    #[test]
    fn rows_come_back_as_the_same_rows() {
        for key in [&["hour"][..], &["symbol", "hour"], &["price"], &["hour", "symbol"]] {
            let entries = read(ROWS.as_bytes(), &columns(key, None)).unwrap();
            assert_eq!(entries.len(), 2);
            assert_eq!(write(&entries, columns(key, None)).unwrap(), ROWS, "{key:?} given");
            assert_eq!(write(&entries, columns(&[], None)).unwrap(), ROWS, "{key:?} found");
        }
    }

    #[test]
    fn several_columns_make_one_key() {
        let entries = read(ROWS.as_bytes(), &columns(&["symbol", "hour"], Some("price"))).unwrap();
        let wanted = [(&b"btc/01"[..], &b"1.10"[..]), (b"eth/02", b"-0")];
        assert_eq!(entries, wanted.map(|(key, value)| (key.to_vec(), value.to_vec())));
        let (line, what) = read(b"a,b\n1/2,3\n", &columns(&["a", "b"], None)).unwrap_err();
        assert!(line == 2 && what.contains("--key-separator"), "{line} {what}");
        assert!(read(b"a,b\n1,2/3\n", &columns(&["a", "b"], None)).is_ok());
    }

    #[test]
    fn any_bytes_come_back_as_pairs() {
        let every: Vec<u8> = (0..=255).collect();
        let entries = vec![
            (every.clone(), b"\r\n\"".to_vec()),
            (b"k,".to_vec(), every),
            (b"\xef\xbb\xbf".to_vec(), b"{\"k\":1}".to_vec()),
            (b" ".to_vec(), Vec::new()),
        ];
        let mut text = Vec::new();
        let mut sink = CsvSink::new(&mut text, columns(&[], None));
        for (key, value) in &entries {
            sink.write(key, value).unwrap();
        }
        sink.finish().unwrap();
        drop(sink);
        assert_eq!(read(&text, &columns(&[], None)).unwrap(), entries);
    }

    #[test]
    fn an_entry_that_is_no_row_is_named_and_never_bent() {
        let mut entries = read(ROWS.as_bytes(), &columns(&["hour"], None)).unwrap();
        entries[1].0 = b"other".to_vec();
        assert!(write(&entries, columns(&[], None)).unwrap_err().contains("`other`"));
        assert!(write(&entries, columns(&["none"], None)).unwrap_err().contains("`01`"));
        entries[1] = (b"x".to_vec(), b"{\"symbol\":\"x\"}".to_vec());
        assert!(write(&entries, columns(&["hour"], None)).is_err());
        assert_eq!(write(&Vec::new(), columns(&[], None)).unwrap(), "key,value\n");
    }

    #[test]
    fn a_wrong_file_is_refused_with_line_and_remedy() {
        let key = columns(&["a"], None);
        for (text, columns, line, remedy) in [
            ("a,b,a\n", &key, 1, "`a` twice"),
            ("", &key, 1, "no header"),
            ("x,y\n1,2\n", &key, 1, "columns are: x, y"),
            ("x,y\n1,2\n", &columns(&[], None), 1, "--key COLUMN"),
            ("a,b\n1,2\n3\n", &key, 3, "1 field where the header has 2"),
            ("a,b\n1,2,3\n", &key, 2, "3 fields"),
            ("a,b\n1,\"2\n3,4\n", &key, 2, "never closes"),
            ("a,b\n1,\"2\n3,4\n", &columns(&["a"], Some("b")), 2, "never closes"),
        ] {
            let (at, what) = read(text.as_bytes(), columns).unwrap_err();
            assert!(at == line && what.contains(remedy), "{text:?}: {at} {what}");
        }
        let (line, what) = read(b"a,b\n1,\xff\n", &key).unwrap_err();
        assert!(line == 2 && what.contains("--value"), "{what}");
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_no_data() {
        let entries = read(b"\xef\xbb\xbfa,b\r\n1,2\r\n", &columns(&["a"], None)).unwrap();
        assert_eq!(entries, [(b"1".to_vec(), b"{\"a\":1,\"b\":2}".to_vec())]);
    }
}
