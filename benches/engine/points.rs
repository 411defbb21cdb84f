//! Point reads, everything cached: keys that are there, and keys that are not.

use crate::scene::{ENTRIES, Scene, Shape, key, random};
use criterion::Criterion;
use std::hint::black_box;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get");
    for shape in [Shape::OneRun, Shape::ManyRuns] {
        let scene = Scene::of(shape);
        let mut present = random(0..ENTRIES).map(key);
        group.bench_function(format!("hit/{shape:?}"), |bencher| {
            bencher.iter_batched(
                || present.next().expect("endless"),
                |key| black_box(scene.db.get(key).expect("a get")).is_some(),
                criterion::BatchSize::SmallInput,
            );
        });
        // Between two keys that are there, so that no bound of a table answers.
        let mut absent = random(0..ENTRIES).map(|number| [&key(number)[..], b"!"].concat());
        group.bench_function(format!("miss/{shape:?}"), |bencher| {
            bencher.iter_batched(
                || absent.next().expect("endless"),
                |key| black_box(scene.db.get(key).expect("a get")).is_none(),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}
