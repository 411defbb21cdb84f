//! All rows, as chains of steps.
//!
//! A chain begins with an empty place for each engine and goes on with what its first steps have
//! made. In every round each step is done by one engine after the other before the next step begins,
//! so that a slow minute of the machine meets all of them.

use crate::data::workload::Workload;
use crate::engine::settings::{Compression, Durability, Settings};
use crate::work::job::{Step, Work};

const MIB: u64 = 1 << 20;
/// The small cache.
const SMALL: u64 = 64 * MIB;
/// Time after which a fill goes on unmeasured.
const FILL_SECONDS: f64 = 40.0;
const READ_SECONDS: f64 = 1.5;

/// Steps that work on one data set.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// Belongs to the shorter run.
    pub(crate) is_core: bool,
    pub(crate) steps: Vec<Planned>,
}

/// A step and its part in a chain.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    /// Later steps need what it makes.
    pub(crate) prepares: bool,
    pub(crate) is_core: bool,
}

/// Makes steps that have most in common.
#[derive(Clone, Debug)]
struct Maker {
    step: Step,
}

impl Maker {
    fn new(entries: u64, value_bytes: usize, cache_bytes: u64) -> Maker {
        let settings = Settings {
            cache_bytes,
            write_buffer_bytes: 64 * MIB,
            write_buffers: 2,
            compression: Compression::None,
            durability: Durability::Buffered,
            keeps_values_apart: false,
        };
        let (row, work, threads, seconds) = (String::new(), Work::Load, 1, FILL_SECONDS);
        Maker { step: Step { row, work, threads, entries, value_bytes, settings, seconds } }
    }

    fn with(&self, change: impl FnOnce(&mut Step)) -> Maker {
        let mut step = self.step.clone();
        change(&mut step);
        Maker { step }
    }

    fn make(&self, row: &str, work: Work) -> Planned {
        let mut step = self.step.clone();
        step.row = format!("{row}{}", self.step.row);
        step.work = work;
        Planned { step, prepares: false, is_core: true }
    }

    fn load(&self) -> Planned {
        Planned { prepares: true, ..self.make("load", Work::Load) }
    }

    fn fill_random(&self) -> Planned {
        self.make("fillrandom", Work::Fill { is_random: true, batch: 1 })
    }

    /// Point reads and scans; the row's ending says how they differ from the plain ones.
    fn reads(&self, ending: &str) -> Vec<Planned> {
        let reader = self.with(|step| {
            step.row = ending.to_owned();
            step.settings.write_buffers = 0;
            step.seconds = READ_SECONDS;
        });
        vec![
            reader.make("readrandom", Work::Get { is_present: true }),
            reader.make("readmissing", Work::Get { is_present: false }),
            reader.make("readseq", Work::ScanAll { is_reverse: false }),
            reader.make("readrev", Work::ScanAll { is_reverse: true }),
            reader.make("seek10", Work::Seek { entries: 10 }),
            reader.make("seek100", Work::Seek { entries: 100 }),
            reader.make("seek1000", Work::Seek { entries: 1000 }),
        ]
    }
}

fn prepares(planned: Planned) -> Planned {
    Planned { prepares: true, ..planned }
}

fn extra(planned: Planned) -> Planned {
    Planned { is_core: false, ..planned }
}

/// Every chain, for data sets of about `entries` entries.
pub(crate) fn chains(entries: u64) -> Vec<Chain> {
    let mut chains = fills(entries);
    chains.push(base(entries));
    chains.push(changes(entries));
    chains.push(tombstones(entries));
    chains.push(ycsb(entries));
    chains.push(large_values(entries, "values-16k", false));
    chains.push(crash());
    chains.push(after_load(entries));
    chains.push(compressed(entries));
    chains.push(large_values(entries, "values-16k-apart", true));
    chains.extend([1, 4, 16].map(growth));
    chains
}

/// Everything is cached: four times the data, at least 1 GiB.
fn all_of(entries: u64) -> u64 {
    (4 * 116 * entries).max(1024 * MIB)
}

fn fills(entries: u64) -> Vec<Chain> {
    let maker = Maker::new(entries, 100, 256 * MIB);
    let threads = |threads| maker.with(|step| step.threads = threads);
    let synced = |threads| {
        maker.with(|step| {
            step.threads = threads;
            step.settings.durability = Durability::Sync;
            step.seconds = 3.0;
        })
    };
    let random = Work::Fill { is_random: true, batch: 1 };
    let chain = |name, planned| Chain { name, is_core: true, steps: vec![planned] };
    vec![
        chain("fillseq", maker.make("fillseq", Work::Fill { is_random: false, batch: 1 })),
        chain("fillrandom-2t", threads(2).make("fillrandom-2t", random.clone())),
        chain("fillrandom-4t", threads(4).make("fillrandom-4t", random.clone())),
        chain("fillbatch", maker.make("fillbatch", Work::Fill { is_random: true, batch: 1000 })),
        chain("fillsync", synced(1).make("fillsync", random.clone())),
        chain("fillsync-8t", synced(8).make("fillsync-8t", random)),
    ]
}

