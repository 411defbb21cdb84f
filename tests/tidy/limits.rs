//! Limits that documents quote, "`NAME` = 65,000", against the constants of the engine.

use crate::source::Breach;
use crate::text::Text;
use crate::tokens::{Kind, Token, cut};
use std::collections::BTreeMap;

/// A limit in a document.
pub(crate) struct Quote {
    path: String,
    line: usize,
    name: String,
    number: u128,
}

impl Quote {
    /// A breach if the constant is another one, or does not exist.
    pub(crate) fn check(&self, constants: &BTreeMap<String, u128>) -> Option<Breach> {
        let advice = match constants.get(&self.name) {
            Some(&number) if number == self.number => return None,
            Some(number) => format!("`{}` is {number}: quote it as it is", self.name),
            None => format!("there is no constant `{}` with a plain number", self.name),
        };
        Some(Breach { path: self.path.clone(), line: self.line, advice })
    }
}

/// All quotes in a document.
pub(crate) fn quotes(text: &Text) -> Vec<Quote> {
    let mut quotes = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        for (at, sign) in line.match_indices("` = ") {
            let name = line[..at].rsplit('`').next().unwrap_or_default();
            let rest = line[at + sign.len()..].trim_start_matches('`');
            let is_digit = |char: char| char.is_ascii_digit() || char == ',';
            let digits: String = rest.chars().take_while(|&char| is_digit(char)).collect();
            if let Ok(number) = digits.replace(',', "").parse() {
                let (path, line) = (text.path.clone(), index + 1);
                quotes.push(Quote { path, line, name: name.to_owned(), number });
            }
        }
    }
    quotes
}

/// The constants whose value is plain arithmetic.
pub(crate) fn constants<'a>(texts: impl Iterator<Item = &'a Text>) -> BTreeMap<String, u128> {
    let mut constants = BTreeMap::new();
    for text in texts {
        let (tokens, _) = cut(&text.text);
        for (at, pair) in tokens.windows(2).enumerate() {
            let [keyword, name] = pair else { continue };
            let rest = tokens.get(at + 2..).unwrap_or_default();
            let value = rest.iter().take_while(|token| !token.is(";")).cloned();
            let value: Vec<Token> = value.skip_while(|token| !token.is("=")).skip(1).collect();
            if keyword.is("const") && name.kind == Kind::Word {
                let mut sum = Sum { tokens: &value, at: 0 };
                if let Some(number) = sum.shifts().filter(|_| sum.at == value.len()) {
                    constants.insert(name.text.clone(), number);
                }
            }
        }
    }
    constants
}

/// Works out `4 + 4`, `64 << 20`, `(1 << 24) - 1`, `(u32::MAX >> 1) as usize`.
struct Sum<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Sum<'_> {
    fn take(&mut self, signs: &[&str]) -> bool {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let reads = rest.len() >= signs.len() && signs.iter().zip(rest).all(|(s, t)| t.is(s));
        self.at += if reads { signs.len() } else { 0 };
        reads
    }

    fn shifts(&mut self) -> Option<u128> {
        let mut value = self.sum()?;
        loop {
            if self.take(&["<", "<"]) {
                value = value.checked_shl(u32::try_from(self.sum()?).ok()?)?;
            } else if self.take(&[">", ">"]) {
                value = value.checked_shr(u32::try_from(self.sum()?).ok()?)?;
            } else if self.take(&["as"]) {
                self.at += 1;
            } else {
                return Some(value);
            }
        }
    }

    fn sum(&mut self) -> Option<u128> {
        let mut value = self.number()?;
        loop {
            if self.take(&["+"]) {
                value = value.checked_add(self.number()?)?;
            } else if self.take(&["-"]) {
                value = value.checked_sub(self.number()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn number(&mut self) -> Option<u128> {
        if self.take(&["("]) {
            let value = self.shifts()?;
            return self.take(&[")"]).then_some(value);
        }
        if self.take(&["u16", "::", "MAX"]) {
            return Some(u16::MAX.into());
        }
        if self.take(&["u32", "::", "MAX"]) {
            return Some(u32::MAX.into());
        }
        let token = self.tokens.get(self.at).filter(|token| token.kind == Kind::Number)?;
        self.at += 1;
        let digits: String = token.text.chars().filter(|&char| char != '_').collect();
        match digits.strip_prefix("0x") {
            Some(hex) => u128::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        }
    }
}
