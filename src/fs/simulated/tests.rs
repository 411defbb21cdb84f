//! Tests of the simulated disk: what each profile keeps and loses, and that the past stays put.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::fs::simulated::crash::CrashProfile;
use crate::fs::simulated::file_system::SimulatedFileSystem;
use crate::fs::simulated::history::Acknowledged;
use crate::fs::{Append, Event, FileKind, FileSystem, LockKind};

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn create(fs: &SimulatedFileSystem, name: &str) -> Box<dyn Append> {
    fs.create_new(path(name), FileKind::Other).unwrap()
}

// A file with durable name, `synced` durable and `unsynced` not.
fn half_synced(fs: &SimulatedFileSystem, name: &str, synced: &[u8], unsynced: &[u8]) {
    let mut file = create(fs, name);
    fs.sync_dir(path("/")).unwrap();
    file.append(synced).unwrap();
    file.syncer().sync().unwrap();
    file.append(unsynced).unwrap();
}

#[test]
fn every_profile_keeps_what_was_synced() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/old", &[9; 20_000], b"");
    half_synced(&fs, "/a", &[1; 5000], &[2; 9000]);
    for profile in CrashProfile::ALL {
        for seed in 0..20 {
            let after = fs.crash(profile, seed);
            let bytes = after.read("/a").unwrap();
            assert_eq!(bytes[..5000], [1; 5000], "{profile:?}");
            assert!(bytes.len() <= 14_000);
            assert_eq!(after.read("/old").unwrap(), [9; 20_000]);
        }
    }
}

#[test]
fn each_profile_loses_what_it_says() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/old", &[9; 20_000], b"");
    half_synced(&fs, "/a", &[1; 5000], &[2; 9000]);
    let read = |profile, seed| fs.crash(profile, seed).read("/a").unwrap();
    let whole = fs.read("/a").unwrap();
    assert_eq!(read(CrashProfile::Kill, 0), whole);
    assert_eq!(read(CrashProfile::LostPagesAfterFailedSync, 0), whole);
    for profile in [CrashProfile::StrictPosix, CrashProfile::Ext4, CrashProfile::MetadataOnly] {
        assert_eq!(read(profile, 0), [1; 5000]);
    }
    let zeros = read(CrashProfile::SizeWithZeros, 0);
    assert_eq!(zeros.len(), 14_000);
    assert_eq!(zeros[5000..], [0; 9000]);
    let garbage = read(CrashProfile::SizeWithGarbage, 3);
    assert_eq!(garbage.len(), 14_000);
    assert!(garbage[5000..].windows(512).any(|it| it == [9; 512]));
    assert_ne!(garbage, read(CrashProfile::SizeWithGarbage, 4));
    let torn: BTreeSet<usize> = (0..50)
        .map(|seed| read(CrashProfile::TornAppend, seed))
        .map(|bytes| bytes.iter().filter(|&&byte| byte == 2).count())
        .collect();
    assert!(torn.len() > 20);
    assert!(torn.iter().all(|&left| left < 9000));
    let sectors: BTreeSet<Vec<u8>> =
        (0..50).map(|seed| read(CrashProfile::RandomSectors, seed)).collect();
    assert!(sectors.len() > 20);
    assert!(
        sectors.iter().any(|it| it.ends_with(&[2]) && it.len() > 5000 && it[5000..].contains(&0))
    );
}

#[test]
fn a_name_is_durable_once_its_directory_was_synced() {
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(path("/db")).unwrap();
    let mut file = create(&fs, "/db/a");
    file.append(b"1").unwrap();
    assert!(fs.crash(CrashProfile::Ext4, 0).names("/db").is_empty());
    file.syncer().sync().unwrap();
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert!(strict.names("/db").is_empty());
    assert_eq!(strict.names("/"), ["db"]);
    assert_eq!(fs.crash(CrashProfile::Ext4, 0).names("/db"), ["a"]);
    assert_eq!(fs.crash(CrashProfile::MetadataOnly, 0).names("/db"), ["a"]);
    fs.sync_dir(path("/db")).unwrap();
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(strict.read("/db/a").unwrap(), b"1");
}

#[test]
fn a_sync_of_one_directory_says_nothing_about_another() {
    let fs = SimulatedFileSystem::new();
    for directory in ["/a", "/b"] {
        fs.create_dir_all(path(directory)).unwrap();
    }
    drop(create(&fs, "/a/x"));
    drop(create(&fs, "/b/x"));
    fs.sync_dir(path("/b")).unwrap();
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert!(strict.names("/a").is_empty());
    assert_eq!(strict.names("/b"), ["x"]);
    assert_eq!(fs.crash(CrashProfile::Ext4, 0).names("/a"), ["x"]);
    // A rename counts for the directory of the new name.
    fs.rename(path("/b/x"), path("/a/y")).unwrap();
    fs.sync_dir(path("/b")).unwrap();
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(strict.names("/b"), ["x"]);
    fs.sync_dir(path("/a")).unwrap();
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert!(strict.names("/b").is_empty());
    assert_eq!(strict.names("/a"), ["x", "y"]);
}

