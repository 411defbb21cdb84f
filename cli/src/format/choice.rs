//! Which format a file has, and what the command line says about its columns.

use crate::exit::Failure;
use clap::ValueEnum;
use std::path::Path;

/// One of the text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Jsonl,
    Tsv,
}

impl Format {
    /// The format that was asked for, or else the one that the file name says. Standard input and
    /// output (no file) are `key TAB value`.
    pub(crate) fn choose(asked: Option<Format>, file: Option<&Path>) -> Result<Format, Failure> {
        let (asked, file) = match (asked, file) {
            (Some(format), _) => return Ok(format),
            (None, None) => return Ok(Format::Tsv),
            (None, Some(file)) => (file.extension(), file),
        };
        match asked.and_then(|extension| extension.to_str()).unwrap_or_default() {
            "csv" => Ok(Format::Csv),
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "tsv" | "txt" => Ok(Format::Tsv),
            _ => Err(Failure::usage(format!(
                "{}: the name does not say what the file holds; \
                 say --format csv, --format jsonl or --format tsv",
                file.display()
            ))),
        }
    }
}

/// What `--key`, `--value` and `--key-separator` say about CSV.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// The columns that make the key; empty where the user did not say.
    pub(crate) key: Vec<String>,
    /// The column that is the value; `None` for the whole row.
    pub(crate) value: Option<String>,
    /// Stands between the columns of a key.
    pub(crate) separator: String,
}

#[cfg(test)]
mod tests {
    use crate::format::choice::Format;
    use std::path::Path;

    #[test]
    fn the_format_is_the_one_asked_for_or_the_one_of_the_name() {
        let by_name = |name| Format::choose(None, Some(Path::new(name)));
        assert_eq!(by_name("a/b.csv").unwrap(), Format::Csv);
        assert_eq!(by_name("b.x.jsonl").unwrap(), Format::Jsonl);
        assert!(by_name("b.gz").unwrap_err().text(false).unwrap().contains("--format"));
        let asked = Format::choose(Some(Format::Tsv), Some(Path::new("a.csv")));
        assert_eq!(asked.unwrap(), Format::Tsv);
        assert_eq!(Format::choose(None, None).unwrap(), Format::Tsv);
    }
}
