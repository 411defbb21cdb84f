//! Benchmarks of single structures: `cargo bench --bench micro -- merge`.
//!
//! What `benches/engine` times as a whole is taken apart here: a search in a data block, a question
//! to a filter, inserts and searches in a memtable, a merge of sorted runs. Everything is in memory
//! and stays there. Times of the last two groups are for many entries; criterion prints the rate.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use siltstone::FilterKind;
use siltstone::testing::micro::{
    BlockSubject, FilterSubject, MemtableSubject, MergeSubject, user_key,
};
use std::hint::black_box;
use std::time::Duration;

/// Entries of a memtable and of a merge.
const ENTRIES: u64 = 200_000;

/// Scrambles a number.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// Random numbers below `bound`, the same ones in every run.
fn random(bound: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |index| mix(index) % bound)
}

fn block(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block");
    for kilobytes in [4, 8, 16] {
        let subject = BlockSubject::new(kilobytes << 10);
        let mut keys = random(subject.numbers()).map(user_key);
        group.bench_function(BenchmarkId::new("seek", format!("{kilobytes}KiB")), |bencher| {
            bencher.iter_batched(
                || keys.next().expect("endless"),
                |key| black_box(subject.seek(&key)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn filter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    let kinds = [
        ("bloom", FilterKind::Bloom { bits_per_key: 10 }),
        ("blocked", FilterKind::Blocked { bits_per_key: 10 }),
    ];
    for (name, kind) in kinds {
        for keys in [100_000, 1_000_000] {
            let subject = FilterSubject::new(kind, keys);
            for (what, odd) in [("present", 0), ("absent", 1)] {
                let mut wanted = random(keys).map(|number| user_key(number * 2 + odd));
                let id = BenchmarkId::new(format!("{name}/{what}"), keys);
                group.bench_function(id, |bencher| {
                    bencher.iter_batched(
                        || wanted.next().expect("endless"),
                        |key| black_box(subject.may_contain(&key)),
                        BatchSize::SmallInput,
                    );
                });
            }
        }
        group.throughput(Throughput::Elements(ENTRIES));
        group.bench_function(BenchmarkId::new(format!("{name}/build"), ENTRIES), |bencher| {
            bencher.iter(|| FilterSubject::new(kind, black_box(ENTRIES)));
        });
    }
    group.finish();
}

fn memtable(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memtable");
    group.throughput(Throughput::Elements(ENTRIES)).sample_size(10);
    let filled = |random_order: bool| {
        let mut subject = MemtableSubject::default();
        for (index, number) in (0..ENTRIES).zip(random(u64::MAX)) {
            subject.insert(if random_order { number } else { index });
        }
        subject
    };
    for (name, is_random) in [("random", true), ("ascending", false)] {
        group.bench_function(BenchmarkId::new("insert", name), |bencher| {
            // The memtable is dropped outside of the time.
            bencher.iter_with_large_drop(|| filled(black_box(is_random)));
        });
    }
    let subject = filled(true);
    for (name, forward) in [("forward", true), ("backward", false)] {
        group.bench_function(BenchmarkId::new("walk", name), |bencher| {
            bencher.iter(|| black_box(subject.walk(forward)));
        });
    }
    group.throughput(Throughput::Elements(1));
    let keys: Vec<_> = random(u64::MAX).take(ENTRIES as usize).map(user_key).collect();
    let mut keys = keys.into_iter().cycle();
    group.bench_function("get", |bencher| {
        bencher.iter_batched(
            || keys.next().expect("endless"),
            |key| assert!(black_box(subject.contains(&key))),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A tree at rest: each level holds ten times what the one above it does.
fn level_of(number: u64) -> usize {
    match mix(number) % 1_000 {
        0 => 0,
        1..10 => 1,
        10..100 => 2,
        _ => 3,
    }
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(ENTRIES)).sample_size(10);
    let subjects = [
        ("one_run", MergeSubject::new(ENTRIES, 1, |_| 0)),
        ("four_levels", MergeSubject::new(ENTRIES, 4, level_of)),
        ("four_equal_runs", MergeSubject::new(ENTRIES, 4, |number| (mix(number) % 4) as usize)),
    ];
    for (name, subject) in subjects {
        for (way, forward) in [("forward", true), ("backward", false)] {
            group.bench_function(BenchmarkId::new(name, way), |bencher| {
                bencher.iter(|| assert_eq!(black_box(subject.walk(forward)), ENTRIES));
            });
        }
    }
    group.finish();
}

/// Short by default; `--measurement-time 10` for figures that decide something.
fn short() -> Criterion {
    let second = Duration::from_secs(1);
    Criterion::default().warm_up_time(second / 4).measurement_time(second).sample_size(20)
}

criterion_group! {
    name = micro;
    config = short();
    targets = block, filter, memtable, merge
}
criterion_main!(micro);
