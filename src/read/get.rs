//! The point read: newest first, and done as soon as one source decides.
//!
//! Going down, the newest range tombstone that covers the key is carried along. For any one key
//! everything in a deeper source is older, tombstones included; so the first entry that is met
//! decides, and so does a covering tombstone once its own source had no newer entry. A table whose
//! filter says no still answers for its range tombstones.

use crate::error::Result;
use crate::format::key::{Kind, Seqno, filter_hash};
use crate::format::limits::LEVELS;
use crate::slice::Slice;
use crate::state::view::View;
use crate::sync::Arc;
use crate::table::Handle;

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
    for handle in level0.chain(deeper) {
        if let Decision::Is(value) = look_into(handle, user_key, hash, seqno)? {
            return Ok(value);
        }
    }
    Ok(None)
}

enum Decision {
    /// The answer.
    Is(Option<Slice>),
    /// Ask the next older source.
    Open,
}

fn look_into(handle: &Arc<Handle>, user_key: &[u8], hash: u64, seqno: Seqno) -> Result<Decision> {
    let table = handle.table()?;
    let covered = match handle.facts().range_deletes {
        0 => None,
        _ => table.range_tombstones().covering(user_key, seqno),
    };
    if let Some(found) = table.get(user_key, hash, seqno)? {
        let value = is_live(found.kind, found.seqno, covered).then_some(found.value);
        return Ok(Decision::Is(value));
    }
    Ok(if covered.is_some() { Decision::Is(None) } else { Decision::Open })
}

/// Whether an entry is a value that no newer range tombstone hides.
fn is_live(kind: Kind, seqno: Seqno, covered: Option<Seqno>) -> bool {
    kind == Kind::Put && covered.is_none_or(|tombstone| tombstone < seqno)
}
