//! The command line: every command, option and default, and the words of `--help`.

use crate::escape::Notation;
use crate::exit::Failure;
use crate::format::{Columns, Format};
use crate::store::Place;
use clap::{Args, Parser, Subcommand, ValueEnum};
use siltstone::Durability;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Keys and values:
  Any bytes, written with escapes: \\t \\n \\r \\\\ and \\xNN (two hexadecimal digits).
  With --hex they are hexadecimal digits instead.

Which database:
  --db DIR, or else the directory that SILT_DB names, or else ./silt-data.
  `put` and `import` create what is missing; all others refuse (exit code 2).

Data goes to stdout, everything else to stderr. Exit codes:
  0 ok   1 not found   2 usage, or input that cannot be read   3 corruption
  4 locked by another process   5 I/O, and whatever else the system refuses   130 interrupted";

const FORMATS_HELP: &str = "\
Formats:
  csv    A header, then rows. --key says which columns make the key, with --key-separator between
         them. The value is the row as JSON, numbers digit for digit, or the column --value.
         Rows are exported as rows: if the first value is such JSON and the key is made of its
         columns, all must be. Anything else becomes two columns, `key,value`, with the bytes as
         they are; such a file needs no --key to import.
  jsonl  {\"key\": \"..\", \"value\": \"..\"}; bytes that are not UTF-8 stand as hexadecimal digits in
         \"key_hex\" and \"value_hex\". A value that is no string is taken as its exact JSON text.
  tsv    key TAB value, both with the escapes \\t \\n \\r \\\\ \\xNN.
By name: .csv, .jsonl or .ndjson, .tsv or .txt.";

/// Reads, writes and shows a Siltstone database.
#[derive(Debug, Parser)]
#[command(name = "silt", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Directory of the database [default: $SILT_DB, or else ./silt-data]
    #[arg(long, global = true, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Work on this keyspace instead of the default one
    #[arg(long, global = true, value_name = "NAME")]
    keyspace: Option<String>,
    /// Write results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store a value under a key
    Put(PutArguments),
    /// Print the value of a key: its exact bytes, and a newline only on a terminal
    Get(GetArguments),
    /// Delete keys; exit code 1 if one of them was not there
    Delete(DeleteArguments),
    /// Print entries in order of their keys, as `key TAB value`
    Scan(ScanArguments),
    /// Read entries from a CSV, JSON lines or `key TAB value` file
    Import(ImportArguments),
    /// Write all entries in a format that `import` reads back
    Export(ExportArguments),
    /// List the keyspaces
    Keyspaces,
    /// Show the shape of the tree: levels, tables, sizes
    Stats,
    /// Read every byte and list what is damaged; exit code 3 if anything is. Changes nothing
    Verify(VerifyArguments),
    /// Make a new database of what can be read of a damaged one; exit code 3 if anything is doubtful
    Repair(RepairArguments),
    /// Merge all tables now, and give back the space of what was deleted
    Compact,
    /// See what it is: a million trades, a crash, and what is found afterwards
    Demo(DemoArguments),
    /// The process that `demo` kills
    #[command(hide = true)]
    DemoWriter,
}

#[derive(Debug, Args)]
pub(crate) struct Hex {
    /// Keys and values are hexadecimal digits, on the command line and on stdout
    #[arg(long)]
    hex: bool,
}

impl Hex {
    pub(crate) fn is_on(&self) -> bool {
        self.hex
    }

    pub(crate) fn notation(&self) -> Notation {
        if self.hex { Notation::Hex } else { Notation::Escaped }
    }

