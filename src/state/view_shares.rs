//! The shares of the current view: one for each thread that reads.
//!
//! To hold the current view a reader counts itself among its holders, and readers on all processors then
//! fight for that one count. So each thread has a share of its own, which is counted apart: nobody else
//! touches that count. The shares belong to the database, and a thread only remembers where its own is
//! (`Weak`); so whoever swaps the view takes back all shares of the old one at once, those of threads that
//! sleep too, and a read that is under way keeps its share until it is done.
//!
//! Invariant: no share outlives its view, but in the hands of a read. Whoever swaps makes the generation
//! known first, and takes the shares back then; who makes one asks for the generation under the lock.
//!
//! A thread counts its reads here, too, where that costs no more than an addition.

use crate::state::view::View;
use crate::sync::{Arc, Mutex, Weak, thread_local};
use std::cell::RefCell;
use std::ops::Deref;

/// The shares of one database.
#[derive(Debug, Default)]
pub(crate) struct ViewShares {
    /// Those of threads that have ended, too, until the next swap.
    all: Mutex<Vec<Arc<Share>>>,
}

/// The share of one thread: the view, by a count of its own.
#[derive(Debug)]
pub(crate) struct Share(Arc<View>);

/// What a thread knows of the database that it reads.
#[derive(Debug)]
struct Own {
    of: Weak<ViewShares>,
    share: Weak<Share>,
    /// Since they were told last.
    reads: u64,
}

/// So many reads are told at once.
const READS_TOLD: u64 = 256;

thread_local! {
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

impl ViewShares {
    /// The share of this thread, if it has one. Comes with the number of reads that were not told yet, or,
    /// mostly, with 0. Its view may have been replaced meanwhile.
    pub(crate) fn take(self: &Arc<ViewShares>) -> Option<(Arc<Share>, u64)> {
        let with = |own: &RefCell<Vec<Own>>| {
            let mut own = own.borrow_mut();
            let own = own.iter_mut().find(|own| own.is_of(self))?;
            let share = own.share.upgrade()?;
            own.reads += 1;
            let told = if own.reads < READS_TOLD { 0 } else { std::mem::take(&mut own.reads) };
            Some((share, told))
        };
        OWN.try_with(with).ok()?
    }

    /// Makes this thread a share of `view`; `None` if it is not current any more.
    pub(crate) fn make(
        self: &Arc<ViewShares>,
        view: Arc<View>,
        is_current: impl Fn(&View) -> bool,
    ) -> Option<Arc<Share>> {
        let share = Arc::new(Share(view));
        {
            let mut all = self.all.lock();
            if !is_current(&share) {
                return None;
            }
            all.push(Arc::clone(&share));
        }
        // A thread that ends has no place to remember it: the next swap takes it back all the same.
        OWN.try_with(|own| self.remember(&mut own.borrow_mut(), &share)).unwrap_or_default();
        Some(share)
    }

    /// Takes back all shares.
    pub(crate) fn take_back(&self) {
        let shares = std::mem::take(&mut *self.all.lock());
        // They may be the last of a view: never under a lock.
        drop(shares);
    }

    fn remember(self: &Arc<ViewShares>, own: &mut Vec<Own>, share: &Arc<Share>) {
        if let Some(own) = own.iter_mut().find(|own| own.is_of(self)) {
            own.share = Arc::downgrade(share);
            return;
        }
        own.retain(|own| own.of.strong_count() > 0);
        own.push(Own { of: Arc::downgrade(self), share: Arc::downgrade(share), reads: 0 });
    }
}

impl Own {
    fn is_of(&self, shares: &Arc<ViewShares>) -> bool {
        self.of.as_ptr() == Arc::as_ptr(shares)
    }
}

impl Deref for Share {
    type Target = View;

    fn deref(&self) -> &View {
        &self.0
    }
}
