//! A day of crypto trades that never happened: random walks, the same on every machine.
//!
//! key   := symbol "/" time      `BTC-USD/2025-01-01T13:07:21.123456Z`
//! value := price " " size       `94213.55 0.0831`
//!
//! So the trades of one symbol lie side by side in order of time. Only integers are used: a price
//! is a count of 1/100,000,000 dollars, and no rounding of some processor can change it.

/// The day on which all of it happens.
pub(crate) const DAY: &str = "2025-01-01";

const DAY_MICROS: u64 = 24 * 3600 * 1_000_000;
const UNIT: i64 = 100_000_000;

/// Something that is traded.
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    /// Its first price.
    start: i64,
    decimals: u32,
    /// How many of a hundred trades are in it.
    share: u64,
}

const fn symbol(name: &'static str, start: i64, decimals: u32, share: u64) -> Symbol {
    Symbol { name, start, decimals, share }
}

/// All symbols, in the order of their keys.
pub(crate) const SYMBOLS: [Symbol; 8] = [
    symbol("ADA-USD", 84_520_000, 4, 6),
    symbol("BTC-USD", 93_425 * UNIT, 2, 30),
    symbol("DOGE-USD", 31_560_000, 5, 10),
    symbol("DOT-USD", 663_000_000, 3, 5),
    symbol("ETH-USD", 3_332 * UNIT, 2, 22),
    symbol("LTC-USD", 103 * UNIT, 2, 5),
    symbol("SOL-USD", 189 * UNIT, 2, 14),
    symbol("XRP-USD", 208_210_000, 4, 8),
];

impl Symbol {
    /// Digits behind the point of its prices.
    pub(crate) fn decimals(&self) -> usize {
        usize::try_from(self.decimals).unwrap_or_default()
    }
}

/// Numbers that look random and are the same each time (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`. Requires: `end` is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Makes `total` trades, spread over the day in order of time.
pub(crate) struct Trades {
    random: Random,
    total: u64,
    made: u64,
    prices: [i64; SYMBOLS.len()],
    /// How far a price may move in one trade, in millionths: the fewer trades, the further, so
    /// that the day has the same ups and downs.
    step_ppm: i64,
}

impl Trades {
    pub(crate) fn new(total: u64) -> Trades {
        let prices = SYMBOLS.each_ref().map(|symbol| symbol.start);
        let step_ppm = i64::try_from((12_000_000_000 / total.max(1)).isqrt()).unwrap_or(i64::MAX);
        Trades { random: Random::new(2025), total, made: 0, prices, step_ppm }
    }

    /// Writes the next trade over `key` and `value`; `false` when there is none left.
    pub(crate) fn next(&mut self, key: &mut String, value: &mut String) -> bool {
        if self.made == self.total {
            return false;
        }
        let slot = DAY_MICROS / self.total;
        let micros = self.made * slot + self.random.below(slot);
        self.made += 1;
        let index = self.choose();
        let symbol = &SYMBOLS[index];
        let price = self.walk(index);
        let size = 1 + self.random.below(9_999) * self.random.below(100) / 99;
        key.clear();
        push_key(key, symbol.name, micros);
        value.clear();
        push_price(value, price, symbol.decimals);
        push(value, format_args!(" {}.{:04}", size / 10_000, size % 10_000));
        true
    }

    fn choose(&mut self) -> usize {
        let mut ticket = self.random.below(100);
        for (index, symbol) in SYMBOLS.iter().enumerate() {
            match ticket.checked_sub(symbol.share) {
                Some(rest) => ticket = rest,
                None => return index,
            }
        }
        unreachable!("the shares add up to a hundred")
    }

