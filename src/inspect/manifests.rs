//! CURRENT and the manifest that it names.

use crate::format::filename::FileName;
use crate::fs::{FileKind, FileSystem};
use crate::inspect::report::VerifyReport;
use crate::manifest::{ManifestRead, examine, read_current};
use std::path::Path;

/// Reads CURRENT and tells of its damage. The manifest that it names, if it can say that.
pub(crate) fn current(
    fs: &dyn FileSystem,
    directory: &Path,
    report: &mut VerifyReport,
) -> Option<u64> {
    let path = FileName::Current.in_directory(directory);
    match read_current(fs, directory) {
        Ok(Some(manifest)) => Some(manifest),
        Ok(None) => {
            report.damage(&path, 0, "CURRENT is missing: nothing names the manifest");
            None
        }
        Err(error) => {
            report.damage(&path, error.offset().unwrap_or(0), error.sentence());
            None
        }
    }
}

/// Examines a manifest, up to `limit`, and tells of its damage.
pub(crate) fn manifest(
    fs: &dyn FileSystem,
    directory: &Path,
    (id, limit): (u64, u64),
    report: &mut VerifyReport,
) -> ManifestRead {
    let path = FileName::Manifest(id).in_directory(directory);
    let file = match fs.open(&path, FileKind::Manifest) {
        Ok(file) => file,
        Err(error) => {
            report.damage(&path, 0, format!("cannot open the manifest: {error}"));
            return ManifestRead::default();
        }
    };
    report.files += 1;
    report.bytes += file.len();
    let read = examine(&*file, &path, id, limit);
    for (offset, _, what) in &read.gaps {
        report.damage(&path, *offset, what.clone());
    }
    if let Some(torn) = read.torn {
        report.loose_end(&path, torn);
    }
    read
}
