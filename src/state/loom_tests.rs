//! The small parts that every commit and every read goes through, under every order of two or three
//! threads and every value that a load may see: see `crate::sync`.

use crate::error::{Error, ErrorKind};
use crate::format::key::{Kind, filter_hash};
use crate::state::health::Health;
use crate::state::scene::{KEY, alone, holding, no_tables};
use crate::state::sequence::Sequence;
use crate::state::view_cell::ViewCell;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, explore_all, spawn};
use std::path::Path;

/// Loom's threads borrow nothing, and tickets borrow their sequence: it stays.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

#[test]
fn loom_sequence_whoever_sees_a_number_sees_all_commits_up_to_it() {
    explore_all("publish_order", || {
        let sequence = kept(Sequence::new(0));
        let applied = kept([AtomicBool::new(false), AtomicBool::new(false)]);
        let tickets = [sequence.draw(1), sequence.draw(2)];
        let writers = tickets.into_iter().zip(applied).map(|(ticket, applied)| {
            spawn(move || {
                applied.store(true, Ordering::Relaxed);
                ticket.finish().unwrap();
            })
        });
        let writers: Vec<_> = writers.collect();
        let reader = spawn(|| {
            let visible = sequence.visible() as usize;
            assert!(applied[..visible].iter().all(|it| it.load(Ordering::Relaxed)));
        });
        writers.into_iter().chain([reader]).for_each(|thread| thread.join().unwrap());
        assert_eq!(sequence.visible(), 2);
    });
}

#[test]
fn loom_sequence_a_sync_publishes_what_others_have_applied() {
    explore_all("publish_synced", || {
        let sequence = kept(Sequence::new(0));
        let applied = kept([AtomicBool::new(false), AtomicBool::new(false)]);
        let noted = kept([AtomicBool::new(false), AtomicBool::new(false)]);
        let tickets = [sequence.draw(1), sequence.draw(2)];
        let writers = tickets.into_iter().zip(applied.iter().zip(noted)).map(|(ticket, seen)| {
            spawn(move || {
                seen.0.store(true, Ordering::Relaxed);
                ticket.note_applied();
                seen.1.store(true, Ordering::Release);
                ticket.finish().unwrap();
            })
        });
        let writers: Vec<_> = writers.collect();
        let all_noted = noted.iter().all(|it| it.load(Ordering::Acquire));
        sequence.publish_synced(2);
        assert!(!all_noted || sequence.visible() == 2, "they need not finish for that");
        let visible = sequence.visible() as usize;
        assert!(applied[..visible].iter().all(|it| it.load(Ordering::Relaxed)));
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(sequence.visible(), 2);
    });
}

#[test]
fn loom_sequence_a_failed_commit_wakes_those_behind_it() {
    for is_dropped in [false, true] {
        explore_all("publish_fails", move || {
            let sequence = kept(Sequence::new(0));
            let (first, second, third) = (sequence.draw(1), sequence.draw(2), sequence.draw(3));
            let behind = spawn(|| assert!(third.finish().is_err()));
            let failing = spawn(move || match is_dropped {
                true => drop(second),
                false => second.fail(&Error::closed()),
            });
            first.finish().unwrap_or(());
            behind.join().unwrap();
            failing.join().unwrap();
            assert!(sequence.visible() <= 1);
        });
    }
}

#[test]
fn loom_health_the_first_cause_stays_and_nothing_heals() {
    explore_all("poison_and_close", || {
        let health = kept(Health::default());
        let poisoned = ["one", "other"].map(|name| {
            spawn(move || {
                health.poison(&Error::corruption(Path::new(name), 0, "what"));
                assert!(health.check_write().is_err());
                health.poison_cause().unwrap()
            })
        });
        assert!(health.begin_close());
        assert_eq!(health.check_write().unwrap_err().kind(), ErrorKind::Closed);
        health.close();
        let cause = poisoned.map(|thread| thread.join().unwrap());
        let last = health.poison_cause().unwrap();
        assert!(cause.iter().all(|seen| seen.file() == last.file()), "the first cause stays");
        assert_eq!(health.check_read().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(health.check_write().unwrap_err().kind(), ErrorKind::Closed);
    });
}

/// For the poison its lock would be enough; the level alone orders what comes before a close.
#[test]
fn loom_health_whoever_is_refused_sees_what_came_before() {
    explore_all("refused", || {
        let (health, before) =
            (kept(Health::default()), kept([(); 2].map(|()| AtomicBool::new(false))));
        let poisoning = spawn(|| {
            before[0].store(true, Ordering::Relaxed);
            health.poison(&Error::corruption(Path::new("file"), 0, "what"));
        });
        let closing = spawn(|| {
            before[1].store(true, Ordering::Relaxed);
            assert!(health.begin_close());
            health.close();
        });
        let refused = spawn(|| {
            match health.check_write().map_err(|error| error.kind()) {
                Ok(()) => {}
                Err(ErrorKind::Closed) => assert!(before[1].load(Ordering::Relaxed)),
                Err(kind) => {
                    assert_eq!(kind, ErrorKind::Poisoned);
                    assert!(before[0].load(Ordering::Relaxed));
                }
            }
            if health.check_read().is_err() {
                assert!(before[1].load(Ordering::Relaxed));
            }
        });
        [poisoning, closing, refused].into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn loom_view_a_read_finds_what_its_moment_shows_and_no_share_of_an_old_view_stays() {
    explore_all("view_swap", || {
        let version = no_tables();
        let first = holding(1);
        let view = Arc::new(ViewCell::new(alone(Arc::clone(&first), &version)));
        let sequence = kept(Sequence::new(1));
        let swapping = {
            let (first, view) = (Arc::clone(&first), Arc::clone(&view));
            let version = Arc::clone(&version);
            spawn(move || {
                first.insert(KEY, 2, Kind::Put, b"");
                sequence.draw(2).finish().unwrap();
                // A compaction that nobody holds back keeps the newest version only.
                let second = holding(2);
                view.swap(|_| alone(Arc::clone(&second), &version));
                second.insert(KEY, 3, Kind::Put, b"");
                sequence.draw(3).finish().unwrap();
            })
        };
        let reading = {
            let view = Arc::clone(&view);
            spawn(move || {
                let (seen, seqno) = view.hold_at(sequence);
                let found = seen.active.get(KEY, filter_hash(KEY), seqno);
                assert_eq!(found.map(|(found, ..)| found), Some(seqno));
            })
        };
        [swapping, reading].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(Arc::strong_count(&first), 1, "nobody keeps a view that was replaced");
        drop(view);
    });
}
