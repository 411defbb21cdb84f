//! `silt`: the command-line tool of Siltstone. This file is the door; each command has its own.
fn main() {}
