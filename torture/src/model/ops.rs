//! What a test case does, one operation after another, and how such cases are drawn.
//!
//! Operations name keyspaces, snapshots and iterators by small numbers, which the run takes modulo
//! what there is: so a case stays meaningful while it shrinks.

use crate::model::keys::{KeySpec, Span, any_bound, any_key, any_range, any_span, any_value_len};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use siltstone::fs::CrashProfile;
use siltstone::{Background, Compression, Durability, FilterKind, Options};

/// One call, or a few that belong together.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Put(u8, KeySpec, usize),
    Delete(u8, KeySpec),
    DeleteSpan(u8, Span),
    Clear(u8),
    Fill(Fill),
    Batch(Vec<BatchOp>, Option<Durability>),
    /// A write that is refused at the door.
    Refused(u8, KeySpec),
    Get(Source, KeySpec),
    Ends(u8),
    Scan(Source, Span, Walk),
    Cursor(Source, Span, Vec<CursorMove>),
    OpenIter(Source, Span),
    AdvanceIter(u8, Vec<bool>),
    CloseIter(u8),
    OpenCursor(Source, Span),
    AdvanceCursor(u8, Vec<CursorMove>),
    TakeSnapshot,
    DropSnapshot(u8),
    CreateKeyspace(u8),
    /// With a snapshot right before, or without.
    DropKeyspace(u8, bool),
    UseStaleHandle(u8, KeySpec),
    Sync,
    Flush,
    Compact(Span),
    WaitIdle,
    Steps(u8),
    Verify,
    Stats,
    Close,
    DropAndReopen,
    Crash(CrashProfile, u64),
}

/// Many keys with one prefix, a few in each batch.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    pub(crate) space: u8,
    pub(crate) prefix: KeySpec,
    /// Number of the first key.
    pub(crate) first: u8,
    pub(crate) count: u8,
    pub(crate) value_len: usize,
}

/// One operation of a batch.
#[derive(Clone, Debug)]
pub(crate) enum BatchOp {
    Put(u8, KeySpec, usize),
    Delete(u8, KeySpec),
    DeleteRange(u8, Span),
}

/// Where a read looks: a keyspace now, or in a snapshot; a stale handle in a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Now(u8),
    Snapshot(u8, u8),
    StaleInSnapshot(u8, u8),
}

/// How an iterator is exhausted.
#[derive(Clone, Debug)]
pub(crate) enum Walk {
    Forward,
    Backward,
    /// From the front where true, from the back where false, over and over.
    BothEnds(Vec<bool>),
}

#[derive(Clone, Debug)]
pub(crate) enum CursorMove {
    Next(u8),
    Prev(u8),
    Seek(KeySpec),
    SeekToStart,
    SeekToEnd,
}

/// The options of one opening.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) memtable_bytes: usize,
    pub(crate) block_bytes: usize,
    pub(crate) table_bytes: u64,
    pub(crate) compression: Compression,
    pub(crate) filter: FilterKind,
    pub(crate) durability: Durability,
    pub(crate) background: Background,
    pub(crate) threads: usize,
}

impl Setup {
    pub(crate) fn options(&self) -> Options {
        Options::new()
            .memory(1 << 20)
            .memtable_bytes(self.memtable_bytes)
            .block_bytes(self.block_bytes)
            .table_bytes(self.table_bytes)
            .compression(self.compression)
            .filter(self.filter)
            .durability(self.durability)
            .background(self.background)
            .threads(self.threads)
    }
}

/// A whole test case. Each opening takes the next setup, and begins again behind the last.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) setups: Vec<Setup>,
    pub(crate) ops: Vec<Op>,
}

/// Cases whose background work is done step by step, or by threads.
pub(crate) fn any_case(with_threads: bool) -> impl Strategy<Value = Case> {
    let op = any_op();
    (vec(any_setup(with_threads), 1..=2), vec(op, 1..200))
        .prop_map(|(setups, ops)| Case { setups, ops })
}

pub(crate) fn any_setup(with_threads: bool) -> impl Strategy<Value = Setup> {
    let sizes = (4_usize..16, 256_usize..1024, 4_u64..8);
    let compression = select(vec![Compression::None, Compression::Zstd(1)]);
    let filter = select(vec![
        FilterKind::None,
        FilterKind::Bloom { bits_per_key: 10 },
        FilterKind::Blocked { bits_per_key: 10 },
    ]);
    let durability = select(vec![Durability::Sync, Durability::Buffered]);
    let background = any::<u64>().prop_map(move |seed| match with_threads {
        true => Background::Threads,
        false => Background::Stepped { seed },
    });
    (sizes, compression, filter, durability, background, 1_usize..4).prop_map(
        |((memtable, block_bytes, table), compression, filter, durability, background, threads)| {
            Setup {
                memtable_bytes: memtable << 10,
                block_bytes,
                table_bytes: table << 10,
                compression,
                filter,
                durability,
                background,
                threads,
            }
        },
    )
}

fn any_op() -> BoxedStrategy<Op> {
    prop_oneof![
        45 => any_write(),
        30 => any_read(),
        12 => any_held(),
        9 => any_keyspace_op(),
        14 => any_upkeep(),
        3 => any_reopening(),
    ]
    .boxed()
}

