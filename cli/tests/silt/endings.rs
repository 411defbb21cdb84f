//! How commands end: exit codes, what stands on stderr, pipes that close.

use crate::run::{Place, finish};
use std::io::Read as _;

const WITHOUT_CREATING: [&[&str]; 8] = [
    &["get", "a"],
    &["scan"],
    &["export"],
    &["stats"],
    &["verify"],
    &["compact"],
    &["delete", "a"],
    &["keyspaces"],
];

#[test]
fn only_put_and_import_create_a_database() {
    let place = Place::new();
    for arguments in WITHOUT_CREATING {
        place.silt(arguments).fails(2, "there is no database in db");
        assert!(!place.path("db").exists(), "{arguments:?} has made a directory");
    }
    std::fs::create_dir(place.path("db")).unwrap();
    place.silt(&["get", "a"]).fails(2, "there is no database in db");
    assert_eq!(place.path("db").read_dir().unwrap().count(), 0);
    place.silt_with_input(&["import"], b"").text();
    assert_eq!(place.silt(&["scan"]).text(), "");
}

#[test]
fn the_command_line_names_the_database_before_the_environment() {
    let place = Place::new();
    place.silt(&["--db", "named", "put", "a", "named"]).text();
    place.silt(&["put", "a", "environment"]).text();
    let mut plain = place.command(&["put", "a", "default"]);
    plain.env_remove("SILT_DB");
    finish(plain).text();
    assert_eq!(place.silt(&["get", "a", "--db", "named"]).text(), "named");
    assert_eq!(place.silt(&["get", "a", "--db", "db"]).text(), "environment");
    assert_eq!(place.silt(&["get", "a", "--db", "silt-data"]).text(), "default");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let place = Place::new();
    for arguments in [&["frob"][..], &[], &["get"], &["scan", "--limit", "x"], &["put", r"\q", "1"]]
    {
        let ran = place.silt(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
    place.write("file", "");
    for arguments in [["get", "a"], ["put", "a"]] {
        let ran = place.silt(&["--db", "file", arguments[0], arguments[1]]);
        ran.fails(2, "this path is a file");
    }
    let help = place.silt(&["--help"]);
    assert!(help.text().contains("\\xNN") && help.text().contains("SILT_DB"), "{help:?}");
    assert!(help.text().contains("3 corruption"), "{help:?}");
}

#[test]
fn a_wrong_command_line_can_be_read_by_a_program() {
    let place = Place::new();
    for (arguments, says) in [
        (&["--json", "get"][..], "the following required arguments were not provided: <KEY>"),
        (&["frob", "--json"], "unrecognized subcommand 'frob'"),
    ] {
        let ran = place.silt(arguments);
        let facts: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!((ran.code, &facts["error"]), (2, &"usage".into()), "{ran:?}");
        assert_eq!(facts["message"], says);
    }
    assert!(place.silt(&["--json", "--help"]).text().contains("Usage"));
}

#[test]
fn what_was_dropped_from_the_log_is_told() {
    let place = Place::new();
    let db = siltstone::Db::open(place.path("db")).unwrap();
    let mut batch = siltstone::Batch::new();
    batch.put("a", "1");
    db.write(batch).unwrap();
    // A copy of the directory as a killed process leaves it, and a write that was cut off.
    std::fs::create_dir(place.path("copy")).unwrap();
    for file in place.path("db").read_dir().unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), place.path("copy").join(file.file_name())).unwrap();
    }
    let segments = place.path("copy").read_dir().unwrap().map(|file| file.unwrap().path());
    let mut logs: Vec<_> =
        segments.filter(|path| path.extension().is_some_and(|kind| kind == "wal")).collect();
    logs.sort();
    let mut bytes = std::fs::read(&logs[0]).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes.truncate(end.max(1));
    bytes.extend_from_slice(&[0x5a; 40]);
    std::fs::write(&logs[0], bytes).unwrap();
    let ran = place.silt(&["--db", "copy", "get", "a"]);
    assert_eq!(ran.text(), "1");
    assert!(ran.stderr.starts_with("silt: dropped 40 bytes at the end of the log, "), "{ran:?}");
    let ran = place.silt(&["--db", "copy", "--json", "put", "b", "2"]);
    assert!(ran.code == 0 && ran.stderr.starts_with("{\"note\":\"dropped 40 bytes"), "{ran:?}");
    assert_eq!(place.silt(&["--db", "copy", "scan"]).stderr, "");
}

