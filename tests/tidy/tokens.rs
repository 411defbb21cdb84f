//! Cuts Rust source into tokens, so that no rule is fooled by a comment or a string.
//!
//! It knows as much of the language as the rules need: words, numbers, literals, lifetimes and
//! signs, each with its line; comments come in a list of their own. `::` is one sign, every other
//! sign is one character.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    /// A string, byte string or character, with its quotes.
    Literal,
    Lifetime,
    Sign,
}

/// A piece of code.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// A comment, with its slashes.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) text: String,
    /// First and last line, counted from 1.
    pub(crate) lines: (usize, usize),
}

/// Cuts `text`.
pub(crate) fn cut(text: &str) -> (Vec<Token>, Vec<Comment>) {
    let mut cutter = Cutter {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        tokens: Vec::new(),
        comments: Vec::new(),
    };
    while cutter.at < cutter.chars.len() {
        cutter.step();
    }
    (cutter.tokens, cutter.comments)
}

struct Cutter {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl Cutter {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(index, char)| self.peek(index) == char)
    }

    fn step(&mut self) {
        let start = (self.at, self.line);
        let char = self.peek(0);
        if char.is_whitespace() {
            self.advance(1);
        } else if self.starts_with("//") {
            while self.at < self.chars.len() && self.peek(0) != '\n' {
                self.advance(1);
            }
            self.comment(start);
        } else if self.starts_with("/*") {
            self.block_comment();
            self.comment(start);
        } else if self.raw_string() || self.quoted() {
            self.token(Kind::Literal, start);
        } else if char == '\'' {
            self.advance(1);
            self.advance_while(is_word);
            self.token(Kind::Lifetime, start);
        } else if char.is_ascii_digit() {
            self.number();
            self.token(Kind::Number, start);
        } else if is_word(char) {
            self.advance_while(is_word);
            self.token(Kind::Word, start);
        } else {
            self.advance(if self.starts_with("::") { 2 } else { 1 });
            self.token(Kind::Sign, start);
        }
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            self.line += usize::from(self.peek(0) == '\n');
            self.at += 1;
        }
    }

    fn advance_while(&mut self, accept: impl Fn(char) -> bool) {
        while self.at < self.chars.len() && accept(self.peek(0)) {
            self.advance(1);
        }
    }

    fn text_from(&self, start: usize) -> String {
        self.chars[start..self.at.min(self.chars.len())].iter().collect()
    }

    fn token(&mut self, kind: Kind, start: (usize, usize)) {
        let text = self.text_from(start.0);
        self.tokens.push(Token { kind, text, line: start.1 });
    }

    fn comment(&mut self, start: (usize, usize)) {
        let text = self.text_from(start.0);
        self.comments.push(Comment { text, lines: (start.1, self.line) });
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            if self.starts_with("/*") {
                depth += 1;
                self.advance(2);
            } else if self.starts_with("*/") {
                depth -= 1;
                self.advance(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.advance(1);
            }
        }
    }

    /// Takes `r"..."`, `br#"..."#` and the like.
    fn raw_string(&mut self) -> bool {
        let Some(prefix) = ["r", "br", "cr"].into_iter().find(|prefix| {
            let next = self.peek(prefix.len());
            self.starts_with(prefix) && (next == '"' || next == '#')
        }) else {
            return false;
        };
        let mut fences = 0;
        while self.peek(prefix.len() + fences) == '#' {
            fences += 1;
        }
        if self.peek(prefix.len() + fences) != '"' {
            return false;
        }
        self.advance(prefix.len() + fences + 1);
        let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', fences)).collect();
        while self.at < self.chars.len() && !self.starts_with(&end) {
            self.advance(1);
        }
        self.advance(end.len());
        true
    }

    /// Takes `"..."`, `b"..."`, `c"..."`, `'x'` and `b'x'`; a lifetime is none of these.
    fn quoted(&mut self) -> bool {
        let prefix = usize::from(matches!((self.peek(0), self.peek(1)), ('b' | 'c', '"' | '\'')));
        let quote = self.peek(prefix);
        let is_char = quote == '\''
            && self.peek(prefix + 1) != '\''
            && (self.peek(prefix + 1) == '\\' || self.peek(prefix + 2) == '\'');
        if quote != '"' && !is_char {
            return false;
        }
        self.advance(prefix + 1);
        while self.at < self.chars.len() && self.peek(0) != quote {
            self.advance(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.advance(1);
        true
    }

    fn number(&mut self) {
        self.advance_while(is_word);
        if self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            self.advance(1);
            self.advance_while(is_word);
        }
    }
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use crate::tokens::cut;

    fn words(text: &str) -> Vec<String> {
        cut(text).0.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_never_code() {
        let (tokens, comments) =
            cut("a /* b /* c */ d */ \"e // f\" // g\nr#\"h\"i\"# '\\'' 'j' k");
        let texts: Vec<_> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["a", "\"e // f\"", "r#\"h\"i\"#", "'\\''", "'j'", "k"]);
        assert_eq!(comments.len(), 2);
        assert_eq!(tokens.last().map(|token| token.line), Some(2));
    }

    #[test]
    fn lifetimes_ranges_and_paths_are_cut_where_they_end() {
        assert_eq!(words("&'a str"), ["&", "'a", "str"]);
        assert_eq!(words("0..1.5"), ["0", ".", ".", "1.5"]);
        assert_eq!(words("a::b:c"), ["a", "::", "b", ":", "c"]);
        assert_eq!(words("b'\\'' br\"x\" brew"), ["b'\\''", "br\"x\"", "brew"]);
    }
}
