//! Range scans, everything cached: whole scans both ways, seeks with a few steps, prefixes; over one
//! run, over many runs, and over ranges that are mostly deleted.

use crate::scene::{ENTRIES, Scene, Shape, key, random};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use siltstone::Db;
use std::hint::black_box;

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in [Shape::OneRun, Shape::ManyRuns, Shape::Tombstones] {
        let scene = Scene::of(shape);
        let mut group = criterion.benchmark_group(format!("scan/{shape:?}"));
        whole(&mut group, &scene);
        seeks(&mut group, &scene.db);
        prefixes(&mut group, &scene.db);
        group.finish();
    }
}

/// Every entry, by cursor (nothing copied), by iterator (owned slices) and backward.
fn whole(group: &mut BenchmarkGroup<'_, WallTime>, scene: &Scene) {
    let db = &scene.db;
    group.sample_size(10).throughput(Throughput::Elements(scene.live));
    group.bench_function("cursor forward", |bencher| {
        bencher.iter(|| {
            let (mut cursor, mut bytes) = (db.cursor(..), 0);
            while let Some((key, value)) = cursor.next().expect("a step") {
                bytes += key.len() + value.len();
            }
            bytes
        });
    });
    group.bench_function("iterator forward", |bencher| {
        bencher.iter(|| db.iter().map(|entry| entry.expect("an entry").1.len()).sum::<usize>());
    });
    group.bench_function("iterator reverse", |bencher| {
        bencher
            .iter(|| db.iter().rev().map(|entry| entry.expect("an entry").1.len()).sum::<usize>());
    });
}

/// A seek to a random key, then a few steps.
fn seeks(group: &mut BenchmarkGroup<'_, WallTime>, db: &Db) {
    group.sample_size(20);
    for steps in [10, 100, 1_000] {
        group.throughput(Throughput::Elements(steps));
        let mut starts = random(0..ENTRIES - steps).map(key);
        group.bench_function(format!("seek + {steps}"), |bencher| {
            bencher.iter_batched(
                || starts.next().expect("endless"),
                |start| {
                    let mut cursor = db.cursor(start..);
                    for _ in 0..steps {
                        black_box(cursor.next().expect("a step"));
                    }
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
}

/// The hundred keys that share their first fourteen bytes.
fn prefixes(group: &mut BenchmarkGroup<'_, WallTime>, db: &Db) {
    group.throughput(Throughput::Elements(100));
    let mut prefixes = random(0..ENTRIES / 100).map(|hundred| key(hundred * 100)[..14].to_vec());
    group.bench_function("prefix of 100", |bencher| {
        bencher.iter_batched(
            || prefixes.next().expect("endless"),
            |prefix| db.prefix(prefix).map(|entry| entry.expect("an entry").1.len()).sum::<usize>(),
            criterion::BatchSize::SmallInput,
        );
    });
}
