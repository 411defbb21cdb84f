//! `silt demo`, in small: it tells its whole story, checks what it says, and cleans up.

use crate::run::{Place, finish};
use std::io::{BufRead as _, BufReader};
use std::process::Command;

#[test]
fn the_demo_tells_its_story_and_leaves_nothing_behind() {
    let place = Place::new();
    std::fs::create_dir(place.path("tmp")).unwrap();
    let mut command = place.command(&["demo", "--trades", "20000"]);
    command.env("TMPDIR", place.path("tmp"));
    let ran = finish(command);
    let text = ran.text();
    for words in [
        "20,000 trades",
        "a second",
        "DOGE-USD",
        "One hour of BTC-USD",
        "13:30",
        "writes acknowledged",
        "found, every byte right",
        "came back",
        "level",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains('\x1b'), "colour without a terminal");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "a line is too long\n{text}");
    assert_eq!(ran.stderr, "");
    assert_eq!(place.path("tmp").read_dir().unwrap().count(), 0, "the temporary directory stays");
    assert!(!place.path("db").exists(), "the demo has used the database of the environment");
}

#[test]
fn the_demo_gives_its_figures_as_json() {
    let place = Place::new();
    let ran = place.silt(&["demo", "--trades", "20000", "--json", "--db", "kept"]);
    let facts: serde_json::Value = serde_json::from_str(ran.text()).unwrap();
    let figure = |name: &str| facts[name].as_u64().unwrap();
    assert_eq!(figure("trades"), 20_000);
    assert!(figure("acknowledged") >= 1_000 && figure("found") >= figure("acknowledged"));
    assert!(figure("deleted") > 4_000 && figure("bytes_after") < figure("bytes_before"), "{facts}");
    let scan = |prefix| {
        let ran = place.silt(&["--db", "kept", "scan", "--keys", "--prefix", prefix]);
        ran.text().lines().count() as u64
    };
    assert_eq!(scan("killed/"), figure("found"));
    assert_eq!(scan("ETH-USD/"), 0);
    let trades: u64 = ["ADA", "BTC", "DO", "LTC", "SOL", "XRP"].into_iter().map(scan).sum();
    assert_eq!(trades, 20_000 - figure("deleted"));
}

#[test]
fn the_demo_never_touches_data_of_someone() {
    let place = Place::new();
    place.silt(&["put", "a", "1"]).text();
    place.silt(&["demo", "--db", "db"]).fails(2, "db is not empty");
    assert_eq!(place.silt(&["scan"]).text(), "a\t1\n");
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_takes_its_directory_with_it() {
    let place = Place::new();
    std::fs::create_dir(place.path("tmp")).unwrap();
    let mut command = place.command(&["demo"]);
    let mut child = command.env("TMPDIR", place.path("tmp")).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Load")), "the demo does not begin");
    assert_eq!(place.path("tmp").read_dir().unwrap().count(), 1);
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "silt: interrupted\n");
    assert_eq!(place.path("tmp").read_dir().unwrap().count(), 0, "the temporary directory stays");
}
