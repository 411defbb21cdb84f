//! Proof that the checks can fail: an engine in memory does every kind of work right, and no fault of
//! it gets a figure.

use crate::engine::settings::Settings;
use crate::engine::{Batch, Engine, Result, Scan, Task};
use crate::measure::outcome::Outcome;
use crate::plan::chains::chains;
use crate::work::job::{Job, Work};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const SOUND: u8 = 0;
const FORGETS_A_PUT: u8 = 1;
const FORGETS_A_DELETE: u8 = 2;
const SPOILS_A_VALUE: u8 = 3;
const INVENTS_A_VALUE: u8 = 4;
const SKIPS_IN_A_SCAN: u8 = 5;
const SWAPS_IN_A_SCAN: u8 = 6;
const ENDS_A_SCAN: u8 = 7;
const GETS_A_NEIGHBOUR: u8 = 8;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The databases of this process: a step closes what the next one opens.
static DATABASES: Mutex<BTreeMap<PathBuf, Arc<Mutex<Map>>>> = Mutex::new(BTreeMap::new());

struct Memory<const FAULT: u8> {
    map: Arc<Mutex<Map>>,
}

/// One key in about a hundred meets the fault.
fn is_met(key: &[u8]) -> bool {
    key.last().is_some_and(|&byte| byte % 128 == 5)
}

impl<const FAULT: u8> Engine for Memory<FAULT> {
    fn open(directory: &Path, _: &Settings) -> Result<Self> {
        let mut databases = DATABASES.lock().unwrap();
        Ok(Memory { map: Arc::clone(databases.entry(directory.to_owned()).or_default()) })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if FAULT != FORGETS_A_PUT || !is_met(key) {
            self.map.lock().unwrap().insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        batch.iter().try_for_each(|(key, value)| self.put(key, value))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        if FAULT != FORGETS_A_DELETE || !is_met(key) {
            self.map.lock().unwrap().remove(key);
        }
        Ok(())
    }

    fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let map = self.map.lock().unwrap();
        let mut value = map.get(key).cloned();
        match (FAULT, is_met(key)) {
            (SPOILS_A_VALUE, true) => {
                value = value.map(|value| value.iter().map(|byte| byte ^ 1).collect());
            }
            (INVENTS_A_VALUE, true) => value = value.or_else(|| Some(vec![7; 100])),
            (GETS_A_NEIGHBOUR, true) => {
                value = map.range(key.to_vec()..).nth(1).map(|(_, value)| value.clone());
            }
            _ => {}
        }
        Ok(value.map(|value| read(&value)))
    }

    fn scan(&self, scan: Scan, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let map = self.map.lock().unwrap();
        let from = scan.from.unwrap_or_default().to_vec();
        let mut found: Vec<(&Vec<u8>, &Vec<u8>)> = if scan.is_reverse {
            map.iter().rev().take(scan.limit).collect()
        } else {
            map.range(from..).take(scan.limit).collect()
        };
        match FAULT {
            SKIPS_IN_A_SCAN => found.retain(|(key, _)| !is_met(key)),
            SWAPS_IN_A_SCAN if found.len() > 1 && is_met(found[0].0) => found.swap(0, 1),
            SWAPS_IN_A_SCAN if found.len() > 1000 => found.swap(500, 501),
            ENDS_A_SCAN
                if found.last().is_some_and(|(key, _)| found.len() > 1000 || is_met(key)) =>
            {
                found.pop();
            }
            _ => {}
        }
        found.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn is_busy(&self) -> Result<bool> {
        Ok(false)
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Does a chain of the plan, shortened; its first steps with a sound engine, the row with this one.
fn run<E: Engine>(place: &str, chain: &str, row: &str) -> Result<Vec<Outcome>> {
    let folder = std::env::temp_dir().join("peers-proof").join(place);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    DATABASES.lock().unwrap().remove(&folder.join("database"));
    let chain = chains(200_000).into_iter().find(|found| found.name == chain).unwrap();
    for planned in chain.steps {
        let mut step = planned.step;
        step.seconds = if matches!(step.work, Work::Ycsb(_)) { 60.0 } else { 0.2 };
        let is_row = step.row == row;
        let job = Job { step, place: folder.clone() };
        if is_row {
            let outcomes = job.run::<E>();
            std::fs::remove_dir_all(&folder)?;
            return outcomes;
        }
        if planned.prepares {
            job.run::<Memory<SOUND>>()?;
        }
    }
    panic!("there is no row {row} in the chain");
}

const ROWS: [(&str, &str); 14] = [
    ("fillseq", "fillseq"),
    ("fillrandom-2t", "fillrandom-2t"),
    ("fillbatch", "fillbatch"),
    ("base", "readrandom"),
    ("base", "readmissing"),
    ("base", "readseq"),
    ("base", "readrev"),
    ("base", "seek100"),
    ("base", "readwhilewriting"),
    ("changes", "overwrite"),
    ("changes", "deleterandom"),
    ("tombstones", "seek10-tombstones"),
    ("ycsb", "ycsb-a"),
    ("ycsb", "ycsb-e"),
];

#[test]
fn a_sound_engine_gets_its_figures() {
    for (chain, row) in ROWS {
        let outcomes = run::<Memory<SOUND>>("sound", chain, row);
        let outcomes = outcomes.unwrap_or_else(|error| panic!("{row}: {error}"));
        assert!(outcomes.iter().all(|outcome| outcome.operations > 0), "{row}");
    }
}

fn assert_caught<const FAULT: u8>(rows: &[&str]) {
    for row in rows {
        let (chain, row) = ROWS.iter().find(|(_, name)| name == row).unwrap();
        let outcomes = run::<Memory<FAULT>>(&format!("fault-{FAULT}"), chain, row);
        assert!(outcomes.is_err(), "fault {FAULT} got a figure in {row}");
    }
}

#[test]
fn a_forgotten_put_is_caught() {
    assert_caught::<FORGETS_A_PUT>(&[
        "fillseq",
        "fillrandom-2t",
        "fillbatch",
        "overwrite",
        "ycsb-a",
    ]);
}

#[test]
fn a_forgotten_delete_is_caught() {
    assert_caught::<FORGETS_A_DELETE>(&["deleterandom", "seek10-tombstones"]);
}

#[test]
fn a_spoiled_value_is_caught() {
    assert_caught::<SPOILS_A_VALUE>(&["readrandom", "readwhilewriting", "ycsb-a"]);
}

#[test]
fn an_invented_value_is_caught() {
    assert_caught::<INVENTS_A_VALUE>(&["readmissing"]);
}

#[test]
fn a_neighbour_s_value_is_caught() {
    assert_caught::<GETS_A_NEIGHBOUR>(&["readrandom", "readwhilewriting", "ycsb-a"]);
}

#[test]
fn a_skipped_entry_is_caught() {
    assert_caught::<SKIPS_IN_A_SCAN>(&[
        "readseq",
        "readrev",
        "seek100",
        "seek10-tombstones",
        "ycsb-e",
    ]);
}

#[test]
fn two_swapped_entries_are_caught() {
    assert_caught::<SWAPS_IN_A_SCAN>(&["readseq", "readrev", "seek100", "ycsb-e"]);
}

#[test]
fn a_missing_end_is_caught() {
    assert_caught::<ENDS_A_SCAN>(&["readseq", "readrev", "seek100", "fillseq", "ycsb-e"]);
}
