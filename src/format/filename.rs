//! The grammar of names in a database directory.
//!
//! ```text
//! NNNNNN.wal              a WAL segment          CURRENT               names the manifest
//! NNNNNN.sst              a table                CURRENT-NNNNNN.tmp    the next CURRENT
//! MANIFEST-NNNNNN         a manifest             LOCK                  held by the owner
//! RESERVE                 room for a full disk   lost/                 bytes cut from a torn tail
//! ```
//!
//! Numbers have at least six digits and no more leading zeros than that needs, so every number has
//! one name. WAL segments, tables and manifests share one sequence of numbers; none is used twice.
//! A name that is not of this grammar is not ours: it is never read, counted or removed.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// A name that the engine gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileName {
    Wal(u64),
    Table(u64),
    Manifest(u64),
    Current,
    CurrentTemp(u64),
    Lock,
    Reserve,
    LostDirectory,
}

impl FileName {
    /// The name's meaning; `None` if it is not of our grammar.
    pub(crate) fn parse(name: &OsStr) -> Option<FileName> {
        let name = name.to_str()?;
        match name {
            "CURRENT" => return Some(FileName::Current),
            "LOCK" => return Some(FileName::Lock),
            "RESERVE" => return Some(FileName::Reserve),
            "lost" => return Some(FileName::LostDirectory),
            _ => {}
        }
        if let Some(digits) = name.strip_prefix("MANIFEST-") {
            return number(digits).map(FileName::Manifest);
        }
        if let Some(rest) = name.strip_prefix("CURRENT-") {
            return number(rest.strip_suffix(".tmp")?).map(FileName::CurrentTemp);
        }
        match name.split_once('.')? {
            (digits, "wal") => number(digits).map(FileName::Wal),
            (digits, "sst") => number(digits).map(FileName::Table),
            _ => None,
        }
    }

    /// The number in the name, if it has one from the common sequence.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            FileName::Wal(number)
            | FileName::Table(number)
            | FileName::Manifest(number)
            | FileName::CurrentTemp(number) => Some(number),
            FileName::Current | FileName::Lock | FileName::Reserve | FileName::LostDirectory => {
                None
            }
        }
    }

    /// The path of this name in `directory`.
    pub(crate) fn in_directory(self, directory: &Path) -> PathBuf {
        directory.join(self.to_string())
    }
}

fn number(digits: &str) -> Option<u64> {
    let is_canonical = digits.len() == 6 || (digits.len() > 6 && !digits.starts_with('0'));
    if !is_canonical || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Wal(number) => write!(f, "{number:06}.wal"),
            FileName::Table(number) => write!(f, "{number:06}.sst"),
            FileName::Manifest(number) => write!(f, "MANIFEST-{number:06}"),
            FileName::Current => f.write_str("CURRENT"),
            FileName::CurrentTemp(number) => write!(f, "CURRENT-{number:06}.tmp"),
            FileName::Lock => f.write_str("LOCK"),
            FileName::Reserve => f.write_str("RESERVE"),
            FileName::LostDirectory => f.write_str("lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::filename::FileName;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn any_name() -> impl Strategy<Value = FileName> {
        (0..8_u8, any::<u64>()).prop_map(|(kind, number)| match kind {
            0 => FileName::Wal(number),
            1 => FileName::Table(number),
            2 => FileName::Manifest(number),
            3 => FileName::Current,
            4 => FileName::CurrentTemp(number),
            5 => FileName::Lock,
            6 => FileName::Reserve,
            _ => FileName::LostDirectory,
        })
    }

    proptest! {
        #[test]
        fn names_round_trip(name in any_name()) {
            prop_assert_eq!(FileName::parse(OsStr::new(&name.to_string())), Some(name));
        }

        #[test]
        fn what_parses_is_the_only_spelling(name in "[A-Z0-9.-]{0,24}|[0-9]{5,8}\\.(wal|sst)") {
            if let Some(parsed) = FileName::parse(OsStr::new(&name)) {
                prop_assert_eq!(parsed.to_string(), name);
            }
        }
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for name in [
            ".DS_Store",
            "000001.wal~",
            "1.wal",
            "0000001.wal",
            "000001.SST",
            "MANIFEST-",
            "+00001.sst",
            "MANIFEST-000001.bak",
            "CURRENT.tmp",
            "current",
            "CURRENT-000001",
            "99999999999999999999999.sst",
        ] {
            assert_eq!(FileName::parse(OsStr::new(name)), None, "{name}");
        }
    }
}