    /// The bytes that an argument of the command line stands for.
    pub(crate) fn read(&self, text: &str) -> Result<Vec<u8>, Failure> {
        self.notation().read(text).map_err(|what| Failure::usage(what).within(text))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityName {
    /// What is acknowledged survives power loss
    Sync,
    /// What is acknowledged survives the death of the process
    Buffered,
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Durability {
        match name {
            DurabilityName::Sync => Durability::Sync,
            DurabilityName::Buffered => Durability::Buffered,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Commit {
    /// When a write counts as done
    #[arg(long, value_enum, default_value = "sync")]
    pub(crate) durability: DurabilityName,
}

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    pub(crate) key: String,
    /// The value; without it, stdin is read to its end, byte for byte
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    #[command(flatten)]
    pub(crate) hex: Hex,
    #[command(flatten)]
    pub(crate) commit: Commit,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) hex: Hex,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[arg(required_unless_present = "prefix", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Delete every key that begins with this, at once
    #[arg(long, conflicts_with = "keys")]
    pub(crate) prefix: Option<String>,
    #[command(flatten)]
    pub(crate) hex: Hex,
    #[command(flatten)]
    pub(crate) commit: Commit,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArguments {
    /// The first key, itself included
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<String>,
    /// The end: keys below this one
    #[arg(long, value_name = "KEY")]
    pub(crate) to: Option<String>,
    /// Only keys that begin with this
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// From the last key to the first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Stop after so many entries
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
    /// Print only the keys
    #[arg(long)]
    pub(crate) keys: bool,
    #[command(flatten)]
    pub(crate) hex: Hex,
}

#[derive(Debug, Args)]
#[command(after_help = FORMATS_HELP)]
pub(crate) struct ImportArguments {
    /// The file; without it, or as `-`, stdin
    pub(crate) file: Option<PathBuf>,
    /// What the file holds [default: by its name; stdin is tsv]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// CSV: the column, or columns, that make the key [default: `key` in a `key,value` file]
    #[arg(long, value_name = "COLUMN[,COLUMN]", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// CSV: the column that is the value [default: the whole row as JSON]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) value: Option<String>,
    /// CSV: stands between the columns of a key
    #[arg(long, value_name = "TEXT", default_value = "/", allow_hyphen_values = true)]
    pub(crate) key_separator: String,
    #[command(flatten)]
    pub(crate) commit: Commit,
}

#[derive(Debug, Args)]
#[command(after_help = FORMATS_HELP)]
pub(crate) struct ExportArguments {
    /// The file, replaced as a whole; without it, or as `-`, stdout
    pub(crate) file: Option<PathBuf>,
    /// What to write [default: by the file's name; stdout is tsv, or jsonl with --json]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// CSV: the columns that made the key [default: found from the first entry]
    #[arg(long, value_name = "COLUMN[,COLUMN]", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// CSV: stands between the columns of a key
    #[arg(long, value_name = "TEXT", default_value = "/", allow_hyphen_values = true)]
    pub(crate) key_separator: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rate {
    /// Read at most so many MiB a second [default: as fast as the disk goes]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
}

impl Rate {
    /// 0: no limit.
    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.rate.map_or(0, |mib| mib << 20)
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) rate: Rate,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// The damaged database; it is only read
    pub(crate) old: PathBuf,
    /// Directory of the new one: missing or empty
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) rate: Rate,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// How many trades to load
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=20_000_000))]
    pub(crate) trades: u64,
}

impl Arguments {
    /// The database that the command works on.
    pub(crate) fn place(&self) -> Place {
        let named = || std::env::var_os("SILT_DB").filter(|name| !name.is_empty());
        let directory = self.db.clone().or_else(|| named().map(PathBuf::from));
        Place {
            directory: directory.unwrap_or_else(|| PathBuf::from("silt-data")),
            keyspace: self.keyspace.clone(),
            json: self.json,
        }
    }

    /// The directory that stands on the command line itself: the demo uses no other.
    pub(crate) fn named_directory(&self) -> Option<PathBuf> {
        self.db.clone()
    }

    /// Refuses `--db` where the directories are named otherwise.
    pub(crate) fn without_db(&self) -> Result<(), Failure> {
        match self.db {
            Some(_) => Err(Failure::usage(
                "this command takes two directories, the old and the new one: leave --db out",
            )),
            None => Ok(()),
        }
    }

    /// Refuses `--keyspace` where it would have no meaning.
    pub(crate) fn without_keyspace(&self) -> Result<(), Failure> {
        match self.keyspace {
            Some(_) => Err(Failure::usage(
                "this command works on the whole database: leave --keyspace out",
            )),
            None => Ok(()),
        }
    }
}

impl ImportArguments {
    /// What they say about CSV; refused where the input is none.
    pub(crate) fn columns(&self, format: Format) -> Result<Columns, Failure> {
        if format != Format::Csv && (!self.key.is_empty() || self.value.is_some()) {
            return Err(Failure::usage("--key and --value name columns of CSV: say --format csv"));
        }
        let (key, value) = (self.key.clone(), self.value.clone());
        Ok(Columns { key, value, separator: self.key_separator.clone() })
    }
}

impl ExportArguments {
    /// What they say about CSV; refused where the output is none.
    pub(crate) fn columns(&self, format: Format) -> Result<Columns, Failure> {
        if format != Format::Csv && !self.key.is_empty() {
            return Err(Failure::usage("--key names columns of CSV: say --format csv"));
        }
        let (key, separator) = (self.key.clone(), self.key_separator.clone());
        Ok(Columns { key, value: None, separator })
    }
}

#[cfg(test)]
mod tests {
    use crate::args::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_on_either_side() {
        for line in [["silt", "--db", "d", "stats"], ["silt", "stats", "--db", "d"]] {
            let arguments = Arguments::try_parse_from(line).unwrap();
            assert_eq!(arguments.place().directory.to_str(), Some("d"));
        }
    }
}
