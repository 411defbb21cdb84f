//! `silt scan`: entries in order of their keys, one a line.

use crate::args::ScanArguments;
use crate::bounds::bounds;
use crate::exit::Failure;
use crate::format::jsonl;
use crate::store::{Entries, Place};
use std::io::Write;

pub(crate) fn scan(
    place: &Place,
    scan: &ScanArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let read = |text: &Option<String>| text.as_ref().map(|text| scan.hex.read(text)).transpose();
    let range = bounds(read(&scan.from)?, read(&scan.to)?, read(&scan.prefix)?.as_deref());
    let notation = scan.hex.notation();
    let store = place.open_read_only()?;
    let entries = store.entries(range);
    let entries: Entries = if scan.reverse { Box::new(entries.rev()) } else { entries };
    let mut line = Vec::new();
    let limit = scan.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    for entry in entries.take(limit) {
        let (key, value) = entry?;
        line.clear();
        if json {
            jsonl::write_line(&mut line, &key, (!scan.keys).then_some(&value[..]))?;
        } else {
            line.extend_from_slice(notation.write(&key).as_bytes());
            if !scan.keys {
                line.push(b'\t');
                line.extend_from_slice(notation.write(&value).as_bytes());
            }
            line.push(b'\n');
        }
        out.write_all(&line)?;
    }
    store.close()
}
