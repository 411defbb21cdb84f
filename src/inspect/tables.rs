//! Tables: each is examined by itself, and against what the manifest says of it.

use crate::format::filename::FileName;
use crate::format::key::{Kind, Seqno};
use crate::format::table_facts::TableFacts;
use crate::fs::{FileKind, FileSystem};
use crate::inspect::keys::Names;
use crate::inspect::report::{Damage, VerifyReport};
use crate::table::examine::{Flaw, Span, Subject, Witness, examine};
use std::io;
use std::path::Path;

/// Turns what an examination tells into lines of a report.
struct Reporter<'a> {
    path: &'a Path,
    names: &'a Names,
    report: &'a mut VerifyReport,
}

impl Witness for Reporter<'_> {
    fn flaw(&mut self, flaw: Flaw) {
        let Flaw { offset, what, keys } = flaw;
        let keys = keys.map(|span| self.names.span(&span)).filter(|keys| !keys.is_empty());
        let (file, what) = (self.path.to_owned(), what.into_owned());
        self.report.damages.push(Damage { file, offset, what, keys });
    }

    fn entry(&mut self, _: &[u8], _: Seqno, _: Kind, _: &[u8]) {
        self.report.entries += 1;
    }
}

/// A table, and what is known about it from elsewhere.
pub(crate) struct Known<'a> {
    pub(crate) id: u64,
    pub(crate) database: Option<u64>,
    pub(crate) facts: Option<&'a TableFacts>,
}

/// Examines a table and tells of its damage. Returns the database that it says it belongs to.
pub(crate) fn table(
    fs: &dyn FileSystem,
    directory: &Path,
    known: &Known<'_>,
    names: &Names,
    report: &mut VerifyReport,
) -> Option<u64> {
    let path = FileName::Table(known.id).in_directory(directory);
    let mut reporter = Reporter { path: &path, names, report };
    let file = match fs.open(&path, FileKind::Table) {
        Ok(file) => file,
        Err(error) => {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "the table is missing".into(),
                _ => format!("cannot open the table: {error}").into(),
            };
            let bounds = known.facts.map_or_else(Span::everything, Span::of_facts);
            reporter.flaw(Flaw { offset: 0, what, keys: Some(bounds) });
            return None;
        }
    };
    reporter.report.files += 1;
    reporter.report.bytes += file.len();
    let Known { id, database, facts } = *known;
    let subject = Subject { file, path: &path, id, database, facts };
    examine(&subject, &mut reporter)
}
