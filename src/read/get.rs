//! The point read: newest first, and done as soon as one source decides.
//!
//! Going down, the newest range tombstone that covers the key is carried along. For any one key
//! everything in a deeper source is older, tombstones included; so the first entry that is met
//! decides, and so does a covering tombstone once its own source had no newer entry. A table whose
//! filter says no still answers for its range tombstones.
//!
//! Filters are where a read of an absent key waits for memory, once for each table. Those of several tables
//! are asked before any table is looked into, so that the processor waits for all of them at once.

use crate::error::Result;
use crate::format::key::{Kind, Seqno, filter_hash};
use crate::format::limits::LEVELS;
use crate::slice::Slice;
use crate::state::view::View;
use crate::sync::Arc;
use crate::table::Handle;

/// Tables whose filters are asked together: more than there are in a tree that keeps up.
const TOGETHER: usize = 8;

/// The value of `user_key` at `seqno`.
pub(crate) fn get(view: &View, user_key: &[u8], seqno: Seqno) -> Result<Option<Slice>> {
    let hash = filter_hash(user_key);
    for memtable in view.memtables() {
        let tombstones = memtable.range_tombstones();
        let covered = tombstones.and_then(|fragments| fragments.covering(user_key, seqno));
        if let Some((own, kind, value)) = memtable.get(user_key, hash, seqno) {
            return Ok(is_live(kind, own, covered).then(|| Slice::from(value)));
        }
        if covered.is_some() {
            return Ok(None);
        }
    }
    let level0 = view.version.level(0).iter();
    let level0 = level0.filter(|handle| handle.facts().contains(user_key));
    let deeper = (1..LEVELS).filter_map(|level| view.version.table_for(level, user_key));
    let mut tables = level0.chain(deeper).fuse();
    loop {
        let (group, count) = ask_filters(&mut tables, hash);
        for handle in group.into_iter().flatten() {
            if let Decision::Is(value) = look_into(handle, user_key, hash, seqno)? {
                return Ok(value);
            }
        }
        if count < TOGETHER {
            return Ok(None);
        }
    }
}

/// Takes the next tables, and keeps those that may say something of a key with this hash. Also tells how
/// many there were.
fn ask_filters<'a>(
    tables: &mut impl Iterator<Item = &'a Arc<Handle>>,
    hash: u64,
) -> ([Option<&'a Arc<Handle>>; TOGETHER], usize) {
    // In two turns: the search for the tables would stand between the loads of their filters.
    let mut group = [None; TOGETHER];
    let mut count = 0;
    for (place, handle) in group.iter_mut().zip(tables) {
        *place = Some(handle);
        count += 1;
    }
    for handle in group.iter().flatten() {
        handle.touch_filter(hash);
    }
    for place in &mut group {
        *place = place.filter(|handle| handle.may_answer(hash));
    }
    (group, count)
}

enum Decision {
    /// The answer.
    Is(Option<Slice>),
    /// Ask the next older source.
    Open,
}

fn look_into(handle: &Arc<Handle>, user_key: &[u8], hash: u64, seqno: Seqno) -> Result<Decision> {
    let table = handle.table()?;
    let (covered, found) = match handle.facts().range_deletes {
        // The filter was asked.
        0 => (None, table.find(user_key, seqno)?),
        _ => {
            let covered = table.range_tombstones().covering(user_key, seqno);
            (covered, table.get(user_key, hash, seqno)?)
        }
    };
    if let Some(found) = found {
        let value = is_live(found.kind, found.seqno, covered).then_some(found.value);
        return Ok(Decision::Is(value));
    }
    Ok(if covered.is_some() { Decision::Is(None) } else { Decision::Open })
}

/// Whether an entry is a value that no newer range tombstone hides.
fn is_live(kind: Kind, seqno: Seqno, covered: Option<Seqno>) -> bool {
    kind == Kind::Put && covered.is_none_or(|tombstone| tombstone < seqno)
}
