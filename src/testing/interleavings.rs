//! Scenarios under shuttle: small scripts of threads on the real rooms, run under many schedules.
//!
//! Each checks an invariant that a caption of the room states. The skiplist under the memtable is not
//! instrumented: shuttle switches threads at the locks and atomics of `sync` only, so what happens
//! between two of the skiplist's own stores is left to its authors, Miri and ThreadSanitizer.

use crate::cache::marks::{Kept, Marks};
use crate::cache::{Budget, Cache, slots::Slots};
use crate::db::{Batch, Db, Options};
use crate::error::{Error, ErrorKind};
use crate::format::key::{Kind, filter_hash};
use crate::format::range_tombstone::RangeTombstone;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::memtable::Memtable;
use crate::state::health::Health;
use crate::state::scene::{KEY, alone, holding, no_tables};
use crate::state::sequence::Sequence;
use crate::state::settings::Durability;
use crate::state::signals::Signals;
use crate::state::snapshots::Snapshots;
use crate::state::view_cell::ViewCell;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, explore, explore_fairly, thread};
use crate::wal::{Room, prepare};
use crate::write::group::{Group, Position};
use crate::write::spare::Spare;
use std::path::Path;

/// Schedules of a scenario on one room; there are twelve of them.
const ROOM: usize = 17_000;
/// Schedules of a scenario on a whole database.
const WHOLE: usize = 4_000;

fn at(end: u64) -> Position {
    Position { segment: 1, end }
}

#[test]
fn shuttle_group_a_commit_returns_only_when_a_sync_covers_it() {
    explore("group_covers", ROOM, || {
        let (group, appended, synced) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let own = appended.fetch_add(1, Ordering::SeqCst) + 1;
                    let sync = || {
                        let end = appended.load(Ordering::SeqCst);
                        synced.fetch_max(end, Ordering::SeqCst);
                        Ok(at(end))
                    };
                    group.sync_to(at(own), sync).unwrap();
                    assert!(synced.load(Ordering::SeqCst) >= own);
                });
            }
        });
    });
}

#[test]
fn shuttle_group_a_failed_sync_reaches_all_and_is_never_repeated() {
    explore("group_fails", ROOM, || {
        let (group, syncs) = (Group::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for own in 1..=3 {
                let (group, syncs) = (&group, &syncs);
                scope.spawn(move || {
                    let sync = || match syncs.fetch_add(1, Ordering::SeqCst) {
                        0 => Err(Error::closed()),
                        _ => Ok(at(3)),
                    };
                    let error = group.sync_to(at(own), sync).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::CommitUncertain);
                });
            }
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn shuttle_sequence_a_reader_sees_no_commit_without_its_predecessors() {
    explore("publish_order", ROOM, || {
        let (sequence, applied) = (Sequence::new(0), [const { AtomicBool::new(false) }; 3]);
        let tickets = [sequence.draw(1), sequence.draw(2), sequence.draw(3)];
        thread::scope(|scope| {
            for (own, ticket) in tickets.into_iter().enumerate() {
                let (sequence, applied) = (&sequence, &applied);
                scope.spawn(move || {
                    applied[own].store(true, Ordering::SeqCst);
                    ticket.finish().unwrap();
                    assert!(sequence.visible() > own as u64);
                });
            }
            let visible = sequence.visible() as usize;
            assert!(applied[..visible].iter().all(|done| done.load(Ordering::SeqCst)));
        });
        assert_eq!(sequence.visible(), 3);
    });
}

#[test]
fn shuttle_sequence_a_failed_commit_wakes_those_behind_it() {
    explore("publish_fails", ROOM, || {
        let sequence = Sequence::new(0);
        let (first, second, third) = (sequence.draw(1), sequence.draw(2), sequence.draw(3));
        thread::scope(|scope| {
            scope.spawn(|| assert!(third.finish().is_err()));
            scope.spawn(|| second.fail(&Error::closed()));
            first.finish().unwrap_or(());
        });
        assert!(sequence.visible() <= 1);
    });
}

#[test]
fn shuttle_snapshots_what_is_held_is_frozen_or_later() {
    explore("snapshot_freeze", ROOM, || {
        let (snapshots, sequence) = (Arc::new(Snapshots::default()), Sequence::new(0));
        thread::scope(|scope| {
            scope.spawn(|| (1..4).for_each(|seqno| sequence.draw(seqno).finish().unwrap()));
            let holder = scope.spawn(|| snapshots.hold(&sequence));
            let frozen = snapshots.freeze(&sequence);
            let held = holder.join().unwrap();
            assert!(frozen.contains(&held.seqno()) || Some(&held.seqno()) > frozen.last());
            assert!(snapshots.freeze(&sequence).contains(&held.seqno()));
        });
        assert_eq!(snapshots.count(), 0);
    });
}

#[test]
fn shuttle_view_a_read_finds_what_its_moment_shows() {
    explore("view_swap", ROOM, || {
        let version = no_tables();
        let first = holding(1);
        let view = ViewCell::new(alone(Arc::clone(&first), &version));
        let sequence = Sequence::new(1);
        thread::scope(|scope| {
            scope.spawn(|| {
                first.insert(KEY, 2, Kind::Put, b"");
                sequence.draw(2).finish().unwrap();
                // A compaction that nobody holds back keeps the newest version only.
                view.swap(|_| alone(holding(2), &version));
            });
            let (seen, seqno) = view.read_at(&sequence);
            let found = seen.active.get(KEY, filter_hash(KEY), seqno).map(|(seqno, ..)| seqno);
            assert_eq!(found, Some(seqno));
            // The second one finds what the first one has put back, or what was swapped in meanwhile.
            for _ in 0..2 {
                let (seen, seqno) = view.hold_at(&sequence);
                let found = seen.active.get(KEY, filter_hash(KEY), seqno).map(|(seqno, ..)| seqno);
                assert_eq!(found, Some(seqno));
            }
        });
        assert_eq!(Arc::strong_count(&first), 1, "nobody keeps a view that was replaced");
    });
}

#[test]
fn shuttle_signals_no_ring_is_lost() {
    explore("bell", ROOM, || {
        let (signals, done) = (Signals::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    done.fetch_add(1, Ordering::SeqCst);
                    signals.ring();
                });
            }
            signals.wait_until(|| (done.load(Ordering::SeqCst) == 2).then_some(()));
        });
    });
}

