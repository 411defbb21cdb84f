//! Puts the operations of a batch into a memtable: the same for a commit and for a replay.

use crate::format::key::{Kind, Seqno, keyspace_end, keyspace_prefix, user_key};
use crate::format::ops::{self, Op};
use crate::format::range_tombstone::RangeTombstone;
use crate::memtable::Memtable;

/// Inserts all operations of `payload`; operation i gets `first_seqno` + i.
///
/// # Errors
/// The offset in the payload at which the bytes are not an operation. A payload that a batch built
/// has none.
pub(crate) fn apply(memtable: &Memtable, payload: &[u8], first_seqno: Seqno) -> Result<(), usize> {
    for (op, seqno) in ops::decode(payload).zip(first_seqno..) {
        let op = op?;
        match op.kind {
            Kind::Put | Kind::Delete => {
                let user_key = [&keyspace_prefix(op.keyspace)[..], op.key];
                memtable.insert_joined(user_key, seqno, op.kind, op.value);
            }
            Kind::RangeDelete | Kind::DropKeyspace => {
                memtable.insert_range_tombstone(range_tombstone(&op, seqno));
            }
        }
    }
    Ok(())
}

/// The range that a range delete or a drop covers, as user keys.
fn range_tombstone(op: &Op<'_>, seqno: Seqno) -> RangeTombstone {
    let start = match op.key {
        [] => keyspace_prefix(op.keyspace).to_vec(),
        key => user_key(op.keyspace, key),
    };
    let end = match op.value {
        [] => keyspace_end(op.keyspace).to_vec(),
        value => user_key(op.keyspace, value),
    };
    RangeTombstone { start, end, seqno }
}
