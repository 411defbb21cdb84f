//! What a power cut leaves of a simulated disk.
//!
//! Whatever the profile, what a successful sync covered is there, a name whose directory was synced
//! is there, a rename happened or did not, and pages whose sync failed are gone. The profiles differ
//! in what else is there.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fs::simulated::content::{Content, usize_of};
use crate::fs::simulated::disk::{Disk, Node};
use crate::fs::simulated::names::{Entry, NodeId, Tree};
use crate::sync::Arc;

/// What survives a crash besides what must.
///
/// ```
/// use std::path::Path;
/// use siltstone::fs::{CrashProfile, FileKind, FileSystem, SimulatedFileSystem};
///
/// let fs = SimulatedFileSystem::new();
/// let mut file = fs.create_new(Path::new("/a"), FileKind::Other)?;
/// fs.sync_dir(Path::new("/"))?;
/// file.append(b"synced")?;
/// file.syncer().sync()?;
/// file.append(b" and not")?;
/// for profile in CrashProfile::ALL {
///     let after = fs.crash(profile, 7).read("/a").unwrap();
///     assert!(after.starts_with(b"synced"), "{profile:?}");
/// }
/// assert_eq!(fs.crash(CrashProfile::Kill, 7).read("/a").unwrap(), b"synced and not");
/// assert_eq!(fs.crash(CrashProfile::StrictPosix, 7).read("/a").unwrap(), b"synced");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CrashProfile {
    /// The process died, the machine did not: everything is there, and what was not synced can
    /// still be lost later.
    Kill,
    /// The least that POSIX allows: synced bytes, and names of synced directories.
    StrictPosix,
    /// The least that ext4 leaves: any sync commits all changes of names before it.
    Ext4,
    /// All names, but only synced bytes: files are short or empty.
    MetadataOnly,
    /// Everything, but the last append is cut at some byte.
    TornAppend,
    /// Files have their full length; what was not synced is zeros.
    SizeWithZeros,
    /// Files have their full length; what was not synced is garbage, often bytes that other
    /// files hold or held.
    SizeWithGarbage,
    /// Of what was not synced, some sectors are there and some are zeros.
    RandomSectors,
    /// Some of the changes of names that were not synced, in any order across names.
    UnorderedMetadata,
    /// Everything but the pages whose sync failed.
    LostPagesAfterFailedSync,
}

impl CrashProfile {
    /// Every profile.
    pub const ALL: [CrashProfile; 10] = [
        CrashProfile::Kill,
        CrashProfile::StrictPosix,
        CrashProfile::Ext4,
        CrashProfile::MetadataOnly,
        CrashProfile::TornAppend,
        CrashProfile::SizeWithZeros,
        CrashProfile::SizeWithGarbage,
        CrashProfile::RandomSectors,
        CrashProfile::UnorderedMetadata,
        CrashProfile::LostPagesAfterFailedSync,
    ];
}

/// A small generator of random numbers (SplitMix64), so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. Requires: `bound > 0`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

/// The disk that is found after the crash.
pub(crate) fn crash(disk: &Disk, profile: CrashProfile, mut random: Random) -> Disk {
    if profile == CrashProfile::Kill {
        return disk.clone();
    }
    let mut names = match profile {
        CrashProfile::StrictPosix => disk.names.synced(),
        CrashProfile::Ext4 => disk.names.journaled(),
        CrashProfile::UnorderedMetadata => disk.names.scattered(|| random.coin()),
        _ => disk.names.now().clone(),
    };
    drop_orphans(&mut names);
    let mut cut = Cut { disk, profile, sector: if random.coin() { 512 } else { 4096 }, random };
    let mut nodes = BTreeMap::new();
    for entry in names.values() {
        if let Entry::File(id) = entry
            && let Some(node) = disk.nodes.get(id)
        {
            nodes.insert(*id, cut.survivor(*id, node));
        }
    }
    Disk::settled(names, nodes)
}

// A name needs its directory.
fn drop_orphans(names: &mut Tree) {
    let all = names.clone();
    let is_rooted = |path: &Path| {
        let mut above = path.ancestors().skip(1);
        above.all(|directory| all.get(directory.as_os_str()) == Some(&Entry::Directory))
    };
    names.retain(|path, _| is_rooted(path));
}

