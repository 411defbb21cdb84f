//! A leaf under every order of a reader and a writer, and every value that a load may see: see
//! `crate::sync`. Shuttle sees the order of threads only; the fences of a leaf are checked here.

use crate::memtable::arena::Arena;
use crate::memtable::leaf::tests::record;
use crate::memtable::leaf::{CAPACITY, Leaf};
use crate::sync::{Arc, explore_all, spawn};
use byteorder::{BigEndian, ByteOrder};

/// A leaf, and what its records lie in.
struct Stage {
    leaf: Leaf,
    arena: Arena,
}

impl Stage {
    /// A leaf with the even numbers from 0 on, so many.
    fn new(len: u64) -> Arc<Stage> {
        let arena = Arena::new();
        let first = record(&arena, 0);
        let leaf = Leaf::new(&first.slot(), first);
        let stage = Stage { leaf, arena };
        (1..len).for_each(|number| stage.insert(number * 2));
        Arc::new(stage)
    }

    fn insert(&self, number: u64) {
        let record = record(&self.arena, number);
        assert!(self.leaf.insert(&record.slot(), record, |_, _| ()));
    }

    /// What a reader believes.
    fn numbers(&self) -> Vec<u64> {
        loop {
            let moment = self.leaf.now();
            let records = (0..moment.count()).map(|place| self.leaf.record(moment, place));
            let numbers = records.map(|it| it.map(|it| BigEndian::read_u64(&it.user_key()[4..])));
            let numbers: Vec<_> = numbers.collect();
            if self.leaf.still(moment) {
                return numbers.into_iter().map(|it| it.expect("it is there")).collect();
            }
        }
    }
}

#[test]
fn loom_leaf_a_reader_sees_whole_changes_in_their_order() {
    let states: [&[u64]; 3] = [&[0], &[0, 2], &[0, 1, 2]];
    explore_all("leaf_insert", move || {
        let stage = Stage::new(1);
        let writer = {
            let stage = Arc::clone(&stage);
            spawn(move || {
                stage.insert(2);
                stage.insert(1);
            })
        };
        let reader = {
            let stage = Arc::clone(&stage);
            spawn(move || {
                let seen = [stage.numbers(), stage.numbers()];
                let place = |seen| states.iter().position(|state| *state == seen).expect("a state");
                let places = seen.each_ref().map(place);
                assert!(places.is_sorted(), "never back: {seen:?}");
            })
        };
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(stage.numbers(), states[2]);
    });
}

#[test]
fn loom_leaf_a_cell_is_filled_again_only_when_nobody_believes_in_it() {
    explore_all("leaf_split", || {
        let stage = Stage::new(CAPACITY as u64);
        let evens: Vec<u64> = (0..CAPACITY as u64).map(|number| number * 2).collect();
        let writer = {
            let stage = Arc::clone(&stage);
            spawn(move || stage.insert(1))
        };
        let kept = evens[..CAPACITY / 2].to_vec();
        let last = [&[0, 1], &kept[1..]].concat();
        let states = [evens, kept, last.clone()];
        let reader = {
            let stage = Arc::clone(&stage);
            spawn(move || {
                let seen = stage.numbers();
                assert!(states.contains(&seen), "{seen:?}");
            })
        };
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(stage.numbers(), last);
    });
}
