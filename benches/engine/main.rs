//! The benchmarks of the engine, through its public API: `cargo bench --bench engine -- scan`.
//!
//! Each group says in its file what it measures and on which tree. `benches/peers` compares whole
//! workloads with other engines; these here show what a change did to one path.

mod points;
mod scans;
mod scene;
mod writes;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// Short by default, so that all of them take a few minutes; `--measurement-time 10` for figures
/// that decide something.
fn short() -> Criterion {
    let second = Duration::from_secs(1);
    Criterion::default().warm_up_time(second / 4).measurement_time(second).sample_size(20)
}

criterion_group! {
    name = engine;
    config = short();
    targets = points::bench, scans::bench, writes::bench
}
criterion_main!(engine);
