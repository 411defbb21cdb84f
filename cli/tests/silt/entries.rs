//! Single entries and scans: `put`, `get`, `delete`, `scan`, keyspaces.

use crate::run::Place;

#[test]
fn a_value_comes_back_byte_for_byte() {
    let place = Place::new();
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(place.silt_with_input(&["put", "every"], &every).text(), "");
    assert_eq!(place.silt(&["get", "every"]).stdout, every);
    assert_eq!(place.silt(&["put", r"a\tb\xff", r"1\n\\2"]).text(), "");
    assert_eq!(place.silt(&["get", r"a\x09b\xFF"]).stdout, b"1\n\\2");
    assert_eq!(place.silt(&["put", "--durability", "buffered", "minus", "-1"]).text(), "");
    assert_eq!(place.silt(&["get", "minus"]).text(), "-1");
    place.silt(&["put", "empty", ""]).text();
    assert_eq!(place.silt(&["get", "empty"]).text(), "");
}

#[test]
fn hexadecimal_digits_stand_for_any_key_and_value() {
    let place = Place::new();
    place.silt(&["put", "--hex", "00ff", "0a0B"]).text();
    assert_eq!(place.silt(&["get", "--hex", "00FF"]).text(), "0a0b\n");
    assert_eq!(place.silt(&["get", r"\x00\xff"]).stdout, b"\n\x0b");
    assert_eq!(place.silt(&["scan", "--hex"]).text(), "00ff\t0a0b\n");
    place.silt(&["get", "--hex", "0"]).fails(2, "two digits");
}

#[test]
fn what_is_not_there_is_exit_code_1() {
    let place = Place::new();
    place.silt(&["put", "a", "1"]).text();
    let ran = place.silt(&["get", "b"]);
    ran.fails(1, "no key b");
    assert!(ran.stdout.is_empty());
    place.silt(&["delete", "a"]).text();
    place.silt(&["get", "a"]).fails(1, "no key a");
    place.silt(&["delete", "a"]).fails(1, "no key a");
}

#[test]
fn a_deletion_takes_what_it_names_and_no_more() {
    let place = Place::new();
    let lines = "a\t1\nab\t2\nac\t3\nb\t4\nc\t5\n";
    place.silt_with_input(&["import"], lines.as_bytes()).text();
    place.silt(&["delete", "--prefix", "a"]).text();
    assert_eq!(place.silt(&["scan"]).text(), "b\t4\nc\t5\n");
    place.silt(&["delete", "b", "none"]).fails(1, "none");
    assert_eq!(place.silt(&["scan"]).text(), "c\t5\n");
    place.silt(&["delete"]).fails(2, "KEY");
}

#[test]
fn a_scan_gives_the_asked_entries_in_the_asked_order() {
    let place = Place::new();
    let lines = "a\t1\nb\\x00\t2\nb\\xff\t3\nc\\t\t\\n\nd\té\n";
    place.silt_with_input(&["import"], lines.as_bytes()).text();
    let scan = |arguments: &[&str]| {
        let ran = place.silt(&[&["scan"], arguments].concat());
        ran.text().to_owned()
    };
    assert_eq!(scan(&[]), lines);
    assert_eq!(scan(&["--from", "b", "--to", "d"]), "b\\x00\t2\nb\\xff\t3\nc\\t\t\\n\n");
    assert_eq!(scan(&["--prefix", "b", "--keys"]), "b\\x00\nb\\xff\n");
    assert_eq!(scan(&["--reverse", "--limit", "2"]), "d\té\nc\\t\t\\n\n");
    assert_eq!(scan(&["--prefix", "b", "--reverse", "--limit", "1"]), "b\\xff\t3\n");
    assert_eq!(scan(&["--limit", "0"]), "");
    assert_eq!(scan(&["--from", "d", "--to", "b"]), "");
    assert_eq!(
        scan(&["--json", "--prefix", "b"]),
        "{\"key\":\"b\\u0000\",\"value\":\"2\"}\n{\"key_hex\":\"62ff\",\"value\":\"3\"}\n"
    );
    assert_eq!(scan(&["--json", "--keys", "--limit", "1"]), "{\"key\":\"a\"}\n");
    assert_eq!(place.silt(&["--json", "get", "d"]).text(), "{\"key\":\"d\",\"value\":\"é\"}\n");
}

#[test]
fn keyspaces_keep_their_entries_apart() {
    let place = Place::new();
    place.silt(&["put", "k", "default"]).text();
    place.silt(&["--keyspace", "left", "put", "k", "left"]).text();
    place.silt_with_input(&["import", "--keyspace", "right"], b"k\tright\n").text();
    assert_eq!(place.silt(&["get", "k"]).text(), "default");
    assert_eq!(place.silt(&["get", "k", "--keyspace", "left"]).text(), "left");
    assert_eq!(place.silt(&["export", "--keyspace", "right"]).text(), "k\tright\n");
    place.silt(&["--keyspace", "left", "delete", "k"]).text();
    assert_eq!(place.silt(&["--keyspace", "left", "scan"]).text(), "");
    assert_eq!(place.silt(&["scan"]).text(), "k\tdefault\n");
    let names = place.silt(&["keyspaces"]);
    assert!(names.text().contains("left\n") && names.text().contains("right\n"), "{names:?}");
    place.silt(&["--keyspace", "lefd", "get", "k"]).fails(2, "left");
    place.silt(&["--keyspace", "left", "compact"]).fails(2, "--keyspace");
}
