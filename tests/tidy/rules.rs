//! Rules that one source file keeps or breaks by itself. Each says what to do instead.

use crate::source::{Breach, Name, Source};
use crate::tokens::{Kind, Token};

/// Looks at one file.
pub(crate) type Rule = fn(&Source) -> Vec<Breach>;

/// All of them.
pub(crate) const RULES: &[Rule] = &[
    opens_with_a_caption,
    fits_a_sitting,
    has_a_telling_name,
    has_thin_doors,
    names_the_owning_room,
    keeps_out_of_the_file_system,
    keeps_unsafe_in_its_place,
    takes_time_and_chance_from_the_seam,
    takes_locks_and_threads_from_sync,
    expects_and_never_allows,
    promises_nothing_for_later,
    carries_no_dead_code,
    decodes_under_the_strict_lints,
];

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 500;
/// Longest `mod.rs`, in lines.
const DOOR_LINES_MAX: usize = 120;
/// The only files with `unsafe` in them: two that map memory, six of the memtable, the one that
/// opens LMDB, whose binding leaves it no choice, and the allocator of the long tests.
const UNSAFE_FILES: &[&str] = &[
    "src/fs/window.rs",
    "src/fs/wiped.rs",
    "src/memtable/arena.rs",
    "src/memtable/chunk.rs",
    "src/memtable/cursor.rs",
    "src/memtable/index.rs",
    "src/memtable/leaf.rs",
    "src/memtable/record.rs",
    "benches/peers/src/engine/lmdb.rs",
    "torture/src/allocations.rs",
];
/// The only files that may touch the real file system.
const OS_FILES: &[&str] = &["src/fs/os.rs", "src/fs/window.rs", "src/fs/wiped.rs"];
/// A `mod.rs` that is more than a door, and why: fs holds the traits that all its files implement,
/// sync is nothing but names.
const WIDE_DOORS: &[&str] = &["src/fs/mod.rs", "src/sync/mod.rs"];

fn opens_with_a_caption(source: &Source) -> Vec<Breach> {
    // A fuzz target's first line can only be an attribute of the crate.
    let first = source.text.lines().find(|line| !line.starts_with("#!["));
    if first.is_some_and(|line| line.starts_with("//! ") && line.len() > 10) {
        return Vec::new();
    }
    vec![source.breach(1, "open the file with a `//!` caption: what is this, in one sentence?")]
}

fn fits_a_sitting(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let advice = format!("{lines} lines are two concepts: give the second one a file of its own");
    vec![source.breach(FILE_LINES_MAX + 1, advice)]
}

fn has_a_telling_name(source: &Source) -> Vec<Breach> {
    const VAGUE: &[&str] =
        &["util", "utils", "common", "helper", "helpers", "types", "misc", "stuff", "shared"];
    const PASSING: &[&str] = &["old", "new", "tmp", "copy", "final", "wip", "draft2", "session"];
    let advice =
        "a thing without a room has not been understood yet: name the file after its concept";
    let is_bad = |name: &str| {
        let is_dated = name.split('_').any(|part| {
            let digits = part.trim_start_matches(|char: char| char.is_ascii_alphabetic());
            let word = part.trim_end_matches(|char: char| char.is_ascii_digit());
            !digits.is_empty() && ["v", "part", "step", "session", "phase"].contains(&word)
        });
        let ending = name.rsplit('_').next().filter(|_| name.contains('_')).unwrap_or_default();
        VAGUE.contains(&name) || is_dated || PASSING.contains(&ending) || name == "session"
    };
    let in_path = source.path.split('/').any(|part| is_bad(part.trim_end_matches(".rs")));
    let mut breaches = Vec::new();
    if in_path {
        breaches.push(source.breach(1, advice));
    }
    for (at, pair) in source.tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        let is_path = at > 0 && source.tokens[at - 1].is("::");
        if keyword.is("mod") && !is_path && is_bad(&name.text) {
            breaches.push(source.breach(name.line, advice));
        }
    }
    breaches
}