#[test]
fn a_locked_database_is_exit_code_4() {
    let place = Place::new();
    place.silt(&["put", "a", "1"]).text();
    let held = siltstone::Db::open(place.path("db")).unwrap();
    for arguments in WITHOUT_CREATING.into_iter().chain([&["put", "b", "2"][..]]) {
        let ran = place.silt(arguments);
        assert_eq!(ran.code, 4, "{arguments:?}: {ran:?}");
    }
    let ran = place.silt(&["--json", "get", "a"]);
    assert!(ran.stderr.starts_with("{\"error\":\"locked\","), "{ran:?}");
    held.close().unwrap();
    drop(held);
    assert_eq!(place.silt(&["get", "a"]).text(), "1");
}

#[test]
fn a_flipped_byte_is_exit_code_3_and_named() {
    let place = Place::new();
    let lines: String =
        (0..20_000).map(|number| format!("{number:05}\tvalue {number}\n")).collect();
    place.silt_with_input(&["import"], lines.as_bytes()).text();
    place.silt(&["compact"]).text();
    let files = place.path("db").read_dir().unwrap().map(|file| file.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|kind| kind == "sst"));
    let table = tables.max_by_key(|path| path.metadata().unwrap().len()).expect("a table");
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&table, bytes).unwrap();
    let ran = place.silt(&["scan"]);
    ran.fails(3, table.file_name().unwrap().to_str().unwrap());
    ran.fails(3, "offset");
    assert!(lines.as_bytes().starts_with(&ran.stdout), "something wrong was printed before");
    let ran = place.silt(&["export", "--json", "all.tsv"]);
    assert!(ran.code == 3 && ran.stderr.contains("\"offset\":"), "{ran:?}");
    assert!(!place.path("all.tsv").exists(), "half an export was left");
}

#[test]
fn what_the_system_refuses_is_exit_code_5() {
    let place = Place::new();
    place.silt(&["put", "a", "1"]).text();
    place.silt(&["export", "/none/file.tsv"]).fails(5, "/none/file.tsv");
    if cfg!(target_os = "linux") {
        let mut full = place.command(&["scan"]);
        full.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
        finish(full).fails(5, "output");
        place.silt(&["export", "--format", "tsv", "/dev/full"]).fails(5, "output");
    }
}

#[test]
fn a_broken_pipe_is_silent() {
    let place = Place::new();
    let lines: String = (0..50_000).map(|number| format!("{number:05}\tvalue\n")).collect();
    place.silt_with_input(&["import"], lines.as_bytes()).text();
    for arguments in
        [&["scan"][..], &["export"], &["export", "--format", "csv"], &["scan", "--json"]]
    {
        let mut child = place.command(arguments).spawn().unwrap();
        let mut first = [0; 5];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        // The pipe is gone now, with most of the output still to come.
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn the_tree_can_be_looked_at_and_compacted() {
    let place = Place::new();
    let lines: String =
        (0..20_000).map(|number| format!("{number:05}\tvalue {number}\n")).collect();
    place.silt_with_input(&["import"], lines.as_bytes()).text();
    let compacted = || {
        let ran = place.silt(&["compact", "--json"]);
        let facts: serde_json::Value = serde_json::from_str(ran.text()).unwrap();
        facts["bytes_after"].as_u64().unwrap()
    };
    let full = compacted();
    place.silt(&["delete", "--prefix", "0"]).text();
    // `bytes_before` may be as little: the background merges tombstones as soon as it can.
    let less = compacted();
    assert!(less < full, "{less} bytes, and {full} with what was deleted");
    let ran = place.silt(&["stats", "--json"]);
    let facts: serde_json::Value = serde_json::from_str(ran.text()).unwrap();
    assert!(facts["tables"].as_u64() > Some(0) && facts["table_bytes"].as_u64() > Some(0));
    let ran = place.silt(&["stats"]);
    assert!(ran.text().contains("level") && !ran.text().contains('\x1b'), "{ran:?}");
    assert_eq!(place.silt(&["scan", "--keys"]).text().lines().count(), 10_000);
}