fn base(entries: u64) -> Chain {
    let writer = Maker::new(entries, 100, 256 * MIB);
    let cached = writer.with(|step| step.settings.cache_bytes = all_of(entries));
    let small = writer.with(|step| step.settings.cache_bytes = SMALL);
    let mut steps = vec![prepares(writer.fill_random())];
    steps.extend(cached.reads(""));
    let of_core = ["readrandom-64m", "readmissing-64m", "readseq-64m", "seek10-64m"];
    for planned in small.reads("-64m") {
        let is_core = of_core.contains(&planned.step.row.as_str());
        steps.push(Planned { is_core, ..planned });
    }
    let two = |maker: &Maker| maker.with(|step| step.threads = 2);
    let is_core = |planned: &Planned| {
        ["readrandom-2t", "readmissing-2t", "seek100-2t"].contains(&&*planned.step.row)
    };
    for planned in two(&cached).reads("-2t").into_iter().chain(two(&small).reads("-64m-2t")) {
        let is_core = is_core(&planned);
        steps.push(Planned { is_core, ..planned });
    }
    steps.push(cached.with(|step| step.settings.write_buffers = 0).make("reopen", Work::Reopen));
    let mixed = cached.with(|step| step.seconds = 3.0);
    let rate = |writes_per_second| Work::ReadWhileWriting { writes_per_second };
    steps.push(mixed.make("readwhilewriting-20k", rate(Some(20_000))));
    steps.push(mixed.make("readwhilewriting", rate(None)));
    Chain { name: "base", is_core: true, steps }
}

fn changes(entries: u64) -> Chain {
    let maker = Maker::new(entries, 100, 256 * MIB);
    let steps = vec![
        maker.load(),
        prepares(maker.make("overwrite", Work::Overwrite)),
        maker.make("deleterandom", Work::Delete),
    ];
    Chain { name: "changes", is_core: true, steps }
}

fn tombstones(entries: u64) -> Chain {
    let maker = Maker::new((entries / 3).max(100_000), 100, 256 * MIB);
    let maker = maker.with(|step| step.seconds = 2.0);
    let steps = vec![maker.load(), maker.make("seek10-tombstones", Work::Tombstones)];
    Chain { name: "tombstones", is_core: true, steps }
}

fn ycsb(entries: u64) -> Chain {
    let maker = Maker::new(entries / 3, 1024, 256 * MIB).with(|step| step.seconds = 120.0);
    let load = maker.make("ycsb-load", Work::Fill { is_random: true, batch: 1 });
    let mut steps = vec![prepares(load)];
    // One operation in twenty of B, D and E writes: too little to fill more than one write buffer.
    let workloads = [
        ("ycsb-a", Workload::A, 2),
        ("ycsb-b", Workload::B, 1),
        ("ycsb-c", Workload::C, 0),
        ("ycsb-d", Workload::D, 1),
        ("ycsb-e", Workload::E, 1),
        ("ycsb-f", Workload::F, 2),
    ];
    steps.extend(workloads.map(|(row, workload, write_buffers)| {
        let maker = maker.with(|step| step.settings.write_buffers = write_buffers);
        maker.make(row, Work::Ycsb(workload))
    }));
    Chain { name: "ycsb", is_core: true, steps }
}

fn large_values(entries: u64, name: &'static str, keeps_values_apart: bool) -> Chain {
    let maker = Maker::new(entries / 100, 16 << 10, 256 * MIB);
    let ending = if keeps_values_apart { "-16k-apart" } else { "-16k" };
    let writer = maker.with(|step| {
        step.row = ending.to_owned();
        step.settings.keeps_values_apart = keeps_values_apart;
    });
    let reader = writer.with(|step| {
        step.settings.cache_bytes = 2048 * MIB;
        step.settings.write_buffers = 0;
        step.seconds = READ_SECONDS;
    });
    let steps = vec![
        prepares(writer.fill_random()),
        reader.make("readrandom", Work::Get { is_present: true }),
        reader.make("seek10", Work::Seek { entries: 10 }),
        writer.make("overwrite", Work::Overwrite),
    ];
    Chain { name, is_core: !keeps_values_apart, steps }
}

/// A log that nearly fills the write buffer of each engine.
fn crash() -> Chain {
    let maker = Maker::new(350_000, 100, 256 * MIB);
    let steps = vec![
        prepares(maker.make("die", Work::Die)),
        maker.make("reopen-after-kill", Work::ReopenAfterDeath),
    ];
    Chain { name: "crash", is_core: true, steps }
}

fn after_load(entries: u64) -> Chain {
    let maker = Maker::new(entries, 100, all_of(entries)).with(|step| {
        step.seconds = READ_SECONDS;
        step.row = "-afterload".to_owned();
    });
    let steps = vec![maker.make("", Work::ReadAfterLoad)];
    Chain { name: "afterload", is_core: true, steps }
}

fn compressed(entries: u64) -> Chain {
    let writer = Maker::new(entries, 100, 256 * MIB).with(|step| {
        step.settings.compression = Compression::Default;
        step.row = "-compressed".to_owned();
    });
    let small = writer.with(|step| step.settings.cache_bytes = SMALL);
    let mut steps = vec![prepares(writer.fill_random())];
    steps.extend(small.reads("-compressed-64m").into_iter().map(extra));
    Chain { name: "compressed", is_core: false, steps }
}

/// The same rows at another size.
fn growth(millions: u64) -> Chain {
    let (entries, ending, name) = match millions {
        1 => (1_000_000, "-1m", "growth-1m"),
        4 => (4_000_000, "-4m", "growth-4m"),
        _ => (16_000_000, "-16m", "growth-16m"),
    };
    let writer = Maker::new(entries, 100, 256 * MIB).with(|step| {
        step.row = ending.to_owned();
        step.seconds = 120.0;
    });
    let cached = writer.with(|step| step.settings.cache_bytes = all_of(entries));
    let mut steps = vec![prepares(writer.fill_random())];
    steps.extend(cached.reads(ending));
    Chain { name, is_core: false, steps }
}