/// `lib.rs` and every `mod.rs` hold docs, `mod` lines and `use` lines.
fn has_thin_doors(source: &Source) -> Vec<Breach> {
    let is_door = source.path == "src/lib.rs"
        || (source.is_engine()
            && source.path.ends_with("/mod.rs")
            && !source.is_test_file
            && !WIDE_DOORS.contains(&source.path.as_str()));
    if !is_door {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    let lines = source.text.lines().count();
    if lines > DOOR_LINES_MAX && source.path != "src/lib.rs" {
        breaches.push(source.breach(DOOR_LINES_MAX + 1, "a door is thin: move this into a file"));
    }
    let mut at = 0;
    while at < source.tokens.len() {
        let item = source.tokens[at].line;
        while source.reads(at, &["#"]) {
            at = end_of_brackets(source, at + 1);
        }
        if source.reads(at, &["pub"]) {
            at = end_of_brackets(source, at + 1);
        }
        let is_allowed = source.reads(at, &["mod"]) || source.reads(at, &["use"]);
        let has_body = source.reads(at, &["mod"]) && source.reads(at + 2, &["{"]);
        let is_empty_body = has_body && source.reads(at + 3, &["}"]);
        if at < source.tokens.len() && (!is_allowed || (has_body && !is_empty_body)) {
            breaches.push(source.breach(
                item,
                "a door holds docs, `mod` and `use` lines only: move this item into a file of the room",
            ));
            return breaches;
        }
        at = if is_empty_body { at + 4 } else { behind(source, at, ";") };
    }
    breaches
}

/// The index behind a group in brackets that begins at `at` (a `!` may stand before it); `at`
/// itself if there is none.
fn end_of_brackets(source: &Source, at: usize) -> usize {
    let start = if source.reads(at, &["!"]) { at + 1 } else { at };
    let (open, close) = match source.tokens.get(start) {
        Some(token) if token.is("[") => ("[", "]"),
        Some(token) if token.is("(") => ("(", ")"),
        _ => return at,
    };
    let mut depth = 0_usize;
    for (index, token) in source.tokens.iter().enumerate().skip(start) {
        depth += usize::from(token.is(open));
        depth -= usize::from(token.is(close));
        if depth == 0 {
            return index + 1;
        }
    }
    source.tokens.len()
}

fn behind(source: &Source, at: usize, sign: &str) -> usize {
    let found = source.tokens.iter().skip(at).position(|token| token.is(sign));
    found.map_or(source.tokens.len(), |offset| at + offset + 1)
}

fn names_the_owning_room(source: &Source) -> Vec<Breach> {
    if !source.is_engine() {
        return Vec::new();
    }
    let advice = |segments: &[String]| match segments.first().map(String::as_str) {
        Some("super" | "self") => Some("name the room: `use crate::room::file::Name;`"),
        Some("crate") if segments.last().is_some_and(|last| last == "*") => {
            Some("name what you import: a glob hides which room is needed")
        }
        Some("crate") if segments.len() < 3 => {
            Some("name the room that owns it, and the item: `use crate::room::file::Name;`")
        }
        Some("siltstone") => Some("inside the engine its own crate is `crate::room`"),
        _ => None,
    };
    let breach =
        |name: &Name| advice(&name.segments).map(|advice| source.breach(name.line, advice));
    source.names.iter().filter_map(breach).collect()
}

fn keeps_out_of_the_file_system(source: &Source) -> Vec<Breach> {
    if !source.is_engine() || OS_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    // The wrappers of the seam fail with error numbers; these do nothing. Memory that is no file's is not
    // the file system's.
    let is_number = |name: &Name| {
        name.starts_with(&["rustix", "io", "Errno"]) && source.path.starts_with("src/fs/")
    };
    let is_memory =
        |name: &Name| name.starts_with(&["rustix", "mm"]) && source.path == "src/memtable/chunk.rs";
    let names = source.names.iter().filter(|name| !name.in_test && !source.is_test_file);
    names
        .filter(|name| {
            name.starts_with(&["std", "fs"])
                || name.starts_with(&["std", "os"])
                || (name.starts_with(&["rustix"]) && !is_number(name) && !is_memory(name))
                || name.starts_with(&["libc"])
        })
        .map(|name| {
            source.breach(
                name.line,
                "go through `crate::fs`: only fs/os.rs and what it stands on ask the real system",
            )
        })
        .collect()
}

fn keeps_unsafe_in_its_place(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let found = source.tokens.iter().filter(|token| token.is("unsafe") && token.kind == Kind::Word);
    let lines: Vec<usize> = found.map(|token| token.line).collect();
    let Some(&first) = lines.first() else { return breaches };
    if !UNSAFE_FILES.contains(&source.path.as_str()) {
        let files = UNSAFE_FILES.join(", ");
        breaches
            .push(source.breach(first, format!("write it without unsafe; it lives in {files}")));
        return breaches;
    }
    let expects = |at: usize| source.reads(at, &["#", "!", "[", "expect", "(", "unsafe_code"]);
    if !(0..source.tokens.len()).any(expects) {
        let advice = "say why at the top: `#![expect(unsafe_code, reason = \"...\")]`";
        breaches.push(source.breach(1, advice));
    }
    for line in lines {
        if !has_safety_comment(source, line) {
            let advice = "say in a `// SAFETY:` comment right above why it holds HERE";
            breaches.push(source.breach(line, advice));
        }
    }
    breaches
}

/// Whether a comment block that ends on this line or right above it contains `SAFETY:` or, above
/// an unsafe function, `# Safety`. Attributes and the beginning of the statement may stand between.
fn has_safety_comment(source: &Source, line: usize) -> bool {
    let comment_at = |line: usize| {
        source.comments.iter().find(|comment| (comment.lines.0..=comment.lines.1).contains(&line))
    };
    let says = |text: &str| text.contains("SAFETY:") || text.contains("# Safety");
    let statement_lines_max = 3;
    let mut skipped = 0;
    for above in (1..=line).rev() {
        match comment_at(above) {
            Some(comment) if says(&comment.text) => return true,
            Some(_) => {}
            None if skipped < statement_lines_max && !ends_a_statement(source, above, line) => {
                skipped += 1;
            }
            None => return false,
        }
    }
    false
}

fn ends_a_statement(source: &Source, above: usize, line: usize) -> bool {
    let last = source.tokens.iter().rfind(|token| token.line == above);
    above != line && last.is_none_or(|token| [";", "{", "}"].iter().any(|sign| token.is(sign)))
}

fn takes_time_and_chance_from_the_seam(source: &Source) -> Vec<Breach> {
    const CLOCKS: &[&str] = &["Instant", "SystemTime", "UNIX_EPOCH"];
    const CHANCE: &[&str] = &["RandomState", "getrandom", "rand", "fastrand", "ThreadRng"];
    const UNORDERED: &[&str] = &["HashMap", "HashSet"];
    if !source.is_engine() || source.path.starts_with("src/fs/") {
        return Vec::new();
    }
    let words = source.tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word);
    let engine_words = words.filter(|&(at, _)| !source.is_test(at));
    let advice = |word: &str| {
        if CLOCKS.contains(&word) {
            Some("take the time from `FileSystem::monotonic` or `unix_time`: tests move that clock")
        } else if CHANCE.contains(&word) {
            Some("take chance from `FileSystem::random`: tests seed it")
        } else if UNORDERED.contains(&word) {
            Some("its order is random: use a BTreeMap or BTreeSet, so that one seed is one run")
        } else {
            None
        }
    };
    engine_words
        .filter_map(|(_, token)| {
            advice(&token.text).map(|advice| source.breach(token.line, advice))
        })
        .collect()
}

