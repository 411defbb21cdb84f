//! One source file as the rules see it: its tokens, its comments, its tests and every path it names.

use crate::tokens::{Comment, Kind, Token, cut};
use std::collections::BTreeMap;
use std::ops::Range;

/// A file that was read and cut.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    /// Every path with `::` in it, those inside `use` groups written out.
    pub(crate) names: Vec<Name>,
    /// Token ranges of items under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
    /// Whether the whole file is test code: its door says `#[cfg(test)] mod`.
    pub(crate) is_test_file: bool,
}

/// A path such as `crate::table::handle::Handle`, in a `use` or in the middle of code.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) in_test: bool,
    /// `pub use`, in any visibility: the file passes the name on and does not need it itself.
    pub(crate) is_passed_on: bool,
}

impl Name {
    /// Whether the path is, or goes through, this one.
    pub(crate) fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(|(a, b)| a == b)
    }

    pub(crate) fn written(&self) -> String {
        self.segments.join("::")
    }
}

/// A rule that is broken: where, and what to do instead.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) advice: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let (tokens, comments) = cut(text);
        let tests = test_items(&tokens);
        let mut source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens,
            comments,
            names: Vec::new(),
            tests,
            is_test_file: path.ends_with("/tests.rs") || path.contains("/tests/"),
        };
        source.names = source.find_names();
        source
    }

    /// Part of the engine, not of its tests, benches or tools.
    pub(crate) fn is_engine(&self) -> bool {
        self.path.starts_with("src/")
    }

    /// Places of the modules that this file declares for tests only: `src/merge/sources` for
    /// `#[cfg(test)] mod sources;` in `src/merge/mod.rs`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.strip_suffix("/mod.rs") {
            Some(folder) => folder,
            None if self.path == "src/lib.rs" => "src",
            None => self.path.trim_end_matches(".rs"),
        };
        let is_module = |&at: &usize| self.reads(at, &["mod"]) && self.reads(at + 2, &[";"]);
        let modules = self.tests.iter().flat_map(|range| range.clone().filter(is_module));
        modules.map(|at| format!("{folder}/{}", self.tokens[at + 1].text)).collect()
    }

    /// Whether this token belongs to test code.
    pub(crate) fn is_test(&self, token: usize) -> bool {
        self.is_test_file || self.tests.iter().any(|range| range.contains(&token))
    }

    pub(crate) fn breach(&self, line: usize, advice: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), line, advice: advice.into() }
    }

    /// Whether the tokens from `at` on read like this.
    pub(crate) fn reads(&self, at: usize, expected: &[&str]) -> bool {
        self.tokens.len() >= at + expected.len()
            && expected.iter().zip(&self.tokens[at..]).all(|(text, token)| token.is(text))
    }

    fn find_names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        let mut aliases = BTreeMap::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if self.is_use(at) {
                let mut leaves = Leaves { tokens: &self.tokens, at: at + 1, found: Vec::new() };
                leaves.tree(Vec::new());
                for (segments, alias, line) in leaves.found {
                    let is_passed_on = self.is_public(at);
                    aliases.insert(alias, segments.clone());
                    names.push(Name { segments, line, in_test: self.is_test(at), is_passed_on });
                }
                at = leaves.at;
            } else if let Some(segments) = self.path_at(at) {
                let (line, in_test) = (self.tokens[at].line, self.is_test(at));
                at += 2 * segments.len() - 1;
                names.push(Name { segments, line, in_test, is_passed_on: false });
            } else {
                at += 1;
            }
        }
        for name in &mut names {
            // `use std::sync; sync::Mutex` is `std::sync::Mutex`.
            if let Some(full) = name.segments.first().and_then(|first| aliases.get(first))
                && full.first() != name.segments.first()
            {
                name.segments.splice(0..1, full.iter().cloned());
            }
        }
        names
    }

    fn is_use(&self, at: usize) -> bool {
        let after_item = at == 0
            || [";", "{", "}", "]", ")", "pub"].iter().any(|end| self.tokens[at - 1].is(end));
        self.tokens[at].is("use") && after_item && !self.reads(at + 1, &["<"])
    }

    fn is_public(&self, at: usize) -> bool {
        at > 0 && (self.tokens[at - 1].is("pub") || self.tokens[at - 1].is(")"))
    }

    /// The path of at least two segments that begins here.
    fn path_at(&self, at: usize) -> Option<Vec<String>> {
        let is_word = |index: usize| self.tokens.get(index).is_some_and(|t| t.kind == Kind::Word);
        let is_inner = at > 0
            && self.tokens[at - 1].is("::")
            && at > 1
            && (is_word(at - 2) || self.tokens[at - 2].is(">"));
        if !is_word(at) || is_inner {
            return None;
        }
        let mut segments = vec![self.tokens[at].text.clone()];
        let mut next = at + 1;
        while self.reads(next, &["::"]) && is_word(next + 1) {
            segments.push(self.tokens[next + 1].text.clone());
            next += 2;
        }
        (segments.len() > 1).then_some(segments)
    }
}

