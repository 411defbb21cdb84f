//! Bytes as text and back, so that any key and value passes through a terminal and a text file.
//!
//! `\t` tab, `\n` newline, `\r` carriage return, `\\` backslash, `\xNN` the byte with that
//! hexadecimal number. Everything else stands for itself. Writing escapes only what it must: those
//! four, the other control characters, and bytes that are not UTF-8.
//!
//! Invariant: `unescape(escape(bytes)) == bytes`, and `escape(bytes)` is UTF-8 on one line.

use std::fmt::Write as _;

/// Writes `bytes` as text to the end of `text`.
pub(crate) fn escape_into(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\\' => text.push_str("\\\\"),
                _ if character.is_control() => {
                    let mut buffer = [0; 4];
                    push_hex(text, character.encode_utf8(&mut buffer).as_bytes());
                }
                _ => text.push(character),
            }
        }
        push_hex(text, chunk.invalid());
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "\\x{byte:02x}").unwrap_or_default();
    }
}

/// `bytes` as text.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    escape_into(&mut text, bytes);
    text
}

/// Reads what [`escape`] writes, and any other bytes without a backslash as they are.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        bytes.extend_from_slice(plain);
        let (byte, used) = match escaped {
            [_, b't', ..] => (b'\t', 2),
            [_, b'n', ..] => (b'\n', 2),
            [_, b'r', ..] => (b'\r', 2),
            [_, b'\\', ..] => (b'\\', 2),
            [_, b'x', high, low, ..] => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, 4),
                _ => return Err(unknown(escaped)),
            },
            _ => return Err(unknown(escaped)),
        };
        bytes.push(byte);
        rest = &escaped[used..];
    }
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

fn unknown(escaped: &[u8]) -> String {
    let seen = String::from_utf8_lossy(&escaped[..escaped.len().min(4)]);
    format!("unknown escape `{seen}`: write \\t \\n \\r \\\\ or \\xNN, and \\\\ for a backslash")
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// `bytes` as lower case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Reads what [`hex`] writes; upper case is welcome too.
pub(crate) fn unhex(text: &[u8]) -> Result<Vec<u8>, String> {
    let wrong = || "hexadecimal text has two digits, 0-9 and a-f, for each byte".to_owned();
    if !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    text.chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? * 16 + nibble(pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(wrong)
}

/// How keys and values stand on the command line and on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Escaped,
    Hex,
}

impl Notation {
    /// The bytes that `text` stands for.
    pub(crate) fn read(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Notation::Escaped => unescape(text.as_bytes()),
            Notation::Hex => unhex(text.as_bytes()),
        }
    }

    /// The text that stands for `bytes`.
    pub(crate) fn write(self, bytes: &[u8]) -> String {
        match self {
            Notation::Escaped => escape(bytes),
            Notation::Hex => hex(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::escape::{escape, hex, unescape, unhex};

    #[test]
    fn any_bytes_come_back_from_one_line_of_text() {
        let every: Vec<u8> = (0..=255).collect();
        for bytes in [&every[..], b"", b"\\", b"\\x", b"\xc3", "\u{85}é\u{2028}".as_bytes()] {
            let text = escape(bytes);
            assert!(!text.contains(['\n', '\t', '\r', '\0']), "{text:?}");
            assert_eq!(unescape(text.as_bytes()).unwrap(), bytes, "{text}");
            assert_eq!(unhex(hex(bytes).as_bytes()).unwrap(), bytes);
        }
    }

    #[test]
    fn readable_text_stays_readable() {
        assert_eq!(escape("Zürich/42 \"a\"".as_bytes()), "Zürich/42 \"a\"");
        assert_eq!(escape(b"a\tb\n\xff\0\\"), "a\\tb\\n\\xff\\x00\\\\");
    }

    #[test]
    fn a_wrong_escape_is_refused_and_says_what_is_right() {
        for wrong in ["\\", "\\q", "a\\x", "\\x1", "\\xg0"] {
            assert!(unescape(wrong.as_bytes()).unwrap_err().contains("\\xNN"), "{wrong}");
        }
        assert!(unhex(b"abc").is_err() && unhex(b"zz").is_err());
        assert_eq!(unhex(b"FFff").unwrap(), [255, 255]);
    }
}