fn takes_locks_and_threads_from_sync(source: &Source) -> Vec<Breach> {
    // Arc and Weak are no locks: the public traits of fs/ name std's.
    const PLAIN: &[&str] = &["Arc", "Weak"];
    // The switch of seeded bugs is part of the test: no checker should move it.
    let is_below = source.path.starts_with("src/sync/") || source.path == "src/seeded.rs";
    if !source.is_engine() || is_below {
        return Vec::new();
    }
    let is_taken_elsewhere = |name: &&Name| {
        let item = name.segments.get(2).map_or("", String::as_str);
        (name.starts_with(&["std", "sync"]) && !PLAIN.contains(&item))
            || name.starts_with(&["core", "sync"])
            || (name.starts_with(&["std", "thread"]) && !OS_FILES.contains(&source.path.as_str()))
            || name.starts_with(&["parking_lot"])
            || name.starts_with(&["shuttle"])
            || name.starts_with(&["loom"])
    };
    let advice = "import it from `crate::sync`, so that a model checker can take its place";
    let names = source.names.iter().filter(is_taken_elsewhere);
    names.map(|name| source.breach(name.line, advice)).collect()
}

fn expects_and_never_allows(source: &Source) -> Vec<Breach> {
    let advice = "use `#[expect(lint, reason = \"...\")]`: it goes away when the reason does";
    let mut breaches = Vec::new();
    for at in 0..source.tokens.len() {
        if source.reads(at, &["#", "["]) || source.reads(at, &["#", "!", "["]) {
            let end = end_of_brackets(source, at + 1);
            let mut inside = (at..end).filter(|&index| source.reads(index, &["allow", "("]));
            breaches.extend(
                inside.next().map(|index| source.breach(source.tokens[index].line, advice)),
            );
        }
    }
    breaches
}