/// Walks a `use` tree; finds (path, name in this file, line) of each leaf.
struct Leaves<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<(Vec<String>, String, usize)>,
}

impl Leaves<'_> {
    fn is(&self, text: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(text))
    }

    fn tree(&mut self, mut path: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("::") {
                self.at += 1;
            } else if token.is("{") {
                self.group(&path);
                return;
            } else if (token.kind == Kind::Word && !token.is("as")) || token.is("*") {
                path.push(token.text.clone());
                self.at += 1;
            } else {
                break;
            }
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let mut alias = path.last().cloned().unwrap_or_default();
        if self.is("as") {
            alias = self.tokens.get(self.at + 1).map_or(alias, |token| token.text.clone());
            self.at += 2;
        }
        if !path.is_empty() {
            self.found.push((path, alias, line));
        }
    }

    fn group(&mut self, path: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.is("}") {
            self.tree(path.to_vec());
            if self.is(",") {
                self.at += 1;
            } else if !self.is("}") {
                break;
            }
        }
        self.at += 1;
    }
}

/// The items that exist only in tests, as token ranges.
fn test_items(tokens: &[Token]) -> Vec<Range<usize>> {
    let is_test_attribute = |at: usize| {
        let all = |expected: &[&str]| {
            tokens.len() >= at + expected.len()
                && expected.iter().zip(&tokens[at..]).all(|(text, token)| token.is(text))
        };
        all(&["#", "[", "cfg", "(", "test", ")", "]"])
            || all(&["#", "[", "cfg", "(", "all", "(", "test", ","])
    };
    (0..tokens.len())
        .filter(|&at| is_test_attribute(at))
        .map(|at| at..end_of_item(tokens, at))
        .collect()
}

/// The index behind the item whose attributes begin at `at`.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let mut brackets = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        if token.is("[") || token.is("(") {
            brackets += 1;
        } else if token.is("]") || token.is(")") {
            brackets = brackets.saturating_sub(1);
        } else if brackets == 0 && token.is(";") {
            return index + 1;
        } else if brackets == 0 && token.is("{") {
            return matching_brace(tokens, index) + 1;
        }
    }
    tokens.len()
}

/// The index of the brace that closes the one at `open`.
fn matching_brace(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use crate::source::Source;

    fn names(text: &str) -> Vec<String> {
        Source::new("src/x.rs", text).names.iter().map(|name| name.written()).collect()
    }

    #[test]
    fn groups_and_aliases_are_written_out() {
        assert_eq!(
            names("use std::{fs, io::{self, Read as R}};"),
            ["std::fs", "std::io", "std::io::Read"]
        );
        assert_eq!(
            names("use std::sync as s; fn f() { s::Mutex::new(1) }"),
            ["std::sync", "std::sync::Mutex::new"]
        );
        assert_eq!(
            names("fn f() -> crate::a::B { ::std::fs::read(x) }"),
            ["crate::a::B", "std::fs::read"]
        );
    }

    #[test]
    fn test_items_end_where_they_end() {
        let source = Source::new("src/x.rs", "#[cfg(test)] mod t { use a::b; } use c::d;");
        let in_test: Vec<_> = source.names.iter().map(|name| name.in_test).collect();
        assert_eq!(in_test, [true, false]);
    }
}