struct Cut<'a> {
    disk: &'a Disk,
    profile: CrashProfile,
    sector: u64,
    random: Random,
}

impl Cut<'_> {
    fn survivor(&mut self, id: NodeId, node: &Arc<Node>) -> Arc<Node> {
        let untouched = node.lost.is_empty()
            && node.synced == node.content.end()
            && node.synced_size == node.content.size();
        if untouched {
            return Arc::clone(node);
        }
        let mut content = node.content.clone();
        let (end, size) = (content.end(), content.size());
        match self.profile {
            CrashProfile::StrictPosix | CrashProfile::Ext4 => {
                content.cut(node.synced);
                content.grow(node.synced_size);
            }
            CrashProfile::MetadataOnly => content.cut(node.synced),
            CrashProfile::TornAppend => {
                if let Some((last, start)) = self.disk.last_append
                    && last == id
                    && node.synced < end
                {
                    let start = start.max(node.synced);
                    content.cut(start + self.random.below(end - start));
                    if self.random.coin() {
                        content.grow(size);
                    }
                }
            }
            CrashProfile::SizeWithZeros => {
                content.cut(node.synced);
                content.grow(size);
            }
            CrashProfile::SizeWithGarbage => {
                let garbage = self.garbage(id, node.synced..end);
                content.replace_tail(node.synced, garbage);
                content.grow(size);
            }
            CrashProfile::RandomSectors => self.scatter(&mut content, node.synced),
            CrashProfile::UnorderedMetadata => {
                if self.random.coin() {
                    content.cut(node.synced);
                }
            }
            CrashProfile::LostPagesAfterFailedSync | CrashProfile::Kill => {}
        }
        lose_pages(&mut content, node);
        content.trim_zeros();
        Arc::new(Node {
            synced: content.end(),
            synced_size: content.size(),
            content,
            lost: Vec::new(),
        })
    }

    // Bytes that some file holds at the same place, or noise.
    fn garbage(&mut self, id: NodeId, range: std::ops::Range<u64>) -> Vec<u8> {
        let len = range.end - range.start;
        let donors: Vec<&Content> = self
            .disk
            .nodes
            .iter()
            .filter(|(other, node)| **other != id && node.content.end() > range.start)
            .map(|(_, node)| &node.content)
            .collect();
        let mut garbage = Vec::with_capacity(usize_of(len));
        while garbage.len() as u64 != len {
            let start = range.start + garbage.len() as u64;
            let part = (range.end - start).min(self.sector - start % self.sector);
            let choice = self.random.below(4);
            let chosen = match donors.len() as u64 {
                0 => None,
                _ if choice == 0 => None,
                count => Some(donors[usize_of(self.random.below(count))]),
            };
            match chosen {
                Some(donor) if start + part <= donor.size() => {
                    garbage.extend(donor.bytes(start..start + part));
                }
                _ => garbage.extend((0..part).map(|_| self.random.next().to_le_bytes()[7])),
            }
        }
        garbage
    }

    fn scatter(&mut self, content: &mut Content, synced: u64) {
        let size = content.size();
        let mut tail = content.bytes(synced..content.end());
        let mut survived = synced;
        let mut start = synced;
        while start < content.end() {
            let end = content.end().min(start - start % self.sector + self.sector);
            if self.random.coin() {
                survived = end;
            } else {
                tail[usize_of(start - synced)..usize_of(end - synced)].fill(0);
            }
            start = end;
        }
        content.replace_tail(synced, tail);
        if self.random.coin() {
            content.cut(survived);
        } else {
            content.grow(size);
        }
    }
}

// A later sync that succeeds does not bring back the pages that an earlier one lost.
fn lose_pages(content: &mut Content, node: &Node) {
    let end = content.end();
    let Some(first) = node.lost.first().map(|range| range.start) else {
        return;
    };
    if first >= end {
        return;
    }
    let size = content.size();
    let mut tail = content.bytes(first..end);
    for range in &node.lost {
        let (start, stop) = (range.start.min(end), range.end.min(end));
        tail[usize_of(start - first)..usize_of(stop - first)].fill(0);
    }
    content.replace_tail(first, tail);
    content.grow(size);
}
