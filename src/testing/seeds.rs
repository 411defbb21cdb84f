//! Makes the seeds of the larger targets: `cargo test testing::seeds -- --ignored` after a change of
//! the format. They are committed, so that a fuzzer and the stable tests begin with the same ones.

use crate::cache::{Budget, Cache};
use crate::format::key::Kind;
use crate::format::range_tombstone::{Fragments, RangeTombstone};
use crate::format::record::HEADER_BYTES;
use crate::fs::{FileSystem, SimulatedFileSystem};
use crate::manifest::{CleanClose, Edit, KeyspaceFacts, ManifestWriter, State};
use crate::sync::Arc;
use crate::table::block::{BlockType, HEADER_BYTES as BLOCK_BYTES};
use crate::table::data_block_builder::DataBlockBuilder;
use crate::table::filter::FilterBuilder;
use crate::table::footer::FOOTER_BYTES;
use crate::table::{Compression, FilterKind, TableContext, TableOptions, TableWriter};
use crate::testing::journals::valid_log;
use crate::testing::random::Random;
use crate::wal::segment::OPENING_BYTES;
use std::path::{Path, PathBuf};

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let disk = crate::fs::OsFileSystem::new();
    disk.create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    if disk.open(&path, crate::fs::FileKind::Other).is_ok() {
        disk.remove(&path).unwrap();
    }
    disk.create_new(&path, crate::fs::FileKind::Other).unwrap().append(bytes).unwrap();
}

#[test]
#[ignore = "writes to fuzz/corpus: run it after a change of the format"]
fn write_the_seeds() {
    blocks();
    tables();
    journals();
    manifests();
    scripts();
    headers();
    directories();
}

fn blocks() {
    let mut builder = DataBlockBuilder::new();
    let mut bytes = Vec::new();
    builder.add(b"key/1", 7, Kind::Put, b"one");
    builder.finish(&mut bytes);
    put("block", "valid-one", &bytes);
    put("block", "broken-cut", &bytes[..bytes.len() - 1]);
    for (key, seqno, kind) in [("key/1", 900, Kind::Put), ("key/1", 3, Kind::Delete)] {
        builder.add(key.as_bytes(), seqno, kind, if kind == Kind::Put { b"one" } else { b"" });
    }
    builder.add(b"key/22", 5, Kind::Put, b"");
    builder.mark_repeated_key();
    builder.finish(&mut bytes);
    put("block", "valid-versions", &bytes);
    builder.add(b"a", 1, Kind::Put, &[7; 70_000]);
    builder.finish(&mut bytes);
    put("block", "valid-wide", &bytes);
    put("block", "broken-zeros", &[0; 24]);
}

fn tables() {
    let options = |compression, filter, block_bytes| TableOptions {
        block_bytes,
        compression,
        filter,
        ..TableOptions::default()
    };
    let bloom = FilterKind::Bloom { bits_per_key: 10 };
    let plain = table(3, options(Compression::None, FilterKind::None, 256), false);
    put("table", "valid-three-entries", &plain);
    put("table", "broken-cut", &plain[..plain.len() / 2]);
    put(
        "table",
        "broken-another-file",
        b"nothing of ours, but long enough that a footer would fit in",
    );
    put("table", "valid-blocks", &table(60, options(Compression::Zstd(1), bloom, 256), true));
    put("table", "valid-partitions", &table(600, options(Compression::None, bloom, 16), false));
}

fn table(entries: u32, options: TableOptions, tombstones: bool) -> Vec<u8> {
    let (fs, directory) = (SimulatedFileSystem::new(), Path::new("/d"));
    fs.create_dir_all(directory).unwrap();
    let cache = Cache::new(Budget::new(1 << 20));
    let context = TableContext::new(Arc::new(fs.clone()), directory.into(), 1, cache);
    let mut writer = TableWriter::create(&context, 2, options).unwrap();
    for number in 0..entries {
        let (key, value) = (format!("key/{number:04}"), format!("value {number}"));
        let kind = if number % 7 == 6 { Kind::Delete } else { Kind::Put };
        let value = if kind == Kind::Put { value.as_bytes() } else { b"" };
        writer.add(key.as_bytes(), u64::from(number) + 1, kind, value).unwrap();
    }
    if tombstones {
        let tombstone = |start: &str, end: &str, seqno| RangeTombstone {
            start: start.into(),
            end: end.into(),
            seqno,
        };
        let all = [tombstone("key/0010", "key/0020", 90), tombstone("key/0015", "x", 91)];
        writer.set_range_tombstones(Fragments::build(all));
    }
    writer.finish().unwrap();
    fs.read(context.path(2)).unwrap()
}

