//! Runs `silt` in a directory of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A place for one test: `silt` runs in it, and its database is `db` inside.
pub(crate) struct Place {
    directory: TempDir,
}

/// What one run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// What stands on stdout of a run that went well. Fails the test otherwise.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Checks that the run failed as it should, without data, with words that help.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(says), "{self:?} does not say {says:?}");
    }
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The command, not yet run, on the database `db`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_silt"));
        command.current_dir(self.directory.path()).args(arguments);
        command.env("SILT_DB", "db").env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn silt(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments))
    }

    pub(crate) fn silt_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Inputs of tests fit a pipe or are read to their end: nobody waits for anybody here.
        stdin.write_all(input).unwrap();
        drop(stdin);
        ran(child.wait_with_output().unwrap())
    }
}

pub(crate) fn finish(mut command: Command) -> Ran {
    ran(command.output().unwrap())
}

fn ran(output: std::process::Output) -> Ran {
    let code = output.status.code().expect("silt was killed by a signal");
    Ran { code, stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
}

/// A file of the repository's `examples`.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}
