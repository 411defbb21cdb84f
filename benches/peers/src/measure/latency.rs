//! Latencies in a histogram, and the figures that are reported of it.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The latencies of one thread or of all.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    nanos: Histogram<u64>,
}

/// What is reported, in microseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let minute = 60_000_000_000;
        let nanos = Histogram::new_with_bounds(1, minute, 3).expect("the bounds are valid");
        Latencies { nanos }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.nanos.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Latencies) {
        self.nanos.add(&other.nanos).expect("all histograms have the same bounds");
    }

    /// None if nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        (!self.nanos.is_empty()).then(|| Percentiles {
            p50: micros(self.nanos.value_at_quantile(0.5)),
            p99: micros(self.nanos.value_at_quantile(0.99)),
            p999: micros(self.nanos.value_at_quantile(0.999)),
            max: micros(self.nanos.max()),
        })
    }
}
