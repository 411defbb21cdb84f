//! Power is lost at every moment of the life of a manifest, in every way that a disk knows: what
//! is found is the state after the last acknowledged edit, or after the one that was under way.

use crate::fs::{CrashProfile, FileSystem, SimulatedFileSystem};
use crate::manifest::current::{point_current, read_current};
use crate::manifest::edit::Edit;
use crate::manifest::load::load;
use crate::manifest::state::State;
use crate::manifest::tests::history_after;
use crate::manifest::writer::ManifestWriter;
use crate::sync::Arc;
use std::path::Path;

const DIRECTORY: &str = "/db";

/// A state, and between which moments of the disk it became durable.
struct Step {
    state: State,
    started: usize,
    acknowledged: usize,
}

struct Life {
    disk: SimulatedFileSystem,
    fs: Arc<dyn FileSystem>,
    state: State,
    steps: Vec<Step>,
}

impl Life {
    fn new() -> Life {
        let disk = SimulatedFileSystem::new();
        disk.create_dir_all(Path::new(DIRECTORY)).unwrap();
        let mut state = State::new(7);
        state.apply(&Edit { next_file: Some(3), ..Edit::default() }).unwrap();
        Life { fs: Arc::new(disk.clone()), disk, state, steps: Vec::new() }
    }

    fn step(&mut self, act: impl FnOnce(&mut Life)) {
        let started = self.disk.history_len();
        act(self);
        let (state, acknowledged) = (self.state.clone(), self.disk.history_len());
        self.steps.push(Step { state, started, acknowledged });
    }

    fn rotate(&mut self, id: u64) -> ManifestWriter {
        let mut created = None;
        self.step(|life| {
            let directory = Path::new(DIRECTORY);
            let writer = ManifestWriter::create(&life.fs, directory, id, &life.state);
            point_current(&*life.fs, directory, id).unwrap();
            created = Some(writer.unwrap());
        });
        created.unwrap()
    }

    fn append(&mut self, writer: &mut ManifestWriter, edit: &Edit) {
        self.step(|life| {
            life.state.apply(edit).unwrap();
            writer.append(edit).unwrap();
        });
    }
}

fn a_life_with_two_manifests(seed: u64) -> Life {
    let mut life = Life::new();
    let mut writer = life.rotate(1);
    for (index, edit) in history_after(life.state.clone(), seed, 6).iter().enumerate() {
        life.append(&mut writer, edit);
        if index % 3 == 1 {
            life.step(|_| writer.settle().unwrap());
        }
    }
    let mut writer = life.rotate(2);
    for edit in history_after(life.state.clone(), seed + 1, 3) {
        life.append(&mut writer, &edit);
    }
    life
}

/// What `moment` may leave: the last acknowledged state and those that were begun since.
fn allowed(life: &Life, moment: usize) -> (bool, Vec<&State>) {
    let last = life.steps.iter().rposition(|step| step.acknowledged <= moment);
    let begun = life.steps.iter().enumerate().filter(|(index, step)| match last {
        Some(last) => *index == last || (*index > last && step.started < moment),
        None => step.started < moment,
    });
    (last.is_some(), begun.map(|(_, step)| &step.state).collect())
}

#[test]
fn a_loss_of_power_leaves_the_state_before_or_after() {
    for seed in 1..4 {
        let life = a_life_with_two_manifests(seed);
        for moment in 0..=life.disk.history_len() {
            let (must_exist, allowed) = allowed(&life, moment);
            for profile in CrashProfile::ALL {
                let disk = life.disk.crash_at(moment, profile, seed * 1000 + moment as u64);
                let at = format!("seed {seed}, moment {moment}, {profile:?}");
                match read_current(&disk, Path::new(DIRECTORY)).expect(&at) {
                    None => assert!(!must_exist, "{at}: CURRENT is gone"),
                    Some(id) => {
                        let loaded = load(&disk, Path::new(DIRECTORY), id).expect(&at);
                        assert!(allowed.contains(&&loaded.state), "{at}: {loaded:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn without_a_crash_everything_is_found() {
    let life = a_life_with_two_manifests(9);
    let disk = life.disk.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(read_current(&disk, Path::new(DIRECTORY)).unwrap(), Some(2));
    let loaded = load(&disk, Path::new(DIRECTORY), 2).unwrap();
    assert_eq!(loaded.state, life.state);
    assert_eq!((loaded.edits, loaded.torn_bytes), (4, 0));
}
