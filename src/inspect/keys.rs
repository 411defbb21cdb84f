//! Ranges of keys as people name them: keyspace and key.

use crate::format::key::KEYSPACE_ID_BYTES;
use crate::table::examine::Span;
use byteorder::{BigEndian, ByteOrder};
use std::collections::BTreeMap;
use std::fmt;

/// A key, and the keyspace that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct KeyPlace {
    /// Number of the keyspace; 0 is the default one.
    pub keyspace: u32,
    /// Name of the keyspace, if it has one and the manifest could say it.
    pub name: Option<String>,
    /// The key; empty is before every key of the keyspace.
    pub key: Vec<u8>,
}

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct KeySpan {
    /// The first key that may be in it.
    pub start: KeyPlace,
    /// The first key behind it; `None` if there is no end.
    pub end: Option<KeyPlace>,
}

impl KeySpan {
    /// Whether a key of a keyspace is inside.
    #[must_use]
    pub fn contains(&self, keyspace: u32, key: &[u8]) -> bool {
        let place = (keyspace, key);
        let start = (self.start.keyspace, &self.start.key[..]);
        let is_before = |end: &KeyPlace| place < (end.keyspace, &end.key[..]);
        start <= place && self.end.as_ref().is_none_or(is_before)
    }
}

impl KeySpan {
    /// Every key of every keyspace.
    pub(crate) fn everything() -> KeySpan {
        KeySpan { start: KeyPlace { keyspace: 0, name: None, key: Vec::new() }, end: None }
    }

    /// Whether no key is inside.
    pub(crate) fn is_empty(&self) -> bool {
        let place = |place: &KeyPlace| (place.keyspace, place.key.clone());
        self.end.as_ref().is_some_and(|end| place(end) <= place(&self.start))
    }
}

/// The names of keyspaces, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(pub(crate) BTreeMap<u32, String>);

impl Names {
    pub(crate) fn span(&self, span: &Span) -> KeySpan {
        let end = span.end.as_ref().map(|end| self.place(end));
        KeySpan { start: self.place(&span.start), end }
    }

    fn place(&self, user_key: &[u8]) -> KeyPlace {
        let (prefix, key) = user_key.split_at(KEYSPACE_ID_BYTES.min(user_key.len()));
        // A bound may be shorter than the number of a keyspace: the rest of it counts as zeros.
        let mut id = [0; KEYSPACE_ID_BYTES];
        id[..prefix.len()].copy_from_slice(prefix);
        let keyspace = BigEndian::read_u32(&id);
        KeyPlace { keyspace, name: self.0.get(&keyspace).cloned(), key: key.to_vec() }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.keyspace) {
            (Some(name), _) => write!(f, "{name}/")?,
            (None, 0) => {}
            (None, id) => write!(f, "keyspace {id}/")?,
        }
        write!(f, "\"{}\"", self.key.escape_ascii())
    }
}

impl fmt::Display for KeySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins_all = self.start.keyspace == 0 && self.start.key.is_empty();
        match &self.end {
            None if begins_all => f.write_str("all keys"),
            None => write!(f, "keys from {} on", self.start),
            Some(end) => write!(f, "keys from {} to {} (exclusive)", self.start, end),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::key::user_key;
    use crate::inspect::keys::Names;
    use crate::table::examine::Span;

    #[test]
    fn a_span_is_told_in_words_and_contains_its_keys() {
        let names = Names([(3, "trades".to_owned())].into());
        let span = Span { start: user_key(3, b"a\0"), end: Some(user_key(4, b"")) };
        let span = names.span(&span);
        assert_eq!(span.to_string(), r#"keys from trades/"a\x00" to keyspace 4/"" (exclusive)"#);
        assert!(span.contains(3, b"b") && !span.contains(3, b"a") && !span.contains(4, b""));
        assert_eq!(names.span(&Span::everything()).to_string(), "all keys");
        let one = names.span(&Span::inclusive(&user_key(0, b"k"), &user_key(0, b"k")));
        assert!(one.contains(0, b"k") && !one.contains(0, b"ka") && !one.contains(1, b"k"));
    }
}
