//! The one name of a file or a directory, for file systems that keep books of them.
//!
//! A [`Path`] compares and splits itself component by component, each time anew; books are looked
//! up far more often than they are written, so here the one form is made once ([`resolve`]), and
//! from then on bytes are compared.

use std::borrow::{Borrow, Cow};
use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::path::{Component, Path, PathBuf};

use crate::sync::Arc;

/// An absolute path without `.` and `..`. It is compared byte by byte, and a copy costs nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Arc<OsStr>);

impl Name {
    /// The directory that holds it. The root is in none.
    pub(crate) fn directory(&self) -> Option<&[u8]> {
        let bytes = self.0.as_encoded_bytes();
        match bytes.iter().rposition(|byte| *byte == b'/')? {
            0 if bytes.len() == 1 => None,
            0 => Some(&bytes[..1]),
            slash => Some(&bytes[..slash]),
        }
    }

    pub(crate) fn is_in(&self, directory: &Path) -> bool {
        self.directory() == Some(directory.as_os_str().as_encoded_bytes())
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Name {
        Name(path.as_os_str().into())
    }
}

impl Deref for Name {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(&*self.0)
    }
}

// What `Eq` and `Ord` compare.
impl Borrow<OsStr> for Name {
    fn borrow(&self) -> &OsStr {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

/// The one form of a path: absolute, without `.` and `..`.
pub(crate) fn resolve(path: &Path) -> Cow<'_, Path> {
    if is_resolved(path.as_os_str().as_encoded_bytes()) {
        return Cow::Borrowed(path);
    }
    let mut resolved = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
        }
    }
    Cow::Owned(resolved)
}

fn is_resolved(path: &[u8]) -> bool {
    match path {
        b"/" => true,
        [b'/', rest @ ..] => {
            rest.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::fs::name::{Name, is_resolved, resolve};
    use std::path::Path;

    #[test]
    fn every_path_has_one_form() {
        let forms = [
            ("/", "/"),
            ("", "/"),
            ("/db", "/db"),
            ("db/a", "/db/a"),
            ("/db/", "/db"),
            ("//db//a", "/db/a"),
            ("/./db/./a/.", "/db/a"),
            ("/db/b/../a", "/db/a"),
            ("/../db", "/db"),
            ("/db/..", "/"),
            ("/db/..a", "/db/..a"),
        ];
        for (path, form) in forms {
            assert_eq!(resolve(Path::new(path)).as_os_str(), form, "{path}");
            assert_eq!(is_resolved(path.as_bytes()), path == form, "{path}");
        }
    }

    #[test]
    fn names_know_their_directory() {
        let directory = |path: &str| Name::from(Path::new(path)).directory().map(<[u8]>::to_vec);
        assert_eq!(directory("/"), None);
        assert_eq!(directory("/db"), Some(b"/".to_vec()));
        assert_eq!(directory("/db/a"), Some(b"/db".to_vec()));
        assert!(Name::from(Path::new("/db/a")).is_in(Path::new("/db")));
        assert!(!Name::from(Path::new("/db-old/a")).is_in(Path::new("/db")));
        assert!(!Name::from(Path::new("/db/a/b")).is_in(Path::new("/db")));
    }
}