fn journals() {
    put("wal_record", "valid-untouched", &[0]);
    let (fs, _) = valid_log();
    let segments = [1, 2, 3].map(|id| fs.read(format!("/d/{id:06}.wal")).unwrap());
    put("wal_record", "valid-segment", &[&[1], &segments[0][..]].concat());
    // The last segment, cut in its last record; then a bit of the first one.
    let lens = segments.each_ref().map(|segment| u16::try_from(segment.len()).unwrap());
    let end = segments[2].iter().rposition(|byte| *byte != 0).unwrap();
    let cut = (lens[0] + lens[1] + u16::try_from(end).unwrap() - 5).to_le_bytes();
    put("wal_record", "valid-torn", &[0, cut[0], cut[1], 2, 0]);
    put("wal_record", "broken-bit", &[0, 110, 0, 0, 1]);
    put("wal_record", "broken-cut-in-the-middle", &[0, 110, 0, 1, 0]);
    put("wal_record", "broken-empty", &[]);
}

fn manifests() {
    let keyspace = KeyspaceFacts { id: 1, name: "trades".to_owned() };
    let edit = Edit {
        next_file: Some(9),
        last_seqno: Some(70),
        next_keyspace: Some(2),
        segments: vec![4, 5],
        wal_floor: Some(4),
        keyspaces_created: vec![keyspace],
        clean_close: Some(CleanClose { segment: 5, length: 96, chain: 7 }),
        ..Edit::default()
    };
    let mut bytes = Vec::new();
    edit.encode(&mut bytes);
    put("manifest_edit", "valid-counters", &bytes);
    put("manifest_edit", "broken-cut", &bytes[..bytes.len() - 1]);
    put("manifest_edit", "valid-empty", b"");
    put("manifest_edit", "broken-unknown", &[0xff, 0]);

    let (fs, directory) = (SimulatedFileSystem::new(), Path::new("/d"));
    fs.create_dir_all(directory).unwrap();
    let shared: Arc<dyn FileSystem> = Arc::new(fs.clone());
    let mut state = State::new(3);
    let first = Edit { next_file: Some(2), ..Edit::default() };
    state.apply(&first).unwrap();
    let mut writer = ManifestWriter::create(&shared, directory, 1, &state).unwrap();
    writer
        .append(&Edit { opened: true, next_file: Some(6), segments: vec![4, 5], ..Edit::default() })
        .unwrap();
    writer.append(&Edit { segments: Vec::new(), ..edit }).unwrap();
    let whole = fs.read("/d/MANIFEST-000001").unwrap();
    put("manifest", "valid-three-edits", &whole);
    put("manifest", "valid-torn", &whole[..whole.len() - 3]);
    put("manifest", "broken-cut-in-the-snapshot", &whole[..70]);
    put("manifest", "broken-other-file", b"0123456789abcdef0123456789abcdef");
}

fn scripts() {
    put("database", "valid-nothing", &[1, 0]);
    put("database", "broken-no-operation", &[1, 0, 0xff]);
    let script = |seed: u64, operations: &[u8], len: usize| {
        let mut random = Random(seed);
        let mut bytes = vec![u8::try_from(seed).unwrap(), u8::try_from(seed).unwrap()];
        for _ in 0..len {
            bytes.push(operations[random.below(operations.len())]);
            bytes.extend((0..4).map(|_| random.byte() % 0xff));
        }
        bytes
    };
    put("database", "valid-writes", &script(1, &[0, 4, 5, 6, 7, 12], 150));
    put("database", "valid-background", &script(2, &[0, 4, 5, 7, 8, 9, 10, 12], 150));
    put("database", "valid-crashes", &script(3, &[0, 4, 5, 7, 8, 9, 11, 15], 150));
    put("database", "valid-faults", &script(4, &[0, 4, 5, 7, 8, 9, 13, 14, 15], 150));
}