#[test]
fn shuttle_spare_two_takers_get_two_segments() {
    explore("spare", ROOM, || {
        let fs = SimulatedFileSystem::new();
        fs.create_dir_all(Path::new("/data")).unwrap();
        let (spare, signals, taken) = (Spare::default(), Signals::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while spare.take().is_none() {
                        spare.want();
                        signals.ring();
                        signals.wait_until(|| spare.is_worth_a_look().then_some(()));
                    }
                    taken.fetch_add(1, Ordering::SeqCst);
                    signals.ring();
                });
            }
            for id in 1..=2 {
                signals.wait_until(|| spare.is_wanted().then_some(()));
                spare.put(prepare(&fs, Path::new("/data"), id, Room::once(0)).unwrap());
                signals.ring();
            }
        });
        assert_eq!(taken.load(Ordering::SeqCst), 2);
    });
}

/// A block of two entries, or one of them: ten bytes each.
#[derive(Clone)]
struct Piece {
    number: usize,
    entries: usize,
}

impl Kept for Piece {
    fn memory_bytes(&self) -> usize {
        10 * self.entries
    }

    fn is_whole(&self) -> bool {
        self.entries == 2
    }

    fn reduced_to(&self, marks: Marks) -> Option<Piece> {
        let entries = (0..self.entries).filter(|&entry| marks.has(entry)).count();
        (entries < self.entries).then_some(Piece { number: self.number, entries })
    }
}

#[test]
fn shuttle_cache_the_sums_are_those_of_the_filled_slots() {
    explore("cache_slots", ROOM, || {
        let cache = Cache::new(Budget::new(45));
        let slots: Arc<Slots<Piece>> = Slots::new(&cache, 3);
        let scan = |number| {
            let found = slots.get(number, |_| ());
            let whole = found.unwrap_or_else(|| slots.insert(number, Piece { number, entries: 2 }));
            assert_eq!((whole.number, whole.entries), (number, 2));
        };
        let get = |number| {
            let found = slots.look(number, |_| ());
            assert!(found.as_ref().is_none_or(|found| found.number == number));
            slots.note(number, found.as_ref().map(|_| 0));
            if found.is_none() {
                slots.fill(number, |present, read| {
                    present.is_none().then_some((Piece { number, entries: 1 }, read))
                });
            }
        };
        thread::scope(|scope| {
            let (scan, get) = (&scan, &get);
            scope.spawn(move || [0, 1].map(scan));
            scope.spawn(move || [1, 2].map(get));
            scope.spawn(move || (scan(2), get(0)));
        });
        let kept = (0..3).filter_map(|number| slots.look(number, |_| ()));
        assert_eq!(cache.stats().used_bytes, kept.map(|piece| 10 * piece.entries).sum::<usize>());
        drop(slots);
        assert_eq!(cache.stats().used_bytes, 0);
    });
}

