//! The room of a segment: how much of the disk is taken ahead of what is written.
//!
//! An append inside of reserved room changes nothing but data, so its sync is one flush of the device
//! and not two. But room costs disk whether it is used or not. So a segment takes as much again as it
//! has, within bounds, each time that its room ends: few calls, and little that stands empty.

/// How much a segment has, and in which steps it takes more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes of the segment for which there is room, or for which none is looked for.
    upto: u64,
    step_least: u64,
    step_most: u64,
}

impl Room {
    /// Room for one step at first, as large as a log of `used` bytes would take it.
    /// Requires: `step_least` is more than 0 and not above `step_most`.
    pub(crate) fn after(used: u64, step_least: u64, step_most: u64) -> Room {
        let upto = used.clamp(step_least, step_most);
        Room { upto, step_least, step_most }
    }

    /// Room for so many bytes, once and for all.
    #[cfg(any(test, fuzzing, feature = "testing"))]
    pub(crate) fn once(bytes: u64) -> Room {
        Room { upto: bytes, step_least: 0, step_most: 0 }
    }

    /// Up to where there is room.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// Up to where room is to be taken before the segment grows to `end`; `None` if it is there.
    pub(crate) fn grow(&mut self, end: u64) -> Option<u64> {
        if end <= self.upto || self.step_most == 0 {
            return None;
        }
        self.upto = end + end.clamp(self.step_least, self.step_most);
        Some(self.upto)
    }
}

#[cfg(test)]
mod tests {
    use crate::wal::room::Room;

    #[test]
    fn room_doubles_and_then_grows_by_the_largest_step() {
        let mut room = Room::after(0, 10, 100);
        assert_eq!((room.upto(), room.grow(10)), (10, None));
        assert_eq!(room.grow(11), Some(22));
        assert_eq!((room.grow(22), room.grow(30)), (None, Some(60)));
        assert_eq!(room.grow(1000), Some(1100));
        assert_eq!(Room::after(1000, 10, 100).upto(), 100);
        assert_eq!(Room::after(40, 10, 100).upto(), 40);
    }

    #[test]
    fn room_that_was_taken_once_does_not_grow() {
        let mut room = Room::once(10);
        assert_eq!((room.upto(), room.grow(11)), (10, None));
    }
}
