//! Ctrl-C in the demo: it ends at the next step, and its temporary directory goes with it.
//!
//! A signal is only noted; whoever works looks here between two steps, which take a second at most.
//! SIGQUIT (Ctrl-\) still ends the process at once. Other commands need none of this: what they
//! leave behind is a database.

use crate::exit::Failure;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
const SIGNALS: [i32; 3] =
    [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];

/// Whether someone wants the demo to end.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    noted: Arc<AtomicBool>,
}

impl Interrupt {
    /// Notes the signals that would otherwise end the process.
    pub(crate) fn watch() -> Result<Interrupt, Failure> {
        let interrupt = Interrupt::default();
        let failed = |error: io::Error| Failure::io("watch", "signals".as_ref(), &error);
        for signal in SIGNALS {
            flag::register(signal, Arc::clone(&interrupt.noted)).map_err(failed)?;
        }
        Ok(interrupt)
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.noted.load(Ordering::Relaxed)
    }

    /// Fails if the demo should end.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_noted() { Err(Failure::interrupted()) } else { Ok(()) }
    }
}
