//! The list of fuzz targets. A test asks for a file in `fuzz/` and for seeds for each.

use crate::testing::{bodies, database, directory, headers, journals, tables};

/// Whether the bytes are what they claim to be; panics if a promise is broken.
pub type Body = fn(&[u8]) -> bool;

/// All bodies, by the name of their fuzz target.
pub const TARGETS: &[(&str, Body)] = &[
    ("block", tables::block),
    ("database", database::database),
    ("db_dir", directory::db_dir),
    ("filename", bodies::filename),
    ("header", headers::header),
    ("index_filter", headers::index_filter),
    ("manifest", journals::manifest),
    ("manifest_edit", journals::manifest_edit),
    ("ops", bodies::ops),
    ("range_tombstone", bodies::range_tombstone),
    ("record", bodies::record),
    ("table", tables::table),
    ("table_facts", bodies::table_facts),
    ("wal_record", journals::wal_record),
];
