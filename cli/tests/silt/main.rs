//! The tool from outside: the real program is run, and its output and exit codes are looked at.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damaged;
mod demo;
mod endings;
mod entries;
mod formats;
mod run;
