//! The order in which sources stand: who leads, who is second, and who shares a key with whom.
//!
//! A source is named by its rank; how two of them compare, the caller says. Two neighbours in line have
//! always been compared, so each place knows whether it has the same user key as the one before it.
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
    rank: usize,
    /// Whether it has the same user key as the one before it. Of the first it means nothing.
    same_key: bool,
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

    /// Lets a source that is not in line join it. `compare` says how it is to the one of a rank.
    pub(crate) fn join(&mut self, rank: usize, compare: impl Fn(usize) -> Match) {
        let (index, place) = self.find_place(rank, 0, false, compare);
        self.0.insert(index, place);
    }

    /// The first leaves.
    pub(crate) fn leave(&mut self) {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
    }

    /// The first stays, and has met the second.
    #[inline]
    pub(crate) fn stay(&mut self, same_key: bool) {
        if let Some(second) = self.0.get_mut(1) {
            second.same_key = same_key;
        }
    }

    /// The first goes to where it belongs, behind the second, which it has met. `compare` says how it
    /// is to the one of a rank. Requires: there are two.
    pub(crate) fn step_back(&mut self, same_key: bool, compare: impl Fn(usize) -> Match) {
        let (index, place) = self.find_place(self.0[0].rank, 2, same_key, compare);
        self.0.copy_within(1..index, 0);
        self.0[index - 1] = place;
    }

    /// Where a source belongs that does not stand at index `low` or behind, and comes behind the one
    /// before `low`, which has the same key or not. Its follower is told whether they share one.
    fn find_place(
        &mut self,
        rank: usize,
        mut low: usize,
        mut same_key: bool,
        compare: impl Fn(usize) -> Match,
    ) -> (usize, Place) {
        let (mut high, mut same_as_follower) = (self.0.len(), false);
        while low < high {
            let middle = low.midpoint(high);
            let met = compare(self.0[middle].rank);
            if met.leads {
                (high, same_as_follower) = (middle, met.same_key);
            } else {
                (low, same_key) = (middle + 1, met.same_key);
            }
        }
        if let Some(follower) = self.0.get_mut(low) {
            follower.same_key = same_as_follower;
        }
        (low, Place { rank, same_key })
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
                    line.join(rank, |other| compare(&keys, rank, other));
                    let joined: Vec<Option<u8>> =
                        (0..keys.len()).map(|of| keys[of].filter(|_| of <= rank)).collect();
                    check(&line, &joined)?;
                }
            }
            // The first goes on by so many keys, or comes to its end.
            for step in steps {
                let Some(first) = line.first() else { break };
                keys[first] = step.and_then(|by| Some(keys[first]? + by));
                match line.second() {
                    _ if step.is_none() => line.leave(),
                    None => {}
                    Some(second) => {
                        let met = compare(&keys, first, second);
                        match met.leads {
                            true => line.stay(met.same_key),
                            false => line.step_back(met.same_key, |other| compare(&keys, first, other)),
                        }
                    }
                }
                check(&line, &keys)?;
                prop_assert_eq!(line.is_empty(), keys.iter().all(Option::is_none));
            }
        }
    }
}
