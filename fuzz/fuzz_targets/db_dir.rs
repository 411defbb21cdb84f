#![no_main]
//! Damage to the files of a database, from any bytes. What is checked stands in `src/testing/` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::db_dir(bytes);
});
