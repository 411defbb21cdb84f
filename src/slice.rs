//! [`Slice`]: bytes that a read returns, cheap to clone and free of lifetimes.
//!
//! A value of at most [`INLINE_BYTES`] bytes is stored in the slice itself. A longer one is a range
//! of a buffer that has other owners too, a cached block for example, so that a read copies
//! nothing. Such a slice keeps the whole buffer in memory for as long as it lives: copy it with
//! `to_vec` to keep a few bytes for long.

use crate::sync::Arc;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

/// Longest value that is stored in the slice itself: with its length it fills what four words
/// leave beside the tag.
const INLINE_BYTES: usize = 22;

/// Bytes read from a database.
///
/// It behaves like `&[u8]` and clones without copying.
///
/// ```
/// use siltstone::Slice;
///
/// let slice = Slice::from(b"4411.99".to_vec());
/// assert_eq!(slice, "4411.99");
/// assert_eq!(slice.len(), 7);
/// assert_eq!(&slice[..4], b"4411");
/// ```
#[derive(Clone)]
pub struct Slice(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Shared),
}

/// `repr(C)` keeps the pointer, which is never null, in front, so that the compiler can use it as
/// the tag of [`Repr`] and the other variant has the rest of the room.
#[derive(Clone)]
#[repr(C)]
struct Shared {
    owner: Arc<[u8]>,
    start: usize,
    len: usize,
}

impl Slice {
    /// A range of `owner`, without copying unless the bytes are few; empty outside of it.
    #[inline]
    pub(crate) fn shared(owner: &Arc<[u8]>, range: Range<usize>) -> Slice {
        let bytes = owner.get(range.clone()).unwrap_or_default();
        Slice::inline(bytes).unwrap_or_else(|| {
            let (owner, start, len) = (Arc::clone(owner), range.start, bytes.len());
            Slice(Repr::Shared(Shared { owner, start, len }))
        })
    }

    /// The same, from one of the owners.
    #[inline]
    pub(crate) fn owning(owner: Arc<[u8]>, range: Range<usize>) -> Slice {
        let bytes = owner.get(range.clone()).unwrap_or_default();
        let (start, len) = (range.start, bytes.len());
        Slice::inline(bytes).unwrap_or(Slice(Repr::Shared(Shared { owner, start, len })))
    }

    fn inline(bytes: &[u8]) -> Option<Slice> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut room = [0; INLINE_BYTES];
        room.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Slice(Repr::Inline { len, bytes: room }))
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Shared(Shared { owner, start, len }) => &owner[*start..*start + *len],
        }
    }
}

impl Default for Slice {
    fn default() -> Slice {
        Slice(Repr::Inline { len: 0, bytes: [0; INLINE_BYTES] })
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Slice {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        let len = bytes.len();
        Slice::inline(&bytes).unwrap_or_else(|| {
            Slice(Repr::Shared(Shared { owner: Arc::from(bytes), start: 0, len }))
        })
    }
}

impl From<&[u8]> for Slice {
    fn from(bytes: &[u8]) -> Slice {
        Slice::inline(bytes).unwrap_or_else(|| {
            Slice(Repr::Shared(Shared { owner: Arc::from(bytes), start: 0, len: bytes.len() }))
        })
    }
}

impl<const N: usize> From<&[u8; N]> for Slice {
    fn from(bytes: &[u8; N]) -> Slice {
        Slice::from(&bytes[..])
    }
}

impl From<&str> for Slice {
    fn from(text: &str) -> Slice {
        Slice::from(text.as_bytes())
    }
}

impl From<String> for Slice {
    fn from(text: String) -> Slice {
        Slice::from(text.into_bytes())
    }
}

impl From<Slice> for Vec<u8> {
    fn from(slice: Slice) -> Vec<u8> {
        slice.to_vec()
    }
}

// Equality, order and hash are those of the bytes, so that `Borrow<[u8]>` tells the truth.

impl Eq for Slice {}

impl PartialEq for Slice {
    fn eq(&self, other: &Slice) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Ord for Slice {
    fn cmp(&self, other: &Slice) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Slice {
    fn partial_cmp(&self, other: &Slice) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Slice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Comparisons with what callers have at hand, in both directions.
macro_rules! compare_as_bytes {
    ($([$($generics:tt)*] $other:ty),+ $(,)?) => {$(
        impl<$($generics)*> PartialEq<$other> for Slice {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                self.as_bytes() == other
            }
        }

        impl<$($generics)*> PartialEq<Slice> for $other {
            fn eq(&self, other: &Slice) -> bool {
                other == self
            }
        }
    )+};
}

compare_as_bytes!(
    [] [u8],
    [] &[u8],
    [const N: usize] [u8; N],
    [const N: usize] &[u8; N],
    [] Vec<u8>,
    [] str,
    [] &str,
    [] String,
);

#[cfg(test)]
mod tests {
    use crate::slice::{INLINE_BYTES, Repr, Slice};
    use crate::sync::Arc;
    use std::collections::HashMap;

    #[test]
    fn a_slice_equals_its_bytes_at_every_length() {
        for len in 0..3 * INLINE_BYTES {
            let bytes: Vec<u8> = (0..len).map(|byte| u8::try_from(byte).unwrap()).collect();
            let (owned, copied) = (Slice::from(bytes.clone()), Slice::from(&bytes[..]));
            assert_eq!(owned, bytes);
            assert_eq!(copied, owned.clone());
            assert_eq!(Vec::from(owned.clone()), bytes);
            assert_eq!(matches!(owned.0, Repr::Inline { .. }), len <= INLINE_BYTES, "{len}");
        }
    }

    #[test]
    fn a_shared_slice_is_a_range_of_its_owner_and_keeps_it_alive() {
        let owner: Arc<[u8]> = (0..200).collect();
        let long = Slice::shared(&owner, 50..150);
        let short = Slice::shared(&owner, 7..10);
        assert_eq!(Arc::strong_count(&owner), 2, "few bytes are copied and hold nothing");
        assert_eq!(long, &owner[50..150]);
        assert_eq!(short, [7, 8, 9]);
        let clone = long.clone();
        drop((long, owner));
        assert_eq!(clone.first(), Some(&50));
    }

    #[test]
    fn order_hash_and_debug_are_those_of_the_bytes() {
        let mut map = HashMap::new();
        map.insert(Slice::from("key"), 1);
        assert_eq!(map.get(&b"key"[..]), Some(&1));
        let (short, long) = (Slice::from("a"), Slice::from("aa".repeat(40)));
        assert!(short < long);
        assert_eq!(format!("{:?}", Slice::from(b"a\0\"")), r#"b"a\x00\"""#);
        assert_eq!(short, "a");
        assert_eq!("a", short);
        assert_ne!(short, "b");
        assert_eq!(Slice::default(), b"");
    }

    #[test]
    fn a_slice_is_four_words_and_crosses_threads() {
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<Slice>();
        assert_eq!(size_of::<Slice>(), 4 * size_of::<usize>());
    }
}
