//! Writes: one at a time, in batches, and synced, by one thread and by eight that share a sync.

use crate::scene::{Scene, key, mix, value};
use criterion::measurement::{Measurement, WallTime};
use criterion::{Criterion, Throughput};
use siltstone::{Batch, Db, Durability};
use std::thread;
use std::time::Duration;

/// Different keys of large values, so that the database stays small however long it is measured.
const LARGE_ENTRIES: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("put");
    let scene = Scene::empty(Durability::Buffered);
    let mut numbers = 0..u64::MAX;
    group.throughput(Throughput::Elements(1));
    group.bench_function("buffered, ascending", |bencher| {
        bencher.iter(|| put(&scene.db, numbers.next().expect("endless")));
    });
    group.bench_function("buffered, random", |bencher| {
        bencher.iter(|| put(&scene.db, mix(numbers.next().expect("endless")) >> 20));
    });
    group.throughput(Throughput::Elements(100));
    group.bench_function("buffered, batches of 100", |bencher| {
        bencher.iter(|| {
            let mut batch = Batch::new();
            for number in numbers.by_ref().take(100) {
                batch.put(key(number), value(number));
            }
            scene.db.write(batch).expect("a batch");
        });
    });

    group.throughput(Throughput::Elements(1)).sample_size(20);
    for kibibytes in [1, 16] {
        let scene = Scene::empty(Durability::Buffered);
        let large = vec![b'v'; kibibytes << 10];
        group.bench_function(format!("buffered, {kibibytes} KiB"), |bencher| {
            bencher.iter(|| {
                let number = mix(numbers.next().expect("endless")) % LARGE_ENTRIES;
                scene.db.put(key(number), &large).expect("a put");
            });
        });
    }

    let scene = Scene::empty(Durability::Sync);
    for threads in [1, 8] {
        group.bench_function(format!("sync, {threads} threads"), |bencher| {
            bencher.iter_custom(|puts| timed_puts(&scene.db, threads, puts));
        });
    }
    group.finish();
}

fn put(db: &Db, number: u64) {
    db.put(key(number), value(number)).expect("a put");
}

/// How long it takes `threads` threads to do `puts` puts in all.
fn timed_puts(db: &Db, threads: u64, puts: u64) -> Duration {
    let clock = WallTime;
    let begin = clock.start();
    thread::scope(|scope| {
        for own in 0..threads {
            scope.spawn(move || {
                for number in (own..puts).step_by(threads.try_into().unwrap_or(1)) {
                    put(db, number);
                }
            });
        }
    });
    clock.end(begin)
}
