//! Chance that repeats: a mixing function, a generator, permutations and the Zipf distribution.

/// A bijection over `u64` whose result looks random (the end of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A small fast generator: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance { state: mix(seed) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`, by the multiply-shift method.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number from 0 up to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The ranks below `entries` in random order.
pub(crate) fn permutation(entries: u64, seed: u64) -> Vec<u32> {
    let mut ranks: Vec<u32> = (0..u32::try_from(entries).expect("ranks fit 32 bits")).collect();
    let mut chance = Chance::new(seed);
    for at in (1..ranks.len()).rev() {
        ranks.swap(at, chance.below(at as u64 + 1) as usize);
    }
    ranks
}

/// Draws with Zipf's distribution, exponent 0.99, as YCSB does (Gray et al., "Quickly generating
/// billion-record synthetic databases"). Item 0 is the most popular.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    items: u64,
    zeta: f64,
    eta: f64,
}

const THETA: f64 = 0.99;

impl Zipf {
    pub(crate) fn new(items: u64) -> Zipf {
        let zeta: f64 = (1..=items).map(|item| (item as f64).powf(-THETA)).sum();
        Zipf { items, zeta, eta: 0.0 }.renewed()
    }

    /// One more item.
    pub(crate) fn grow(&mut self) {
        self.items += 1;
        self.zeta += (self.items as f64).powf(-THETA);
        *self = self.clone().renewed();
    }

    pub(crate) fn next(&self, chance: &mut Chance) -> u64 {
        let unit = chance.unit();
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1;
        }
        let place = (self.eta * unit - self.eta + 1.0).powf(1.0 / (1.0 - THETA));
        ((self.items as f64 * place) as u64).min(self.items - 1)
    }

    fn renewed(mut self) -> Zipf {
        let zeta_of_two = 1.0 + 0.5_f64.powf(THETA);
        let rest = 1.0 - (2.0 / self.items as f64).powf(1.0 - THETA);
        self.eta = rest / (1.0 - zeta_of_two / self.zeta);
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::data::choice::{Chance, Zipf, permutation};

    #[test]
    fn a_permutation_has_every_rank_once() {
        let mut ranks = permutation(10_000, 7);
        assert!(!ranks.is_sorted());
        ranks.sort_unstable();
        assert!(ranks.iter().copied().eq(0..10_000));
    }

    #[test]
    fn zipf_prefers_the_first_items_and_reaches_the_last() {
        let (zipf, mut chance) = (Zipf::new(1000), Chance::new(1));
        let mut counts = vec![0_u32; 1000];
        for _ in 0..1_000_000 {
            counts[zipf.next(&mut chance) as usize] += 1;
        }
        // 1 / (sum of k^-0.99 for k up to 1000) = 13 %.
        assert!((120_000..140_000).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[10] && counts[10] > counts[500]);
        assert!(counts[999] > 0);
    }
}
