//! The bytes of one simulated file: a list of shared pieces, then zeros.
//!
//! Copies share the pieces, so that a copy of a whole disk costs little.

use std::ops::Range;

use crate::sync::Arc;

/// Bytes of a file. Invariants: (1) the pieces follow one another without a gap from 0 to `end`;
/// (2) `end <= size`; (3) what lies between the two reads as zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pieces: Vec<Piece>,
    end: u64,
    size: u64,
}

#[derive(Clone, Debug)]
struct Piece {
    start: u64,
    len: usize,
    // The first `len` of these count.
    bytes: Arc<[u8]>,
}

impl Content {
    /// Bytes appended.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Length of the file: what was appended, and the room reserved behind it.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn push(&mut self, bytes: Arc<[u8]>) {
        if bytes.is_empty() {
            return;
        }
        let start = self.end;
        self.end += bytes.len() as u64;
        self.size = self.size.max(self.end);
        self.pieces.push(Piece { start, len: bytes.len(), bytes });
    }

    /// Makes the file at least this long.
    pub(crate) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Drops the bytes from `end` on, and the room behind them.
    pub(crate) fn cut(&mut self, end: u64) {
        while self.pieces.last().is_some_and(|last| last.start >= end) {
            self.pieces.pop();
        }
        if let Some(last) = self.pieces.last_mut() {
            last.len = last.len.min(usize_of(end - last.start));
        }
        self.end = self.end.min(end);
        self.size = self.end;
    }

    /// Fills `buffer` from `offset` on; false if the file ends before.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> bool {
        let fits = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.size);
        if !fits {
            return false;
        }
        buffer.fill(0);
        let wanted = offset..offset + buffer.len() as u64;
        let first = self.pieces.partition_point(|piece| piece.start + piece.len as u64 <= offset);
        for piece in &self.pieces[first..] {
            if piece.start >= wanted.end {
                break;
            }
            let from = wanted.start.max(piece.start);
            let to = wanted.end.min(piece.start + piece.len as u64);
            buffer[within(from, offset)..within(to, offset)]
                .copy_from_slice(&piece.bytes[within(from, piece.start)..within(to, piece.start)]);
        }
        true
    }

    /// A copy of some bytes. Requires: the file is that long.
    pub(crate) fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; usize_of(range.end - range.start)];
        let read = self.read(&mut bytes, range.start);
        assert!(read, "{range:?} of a file of {} bytes", self.size);
        bytes
    }

    /// Replaces everything from `start` on by `bytes`; the file ends with them.
    pub(crate) fn replace_tail(&mut self, start: u64, bytes: Vec<u8>) {
        self.cut(start);
        if self.end < start {
            self.push(vec![0; usize_of(start - self.end)].into());
        }
        self.push(bytes.into());
    }

    /// Turns zeros at the end into room, so that equal files have equal pieces there.
    pub(crate) fn trim_zeros(&mut self) {
        while let Some(last) = self.pieces.last_mut() {
            let kept = last.bytes[..last.len]
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last + 1);
            last.len = kept;
            self.end = last.start + kept as u64;
            if kept > 0 {
                break;
            }
            self.pieces.pop();
        }
        if self.pieces.is_empty() {
            self.end = 0;
        }
    }

    /// The appended bytes, piece by piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &piece.bytes[..piece.len])
    }
}

fn within(offset: u64, start: u64) -> usize {
    usize_of(offset - start)
}

/// Requires: the number is a length in memory.
pub(crate) fn usize_of(number: u64) -> usize {
    usize::try_from(number).expect("a simulated file fits into memory")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_oneof, proptest};

    use crate::fs::simulated::content::Content;

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Grow(usize),
        Cut(usize),
        ReplaceTail(usize, Vec<u8>),
        TrimZeros,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = || proptest::collection::vec(0..3_u8, 0..6);
        let step = prop_oneof![
            4 => bytes().prop_map(Step::Push),
            1 => any::<u8>().prop_map(|by| Step::Grow(usize::from(by % 40))),
            2 => any::<u8>().prop_map(|at| Step::Cut(usize::from(at))),
            1 => (any::<u8>(), bytes()).prop_map(|(at, it)| Step::ReplaceTail(at.into(), it)),
            1 => any::<bool>().prop_map(|_| Step::TrimZeros),
        ];
        proptest::collection::vec(step, 0..20)
    }

    proptest! {
        #[test]
        fn pieces_read_like_one_array(steps in steps()) {
            let mut content = Content::default();
            // All bytes, and how many of them were appended.
            let (mut model, mut end) = (Vec::new(), 0);
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        content.push(bytes.as_slice().into());
                        let after = end + bytes.len();
                        model.resize(model.len().max(after), 0);
                        model[end..after].copy_from_slice(&bytes);
                        end = after;
                    }
                    Step::Grow(size) => {
                        content.grow(size as u64);
                        model.resize(model.len().max(size), 0);
                    }
                    Step::Cut(at) => {
                        let at = at % (end + 1);
                        content.cut(at as u64);
                        model.truncate(at);
                        end = at;
                    }
                    Step::ReplaceTail(at, bytes) => {
                        let at = at % (end + 1);
                        content.replace_tail(at as u64, bytes.clone());
                        model.truncate(at);
                        model.extend(bytes);
                        end = model.len();
                    }
                    Step::TrimZeros => {
                        content.trim_zeros();
                        let appended = &model[..end];
                        end = appended.iter().rposition(|&it| it != 0).map_or(0, |it| it + 1);
                    }
                }
                let size = model.len() as u64;
                assert_eq!((content.end(), content.size()), (end as u64, size));
                assert_eq!(content.bytes(0..size), model);
                assert_eq!(content.pieces().flatten().count(), end);
                for at in 0..size {
                    assert_eq!(content.bytes(at..size), &model[usize::try_from(at).unwrap()..]);
                }
                assert!(!content.read(&mut [0], size));
            }
        }
    }
}