fn headers() {
    let name = b"MANIFEST-000012";
    put("header", "valid-current", &[&[0], &name[..], b" da173fd8\n"].concat());
    put("header", "broken-current", &[&[0], &b"MANIFEST-12"[..], b" 00000000\n"].concat());
    let (fs, _) = valid_log();
    for id in [1_u8, 2] {
        let segment = fs.read(format!("/d/{id:06}.wal")).unwrap();
        let opening = &segment[HEADER_BYTES..HEADER_BYTES + OPENING_BYTES];
        put("header", &format!("valid-opening-{id}"), &[&[1], opening].concat());
    }
    let file = table(60, TableOptions::default(), true);
    let (_, footer) = file.split_last_chunk::<FOOTER_BYTES>().unwrap();
    put("header", "valid-footer", &[&[2], &footer[..]].concat());
    put("header", "broken-footer", &[2; FOOTER_BYTES + 1]);
    for (block_type, number) in [(BlockType::Directory, 3), (BlockType::Properties, 4)] {
        let payload = payload_of(&file, block_type);
        put(
            "header",
            &format!("valid-{block_type:?}").to_lowercase(),
            &[&[number], &payload[..]].concat(),
        );
        put(
            "header",
            &format!("broken-{block_type:?}").to_lowercase(),
            &[&[number], &payload[1..]].concat(),
        );
    }

    let index = payload_of(&file, BlockType::Index);
    put("index_filter", "valid-index", &[&[0], &index[..]].concat());
    put("index_filter", "broken-index", &[&[0], &index[..index.len() - 1]].concat());
    for (name, number) in [("bloom", 2_u8), ("blocked", 3)] {
        put(
            "index_filter",
            &format!("valid-{name}-keys"),
            &[&[number, 10], &b"one\0two\0three"[..]].concat(),
        );
        put("index_filter", &format!("broken-{name}-no-bits"), &[number, 0, b'a']);
    }
    let kinds = [
        ("bloom", FilterKind::Bloom { bits_per_key: 10 }),
        ("blocked", FilterKind::Blocked { bits_per_key: 10 }),
    ];
    for (name, kind) in kinds {
        let mut builder = FilterBuilder::new(kind);
        (0..20_u8).for_each(|key| builder.add(&[key]));
        let payload = builder.finish().unwrap();
        put("index_filter", &format!("valid-{name}"), &[&[1], &payload[..]].concat());
        put(
            "index_filter",
            &format!("broken-{name}"),
            &[&[1], &payload[..payload.len() - 1]].concat(),
        );
    }
}

/// The payload of the first block of this type, which must not be compressed.
fn payload_of(file: &[u8], block_type: BlockType) -> Vec<u8> {
    let mut rest = file;
    while rest.len() > FOOTER_BYTES {
        let (frame, behind) = rest.split_at(BLOCK_BYTES);
        let len = u32::from_le_bytes(*frame[4..].first_chunk().unwrap()) as usize;
        if frame[12] == block_type.to_u8() {
            assert_eq!(frame[13], 0, "a compressed block");
            return behind[..len].to_vec();
        }
        rest = &behind[len..];
    }
    panic!("no {block_type:?}");
}

/// Edits are: file, how, where (u16), with what (u16).
fn directories() {
    for (name, choice) in
        [("killed", 0), ("closed", 1), ("killed-repaired", 2), ("closed-repaired", 3)]
    {
        put("db_dir", &format!("valid-{name}"), &[choice]);
        put("db_dir", &format!("broken-{name}-cut"), &[choice, 0, 3, 5, 0, 0, 0]);
    }
    for file in 0..9_u8 {
        for how in [0, 3, 4, 5] {
            put(
                "db_dir",
                &format!("damage-{file}-{how}"),
                &[3 * (how & 1), file, how, 40, 0, 1, 2],
            );
            put("db_dir", &format!("meant-{file}-{how}"), &[2 + (how & 1), file, how, 50, 0, 1, 2]);
        }
    }
}
