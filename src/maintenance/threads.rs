//! Runs workers on threads of their own: one thread a worker.
//!
//! A worker that fails is tried again after a pause that doubles up to a second, or sooner if somebody
//! waits for it; its error stands in the health until it finishes something. A worker that panics
//! poisons the database, which wakes everyone who waits: a waiter gets an error, never silence.

use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::hand::Hand;
use crate::seeded::{Bug, is_seeded};
use crate::state::store::Store;
use crate::state::worker::{Step, Worker};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The threads of one open database.
pub(crate) struct Threads {
    store: Arc<Store>,
    stop: Arc<AtomicBool>,
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Threads {
    /// Starts a thread for each worker.
    ///
    /// # Errors
    /// The operating system refused a thread; those that were started have ended.
    pub(crate) fn start(
        store: &Arc<Store>,
        workers: Vec<(&'static str, Box<dyn Worker>)>,
    ) -> Result<Threads> {
        let threads = Threads {
            store: Arc::clone(store),
            stop: Arc::new(AtomicBool::new(false)),
            handles: Mutex::new(Vec::new()),
        };
        for (name, worker) in workers {
            let (store, stop) = (Arc::clone(store), Arc::clone(&threads.stop));
            let spawned = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || guard(&store, worker, &stop));
            match spawned {
                Ok(handle) => threads.handles.lock().push(handle),
                Err(error) => {
                    threads.stop();
                    return Err(Error::io(
                        "start a background thread",
                        &store_path(&threads),
                        error,
                    ));
                }
            }
        }
        Ok(threads)
    }

    /// Lets every worker end its current step, and waits for them.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.store.signals.ring();
        let handles = std::mem::take(&mut *self.handles.lock());
        let own = thread::current().id();
        for handle in handles {
            // The last handle of a database may be dropped by a background thread.
            if handle.thread().id() != own {
                // A panic was turned into poison already; there is nothing else in the result.
                drop(handle.join());
            }
        }
    }
}

fn store_path(threads: &Threads) -> std::path::PathBuf {
    threads.store.directory.clone()
}

fn guard(store: &Arc<Store>, worker: Box<dyn Worker>, stop: &AtomicBool) {
    let mut hand = Hand::new(worker);
    let duty = hand.duty();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(store, &mut hand, stop)));
    if outcome.is_err() && !is_seeded(Bug::PanicHangsWriters) {
        let what = format!("the background thread for {duty:?} panicked");
        store.poison(&Error::plain(ErrorKind::Poisoned, what));
    }
}

fn run(store: &Arc<Store>, hand: &mut Hand, stop: &AtomicBool) {
    let mut pause = PAUSE_MIN;
    while !stop.load(Ordering::Acquire) {
        let (count, hurries) = (store.signals.count(), store.signals.hurries());
        let step = match hand.step(store) {
            Ok(step) => step,
            Err(_) => {
                rest_for(store, stop, hurries, pause);
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
        };
        if step != Step::Worked {
            pause = PAUSE_MIN;
        }
        let at_most = match step {
            Step::Worked | Step::Finished => continue,
            Step::Idle => None,
            Step::IdleFor(time) => Some(time),
        };
        if !stop.load(Ordering::Acquire) {
            store.signals.sleep(count, at_most);
        }
    }
}

/// Rests the whole time, whoever rings, unless it is the end or somebody was in a hurry since
/// `hurries` was taken.
fn rest_for(store: &Store, stop: &AtomicBool, hurries: u64, time: Duration) {
    let until = store.fs.monotonic() + time;
    loop {
        let count = store.signals.count();
        let left = until.saturating_sub(store.fs.monotonic());
        let is_over = stop.load(Ordering::Acquire) || store.signals.hurries() != hurries;
        if is_over || left.is_zero() || !store.signals.sleep(count, Some(left)) {
            return;
        }
    }
}
