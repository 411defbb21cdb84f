//! `CURRENT`: the one file whose content changes, because it is replaced as a whole.
//!
//! ```text
//! CURRENT := name of the manifest | space | crc-32 of the name, 8 lowercase hex digits | newline
//! ```
//!
//! It is written under another name, synced, renamed, and the directory synced: whoever reads it
//! sees the old manifest or the new one. There is one spelling for a manifest, and nothing else is
//! believed.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::as_conversions)]

use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32;
use crate::format::filename::FileName;
use crate::fs::{FileKind, FileSystem};
use crate::seeded::{Bug, is_seeded};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Longer than any content of `CURRENT` that this version writes.
const BYTES_MAX: usize = 64;

/// Makes `CURRENT` name this manifest, which must be durable already.
///
/// # Errors
/// `CommitUncertain` if the new name may or may not be there after a loss of power; any other
/// error says that the old `CURRENT` stands.
pub(crate) fn point_current(fs: &dyn FileSystem, directory: &Path, manifest: u64) -> Result<()> {
    let temp = FileName::CurrentTemp(manifest).in_directory(directory);
    let current = FileName::Current.in_directory(directory);
    let mut file = fs
        .create_new(&temp, FileKind::Current)
        .map_err(|error| Error::io("create the next CURRENT", &temp, error))?;
    file.append(content(manifest).as_bytes())
        .map_err(|error| Error::io("write the next CURRENT", &temp, error))?;
    if !is_seeded(Bug::CurrentRenamedUnsynced) {
        file.syncer().sync().map_err(|error| Error::io("sync the next CURRENT", &temp, error))?;
    }
    drop(file);

    let uncertain = |action, error| {
        let cause = Error::io(action, &current, error);
        let what = "it is not known which manifest CURRENT names";
        Error::caused_by(ErrorKind::CommitUncertain, what, &cause)
    };
    fs.rename(&temp, &current).map_err(|error| uncertain("rename CURRENT into place", error))?;
    let synced = fs.sync_dir(directory);
    if is_seeded(Bug::DirSyncErrorSwallowed) {
        return Ok(());
    }
    synced.map_err(|error| uncertain("sync the directory of CURRENT", error))
}

/// The manifest that `CURRENT` names; `None` if there is no `CURRENT`.
///
/// # Errors
/// `Corruption` if the content is not what [`point_current`] writes.
pub(crate) fn read_current(fs: &dyn FileSystem, directory: &Path) -> Result<Option<u64>> {
    let path = FileName::Current.in_directory(directory);
    let file = match fs.open(&path, FileKind::Current) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open CURRENT", &path, error)),
    };
    let len = usize::try_from(file.len()).unwrap_or(usize::MAX);
    if len == 0 {
        let what = "CURRENT is empty: it names no manifest; if one is left, its name can be \
                    restored by hand or by a repair";
        return Err(Error::corruption(&path, 0, what));
    }
    if len > BYTES_MAX {
        return Err(Error::corruption(&path, 0, "CURRENT is too long to name a manifest"));
    }
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io("read CURRENT", &path, error))?;
    match parse(&bytes) {
        Some(manifest) => Ok(Some(manifest)),
        None => {
            let what = "CURRENT does not name a manifest, or its checksum is wrong";
            Err(Error::corruption(&path, 0, what))
        }
    }
}

fn content(manifest: u64) -> String {
    let name = FileName::Manifest(manifest).to_string();
    format!("{name} {:08x}\n", crc32(name.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let (name, _) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let FileName::Manifest(manifest) = FileName::parse(OsStr::new(name))? else {
        return None;
    };
    // One spelling: comparing whole contents leaves no second reading of any byte.
    (content(manifest).as_bytes() == bytes).then_some(manifest)
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::fs::{CrashProfile, SimulatedFileSystem};
    use crate::manifest::current::{BYTES_MAX, content, point_current, read_current};
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new("/")
    }

    fn read_bytes(bytes: &[u8]) -> crate::error::Result<Option<u64>> {
        let disk = SimulatedFileSystem::new();
        disk.write_raw("/CURRENT", bytes);
        read_current(&disk, root())
    }

    #[test]
    fn the_bytes_never_change() {
        let disk = SimulatedFileSystem::new();
        point_current(&disk, root(), 12).unwrap();
        assert_eq!(disk.read("/CURRENT").unwrap(), b"MANIFEST-000012 da173fd8\n");
        assert_eq!(disk.names("/"), ["CURRENT"]);
        assert_eq!(read_current(&disk, root()).unwrap(), Some(12));
        assert!(content(u64::MAX).len() <= BYTES_MAX);
        assert_eq!(read_bytes(content(u64::MAX).as_bytes()).unwrap(), Some(u64::MAX));
    }

    #[test]
    fn no_current_is_no_error() {
        assert_eq!(read_current(&SimulatedFileSystem::new(), root()).unwrap(), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_corruption() {
        let good = content(12).into_bytes();
        let refused = |bytes: &[u8]| {
            let error = read_bytes(bytes).expect_err("damaged");
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Corruption, Some(0)));
            assert_eq!(error.file(), Some(Path::new("/CURRENT")));
        };
        for bit in 0..good.len() * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            refused(&damaged);
        }
        for len in 0..good.len() {
            refused(&good[..len]);
            let mut zeros = good.clone();
            zeros[len..].fill(0);
            refused(&zeros);
        }
        refused(&[good.as_slice(), b"\n"].concat());
        refused(&vec![b'x'; 1 << 20]);
        refused(b"CURRENT 00000000\n");
        let is_too_long = |len| {
            let sentence = read_bytes(&vec![b'x'; len]).unwrap_err().to_string();
            sentence.contains("too long")
        };
        assert!(!is_too_long(BYTES_MAX) && is_too_long(BYTES_MAX + 1) && is_too_long(1 << 20));
    }

    #[test]
    fn a_loss_of_power_leaves_the_old_name_or_the_new_one() {
        let disk = SimulatedFileSystem::new();
        let mut done = Vec::new();
        for id in 1..=4 {
            point_current(&disk, root(), id).unwrap();
            done.push(disk.history_len());
        }
        for moment in 0..=disk.history_len() {
            let last = done.iter().filter(|&&end| end <= moment).map(|_| 1).sum::<u64>();
            for profile in CrashProfile::ALL {
                let found = read_current(&disk.crash_at(moment, profile, 3), root());
                let found = found.expect("never damaged").unwrap_or(0);
                assert!(found == last || found == last + 1, "{moment} {profile:?}: {found}");
            }
        }
    }

    #[test]
    fn a_full_disk_leaves_the_old_name() {
        let disk = SimulatedFileSystem::new();
        point_current(&disk, root(), 1).unwrap();
        disk.set_capacity(Some(30));
        assert_eq!(point_current(&disk, root(), 2).unwrap_err().kind(), ErrorKind::DiskFull);
        assert_eq!(read_current(&disk, root()).unwrap(), Some(1));
        disk.set_capacity(None);
        point_current(&disk, root(), 3).unwrap();
        assert_eq!(read_current(&disk, root()).unwrap(), Some(3));
    }
}
