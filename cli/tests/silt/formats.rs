//! `import` and `export`: every format, any bytes, a real file, and inputs that are wrong.

use crate::run::{Place, example};

/// A tab-separated file with keys and values of every byte, in key order.
fn any_bytes() -> String {
    let every =
        |skip: u8| -> String { (skip..=255).map(|byte| format!("\\x{byte:02x}")).collect() };
    let mut lines = String::new();
    for byte in 0..=255u8 {
        lines += &format!("\\x{byte:02x}\t\\x{:02x}\\x{byte:02x}\n", 255 - byte);
        if byte == 7 {
            lines += &format!("\\x07{}\t{}\n", every(0), every(0));
            lines += "\\x07{\"a\":1}\t\n";
        }
    }
    lines
}

#[test]
fn any_bytes_survive_every_format() {
    let place = Place::new();
    place.silt_with_input(&["import"], any_bytes().as_bytes()).text();
    let wanted = place.silt(&["export"]).text().to_owned();
    assert_eq!(wanted.lines().count(), 258);
    for (file, other) in [("all.tsv", "tsv"), ("all.jsonl", "jsonl"), ("all.csv", "csv")] {
        place.silt(&["export", file]).text();
        place.silt(&["--db", other, "import", file]).text();
        assert_eq!(place.silt(&["--db", other, "export"]).text(), wanted, "{file}");
    }
}

#[test]
fn the_real_sample_comes_back_byte_for_byte() {
    let place = Place::new();
    let sample = example("btc-usd-hourly-sample.csv");
    let ran = place.silt(&["import", sample.to_str().unwrap(), "--key", "unix"]);
    assert_eq!(ran.text(), "");
    assert!(ran.stderr.starts_with("imported 72 entries in "), "{ran:?}");
    let first = place.silt(&["get", "1704067200"]);
    assert!(
        first.text().starts_with("{\"date\":\"2024-01-01 00:00:00+00:00\",\"unix\":1704067200,")
    );
    place.silt(&["export", "again.csv"]).text();
    let wanted = std::fs::read(&sample).unwrap();
    assert!(place.read("again.csv") == wanted, "the export differs from the sample");
    let piped = place.silt(&["export", "--format", "csv", "--key", "unix", "-"]);
    assert!(piped.stdout == wanted, "the export to stdout differs from the sample");
    // And once around through the other formats.
    place.silt(&["export", "again.jsonl"]).text();
    place.silt(&["--db", "two", "import", "again.jsonl"]).text();
    place.silt(&["--db", "two", "export", "again.tsv"]).text();
    place.silt(&["--db", "three", "import", "again.tsv"]).text();
    place.silt(&["--db", "three", "export", "again.csv"]).text();
    assert!(place.read("again.csv") == wanted, "the third database gives another file");
}

#[test]
fn keys_of_several_columns_and_values_of_one() {
    let place = Place::new();
    let rows = "symbol,hour,price\nbtc,1,42.50\neth,1,\"2,200\"\n";
    place.write("rows.csv", rows);
    place.silt(&["import", "rows.csv", "--key", "hour,symbol", "--value", "price"]).text();
    assert_eq!(place.silt(&["scan"]).text(), "1/btc\t42.50\n1/eth\t2,200\n");
    let arguments = ["--db", "b", "import", "rows.csv", "--key", "hour,symbol"];
    place.silt(&[&arguments[..], &["--key-separator", "--"]].concat()).text();
    assert_eq!(place.silt(&["--db", "b", "scan", "--keys"]).text(), "1--btc\n1--eth\n");
    let back = ["--db", "b", "export", "--format", "csv", "--key-separator", "--"];
    assert_eq!(place.silt(&back).text(), rows);
}

#[test]
fn json_lines_take_values_as_they_stand() {
    let place = Place::new();
    let lines =
        "{\"key\":\"a\",\"value\":{\"price\":1.10}}\n{\"value\":\"t\\n\",\"key_hex\":\"ff\"}\n";
    place.write("in.ndjson", lines);
    place.silt(&["import", "in.ndjson"]).text();
    assert_eq!(place.silt(&["scan"]).text(), "a\t{\"price\":1.10}\n\\xff\tt\\n\n");
    let again = place.silt(&["export", "--json"]).text().to_owned();
    let other = place.silt_with_input(
        &["--db", "b", "--json", "import", "--format", "jsonl", "-"],
        again.as_bytes(),
    );
    assert!(other.text().starts_with("{\"imported\":2,"), "{other:?}");
    assert_eq!(place.silt(&["--db", "b", "export", "--json"]).text(), again);
}

#[test]
fn a_wrong_input_names_file_line_and_remedy() {
    let place = Place::new();
    place.write("a.csv", "x,y\n1,2\n3\n");
    place.write("b.tsv", "a\t1\nb\t\\q\n");
    place.write("c.jsonl", "{\"key\":\"a\"}\n");
    place.write("d.bin", "");
    place.silt(&["import", "a.csv", "--key", "z"]).fails(2, "a.csv:1: there is no column `z`");
    place.silt(&["import", "a.csv", "--key", "z"]).fails(2, "the columns are: x, y");
    place.silt(&["import", "a.csv"]).fails(2, "--key COLUMN");
    place.silt(&["import", "d.bin"]).fails(2, "--format");
    place.silt(&["import", "none.csv", "--key", "x"]).fails(5, "none.csv");
    place.silt(&["import", "b.tsv", "--key", "x"]).fails(2, "--format csv");
    assert!(!place.path("db").exists(), "a wrong command line has left a database behind");
    place.silt(&["import", "a.csv", "--key", "x"]).fails(2, "a.csv:3: 1 field");
    place.silt(&["import", "b.tsv"]).fails(2, "b.tsv:2: unknown escape `\\q`");
    place.silt(&["import", "c.jsonl"]).fails(2, "c.jsonl:1: wanted one of \"value\"");
}

#[test]
fn a_failed_import_says_what_is_in_the_database() {
    let place = Place::new();
    let mut lines: String = (0..25_000).map(|number| format!("{number:05}\tv\n")).collect();
    lines += "no tab\n";
    place.write("long.tsv", &lines);
    let ran = place.silt(&["import", "long.tsv"]);
    ran.fails(2, "long.tsv:25001: there is no TAB");
    ran.fails(2, "; the 20,000 entries before line 20001 are in the database");
    assert_eq!(place.silt(&["scan", "--keys"]).text().lines().count(), 20_000);
    assert_eq!(place.silt(&["scan", "--keys", "--reverse", "--limit", "1"]).text(), "19999\n");
}

#[test]
fn a_key_that_cannot_be_is_refused_with_its_lines() {
    let place = Place::new();
    place.write("in.tsv", "a\t1\n\t2\n");
    place.silt(&["import", "in.tsv"]).fails(2, "in.tsv: lines 1 to 2");
    place.silt(&["put", "", "value"]).fails(2, "key");
    place.silt(&["get", "a"]).fails(1, "no key a");
}

#[test]
fn a_failed_export_leaves_the_file_that_was_there() {
    let place = Place::new();
    place.write("out.csv", "precious");
    place.silt_with_input(&["import", "--format", "csv", "--key", "a"], b"a,b\n1,2\n").text();
    place.silt(&["put", "other", "no row"]).text();
    place.silt(&["export", "out.csv"]).fails(2, "`other`");
    assert_eq!(place.read("out.csv"), b"precious");
    let mut names: Vec<_> =
        place.path(".").read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["db", "out.csv"], "the failed export has left something behind");
    place.silt(&["export", "none/out.tsv"]).fails(5, "none/out.tsv");
}