#[test]
fn shuttle_memtable_a_finished_insert_is_found_while_its_leaf_is_split() {
    explore("leaf_split", ROOM, || {
        let memtable = Memtable::new(1).filtered(4 << 10);
        let key = |number: u64| [&[0; 4][..], &number.to_be_bytes()].concat();
        let is_found = |number| {
            let key = key(number);
            memtable.get(&key, filter_hash(&key), 9).is_some()
        };
        for number in 0..63 {
            memtable.insert(&key(number * 2), 1, Kind::Put, b"");
        }
        let done = [const { AtomicBool::new(false) }; 2];
        thread::scope(|scope| {
            for (own, number) in [31, 99].into_iter().enumerate() {
                let (memtable, done) = (&memtable, &done);
                scope.spawn(move || {
                    memtable.insert(&key(number), 2, Kind::Put, b"");
                    done[own].store(true, Ordering::SeqCst);
                });
            }
            let finished = done.each_ref().map(|done| done.load(Ordering::SeqCst));
            for (is_in, number) in finished.into_iter().zip([31, 99]) {
                assert!(!is_in || is_found(number));
            }
            for number in [0, 30, 32, 62, 64, 124] {
                assert!(is_found(number), "{number} was missed");
            }
        });
    });
}

#[test]
fn shuttle_ranges_a_published_range_tombstone_covers() {
    explore("range_tombstone", ROOM, || {
        let (memtable, sequence) = (Memtable::new(1), Sequence::new(0));
        thread::scope(|scope| {
            for seqno in [sequence.draw(1), sequence.draw(2)].into_iter().zip(1..) {
                let memtable = &memtable;
                scope.spawn(move || {
                    let (ticket, seqno) = seqno;
                    let (start, end) = (b"a".to_vec(), b"c".to_vec());
                    memtable.insert_range_tombstone(RangeTombstone { start, end, seqno });
                    ticket.finish().unwrap();
                });
            }
            let visible = sequence.visible();
            let covering = memtable.range_tombstones().and_then(|it| it.covering(b"b", visible));
            assert_eq!(covering.unwrap_or(0), visible);
        });
    });
}

#[test]
fn shuttle_health_the_first_cause_stays_and_nothing_heals() {
    explore("poison_and_close", ROOM, || {
        let health = Health::default();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    health.poison(&Error::closed());
                    assert!(health.check_write().is_err() && health.check_background().is_err());
                });
            }
            assert!(health.begin_close());
            assert_eq!(health.check_write().unwrap_err().kind(), ErrorKind::Closed);
            health.close();
        });
        assert_eq!(health.check_read().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(health.check_write().unwrap_err().kind(), ErrorKind::Closed);
    });
}

fn small(disk: &SimulatedFileSystem) -> Db {
    let options = Options::new().memory(1 << 20).memtable_bytes(4 << 10).table_bytes(4 << 10);
    options.file_system(disk.clone()).open("data").unwrap()
}

#[test]
fn shuttle_database_batches_are_whole_and_survive_a_close_beside_them() {
    explore_fairly("write_rotate_close", WHOLE, || {
        let disk = SimulatedFileSystem::new();
        disk.restart_history(false);
        let db = small(&disk);
        let acknowledged = AtomicU64::new(0);
        thread::scope(|scope| {
            for own in 0..2_u64 {
                let (db, acknowledged) = (&db, &acknowledged);
                scope.spawn(move || {
                    for round in 0..3_u64 {
                        let value = [&round.to_be_bytes()[..], &[7; 1500]].concat();
                        let mut batch = Batch::new();
                        batch.put(format!("a{own}"), &value).put(format!("b{own}"), &value);
                        match db.write_with(batch, Durability::Sync) {
                            Ok(()) => acknowledged.fetch_add(1, Ordering::SeqCst),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Closed);
                                return;
                            }
                        };
                    }
                });
            }
            let snapshot = db.snapshot();
            for own in 0..2 {
                let both = [format!("a{own}"), format!("b{own}")].map(|key| snapshot.get(key));
                let [Ok(left), Ok(right)] = both else { unreachable!("the database is open") };
                assert_eq!(left, right);
            }
            drop(snapshot);
            // On a thread of its own: the end of a scoped thread would wake this one too early.
            scope.spawn(|| db.close().unwrap());
        });
        drop(db);
        let again = small(&disk);
        let rounds = |own: u64| {
            let value = again.get(format!("a{own}")).unwrap();
            value.map_or(0, |value| u64::from(value[7]) + 1)
        };
        assert_eq!(rounds(0) + rounds(1), acknowledged.load(Ordering::SeqCst));
    });
}