#[test]
fn a_removed_file_comes_back_until_its_directory_is_synced() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/a", b"kept", b"");
    fs.remove(path("/a")).unwrap();
    assert_eq!(fs.read("/a"), None);
    let strict = fs.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(strict.read("/a").unwrap(), b"kept");
    fs.sync_dir(path("/")).unwrap();
    for profile in CrashProfile::ALL {
        assert_eq!(fs.crash(profile, 0).read("/a"), None);
    }
}

#[test]
fn a_rename_happens_whole_or_not_at_all() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/current", b"old", b"");
    half_synced(&fs, "/temp", b"new", b"");
    fs.rename(path("/temp"), path("/current")).unwrap();
    let mut seen = BTreeSet::new();
    for profile in CrashProfile::ALL {
        for seed in 0..10 {
            let after = fs.crash(profile, seed);
            let names = after.names("/").len();
            let current = after.read("/current").unwrap();
            assert_eq!(current == b"old", names == 2, "{profile:?}");
            seen.insert(current);
        }
    }
    assert_eq!(seen.len(), 2);
    fs.sync_dir(path("/")).unwrap();
    let after = fs.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(after.read("/current").unwrap(), b"new");
}

#[test]
fn unordered_metadata_keeps_any_subset_of_names() {
    let fs = SimulatedFileSystem::new();
    for name in ["/a", "/b"] {
        drop(create(&fs, name));
    }
    fs.rename(path("/b"), path("/c")).unwrap();
    let seen: BTreeSet<_> =
        (0..100).map(|seed| fs.crash(CrashProfile::UnorderedMetadata, seed).names("/")).collect();
    // With or without a; and b, c or neither.
    assert_eq!(seen.len(), 6);
}

#[test]
fn pages_of_a_failed_sync_are_gone_after_the_crash_whatever_was_synced_later() {
    let fs = SimulatedFileSystem::new();
    let mut file = create(&fs, "/a");
    fs.sync_dir(path("/")).unwrap();
    file.append(b"aa").unwrap();
    file.syncer().sync().unwrap();
    file.append(b"bb").unwrap();
    file.syncer().pretend_failed();
    assert_eq!(fs.read("/a").unwrap(), b"aabb");
    file.append(b"cc").unwrap();
    file.syncer().sync().unwrap();
    for profile in CrashProfile::ALL {
        let expected: &[u8] = match profile {
            CrashProfile::Kill => b"aabbcc",
            _ => b"aa\0\0cc",
        };
        assert_eq!(fs.crash(profile, 0).read("/a").unwrap(), expected);
    }
    // A process that dies still leaves the pages in the cache, and the next power cut takes them.
    let killed = fs.crash(CrashProfile::Kill, 0);
    let later = killed.crash(CrashProfile::LostPagesAfterFailedSync, 0);
    assert_eq!(later.read("/a").unwrap(), b"aa\0\0cc");
}

#[test]
fn what_a_kill_leaves_unsynced_is_lost_by_the_next_power_cut() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/a", b"1", b"2");
    let killed = fs.crash(CrashProfile::Kill, 0);
    assert_eq!(killed.read("/a").unwrap(), b"12");
    let nested = killed.crash_at(0, CrashProfile::StrictPosix, 0);
    assert_eq!(nested.read("/a").unwrap(), b"1");
}

#[test]
fn every_moment_of_the_past_can_be_visited_in_any_order() {
    let fs = SimulatedFileSystem::new();
    let mut file = create(&fs, "/a");
    let mut expected = vec![None, Some(vec![])];
    for byte in 0..20 {
        file.append(&[byte]).unwrap();
        expected.push(fs.read("/a"));
    }
    fs.remove(path("/a")).unwrap();
    drop(file);
    fs.sync_dir(path("/")).unwrap();
    expected.extend([None, None]);
    assert_eq!(fs.history_len() + 1, expected.len());
    for index in (0..expected.len()).chain((0..expected.len()).rev()) {
        let then = fs.crash_at(index, CrashProfile::Kill, 0);
        assert_eq!(then.read("/a"), expected[index], "moment {index}");
    }
    assert_eq!(fs.describe(0), "create /a");
    assert_eq!(fs.describe(21), "remove /a");
}

#[test]
fn equal_seeds_give_equal_disks_and_fingerprints_tell_disks_apart() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/a", &[1; 700], &[2; 9000]);
    let print = |seed| fs.crash(CrashProfile::RandomSectors, seed).fingerprint();
    assert_eq!(print(5), print(5));
    let distinct: BTreeSet<u64> = (0..40).map(print).collect();
    assert!(distinct.len() > 20);
    let renamed = fs.copy();
    assert_eq!(renamed.fingerprint(), fs.fingerprint());
    renamed.rename(path("/a"), path("/b")).unwrap();
    assert_ne!(renamed.fingerprint(), fs.fingerprint());
}

