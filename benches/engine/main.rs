//! The benchmarks of the engine, through its public API: `cargo bench --bench engine -- scan`.
//!
//! Each group says in its file what it measures and on which tree. `benches/peers` compares whole
//! workloads with other engines; these here show what a change did to one path.

mod points;
mod scans;
mod scene;
mod writes;

use criterion::{criterion_group, criterion_main};

criterion_group!(engine, points::bench, scans::bench, writes::bench);
criterion_main!(engine);
