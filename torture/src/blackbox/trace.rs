//! The record of `strace -f -y -xx`: one call a line, every string in hexadecimal escapes, so that
//! bytes are exact and no separator hides in them.
//!
//! A call that another thread interrupted stands there in two lines, and is put together again. Calls
//! are in the order of their ends: before a call has ended nobody can build on it.

use std::collections::BTreeMap;

/// One call of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// What stands between the brackets.
    pub(crate) text: String,
    /// What stands behind the `=`.
    pub(crate) result: String,
    /// The lines on which it begins and ends, from 0.
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// Reads a record. Lines about signals and exits are no calls.
pub(crate) fn parse(record: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    let mut open: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (number, line) in record.lines().enumerate() {
        let bad = |why: &str| format!("line {number} of the record {why}: {line:.200}");
        let (thread, rest) = line.split_once(' ').ok_or_else(|| bad("has no thread"))?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (number, start.trim_end().to_owned()));
            continue;
        }
        let (began, whole) = match rest.strip_prefix("<... ") {
            None => (number, rest.to_owned()),
            Some(resumed) => {
                let (_, end) = resumed.split_once(" resumed>").ok_or_else(|| bad("is torn"))?;
                let start = open.remove(thread).ok_or_else(|| bad("resumes no call"))?;
                (start.0, start.1 + end)
            }
        };
        let (name, rest) = whole.split_once('(').ok_or_else(|| bad("is no call"))?;
        let (text, result) = rest.rsplit_once(" = ").ok_or_else(|| bad("has no result"))?;
        let text = text.trim_end().strip_suffix(')').ok_or_else(|| bad("does not close"))?;
        let (name, text, result) = (name.to_owned(), text.to_owned(), result.to_owned());
        calls.push(Call { name, text, result, began, ended: number });
    }
    Ok(calls)
}

impl Call {
    /// Whether the system refused it: it has changed nothing.
    pub(crate) fn has_failed(&self) -> bool {
        self.result.starts_with('-')
    }

    /// The arguments, in order.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        self.text.split(", ").collect()
    }

    /// The number that it returned.
    pub(crate) fn number(&self) -> Option<u64> {
        self.result.split(['<', ' ']).next()?.parse().ok()
    }
}

/// The bytes of a string, `"\x61\x62"`.
pub(crate) fn bytes(argument: &str) -> Option<Vec<u8>> {
    unescape(argument.strip_prefix('"')?.strip_suffix('"')?)
}

/// The path behind a descriptor, `3<\x2f\x61>`; none if it has no name any more.
pub(crate) fn path(argument: &str) -> Option<String> {
    let (_, named) = argument.split_once('<')?;
    String::from_utf8(unescape(named.strip_suffix('>')?)?).ok()
}

/// Bytes as the record writes them.
pub(crate) fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn unescape(escaped: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(escaped.len() / 4);
    let mut rest = escaped;
    while !rest.is_empty() {
        let digits = rest.strip_prefix("\\x")?.get(..2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[4..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use crate::blackbox::trace::{bytes, escape, parse, path};

    #[test]
    fn a_call_in_two_lines_is_one_call_and_ends_where_it_ends() {
        let record = "\
12 fdatasync(3<\\x2f\\x61> <unfinished ...>
13 pwrite64(4<\\x2f\\x62>, \"\\x00\\x2c\\x20\", 3, 17) = 3
12 <... fdatasync resumed>)       = 0
12 --- SIGCHLD {si_signo=SIGCHLD} ---
12 unlink(\"\\x2f\\x61\") = -1 ENOENT (No such file or directory)
12 +++ exited with 0 +++
";
        let calls = parse(record).unwrap();
        let names: Vec<_> = calls.iter().map(|call| &call.name[..]).collect();
        assert_eq!(names, ["pwrite64", "fdatasync", "unlink"]);
        assert_eq!((calls[1].began, calls[1].ended), (0, 2));
        let arguments = calls[0].arguments();
        assert_eq!(path(arguments[0]).as_deref(), Some("/b"));
        assert_eq!(bytes(arguments[1]), Some(vec![0, b',', b' ']));
        assert_eq!((arguments[3], calls[0].number()), ("17", Some(3)));
        assert!(calls[2].has_failed() && !calls[1].has_failed());
        assert_eq!(escape("/a"), "\\x2f\\x61");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in
            ["12", "12 nonsense", "12 <... fsync resumed>) = 0", "12 close(3", "x close(3 = 0"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(bytes("\"\\x61\"..."), None, "a string that was cut is no string");
        assert_eq!(path("3<\\x2f\\x61>(deleted)"), None);
    }
}
