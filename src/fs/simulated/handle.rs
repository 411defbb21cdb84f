//! Open files and held locks of a simulated file system.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::fs::simulated::names::NodeId;
use crate::fs::simulated::state::State;
use crate::fs::{Append, FileLock, ReadAt, Syncer};
use crate::sync::{Arc, Mutex};

/// Keeps a file that may lose its name.
pub(crate) struct Handle {
    shared: Arc<Mutex<State>>,
    node: NodeId,
}

impl Handle {
    /// Requires: the caller holds the lock of `shared`, whose state is `state`.
    pub(crate) fn open(shared: &Arc<Mutex<State>>, state: &mut State, node: NodeId) -> Handle {
        state.opened(node);
        Handle { shared: Arc::clone(shared), node }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed(self.node);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "file {}", self.node)
    }
}

/// A file being written.
pub(crate) struct SimulatedAppend {
    handle: Arc<Handle>,
    len: u64,
}

impl SimulatedAppend {
    pub(crate) fn new(handle: Handle) -> SimulatedAppend {
        SimulatedAppend { handle: Arc::new(handle), len: 0 }
    }
}

impl Append for SimulatedAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Handle { shared, node } = &*self.handle;
        shared.lock().append(*node, bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn syncer(&self) -> Arc<dyn Syncer> {
        Arc::new(SimulatedSyncer(Arc::clone(&self.handle)))
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let Handle { shared, node } = &*self.handle;
        shared.lock().reserve(*node, bytes)
    }

    fn len(&self) -> u64 {
        self.len
    }
}

struct SimulatedSyncer(Arc<Handle>);

impl Syncer for SimulatedSyncer {
    fn sync(&self) -> io::Result<()> {
        self.0.shared.lock().sync(self.0.node);
        Ok(())
    }

    fn pretend_failed(&self) {
        self.0.shared.lock().sync_failed(self.0.node);
    }
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct SimulatedRead {
    handle: Handle,
    len: u64,
}

impl SimulatedRead {
    pub(crate) fn new(handle: Handle, len: u64) -> SimulatedRead {
        SimulatedRead { handle, len }
    }
}

impl ReadAt for SimulatedRead {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.handle.shared.lock();
        if state.node(self.handle.node).content.read(buffer, offset) {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// A lock being held.
pub(crate) struct SimulatedLock {
    shared: Arc<Mutex<State>>,
    node: NodeId,
}

impl SimulatedLock {
    pub(crate) fn new(shared: Arc<Mutex<State>>, node: NodeId) -> SimulatedLock {
        SimulatedLock { shared, node }
    }
}

impl FileLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.shared.lock().unlock(self.node);
    }
}