#[test]
fn acknowledgements_are_moments_of_their_own() {
    let fs = SimulatedFileSystem::new();
    let tell = |seqno, synced| fs.observe(Event::Acknowledged { seqno, synced });
    tell(3, true);
    drop(create(&fs, "/a"));
    tell(5, false);
    assert_eq!(fs.history_len(), 3);
    assert_eq!(fs.acknowledged_at(0), Acknowledged::default());
    let last = Acknowledged { synced: 3, any: 5 };
    assert_eq!(fs.acknowledged_at(3), last);
    assert_eq!(fs.acknowledged_at(2).any, 3);
}

#[test]
fn a_full_disk_takes_what_fits_and_fails() {
    let fs = SimulatedFileSystem::new();
    fs.set_capacity(Some(10));
    let mut file = create(&fs, "/a");
    file.append(b"1234").unwrap();
    let error = file.append(b"56789abc").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(fs.read("/a").unwrap(), b"123456789a");
    assert_eq!(file.len(), 4);
    let mut other = create(&fs, "/b");
    let error = other.reserve(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    // A removed file takes its room until it is closed.
    fs.remove(path("/a")).unwrap();
    assert_eq!(fs.free_space(path("/")).unwrap(), 0);
    drop(file);
    assert_eq!(fs.free_space(path("/")).unwrap(), 10);
    other.reserve(8).unwrap();
    assert_eq!(fs.free_space(path("/")).unwrap(), 2);
    other.append(b"123456789").unwrap();
    assert_eq!(fs.free_space(path("/")).unwrap(), 1);
}

#[test]
fn reserved_room_reads_as_zeros_and_does_not_move_the_end() {
    let fs = SimulatedFileSystem::new();
    let mut file = create(&fs, "/a");
    file.append(b"ab").unwrap();
    file.reserve(5).unwrap();
    file.append(b"c").unwrap();
    assert_eq!(file.len(), 3);
    assert_eq!(fs.read("/a").unwrap(), b"abc\0\0");
    let read = fs.open(path("/a"), FileKind::Other).unwrap();
    assert_eq!(read.len(), 5);
    let error = read.read_exact_at(&mut [0; 2], 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn locks_exclude_and_end_with_their_holder_or_a_crash() {
    let fs = SimulatedFileSystem::new();
    let lock = |fs: &SimulatedFileSystem, how| fs.lock(path("/LOCK"), how);
    let missing = lock(&fs, LockKind::Shared).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let held = lock(&fs, LockKind::Exclusive).unwrap();
    for how in [LockKind::Exclusive, LockKind::Shared] {
        let refused = lock(&fs, how).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    }
    drop(lock(&fs.copy(), LockKind::Exclusive).unwrap());
    drop(held);
    let readers = [LockKind::Shared; 2].map(|how| lock(&fs, how).unwrap());
    let refused = lock(&fs, LockKind::Exclusive).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    drop(readers);
    drop(lock(&fs, LockKind::Exclusive).unwrap());
}

#[test]
fn names_are_unique_and_errors_are_those_of_a_real_disk() {
    let fs = SimulatedFileSystem::new();
    fs.create_dir_all(path("data/lost")).unwrap();
    // Byte by byte it stands between a directory and what is in it.
    fs.create_dir_all(path("data-old")).unwrap();
    drop(create(&fs, "/data/a"));
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    let again = fs.create_new(path("data/./a"), FileKind::Wal);
    assert_eq!(again.err().unwrap().kind(), ErrorKind::AlreadyExists);
    let orphan = fs.create_new(path("/none/a"), FileKind::Wal);
    assert_eq!(orphan.err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(kind(fs.remove(path("/data"))), ErrorKind::IsADirectory);
    assert_eq!(kind(fs.remove(path("/data/b"))), ErrorKind::NotFound);
    assert_eq!(kind(fs.sync_dir(path("/none"))), ErrorKind::NotFound);
    let below = fs.create_dir_all(path("/data/a/b"));
    assert_eq!(kind(below), ErrorKind::NotADirectory);
    let listed = fs.list(path("/data")).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|it| it.is_dir && it.name == "lost"));
}

#[test]
fn doctored_files_change_under_their_readers_and_stay_changed() {
    let fs = SimulatedFileSystem::new();
    half_synced(&fs, "/a", b"good", b"");
    let read = fs.open(path("/a"), FileKind::Table).unwrap();
    fs.corrupt("/a", |bytes| bytes[0] ^= 1);
    let mut bytes = [0; 4];
    read.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"food");
    fs.truncate_raw("/a", 2);
    fs.write_raw("/b", *b"new");
    let after = fs.crash(CrashProfile::StrictPosix, 0);
    assert_eq!(after.read("/a").unwrap(), b"fo");
    assert_eq!(after.read("/b").unwrap(), b"new");
}

#[test]
fn the_clock_moves_only_when_it_is_told() {
    let fs = SimulatedFileSystem::new();
    let (start, unix) = (fs.monotonic(), fs.unix_time());
    fs.sleep(Duration::from_secs(5));
    assert_eq!(fs.monotonic() - start, Duration::from_secs(5));
    assert_eq!(fs.unix_time() - unix, Duration::from_secs(5));
    fs.set_unix_time(Duration::from_secs(60));
    assert_eq!(fs.unix_time(), Duration::from_secs(60));
    assert_eq!(fs.monotonic() - start, Duration::from_secs(5));
}
