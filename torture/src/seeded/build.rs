//! Builds the tool again, with the bugs in it, and runs that.

#![expect(clippy::print_stdout, reason = "the line of the other build is passed on")]

use crate::bounds::Bounds;
use crate::outcome::Outcome;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const CFG: &str = "--cfg siltstone_seeded_bugs";

/// Runs the suite in a build of its own. Its line is printed by that build.
pub(crate) fn run(bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::new();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/seeded");
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let built = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["build", "--release", "--locked", "--package", "torture", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .env("RUSTFLAGS", format!("{flags} {CFG}"))
        // It is built for one run: quickly rather than well.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .stdout(Stdio::null())
        .status();
    if !built.is_ok_and(|status| status.success()) {
        outcome.violation("the tool could not be built with the bugs in it");
        return outcome;
    }
    let seed = bounds.seed.to_string();
    let ran =
        Command::new(target.join("release/torture")).args(["seeded", "--seed", &seed]).output();
    match ran {
        Ok(ran) => {
            print!("{}", String::from_utf8_lossy(&ran.stdout));
            let told = String::from_utf8_lossy(&ran.stderr);
            outcome.figure("in_a_build_of_its_own", ran.status.success());
            if !ran.status.success() {
                outcome.violation(told);
            }
        }
        Err(error) => {
            outcome.violation(format!("the build with the bugs in it does not run: {error}"));
        }
    }
    outcome
}