fn promises_nothing_for_later(source: &Source) -> Vec<Breach> {
    const LATER: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];
    let advice = "do it now, or leave it out and open an issue: a promise in a comment is not kept";
    let mut breaches = Vec::new();
    for comment in &source.comments {
        let words = comment.text.split(|char: char| !char.is_alphanumeric());
        if words.into_iter().any(|word| LATER.contains(&word)) {
            breaches.push(source.breach(comment.lines.0, advice));
        }
    }
    for (at, token) in source.tokens.iter().enumerate() {
        if source.reads(at, &["todo", "!"]) || source.reads(at, &["unimplemented", "!"]) {
            breaches.push(source.breach(token.line, advice));
        }
    }
    breaches
}

fn carries_no_dead_code(source: &Source) -> Vec<Breach> {
    const BEGINNINGS: &[&str] =
        &["let ", "use ", "pub ", "mod ", "fn ", "impl ", "if ", "for ", "return ", "self.", "#["];
    let is_code = |text: &str| {
        let text = text.trim_start_matches('/').trim();
        let begins = BEGINNINGS.iter().any(|beginning| text.starts_with(beginning));
        begins && [";", "{", "}", ")]"].iter().any(|end| text.ends_with(end))
    };
    let plain = source.comments.iter().filter(|comment| {
        !["///", "//!", "/**", "/*!"].iter().any(|doc| comment.text.starts_with(doc))
    });
    plain
        .filter(|comment| comment.text.lines().any(is_code))
        .map(|comment| {
            source.breach(comment.lines.0, "delete it: the history keeps code, comments say why")
        })
        .collect()
}

/// What decodes bytes from a disk must not be able to panic or to wrap.
fn decodes_under_the_strict_lints(source: &Source) -> Vec<Breach> {
    let is_decoder = |at: usize| {
        source.reads(at, &["fn"])
            && source.tokens.get(at + 1).is_some_and(|name| name.text.starts_with("decode"))
            && !source.is_test(at)
    };
    let Some(at) = (0..source.tokens.len()).find(|&at| source.is_engine() && is_decoder(at)) else {
        return Vec::new();
    };
    let lints = ["indexing_slicing", "expect_used", "as_conversions"];
    let is_strict = lints.iter().all(|lint| {
        (0..source.tokens.len()).any(|at| {
            source.reads(at, &["#", "!", "[", "deny"]) && {
                let end = end_of_brackets(source, at + 1);
                source.tokens[at..end].iter().any(|token| token.is(lint))
            }
        })
    });
    if is_strict {
        return Vec::new();
    }
    let advice = "bytes from disk are not trusted: put `#![deny(clippy::indexing_slicing, \
                  clippy::expect_used, clippy::as_conversions)]` under the caption";
    vec![source.breach(source.tokens[at].line, advice)]
}

