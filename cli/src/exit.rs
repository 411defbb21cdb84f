//! How `silt` ends: one failure type, with its message and its exit code.
//!
//! 0 ok | 1 not found | 2 usage, or input that cannot be read | 3 corruption | 4 locked | 5 I/O
//! 130 interrupted, as a shell says of a process that Ctrl-C ended
//!
//! A reader of our output that goes away (`silt scan | head`) is no failure: silent, code 0.

use serde_json::json;
use siltstone::ErrorKind;
use std::io;
use std::path::{Path, PathBuf};

/// The exit codes, as promised by `silt --help`. They never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    NotFound = 1,
    Usage = 2,
    Corruption = 3,
    Locked = 4,
    Io = 5,
    Interrupted = 130,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Code::Ok => "ok",
            Code::NotFound => "not found",
            Code::Usage => "usage",
            Code::Corruption => "corruption",
            Code::Locked => "locked",
            Code::Io => "i/o",
            Code::Interrupted => "interrupted",
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    file: Option<PathBuf>,
    offset: Option<u64>,
}

impl Failure {
    fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), file: None, offset: None }
    }

    /// The command line, or the input it names, asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Code::Usage, message)
    }

    /// What was asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(Code::NotFound, message)
    }

    /// The database broke a promise, as far as this program can see.
    pub(crate) fn broken_promise(message: impl Into<String>) -> Failure {
        Failure::new(Code::Corruption, message)
    }

    /// Someone wants an end, by Ctrl-C for one.
    pub(crate) fn interrupted() -> Failure {
        Failure::new(Code::Interrupted, "interrupted")
    }

    /// The operating system failed while we did `action` on `path`.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Failure {
        let message = format!("cannot {action} {}: {error}", path.display());
        Failure { file: Some(path.to_owned()), ..Failure::new(Code::Io, message) }
    }

    /// The same failure, said with more words in front.
    pub(crate) fn within(self, context: &str) -> Failure {
        Failure { message: format!("{context}: {}", &self.message), ..self }
    }

    /// The same failure, said with more words behind.
    pub(crate) fn followed_by(self, more: &str) -> Failure {
        Failure { message: self.message + more, ..self }
    }

    /// What stands on stderr, or nothing where silence is right.
    pub(crate) fn text(&self, as_json: bool) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        if !as_json {
            return Some(format!("silt: {}", self.message));
        }
        let mut facts = json!({ "error": self.code.name(), "message": self.message });
        if let Some(file) = &self.file {
            facts["file"] = json!(file.display().to_string());
        }
        if let Some(offset) = self.offset {
            facts["offset"] = json!(offset);
        }
        Some(facts.to_string())
    }
}

impl From<siltstone::Error> for Failure {
    fn from(error: siltstone::Error) -> Failure {
        let code = match error.kind() {
            ErrorKind::Invalid => Code::Usage,
            ErrorKind::Corruption => Code::Corruption,
            ErrorKind::Locked | ErrorKind::Busy | ErrorKind::Conflict => Code::Locked,
            _ => Code::Io,
        };
        let file = error.file().map(Path::to_owned);
        Failure { file, offset: error.offset(), ..Failure::new(code, error.to_string()) }
    }
}

/// Errors of our own output. Input has errors of its own, which name the file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Code::Ok, ""),
            _ => Failure::new(Code::Io, format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exit::{Code, Failure};
    use std::io;

    #[test]
    fn a_broken_pipe_is_silent_and_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.text(false)), (Code::Ok, None));
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.code, Code::Io);
    }

    #[test]
    fn a_failure_can_be_read_by_a_program() {
        let failure = Failure::usage("no \"such\" column").within("a.csv:3");
        let text = failure.text(true).unwrap();
        let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(facts["error"], "usage");
        assert_eq!(facts["message"], "a.csv:3: no \"such\" column");
    }
}
