//! How a table is to be written. Readers need none of this: a table says itself how it was.

/// How blocks are compressed on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// By zstd at this level. Negative levels are faster, positive ones save more.
    Zstd(i32),
}

impl Default for Compression {
    /// zstd at level 1.
    fn default() -> Compression {
        Compression::Zstd(1)
    }
}

/// Which filter a table gets, so that most reads of absent keys end without reading a block.
///
/// Tables above the last level get six bits more for each key: a read of a key that is further down asks
/// several of them, and they hold few of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterKind {
    /// None: every read of a key looks into a block.
    None,
    /// A bloom filter whose bits are spread over all of it: a question is several misses of the
    /// processor's caches.
    Bloom {
        /// Bits of memory for each key; 10 let about 0.8 % of absent keys through.
        bits_per_key: u32,
    },
    /// A bloom filter in which all bits of a key lie in one cache line: several times faster to ask
    /// and to build.
    Blocked {
        /// Bits of memory for each key; 10 let about 1 % of absent keys through.
        bits_per_key: u32,
    },
}

impl Default for FilterKind {
    /// A blocked filter with 10 bits for each key.
    fn default() -> FilterKind {
        FilterKind::Blocked { bits_per_key: 10 }
    }
}

/// Bits for each key that a filter has more in the levels above the last.
const BITS_ABOVE: u32 = 6;

impl FilterKind {
    /// The filter of a table above the last level. There may be many tables there that a get asks for a key
    /// that is further down, and they hold few of the keys: they say yes to ten times fewer strangers.
    pub(crate) fn above_last_level(self) -> FilterKind {
        let more = |bits_per_key: u32| match bits_per_key {
            0 => 0,
            bits => bits.saturating_add(BITS_ABOVE),
        };
        match self {
            FilterKind::None => FilterKind::None,
            FilterKind::Bloom { bits_per_key } => {
                FilterKind::Bloom { bits_per_key: more(bits_per_key) }
            }
            FilterKind::Blocked { bits_per_key } => {
                FilterKind::Blocked { bits_per_key: more(bits_per_key) }
            }
        }
    }
}

/// Where a table comes from; kept in its properties for whoever looks at it later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Creation {
    /// Level for which it was written.
    pub(crate) level: u8,
    /// When, in seconds since 1970.
    pub(crate) unix_seconds: u64,
}

/// How to write a table.
#[derive(Clone, Debug)]
pub(crate) struct TableOptions {
    /// Size of a data block before compression. Only an entry larger than this makes a larger
    /// block, and versions of one key, which stay together as long as that is sensible.
    pub(crate) block_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) filter: FilterKind,
    /// The file is appended to in pieces of this size. Between 16 and 32 KiB some file systems are
    /// many times faster than at 1 MiB.
    pub(crate) write_bytes: usize,
    pub(crate) creation: Creation,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions {
            block_bytes: 8 << 10,
            compression: Compression::None,
            filter: FilterKind::default(),
            write_bytes: 32 << 10,
            creation: Creation::default(),
        }
    }
}
