//! The order in which sources stand: who leads, who is second, and who shares a key with whom.
//!
//! A source is named by its rank, and ordered by the head of its key: a number that decides nearly
//! always, and is at hand without a look into the source. Where two heads are the same, the caller
//! compares the sources. Two neighbours in line have always been compared, so each place knows whether
//! it has the same user key as the one before it.
//!
//! Invariant: no rank stands in line twice, and each comes before the next one.

/// How one source compares with another.
#[derive(Clone, Copy)]
pub(crate) struct Match {
    /// Whether it comes first.
    pub(crate) leads: bool,
    pub(crate) same_key: bool,
}

/// Sources in order.
pub(crate) struct Line(Vec<Place>);

#[derive(Clone, Copy)]
struct Place {
    /// Smaller for a source that comes before another one. Of the first it may be an older one, if it has not
    /// met the second since.
    head: u128,
    rank: usize,
    /// How many entries of the source, the one at hand included, are known to be plain and the only ones
    /// of their keys in it.
    plain: usize,
    /// Whether it has the same user key as the one before it. Of the first it means nothing.
    same_key: bool,
}

impl Place {
    /// How a source with this head is to the one of this place. `compare` says it of equal heads.
    #[inline]
    fn is_met(&self, head: u128, compare: impl Fn(usize) -> Match) -> Match {
        if head == self.head {
            return compare(self.rank);
        }
        Match { leads: head < self.head, same_key: false }
    }
}

impl Line {
    /// An empty line with room for `count` sources.
    pub(crate) fn with_room_for(count: usize) -> Line {
        Line(Vec::with_capacity(count))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who leads.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        self.0.first().map(|place| place.rank)
    }

    #[inline]
    pub(crate) fn second(&self) -> Option<usize> {
        self.0.get(1).map(|place| place.rank)
    }

    /// Whether the first two have the same user key.
    #[inline]
    pub(crate) fn is_key_shared(&self) -> bool {
        self.0.get(1).is_some_and(|second| second.same_key)
    }

    /// Whether the first is known to stand on a plain entry, the only one of its key in the whole line, whose
    /// head is below `limit`.
    #[inline]
    pub(crate) fn is_plain_below(&self, limit: u128) -> bool {
        let first = self.0.first();
        first.is_some_and(|first| first.plain > 0 && first.head < limit) && !self.is_key_shared()
    }

    /// So many entries of the first are plain, the one at hand included.
    #[inline]
    pub(crate) fn count_plain(&mut self, plain: usize) {
        if let Some(first) = self.0.first_mut() {
            first.plain = plain;
        }
    }

    /// The first, and how many of its entries are known to be plain from the next one on: if that one is, and
    /// if there is a second, who has not the key of the one at hand.
    #[inline]
    pub(crate) fn plain_left(&self) -> Option<(usize, usize)> {
        let [first, second, ..] = &self.0[..] else { return None };
        (first.plain > 1 && !second.same_key).then(|| (first.rank, first.plain - 1))
    }

    /// Lets a source that is not in line join it. `compare` says how it is to the one of a rank.
    pub(crate) fn join(&mut self, rank: usize, head: u128, compare: impl Fn(usize) -> Match) {
        let place = Place { head, rank, plain: 0, same_key: false };
        let (index, place) = self.find_place(place, 0, compare);
        self.0.insert(index, place);
    }

    /// The first leaves.
    pub(crate) fn leave(&mut self) {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
    }

    /// The first has gone on and has another head now: it takes the place where it belongs. Returns whether it
    /// still leads. `compare` says how it is to the one of a rank.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        head: impl FnOnce() -> u128,
        compare: impl Fn(usize) -> Match,
    ) -> bool {
        let [first, second, ..] = &mut self.0[..] else { return true };
        let head = head();
        first.head = head;
        let met = second.is_met(head, &compare);
        if met.leads {
            second.same_key = met.same_key;
        } else {
            self.step_back(met.same_key, compare);
        }
        met.leads
    }

    /// The first goes to where it belongs, behind the second.
    #[inline]
    fn step_back(&mut self, same_key: bool, compare: impl Fn(usize) -> Match) {
        let place = Place { same_key, ..self.0[0] };
        let (index, place) = self.find_place(place, 2, compare);
        self.0.copy_within(1..index, 0);
        self.0[index - 1] = place;
    }

    /// Where a source belongs that does not stand at index `low` or behind, and comes behind the one
    /// before `low`, which has the same key or not. Its follower is told whether they share one.
    #[inline]
    fn find_place(
        &mut self,
        mut place: Place,
        mut low: usize,
        compare: impl Fn(usize) -> Match,
    ) -> (usize, Place) {
        let (mut high, mut same_as_follower) = (self.0.len(), false);
        while low < high {
            let middle = low.midpoint(high);
            let met = self.0[middle].is_met(place.head, &compare);
            if met.leads {
                (high, same_as_follower) = (middle, met.same_key);
            } else {
                (low, place.same_key) = (middle + 1, met.same_key);
            }
        }
        if let Some(follower) = self.0.get_mut(low) {
            follower.same_key = same_as_follower;
        }
        (low, place)
    }
}

#[cfg(test)]
mod tests {
    use crate::merge::line::{Line, Match};
    use proptest::prelude::*;

    /// Newer sources come first where two stand on one key.
    fn compare(keys: &[Option<u8>], own: usize, other: usize) -> Match {
        let same_key = keys[own] == keys[other];
        Match { leads: (keys[own], own) < (keys[other], other), same_key }
    }

    fn check(line: &Line, keys: &[Option<u8>]) -> Result<(), TestCaseError> {
        let mut order: Vec<usize> = (0..keys.len()).filter(|&rank| keys[rank].is_some()).collect();
        order.sort_by_key(|&rank| (keys[rank], rank));
        let in_line: Vec<usize> = line.0.iter().map(|place| place.rank).collect();
        prop_assert_eq!(&in_line, &order);
        for (pair, place) in order.windows(2).zip(line.0.iter().skip(1)) {
            prop_assert_eq!(place.same_key, keys[pair[0]] == keys[pair[1]]);
        }
        Ok(())
    }

    /// Two neighbouring keys have one.
    fn head(keys: &[Option<u8>], rank: usize) -> u128 {
        u128::from(keys[rank].unwrap() / 2)
    }

    proptest! {
        #[test]
        fn a_line_is_in_order_and_knows_who_shares_a_key(
            keys in prop::collection::vec(prop::option::weighted(0.9, 0..6_u8), 1..8),
            steps in prop::collection::vec(prop::option::weighted(0.9, 0..3_u8), 0..40),
        ) {
            let mut keys = keys;
            let mut line = Line::with_room_for(keys.len());
            for rank in 0..keys.len() {
                if keys[rank].is_some() {
                    line.join(rank, head(&keys, rank), |other| compare(&keys, rank, other));
                    let joined: Vec<Option<u8>> =
                        (0..keys.len()).map(|of| keys[of].filter(|_| of <= rank)).collect();
                    check(&line, &joined)?;
                }
            }
            // The first goes on by so many keys, or comes to its end.
            for step in steps {
                let Some(first) = line.first() else { break };
                keys[first] = step.and_then(|by| Some(keys[first]? + by));
                if step.is_none() {
                    line.leave();
                } else {
                    let leads =
                        line.advance(|| head(&keys, first), |other| compare(&keys, first, other));
                    prop_assert_eq!(leads, line.first() == Some(first));
                }
                check(&line, &keys)?;
                prop_assert_eq!(line.is_empty(), keys.iter().all(Option::is_none));
            }
        }
    }
}
