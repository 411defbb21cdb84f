//! Whether this is still the process that something was made in, without asking the operating system.
//!
//! A child of a fork has copies of everything and none of the threads behind it, so a database must not be
//! used there. To ask for the number of the process is a system call, and every write has to know. So
//! there is one page of memory that the kernel wipes in the children of a fork: a process writes a mark
//! into it that none of those that it comes from had. Where the kernel does not wipe (Linux does since
//! 4.14), the number is asked for.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A process, known from inside.
#[derive(Debug)]
pub(crate) struct Birthplace {
    number: u32,
    /// The page, and what it holds in this process.
    mark: Option<(&'static AtomicU64, u64)>,
}

impl Birthplace {
    /// This process.
    pub(crate) fn here() -> Birthplace {
        Birthplace { number: std::process::id(), mark: mark() }
    }

    /// Whether this is the process in which [`here`](Birthplace::here) was called.
    pub(crate) fn is_here(&self) -> bool {
        match self.mark {
            Some((page, mark)) => page.load(Relaxed) == mark,
            None => std::process::id() == self.number,
        }
    }
}

/// The mark of this process, written now if nobody asked for it before, or not since the fork.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(any(shuttle, loom))))]
fn mark() -> Option<(&'static AtomicU64, u64)> {
    use crate::fs::wiped;
    use crate::sync::OnceLock;
    static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    // A fork copies it, so a child counts on from the marks of those that it comes from.
    static LAST: AtomicU64 = AtomicU64::new(0);

    let page = (*PAGE.get_or_init(wiped::map))?;
    let fresh = LAST.fetch_add(1, Relaxed) + 1;
    let before = page.compare_exchange(0, fresh, Relaxed, Relaxed);
    Some((page, before.err().unwrap_or(fresh)))
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(any(shuttle, loom)))))]
fn mark() -> Option<(&'static AtomicU64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use crate::fs::birthplace::Birthplace;

    /// No database is opened in the child here: locks of other threads may be held for ever in it.
    #[test]
    fn a_child_of_a_fork_has_a_place_of_its_own() {
        let (own, other) = (Birthplace::here(), Birthplace::here());
        assert!(own.is_here() && other.is_here());
        let child = match fork::fork_process().unwrap() {
            fork::ProcessFork::Parent(child) => child,
            fork::ProcessFork::Child => {
                let is_left = !own.is_here();
                let in_child = Birthplace::here();
                let is_told_apart = in_child.is_here() && !own.is_here() && !other.is_here();
                std::process::exit(if is_left && is_told_apart { 0 } else { 1 });
            }
        };
        let ended = fork::wait_event(child).unwrap();
        assert!(matches!(ended, fork::ChildEvent::Exited { code: 0, .. }), "{ended:?}");
        assert!(own.is_here() && Birthplace::here().is_here());
    }
}