    fn walk(&mut self, index: usize) -> i64 {
        let range = self.step_ppm.unsigned_abs() * 2 + 1;
        let step = self.random.below(range).cast_signed() - self.step_ppm;
        let price = &mut self.prices[index];
        // A price stays far below 2^50 and a step is below 2^12: the product fits.
        *price += *price * step / 1_000_000;
        *price
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    std::fmt::Write::write_fmt(text, what).unwrap_or_default();
}

fn push_key(key: &mut String, name: &str, micros: u64) {
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = micros % 1_000_000;
    push(key, format_args!("{name}/{DAY}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"));
}

fn push_price(value: &mut String, price: i64, decimals: u32) {
    let tick = UNIT / 10i64.pow(decimals);
    let ticks = price / tick;
    let whole = 10i64.pow(decimals);
    let width = usize::try_from(decimals).unwrap_or_default();
    push(value, format_args!("{}.{:0width$}", ticks / whole, ticks % whole));
}

/// The price in a value.
pub(crate) fn price_of(value: &[u8]) -> Option<f64> {
    std::str::from_utf8(value).ok()?.split(' ').next()?.parse().ok()
}

/// The second of the day in a key.
pub(crate) fn second_of(key: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(key).ok()?;
    let (_, time) = text.rsplit_once('T')?;
    let mut parts = time.split([':', '.']).map(|part| part.parse::<u64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}

#[cfg(test)]
mod tests {
    use crate::demo::trades::{DAY, SYMBOLS, Trades, price_of, push_key, second_of};

    fn day(total: u64) -> Vec<(String, String)> {
        let mut trades = Trades::new(total);
        let (mut key, mut value) = (String::new(), String::new());
        let mut all = Vec::new();
        while trades.next(&mut key, &mut value) {
            all.push((key.clone(), value.clone()));
        }
        all
    }

    #[test]
    fn the_same_day_comes_out_every_time() {
        let all = day(20_000);
        assert_eq!(all, day(20_000));
        let text: Vec<String> = all[..3].iter().map(|(k, v)| format!("{k} {v}")).collect();
        // Written down once, so that a change of the generator does not go unseen.
        assert_eq!(text, GOLDEN);
    }

    const GOLDEN: [&str; 3] = [
        "BTC-USD/2025-01-01T00:00:02.140215Z 93386.78 0.0361",
        "SOL-USD/2025-01-01T00:00:07.146517Z 189.04 0.4456",
        "BTC-USD/2025-01-01T00:00:09.652660Z 93413.40 0.1634",
    ];

    #[test]
    fn a_million_keys_differ_and_stay_inside_the_day() {
        let mut trades = Trades::new(1_000_000);
        let (mut key, mut value, mut last) = (String::new(), String::new(), String::new());
        let mut made = 0;
        while trades.next(&mut key, &mut value) {
            let (_, time) = key.split_once('/').unwrap();
            assert!(time > &last[..] && time.starts_with(DAY), "{key} after {last}");
            assert!(price_of(value.as_bytes()).unwrap() > 0.0);
            last.replace_range(.., time);
            made += 1;
        }
        assert_eq!(made, 1_000_000);
        assert!(last.contains("T23:59:59"), "{last}");
    }

    #[test]
    fn symbols_are_in_key_order_and_share_all_trades() {
        assert!(SYMBOLS.iter().map(|symbol| symbol.name).is_sorted());
        assert_eq!(SYMBOLS.iter().map(|symbol| symbol.share).sum::<u64>(), 100);
    }

    #[test]
    fn time_and_price_can_be_read_back() {
        let mut key = String::new();
        push_key(&mut key, "DOT-USD", (13 * 3600 + 7 * 60 + 21) * 1_000_000 + 42);
        assert_eq!(key, "DOT-USD/2025-01-01T13:07:21.000042Z");
        assert_eq!(second_of(key.as_bytes()), Some(13 * 3600 + 7 * 60 + 21));
        assert_eq!(price_of(b"0.31560 12.5"), Some(0.3156));
        assert_eq!((second_of(b"x"), price_of(b"\xff")), (None, None));
    }
}