/// The rule about removal needs all files: which names are file systems is said in one file and
/// used in another.
pub(crate) fn only_cleanup_removes(sources: &[Source]) -> Vec<Breach> {
    let mut seams: Vec<String> = vec!["file_system".into(), "filesystem".into(), "fs".into()];
    for source in sources {
        seams.extend(file_system_names(source));
    }
    let advice = "only maintenance/cleanup.rs removes files: hand it the name";
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.is_engine()) {
        // The room of the seam wraps and implements the call; it decides nothing.
        if source.path.starts_with("src/fs/") || source.path == "src/maintenance/cleanup.rs" {
            continue;
        }
        for at in (0..source.tokens.len()).filter(|&at| !source.is_test(at)) {
            let is_path = source.reads(at, &["FileSystem", "::", "remove"])
                || source.reads(at, &["FileSystem", ">", "::", "remove"]);
            let is_call = source.reads(at, &[".", "remove", "("])
                && receiver(source, at).is_some_and(|name| seams.iter().any(|seam| seam == name));
            if is_path || is_call {
                breaches.push(source.breach(source.tokens[at].line, advice));
            }
        }
    }
    breaches
}

/// The name that the method call behind this dot is made on: `fs` in `self.fs.remove(` and in
/// `self.fs().remove(`.
fn receiver(source: &Source, dot: usize) -> Option<&str> {
    let before = dot.checked_sub(1)?;
    if !source.tokens[before].is(")") {
        return Some(&source.tokens[before].text);
    }
    let open = before.checked_sub(1).filter(|&open| source.tokens[open].is("("))?;
    let called = open.checked_sub(1)?;
    match source.tokens[called].text.as_str() {
        "clone" | "as_ref" | "deref" => receiver(source, called.checked_sub(1)?),
        name => Some(name),
    }
}

/// Names of fields, parameters and functions whose type says `FileSystem`, and of variables that
/// are made of such a name alone.
fn file_system_names(source: &Source) -> Vec<String> {
    let mut names = Vec::new();
    let is_end = |text: &str| [",", ";", "=", "{", "}", ")"].contains(&text);
    for (at, token) in source.tokens.iter().enumerate() {
        if token.kind != Kind::Word {
            continue;
        }
        if source.reads(at + 1, &[":"]) {
            let typed = source.tokens.iter().skip(at + 2).take_while(|token| !is_end(&token.text));
            if typed.into_iter().any(|token| token.is("FileSystem")) {
                names.push(token.text.clone());
            }
        }
        if at > 0 && source.tokens[at - 1].is("fn") {
            let signature: Vec<_> =
                source.tokens.iter().skip(at).take_while(|t| !t.is("{")).collect();
            let arrow = signature.windows(2).position(|pair| pair[0].is("-") && pair[1].is(">"));
            let returned = arrow.map_or(&[][..], |arrow| &signature[arrow..]);
            if returned.iter().any(|token| token.is("FileSystem")) {
                names.push(token.text.clone());
            }
        }
    }
    let aliases: Vec<String> = (0..source.tokens.len())
        .filter(|&at| source.reads(at, &["let"]) && source.reads(at + 2, &["="]))
        .filter(|&at| {
            let value = &source.tokens[at + 3..behind(source, at + 3, ";")];
            is_alias(value, &names)
        })
        .map(|at| source.tokens[at + 1].text.clone())
        .collect();
    names.extend(aliases);
    names
}

/// Whether an expression only hands on one of these names: `&self.fs`, `Arc::clone(&fs)`.
fn is_alias(value: &[Token], names: &[String]) -> bool {
    const PLAIN: &[&str] = &["&", ".", "::", "(", ")", ";", "self", "clone", "Arc", "as_ref"];
    let is_seam = |token: &Token| token.is("fs") || names.contains(&token.text);
    value.iter().any(is_seam)
        && value.iter().all(|token| is_seam(token) || PLAIN.contains(&token.text.as_str()))
}
