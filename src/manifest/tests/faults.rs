//! Every call fails once, in every way, while a manifest is written as the engine writes it, and
//! then the power goes: what is found is what was acknowledged, or the one edit that was under way.

use crate::error::{ErrorKind, Result};
use crate::fs::{CrashProfile, Fault, FaultFileSystem, FileSystem, SimulatedFileSystem, Trigger};
use crate::manifest::current::{point_current, read_current};
use crate::manifest::edit::Edit;
use crate::manifest::load::{Loaded, load};
use crate::manifest::state::State;
use crate::manifest::tests::history_after;
use crate::manifest::writer::ManifestWriter;
use crate::sync::Arc;
use std::path::Path;

fn root() -> &'static Path {
    Path::new("/")
}

/// What may be found: the last acknowledged state, if any, and the one that was under way.
#[derive(Default)]
struct Outcome {
    acknowledged: Option<State>,
    maybe: Option<State>,
}

fn start() -> State {
    let mut state = State::new(7);
    state.apply(&Edit { next_file: Some(1000), ..Edit::default() }).unwrap();
    state
}

fn rotate(fs: &Arc<dyn FileSystem>, id: &mut u64, state: &State) -> Result<ManifestWriter> {
    *id += 1;
    let writer = ManifestWriter::create(fs, root(), *id, state)?;
    point_current(&**fs, root(), *id)?;
    Ok(writer)
}

/// Creates, appends, settles; goes on with a new manifest after an append that failed, and stops
/// where nothing is known any more.
fn live(fs: &Arc<dyn FileSystem>) -> Outcome {
    let (mut state, mut id, mut outcome) = (start(), 0, Outcome::default());
    outcome.maybe = Some(state.clone());
    let Ok(mut writer) = rotate(fs, &mut id, &state) else {
        return outcome;
    };
    outcome.acknowledged = Some(state.clone());
    for edit in history_after(state.clone(), 3, 4) {
        let mut next = state.clone();
        next.apply(&edit).unwrap();
        outcome.maybe = Some(next.clone());
        match writer.append(&edit).and_then(|()| writer.settle()) {
            Ok(()) => state = next,
            Err(error) if error.kind() == ErrorKind::CommitUncertain => return outcome,
            Err(_) => match rotate(fs, &mut id, &state) {
                Ok(another) => (writer, outcome.maybe) = (another, None),
                Err(_) => return outcome,
            },
        }
        outcome.acknowledged = Some(state.clone());
        if outcome.maybe.is_none() {
            return outcome;
        }
    }
    outcome
}

fn find(fs: &dyn FileSystem) -> Result<Option<Loaded>> {
    read_current(fs, root())?.map(|id| load(fs, root(), id)).transpose()
}

#[test]
fn no_failed_call_costs_an_acknowledged_edit() {
    let fault_free = FaultFileSystem::new(SimulatedFileSystem::new());
    let fs: Arc<dyn FileSystem> = Arc::new(fault_free.clone());
    assert!(live(&fs).acknowledged.is_some());
    assert!(fault_free.calls() > 20);
    for nth in 0..fault_free.calls() {
        for fault in Fault::ALL {
            let disk = SimulatedFileSystem::new();
            let faulty = FaultFileSystem::new(disk.clone());
            faulty.set(Trigger::any().nth(nth), fault);
            let fs: Arc<dyn FileSystem> = Arc::new(faulty);
            let outcome = live(&fs);
            for profile in CrashProfile::ALL {
                let at = format!("call {nth}, {fault:?}, {profile:?}");
                match find(&disk.crash(profile, nth)).expect(&at) {
                    None => assert!(outcome.acknowledged.is_none(), "{at}"),
                    Some(Loaded { state, .. }) => {
                        let state = Some(state);
                        let is_known = state == outcome.acknowledged || state == outcome.maybe;
                        assert!(is_known, "{at}: {state:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_read_that_fails_is_an_error_and_never_an_end() {
    let disk = SimulatedFileSystem::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let outcome = live(&fs);
    let calls = {
        let counted = FaultFileSystem::new(disk.clone());
        assert_eq!(find(&counted).unwrap().map(|loaded| loaded.state), outcome.acknowledged);
        counted.calls()
    };
    for nth in 0..calls {
        let faulty = FaultFileSystem::new(disk.clone());
        faulty.set(Trigger::any().nth(nth), Fault::Io);
        assert_eq!(find(&faulty).unwrap_err().kind(), ErrorKind::Io, "call {nth}");
    }
}