fn any_write() -> BoxedStrategy<Op> {
    let fill = (any::<u8>(), any_prefix(), any::<u8>(), 1..200_u8, 0..300_usize).prop_map(
        |(space, prefix, first, count, value_len)| {
            Op::Fill(Fill { space, prefix, first, count, value_len })
        },
    );
    let refused = prop_oneof![
        Just(KeySpec { letters: Vec::new(), padding: 0 }),
        (65_001..66_000_usize).prop_map(|padding| KeySpec { letters: Vec::new(), padding }),
    ];
    prop_oneof![
        12 => (any::<u8>(), any_key(), any_value_len()).prop_map(|(s, k, v)| Op::Put(s, k, v)),
        6 => (any::<u8>(), any_key()).prop_map(|(s, k)| Op::Delete(s, k)),
        5 => (any::<u8>(), any_span()).prop_map(|(s, span)| Op::DeleteSpan(s, span)),
        1 => any::<u8>().prop_map(Op::Clear),
        10 => fill,
        8 => (vec(any_batch_op(), 0..12), any_durability()).prop_map(|(b, d)| Op::Batch(b, d)),
        1 => (any::<u8>(), refused).prop_map(|(s, k)| Op::Refused(s, k)),
    ]
    .boxed()
}

fn any_prefix() -> impl Strategy<Value = KeySpec> {
    let letters = vec(select(vec![0x00, b'a', b'b', 0xff]), 0..=2);
    letters.prop_map(|letters| KeySpec { letters, padding: 0 })
}

fn any_batch_op() -> impl Strategy<Value = BatchOp> {
    prop_oneof![
        6 => (any::<u8>(), any_key(), any_value_len()).prop_map(|(s, k, v)| BatchOp::Put(s, k, v)),
        3 => (any::<u8>(), any_key()).prop_map(|(s, k)| BatchOp::Delete(s, k)),
        1 => (any::<u8>(), any_range()).prop_map(|(s, span)| BatchOp::DeleteRange(s, span)),
    ]
}

fn any_durability() -> impl Strategy<Value = Option<Durability>> {
    select(vec![None, Some(Durability::Sync), Some(Durability::Buffered)])
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        4 => any::<u8>().prop_map(Source::Now),
        3 => any::<(u8, u8)>().prop_map(|(s, k)| Source::Snapshot(s, k)),
        3 => any::<(u8, u8)>().prop_map(|(s, k)| Source::StaleInSnapshot(s, k)),
    ]
}

fn any_read() -> BoxedStrategy<Op> {
    let walk = prop_oneof![
        Just(Walk::Forward),
        Just(Walk::Backward),
        vec(any::<bool>(), 1..6).prop_map(Walk::BothEnds),
    ];
    prop_oneof![
        10 => (any_source(), any_bound()).prop_map(|(s, k)| Op::Get(s, k)),
        2 => any::<u8>().prop_map(Op::Ends),
        8 => (any_source(), any_span(), walk).prop_map(|(s, r, w)| Op::Scan(s, r, w)),
        6 => (any_source(), any_range(), any_moves()).prop_map(|(s, r, m)| Op::Cursor(s, r, m)),
    ]
    .boxed()
}

fn any_moves() -> impl Strategy<Value = Vec<CursorMove>> {
    let one = prop_oneof![
        6 => (1..20_u8).prop_map(CursorMove::Next),
        6 => (1..20_u8).prop_map(CursorMove::Prev),
        3 => any_bound().prop_map(CursorMove::Seek),
        1 => Just(CursorMove::SeekToStart),
        1 => Just(CursorMove::SeekToEnd),
    ];
    vec(one, 1..8)
}

fn any_held() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => (any_source(), any_span()).prop_map(|(s, r)| Op::OpenIter(s, r)),
        5 => (any::<u8>(), vec(any::<bool>(), 1..30)).prop_map(|(i, m)| Op::AdvanceIter(i, m)),
        1 => any::<u8>().prop_map(Op::CloseIter),
        2 => (any_source(), any_range()).prop_map(|(s, r)| Op::OpenCursor(s, r)),
        4 => (any::<u8>(), any_moves()).prop_map(|(i, m)| Op::AdvanceCursor(i, m)),
        4 => Just(Op::TakeSnapshot),
        2 => any::<u8>().prop_map(Op::DropSnapshot),
    ]
    .boxed()
}

fn any_keyspace_op() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => any::<u8>().prop_map(Op::CreateKeyspace),
        2 => any::<(u8, bool)>().prop_map(|(i, keep)| Op::DropKeyspace(i, keep)),
        1 => (any::<u8>(), any_key()).prop_map(|(i, k)| Op::UseStaleHandle(i, k)),
    ]
    .boxed()
}

fn any_upkeep() -> BoxedStrategy<Op> {
    prop_oneof![
        2 => Just(Op::Sync),
        4 => Just(Op::Flush),
        2 => any_range().prop_map(Op::Compact),
        1 => Just(Op::Compact(Span::full())),
        2 => Just(Op::WaitIdle),
        6 => (1..60_u8).prop_map(Op::Steps),
        1 => Just(Op::Verify),
        2 => Just(Op::Stats),
    ]
    .boxed()
}

fn any_reopening() -> BoxedStrategy<Op> {
    let profile = select(CrashProfile::ALL.to_vec());
    prop_oneof![
        2 => Just(Op::Close),
        1 => Just(Op::DropAndReopen),
        2 => any::<u64>().prop_map(|seed| Op::Crash(CrashProfile::Kill, seed)),
        3 => (profile, any::<u64>()).prop_map(|(profile, seed)| Op::Crash(profile, seed)),
    ]
    .boxed()
}
