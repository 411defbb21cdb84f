//! The stories, and what each must hit.

use crate::crash::story::{Change, Story, put, put_in};
use crate::crash::sweep::{Hits, SMALL, sweep};
use siltstone::Durability::{Buffered, Sync};
use siltstone::fs::CrashProfile;

/// Profiles that lose something of any story. Of the others, `Kill` loses nothing, and
/// `LostPagesAfterFailedSync` needs a failed sync.
const LOSSY: [CrashProfile; 8] = [
    CrashProfile::StrictPosix,
    CrashProfile::Ext4,
    CrashProfile::MetadataOnly,
    CrashProfile::TornAppend,
    CrashProfile::SizeWithZeros,
    CrashProfile::SizeWithGarbage,
    CrashProfile::RandomSectors,
    CrashProfile::UnorderedMetadata,
];

fn crash(mut story: Story) -> Hits {
    story.close();
    let hits = sweep(&story, 0..=story.disk.history_len(), SMALL);
    for profile in LOSSY {
        assert!(hits.lossy.contains_key(&profile), "{profile:?} lost nothing: {hits:?}");
    }
    assert!(hits.torn_tails > 0 && hits.replays > 0, "{hits:?}");
    assert!(hits.nested > 0 && hits.nested_twice > 0, "{hits:?}");
    hits
}

fn batch_of(keys: std::ops::Range<u32>, len: usize) -> Vec<Change> {
    keys.map(|key| put(format!("b{key:03}"), &format!("of {key}"), len)).collect()
}

#[test]
fn the_first_creation_and_one_put() {
    let mut story = Story::begin(1);
    story.synced("a", 1);
    crash(story);
}

#[test]
fn single_synced_puts() {
    let mut story = Story::begin(2);
    for len in [1, 0, 30, 200, 511, 513, 1024] {
        story.synced(["a", "b", "c"][len % 3], len);
    }
    crash(story);
}

#[test]
fn buffered_puts_between_synced_ones() {
    let mut story = Story::begin(3);
    for round in 0..4 {
        for len in [10, 600, 3, 80] {
            story.buffered(["a", "b", "c", "d", "e"][(len + round) % 5], len);
        }
        if round % 2 == 0 {
            story.synced("s", 40 * round);
        }
    }
    story.buffered("f", 5);
    story.sync();
    story.buffered("g", 5);
    crash(story);
}

#[test]
fn batches_of_a_byte_to_several_sectors() {
    let mut story = Story::begin(4);
    story.commit(Buffered, batch_of(0..1, 1));
    story.commit(Buffered, batch_of(0..9, 50));
    story.commit(Sync, batch_of(3..6, 500));
    story.commit(Buffered, batch_of(0..30, 100));
    story.commit(Buffered, batch_of(10..20, 700));
    story.commit(Sync, batch_of(0..2, 0));
    story.commit(Buffered, batch_of(40..42, 9_000));
    crash(story);
}

#[test]
fn batches_across_keyspaces() {
    let mut story = Story::begin(5);
    story.create_keyspace("left");
    story.create_keyspace("right");
    for round in 0..6 {
        let durability = if round % 3 == 2 { Sync } else { Buffered };
        let value = format!("round {round}");
        let changes = vec![
            put("k", &value, 20),
            put_in("left", "k", &value, 300),
            put_in("right", format!("k{round}"), &value, 300),
            Change::Delete("right", format!("k{}", round / 2).into()),
        ];
        story.commit(durability, changes);
    }
    crash(story);
}

#[test]
fn range_deletes() {
    let mut story = Story::begin(6);
    story.commit(Buffered, batch_of(0..20, 30));
    story.commit(Buffered, vec![Change::DeleteRange("", "b005", "b010")]);
    story.synced("b007", 10);
    let mixed = vec![
        put("b001", "before", 10),
        Change::DeleteRange("", "b000", "b003"),
        put("b002", "behind", 10),
    ];
    story.commit(Buffered, mixed);
    story.flush();
    story.commit(Buffered, vec![Change::DeleteRange("", "b000", "b015")]);
    story.buffered("b001", 10);
    story.sync();
    story.commit(Sync, vec![Change::DeleteRange("", "a", "z")]);
    let hits = crash(story);
    assert!(hits.orphan_tables > 0, "{hits:?}");
}

