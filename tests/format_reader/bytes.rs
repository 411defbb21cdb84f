//! "Conventions" of the page: little-endian integers, varints, prefixed bytes, crc32.

/// Takes things from the front of some bytes.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// An integer of `len` bytes.
    pub(crate) fn uint(&mut self, len: usize) -> u64 {
        self.take(len).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(crate) fn len_of(&mut self, len: usize) -> usize {
        usize::try_from(self.uint(len)).unwrap()
    }

    pub(crate) fn varint(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.uint(1);
            number |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
        }
        panic!("a varint has at most ten bytes");
    }

    pub(crate) fn prefixed(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.varint()).unwrap();
        self.take(len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The crc32 of these, one behind the other.
pub(crate) fn crc32(parts: &[&[u8]]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    u64::from(hasher.finalize())
}