#[test]
fn keyspaces_created_dropped_and_created_again() {
    let mut story = Story::begin(7);
    story.buffered("a", 10);
    story.create_keyspace("k");
    story.commit(Buffered, vec![put_in("k", "x", "first life", 100), put("b", "1", 1)]);
    story.commit(Sync, vec![put_in("k", "y", "first life", 100)]);
    story.drop_keyspace("k");
    story.buffered("c", 10);
    story.create_keyspace("k");
    story.commit(Buffered, vec![put_in("k", "y", "second life", 20)]);
    story.flush();
    story.create_keyspace("other");
    story.commit(Buffered, vec![put_in("k", "z", "second life", 20), put_in("other", "z", "", 0)]);
    story.drop_keyspace("k");
    story.reopen();
    story.create_keyspace("k");
    story.synced("d", 1);
    crash(story);
}

#[test]
fn flushes() {
    let mut story = Story::begin(8);
    for round in 0..3 {
        story.buffered("a", 100 + round);
        story.commit(Buffered, batch_of(0..12, 60));
        story.flush();
        story.buffered("b", 10);
    }
    story.synced("c", 10);
    let hits = crash(story);
    assert!(hits.orphan_tables > 0, "{hits:?}");
}

#[test]
fn a_sync_in_a_segment_behind_an_unsynced_one() {
    let mut story = Story::begin(9);
    // Each of these fills a memtable, so the next one goes to a new segment.
    story.commit(Buffered, batch_of(0..9, 500));
    story.commit(Buffered, batch_of(3..12, 500));
    story.buffered("a", 10);
    story.synced("b", 10);
    story.commit(Buffered, batch_of(5..14, 500));
    story.buffered("c", 10);
    story.buffered("d", 1500);
    let hits = crash(story);
    assert!(hits.gaps > 0, "{hits:?}");
}

#[test]
fn many_segments() {
    let mut story = Story::begin(10);
    for round in 0..8_u32 {
        story.commit(Buffered, batch_of(round..round + 5, 450));
        story.buffered("a", 700);
        story.buffered("b", 900);
        if round % 5 == 4 {
            story.synced("c", 3);
        }
    }
    let hits = crash(story);
    assert!(hits.gaps > 0 && hits.orphan_tables > 0, "{hits:?}");
}

#[test]
fn compactions() {
    let mut story = Story::begin(11);
    for round in 0..3_u32 {
        story.commit(Buffered, batch_of(round..round + 16, 150));
        story.flush();
    }
    story.compact(..);
    story.commit(Buffered, vec![Change::DeleteRange("", "b004", "b012")]);
    story.buffered("a", 10);
    story.compact("b000".."b008");
    story.wait_idle();
    story.synced("b005", 10);
    let hits = crash(story);
    assert!(hits.orphan_tables > 0, "{hits:?}");
}

#[test]
fn closed_and_opened_again() {
    let mut story = Story::begin(12);
    story.buffered("a", 10);
    story.reopen();
    story.synced("b", 10);
    story.buffered("c", 600);
    story.reopen();
    story.reopen();
    story.buffered("a", 20);
    crash(story);
}

#[test]
fn values_larger_than_a_memtable() {
    let mut story = Story::begin(13);
    story.buffered("a", 5_000);
    story.buffered("b", 20_000);
    story.synced("a", 9_000);
    story.buffered("c", 70_000);
    story.buffered("d", 3);
    story.synced("c", 10);
    crash(story);
}

#[test]
fn an_idle_log_is_marked() {
    let mut story = Story::begin(14);
    story.buffered("a", 10);
    story.buffered("b", 600);
    story.rest();
    story.buffered("c", 700);
    story.synced("a", 10);
    story.rest();
    story.buffered("b", 10);
    crash(story);
}
